/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_trial: one request finds out whether a member is back, whatever becomes of it;
 * and how methods pass over those that somebody tries out.
 *
 * Not here: when a trial begins and ends (scenarios).
 */
#include "unit.h"

#include "lbx_trial.h"

enum { S = 1000000 };

START_TEST(one_at_a_time)
{
    static struct lbx_seg_member m;

    ck_assert(lbx_trial_take(&m, 100 * S)); /* no trial */
    lbx_trial_failed(&m, 2000);
    ck_assert(!lbx_trial_is_on(&m));
    lbx_trial_begin(&m);
    ck_assert(lbx_trial_is_on(&m) && !lbx_trial_is_taken(&m, 100 * S));
    ck_assert(lbx_trial_take(&m, 100 * S));
    ck_assert(!lbx_trial_take(&m, 100 * S) && lbx_trial_is_taken(&m, 100 * S));
    lbx_trial_begin(&m); /* another process sees the end of the error, too */
    ck_assert(!lbx_trial_take(&m, 104 * S - 1));
    ck_assert(lbx_trial_take(&m, 104 * S)); /* the first one was lost */
    ck_assert(!lbx_trial_take(&m, 104 * S));
    lbx_trial_give_back(&m);
    ck_assert(lbx_trial_take(&m, 105 * S));
    ck_assert(lbx_trial_end(&m));
    ck_assert(!lbx_trial_end(&m));
    lbx_trial_give_back(&m);
    ck_assert(!lbx_trial_is_on(&m));
    lbx_trial_begin(&m); /* of an error before that */
    ck_assert(!lbx_trial_is_on(&m));
}
END_TEST

START_TEST(not_for_what_fails_at_once)
{
    static struct lbx_seg_member m;

    lbx_trial_failed(&m, LBX_TRIAL_SLOW_MS - 1);
    lbx_trial_begin(&m);
    ck_assert(!lbx_trial_is_on(&m));
    lbx_trial_failed(&m, LBX_TRIAL_SLOW_MS);
    lbx_trial_begin(&m);
    ck_assert(lbx_trial_take(&m, S) && !lbx_trial_take(&m, 2 * S - 1)); /* a second at least */
    lbx_trial_failed(&m, UINT64_MAX);
    ck_assert(!lbx_trial_is_on(&m)); /* out again */
    lbx_trial_begin(&m);
    ck_assert(lbx_trial_take(&m, S) && !lbx_trial_take(&m, 3600ull * S));
}
END_TEST

/* Two members, the first one on trial: by each method one request goes there, then
 * nobody; with <anyhow> all may. */
START_TEST(methods_pass_over_it)
{
    const struct lbx_method *method = lbx_methods[_i];
    struct lab l;
    struct lbx_pick p;
    struct lbx_charge charge;
    int first = 0;

    lab_open(&l, 2, NULL, 1);
    lbx_trial_failed(l.rec[0], 2000);
    lbx_trial_begin(l.rec[0]);
    lab_compile(&l);
    p = (struct lbx_pick){.store = &l.store, .child = l.child, .now_us = 100 * S};
    for (int i = 0; i < 20; i++) {
        int place = method->pick(l.roster, &p, &charge);

        ck_assert_int_ge(place, 0);
        first += l.roster->cand[place].index == 0;
    }
    ck_assert_int_eq(first, 1);
    ck_assert_uint_eq(lbx_store_in_flight(&l.store, l.ref[0].slot), 1);
    p.anyhow = 1;
    for (int i = 0; i < 20; i++) {
        first += l.roster->cand[method->pick(l.roster, &p, &charge)].index == 0;
    }
    ck_assert_int_gt(first, 5);
    lab_close(&l);
}
END_TEST

TCase *case_trial(void)
{
    TCase *tc = tcase_create("trial");

    tcase_add_test(tc, one_at_a_time);
    tcase_add_test(tc, not_for_what_fails_at_once);
    tcase_add_loop_test(tc, methods_pass_over_it, 0, 3);
    return tc;
}
