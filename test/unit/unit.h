/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the unit test binary share: one constructor a file and the
 * seed.  A new test_<name>.c is one line here and one row in unit_main.c.
 *
 * Not here: the bench that tests work on (unit_lab.h).
 */
#ifndef UNIT_H
#define UNIT_H

#include <check.h>
#include <inttypes.h>
#include <signal.h>

#include "unit_lab.h"

TCase *case_segment(void);
TCase *case_vals(void);
TCase *case_store(void);
TCase *case_eligible(void);
TCase *case_order(void);
TCase *case_roster(void);
TCase *case_fair(void);
TCase *case_method(void);
TCase *case_method_byrequests(void);
TCase *case_method_bybusyness(void);
TCase *case_method_bytraffic(void);
TCase *case_intent(void);
TCase *case_events(void);
TCase *case_retry(void);
TCase *case_limit(void);
TCase *case_trial(void);
TCase *case_lend(void);
TCase *case_queue(void);
TCase *case_cookie(void);
TCase *case_route(void);
TCase *case_hc_fsm(void);
TCase *case_hc_sched(void);
TCase *case_hc_spec(void);
TCase *case_hc_eject(void);
TCase *case_hc_retry(void);
TCase *case_slowstart(void);
TCase *case_outlier(void);
TCase *case_hc_day(void);
TCase *case_apipath(void);
TCase *case_json(void);
TCase *case_prom(void);
TCase *case_state(void);
TCase *case_token(void);
TCase *case_setcookie(void);
TCase *case_learn(void);
TCase *case_attrs(void);
TCase *case_form(void);
TCase *case_markup(void);
TCase *case_legacy(void);
TCase *case_words(void);

/* Of this run: LBX_SEED, or a new one; printed at the start. */
extern uint64_t unit_seed;

/* The random numbers of one test: the same for the same seed, whichever other
 * tests run. */
static inline struct unit_rng unit_rng_of(const char *test)
{
    struct unit_rng g = {unit_seed};

    for (; *test; test++) {
        g.at = unit_rand(&g) ^ (unsigned char)*test;
    }
    return g;
}

#define UNIT_RNG() unit_rng_of(__func__)

/*
 * From now on <meddle> runs in the middle of whatever the test does, at any
 * instruction, as another thread would, but also on a machine with a single
 * processor and 5,000 times a second.  It may do what a signal handler may:
 * everything in the request path is of that kind.
 */
void unit_meddle(void (*meddle)(void *), void *baton);
void unit_meddle_no_more(void);

/* How often it has run so far. */
extern volatile sig_atomic_t unit_meddled;

#endif
