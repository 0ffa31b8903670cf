/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the JSON interface shows of balancers, members and events.
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_API_SHOW_H
#define MGR_API_SHOW_H

#include "mgr_api.h"

/* Handlers of GET. */
int mgr_api_show_root(const struct mgr_api *api);
int mgr_api_show_sets(const struct mgr_api *api);
int mgr_api_show_set(const struct mgr_api *api);
int mgr_api_show_members(const struct mgr_api *api);
int mgr_api_show_member(const struct mgr_api *api);
int mgr_api_show_events(const struct mgr_api *api);

/* After a change: the balancer or the member as it is now.  <status>: of the answer;
 * <drained>: 0 or 1 for a request that waited, else -1. */
int mgr_api_show_after(const struct mgr_api *api, int status, int drained);

/* Where writers send their text: <baton> is the request. */
void mgr_api_show_sink(void *baton, const char *text, size_t len);

#endif
