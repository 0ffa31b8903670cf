/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page's stylesheet and script and the JSON schema, as files that are compiled into
 * the module.
 *
 * Not here: their sources (page/, schema/), the page itself.
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_ASSETS_H
#define MGR_ASSETS_H

#include "mgr_api.h"

/* <name>: what follows <Location>/-/: "lbx.css".  DECLINED or 404 for others. */
int mgr_assets_handle(request_rec *r, const char *name);

/* GET of api/v1/schema. */
int mgr_assets_schema(const struct mgr_api *api);

#endif
