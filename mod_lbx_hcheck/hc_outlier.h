/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for outliers at the end of each interval, and takes them out.
 *
 * Not here: what an outlier is (lbx_outlier), whether it may go (hc_passive).
 *
 * Bound.  The process that checks.
 */
#ifndef HC_OUTLIER_H
#define HC_OUTLIER_H

#include "hc_rules.h"
#include "hc_state.h"

/* With each tick; does nothing unless the balancer's interval is over. */
void hc_outlier_watch(const struct hc_rules *rules, struct lbx_hc_set *set, uint64_t now_us);

#endif
