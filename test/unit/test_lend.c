/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_lend: who frees a thing that was replaced, and when, told step by step.
 *
 * Not here: threads (tsan_lend.c).
 */
#include "unit.h"

#include "lbx_lend.h"

START_TEST(nothing_in_force)
{
    static struct lbx_lend l;
    static struct lbx_lent a;

    ck_assert_ptr_null(lbx_lend_borrow(&l));
    ck_assert_ptr_null(lbx_lend_borrow(&l));
    ck_assert_ptr_null(lbx_lend_replace(&l, &a)); /* vain attempts count for nobody */
    ck_assert_ptr_eq(lbx_lend_borrow(&l), &a);
}
END_TEST

START_TEST(stays_while_it_is_in_force)
{
    static struct lbx_lend l;
    static struct lbx_lent a;

    lbx_lend_replace(&l, &a);
    ck_assert(!lbx_lend_give_back(&l, &a));
    for (int i = 0; i < 1000; i++) {
        ck_assert_ptr_eq(lbx_lend_borrow(&l), &a);
        ck_assert_ptr_eq(lbx_lend_borrow(&l), &a);
        ck_assert(!lbx_lend_give_back(&l, &a));
        ck_assert(!lbx_lend_give_back(&l, &a));
    }
}
END_TEST

START_TEST(freed_by_who_replaces_it)
{
    static struct lbx_lend l;
    static struct lbx_lent a, b;

    lbx_lend_replace(&l, &a);
    lbx_lend_borrow(&l);
    ck_assert(!lbx_lend_give_back(&l, &a));
    ck_assert(!lbx_lend_give_back(&l, &a));
    ck_assert_ptr_eq(lbx_lend_replace(&l, &b), &a); /* nobody has it */
    ck_assert_ptr_eq(lbx_lend_borrow(&l), &b);
}
END_TEST

START_TEST(freed_by_the_last_who_has_it)
{
    static struct lbx_lend l;
    static struct lbx_lent a, b;

    lbx_lend_replace(&l, &a); /* one has it */
    lbx_lend_borrow(&l);      /* two */
    lbx_lend_borrow(&l);      /* three */
    ck_assert(!lbx_lend_give_back(&l, &a));
    ck_assert_ptr_null(lbx_lend_replace(&l, &b));
    ck_assert(!lbx_lend_give_back(&l, &a));
    ck_assert(!lbx_lend_give_back(&l, &b));
    ck_assert(lbx_lend_give_back(&l, &a));
}
END_TEST

/* Somebody keeps each of them: the last one finds no place, and serves its caller. */
START_TEST(places_run_out_and_come_back)
{
    static struct lbx_lend l;
    static struct lbx_lent a[LBX_LEND_PLACES], more;

    for (int i = 0; i < LBX_LEND_PLACES - 1; i++) {
        ck_assert_ptr_null(lbx_lend_replace(&l, &a[i]));
    }
    ck_assert_ptr_null(lbx_lend_replace(&l, &more));
    ck_assert_ptr_eq(lbx_lend_borrow(&l), &a[LBX_LEND_PLACES - 2]);
    ck_assert(lbx_lend_give_back(&l, &more)); /* its only user frees it */

    ck_assert(lbx_lend_give_back(&l, &a[0]));
    ck_assert_ptr_null(lbx_lend_replace(&l, &a[0]));
    ck_assert_ptr_eq(lbx_lend_borrow(&l), &a[0]);
}
END_TEST

TCase *case_lend(void)
{
    TCase *tc = tcase_create("lend");

    tcase_add_test(tc, nothing_in_force);
    tcase_add_test(tc, stays_while_it_is_in_force);
    tcase_add_test(tc, freed_by_who_replaces_it);
    tcase_add_test(tc, freed_by_the_last_who_has_it);
    tcase_add_test(tc, places_run_out_and_come_back);
    return tc;
}
