/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes through the JSON interface: PATCH, POST, DELETE.
 *
 * Not here: what may be changed (lbx_fields), whether a value will do (core).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_API_CHANGE_H
#define MGR_API_CHANGE_H

#include "mgr_api.h"

int mgr_api_change_set(const struct mgr_api *api);
int mgr_api_change_member(const struct mgr_api *api);
int mgr_api_change_add(const struct mgr_api *api);
int mgr_api_change_remove(const struct mgr_api *api);

/* POST members/ID/check: now, and pausing. */
int mgr_api_change_check(const struct mgr_api *api);

#endif
