/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics for Prometheus: <Location>/-/metrics and SetHandler lbx-metrics.
 *
 * Not here: the format (lbx_prom).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_METRICS_H
#define MGR_METRICS_H

#include "httpd.h"

/* <all>: of all servers, instead of those of the request's. */
int mgr_metrics_handle(request_rec *r, int all);

#endif
