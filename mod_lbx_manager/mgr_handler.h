/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which address of the manager leads where:
 *
 *     <Location>          the page with all balancers that the virtual host uses
 *     <Location>/NAME     the page of one of them
 *     <Location>/-/...    JSON, metrics, stylesheet and script (mgr_api)
 *
 * and SetHandler lbx-metrics: metrics of all servers (mgr_metrics).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_HANDLER_H
#define MGR_HANDLER_H

#include "httpd.h"

int mgr_handler(request_rec *r);

#endif
