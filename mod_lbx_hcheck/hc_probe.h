/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One check, from the connection to the verdict on the answer.  Never blocks: HTTP,
 * TLS and names are libcurl's multi interface, and what it waits for is in one epoll
 * set, together with our own CPINGs.
 *
 * Not here: when, how often, and what a verdict means for members (hc_engine,
 * hc_verdict).
 *
 * Bound.  The thread that checks only.
 */
#ifndef HC_PROBE_H
#define HC_PROBE_H

#include "hc_model.h"

struct hc_result {
    int passed;
    int unknown; /* our own fault (no descriptors, no memory): says nothing of the member */
    int tls;     /* the connection must not be used again */
    enum lbx_hc_cause cause;
    unsigned status;
    uint64_t began_us;
    uint64_t latency_us;
    char text[LBX_HC_TEXT_MAX];
};

struct hc_prober;

/* <done> is called when a check ends, from hc_probe_tick_ready or _turn.  NULL: no
 * memory or descriptors. */
struct hc_prober *hc_probe_tick_open(apr_pool_t *p,
                                     void (*done)(void *baton, struct hc_target *t,
                                                  const struct hc_result *result),
                                     void *baton);
void hc_probe_tick_close(struct hc_prober *pr);

/* Keep the idle connections of that many targets.  The others get a new one each
 * time: to throw out the oldest of all would serve none when they come in turn. */
void hc_probe_tick_idle(struct hc_prober *pr, uint32_t targets);

/* Begin a check of <t>, which has none under way.  0: it could not begin, for want of
 * memory or descriptors. */
int hc_probe_tick_start(struct hc_prober *pr, struct hc_target *t);

/* End it without a verdict.  <done> is not called. */
void hc_probe_tick_abort(struct hc_prober *pr, struct hc_target *t);

/* Wait up to <most_us> for something to happen to a check, and go on with it. */
void hc_probe_tick_wait(struct hc_prober *pr, uint64_t most_us);

/* A descriptor whose readiness ends a wait. */
int hc_probe_tick_watch(struct hc_prober *pr, int fd);

#endif
