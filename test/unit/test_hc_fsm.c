/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_hc_fsm: every cell of the state table, from a list that was written without
 * looking at it, and what holds for all cells.
 *
 * Not here: who sends the events (test_hc_day.c plays a day of them).
 */
#include "unit.h"

#include "lbx_hc_fsm.h"

/* R: refused, !: impossible; the rest are the states' first letters (P: probing,
 * L: slow).  Columns in the order of the events. */
static const struct {
    enum lbx_hc_state from;
    const char *cells;
} expected[] = {
    /*                  OK FAIL EJECT NOBODY RECOV PROBE PFAIL PASS CDOWN RAMPED NEWC RESET */
    {LBX_HC_UP, "RSEFRRRRDRLR"},      {LBX_HC_SUSPECT, "UREFRRRRDRLU"},
    {LBX_HC_EJECTED, "RRRFFPRLDRRU"}, {LBX_HC_PROBING, "RRRFF!ELDRRU"},
    {LBX_HC_SLOW, "RREFRRRRDURU"},    {LBX_HC_DOWN, "RRRRR!RLRRRU"},
    {LBX_HC_FORCED, "URERRRRLDRRU"},
};

static char letter(unsigned cell)
{
    return cell == LBX_HC_REFUSED      ? 'R'
           : cell == LBX_HC_IMPOSSIBLE ? '!'
           : cell < LBX_HC_STATE_N     ? "USEPLDF"[cell]
                                       : '?';
}

START_TEST(every_cell)
{
    ck_assert_uint_eq(sizeof(expected) / sizeof(expected[0]), LBX_HC_STATE_N);
    for (unsigned i = 0; i < LBX_HC_STATE_N; i++) {
        ck_assert_uint_eq(expected[i].from, i);
        ck_assert_uint_eq(strlen(expected[i].cells), LBX_HC_EVENT_N);
        for (unsigned e = 0; e < LBX_HC_EVENT_N; e++) {
            ck_assert_msg(letter(lbx_hc_next(i, e)) == expected[i].cells[e], "%s, %s: %c, not %c",
                          lbx_hc_state_name(i), lbx_hc_event_name(e), letter(lbx_hc_next(i, e)),
                          expected[i].cells[e]);
        }
    }
}
END_TEST

START_TEST(what_is_none)
{
    ck_assert_uint_eq(lbx_hc_next(LBX_HC_STATE_N, LBX_HC_OK), LBX_HC_IMPOSSIBLE);
    ck_assert_uint_eq(lbx_hc_next(LBX_HC_UP, LBX_HC_EVENT_N), LBX_HC_IMPOSSIBLE);
    ck_assert_str_eq(lbx_hc_state_name(LBX_HC_STATE_N), "unknown");
    ck_assert_str_eq(lbx_hc_event_name(LBX_HC_EVENT_N), "unknown");
    ck_assert_str_eq(lbx_hc_cause_name(LBX_HC_CAUSE_N), "unknown");
}
END_TEST

/* A change is a change; no request of a user lets a member in that is out; each state
 * can be reached, and up from each of them. */
START_TEST(what_holds_for_all)
{
    unsigned reached = 1u << LBX_HC_UP, home = 1u << LBX_HC_UP;

    for (unsigned round = 0; round < LBX_HC_STATE_N; round++) {
        for (unsigned s = 0; s < LBX_HC_STATE_N; s++) {
            for (unsigned e = 0; e < LBX_HC_EVENT_N; e++) {
                unsigned to = lbx_hc_next(s, e);

                if (to >= LBX_HC_STATE_N) {
                    continue;
                }
                ck_assert_uint_ne(to, s);
                if (lbx_hc_is_out(s) && !lbx_hc_is_out(to)) {
                    ck_assert(e != LBX_HC_OK && e != LBX_HC_FAIL && e != LBX_HC_EJECT);
                }
                reached |= reached >> s & 1 ? 1u << to : 0;
                home |= home >> to & 1 ? 1u << s : 0;
            }
        }
    }
    ck_assert_uint_eq(reached, (1u << LBX_HC_STATE_N) - 1);
    ck_assert_uint_eq(home, (1u << LBX_HC_STATE_N) - 1);
}
END_TEST

START_TEST(news)
{
    ck_assert(!lbx_hc_is_news(LBX_HC_UP, LBX_HC_SUSPECT));
    ck_assert(!lbx_hc_is_news(LBX_HC_SUSPECT, LBX_HC_UP));
    ck_assert(!lbx_hc_is_news(LBX_HC_EJECTED, LBX_HC_PROBING));
    ck_assert(!lbx_hc_is_news(LBX_HC_PROBING, LBX_HC_EJECTED));
    ck_assert(lbx_hc_is_news(LBX_HC_SUSPECT, LBX_HC_EJECTED));
    ck_assert(lbx_hc_is_news(LBX_HC_PROBING, LBX_HC_SLOW));
    ck_assert(lbx_hc_is_news(LBX_HC_SLOW, LBX_HC_UP));
    ck_assert(lbx_hc_is_news(LBX_HC_UP, LBX_HC_DOWN));
}
END_TEST

START_TEST(names)
{
    for (unsigned i = 0; i < LBX_HC_STATE_N; i++) {
        ck_assert_ptr_nonnull(lbx_hc_state_name(i));
    }
    for (unsigned i = 0; i < LBX_HC_EVENT_N; i++) {
        ck_assert_ptr_nonnull(lbx_hc_event_name(i));
    }
    for (unsigned i = 0; i < LBX_HC_CAUSE_N; i++) {
        ck_assert_ptr_nonnull(lbx_hc_cause_name(i));
    }
}
END_TEST

TCase *case_hc_fsm(void)
{
    TCase *tc = tcase_create("hc_fsm");

    tcase_add_test(tc, every_cell);
    tcase_add_test(tc, what_is_none);
    tcase_add_test(tc, what_holds_for_all);
    tcase_add_test(tc, news);
    tcase_add_test(tc, names);
    return tc;
}
