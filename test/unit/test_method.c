/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_method: the table of methods, and what every method must do whatever its
 * ranking: reserve whom it returns and nobody else, never return a tried one,
 * say -1 when all have been tried.
 *
 * Not here: who is chosen (test_method_by*.c).
 */
#include "unit.h"

START_TEST(found_by_name)
{
    ck_assert_ptr_eq(lbx_method_find("byrequests"), &lbx_method_byrequests);
    ck_assert_ptr_eq(lbx_method_find("bybusyness"), &lbx_method_bybusyness);
    ck_assert_ptr_eq(lbx_method_find("bytraffic"), &lbx_method_bytraffic);
    ck_assert_ptr_null(lbx_method_find("heartbeat"));
    ck_assert_ptr_null(lbx_method_find("ByRequests"));
    ck_assert_ptr_null(lbx_method_find(""));
}
END_TEST

START_TEST(tables_are_sound)
{
    for (unsigned i = 0; lbx_methods[i]; i++) {
        const struct lbx_method *m = lbx_methods[i];

        ck_assert_uint_eq(m->magic, LBX_METHOD_MAGIC);
        ck_assert_uint_lt(strlen(m->name), LBX_METHOD_MAX);
        ck_assert_ptr_eq(lbx_method_find(m->name), m);
        ck_assert(m->pick && m->elect && m->done);
    }
}
END_TEST

START_TEST(release_moves_the_sequence_if_asked)
{
    struct lab l;
    uint64_t seq;

    lab_open(&l, 1, NULL, 1);
    for (int busy = 0; busy < 2; busy++) {
        seq = atomic_load(&l.set->busy_seq);
        lbx_store_reserve(&l.store, l.child, l.ref[0].slot);
        lbx_method_release(&l.store, l.child, l.ref[0].slot, l.set, busy);
        ck_assert_uint_eq(atomic_load(&l.set->busy_seq), seq + (unsigned)busy);
        ck_assert_uint_eq(lbx_store_in_flight(&l.store, l.ref[0].slot), 0);
    }
    lab_close(&l);
}
END_TEST

enum { N = 40, HELD_MAX = 30 };

struct held {
    uint32_t place;
    struct lbx_charge charge;
};

static void expect_in_flight(const struct lab *l, const struct held *held, uint32_t n)
{
    uint32_t want[N] = {0};

    for (uint32_t i = 0; i < n; i++) {
        want[held[i].place]++;
    }
    for (uint32_t i = 0; i < l->n; i++) {
        ck_assert_uint_eq(lbx_store_in_flight(&l->store, l->ref[i].slot), want[i]);
    }
}

/* Random requests, sessions and attempts.  More than 32 members: the bitmap has
 * a second word. */
START_TEST(reserves_whom_it_returns)
{
    const struct lbx_method *m = lbx_methods[_i];
    struct unit_rng g = UNIT_RNG();
    uint32_t w[N];
    struct held held[HELD_MAX];
    uint32_t n = 0;
    struct lab l;

    for (uint32_t i = 0; i < N; i++) {
        w[i] = 100 * unit_between(&g, 1, 7);
    }
    lab_open(&l, N, w, 2);
    for (int op = 0; op < 1500; op++) {
        uint32_t what = unit_below(&g, 8);

        if (n == HELD_MAX || (n && what < 3)) {
            uint32_t k = unit_below(&g, n);

            lab_end(&l, m, held[k].place, &held[k].charge, unit_below(&g, 1u << 20));
            held[k] = held[--n];
        } else if (what == 3) {
            held[n].place = unit_below(&g, N);
            lab_elect(&l, m, held[n].place, &held[n].charge);
            n++;
        } else {
            /* from "nowhere yet" to "nearly everywhere" */
            uint32_t tried[2] = {0, 0};
            uint32_t been = unit_below(&g, N);
            int place;

            for (uint32_t i = 0; what > 5 && i < been; i++) {
                uint32_t at = unit_below(&g, N);

                tried[at / 32] |= 1u << at % 32;
            }
            place = lab_pick(&l, m, tried, &held[n].charge);
            ck_assert_int_ge(place, 0);
            ck_assert_int_lt(place, N);
            ck_assert_msg(!(tried[place / 32] >> place % 32 & 1), "tried member %d", place);
            ck_assert_ptr_eq(held[n].charge.set, l.set);
            ck_assert_ptr_eq(held[n].charge.rec, l.rec[place]);
            held[n++].place = (uint32_t)place;
        }
        expect_in_flight(&l, held, n);
    }
    lab_close(&l);
}
END_TEST

START_TEST(everything_tried)
{
    const struct lbx_method *m = lbx_methods[_i];
    uint32_t tried[2] = {0xffffffff, 0xff}; /* 32 + 8 */
    struct lbx_charge charge;
    struct lab l;

    lab_open(&l, N, NULL, 1);
    for (int round = 0; round < 50; round++) {
        ck_assert_int_eq(lab_pick(&l, m, tried, &charge), -1);
    }
    expect_in_flight(&l, NULL, 0);
    /* one left, wherever it stands */
    for (uint32_t i = 0; i < N; i++) {
        tried[i / 32] ^= 1u << i % 32;
        ck_assert_int_eq(lab_pick(&l, m, tried, &charge), i);
        lab_end(&l, m, i, &charge, 1000);
        tried[i / 32] ^= 1u << i % 32;
    }
    lab_close(&l);
}
END_TEST

/* One turn in 301, and it is the only one left. */
START_TEST(the_rare_one_is_found)
{
    const struct lbx_method *m = lbx_methods[_i];
    struct lab l;

    lab_open(&l, 4, (const uint32_t[]){10000, 10000, 100, 10000}, 1);
    for (int round = 0; round < 320; round++) {
        uint32_t tried = 1u << 0 | 1u << 1 | 1u << 3;
        struct lbx_charge charge;

        ck_assert_int_eq(lab_pick(&l, m, &tried, &charge), 2);
        lab_end(&l, m, 2, &charge, 1000);
    }
    lab_close(&l);
}
END_TEST

/* The bitmap speaks of the balancer's members, not of places in the roster. */
START_TEST(tried_is_by_index)
{
    const struct lbx_method *m = lbx_methods[_i];
    struct lab l;

    lab_open(&l, 4, NULL, 1);
    lab_set_admin(&l, 0, LBX_ADMIN_DISABLED);
    lab_compile(&l); /* places 0 1 2 are members 1 2 3 */
    for (int round = 0; round < 12; round++) {
        uint32_t tried = 1u << 1 | 1u << 3;
        struct lbx_charge charge;
        int place = lab_pick(&l, m, &tried, &charge);

        ck_assert_int_eq(place, 1);
        ck_assert_ptr_eq(charge.rec, l.rec[2]);
        lab_end(&l, m, 1, &charge, 1000);
    }
    lab_close(&l);
}
END_TEST

/* A process without a column of its own serves, uncounted. */
START_TEST(uncounted_process)
{
    const struct lbx_method *m = lbx_methods[_i];
    struct lab l;

    lab_open(&l, 3, NULL, 1);
    l.child = LBX_NO_CHILD;
    for (int round = 0; round < 9; round++) {
        ck_assert_int_ge(lab_turn(&l, m, 1000), 0);
    }
    expect_in_flight(&l, NULL, 0);
    lab_close(&l);
}
END_TEST

TCase *case_method(void)
{
    TCase *tc = tcase_create("method");

    tcase_add_test(tc, found_by_name);
    tcase_add_test(tc, tables_are_sound);
    tcase_add_test(tc, release_moves_the_sequence_if_asked);
    tcase_add_loop_test(tc, reserves_whom_it_returns, 0, 3);
    tcase_add_loop_test(tc, everything_tried, 0, 3);
    tcase_add_loop_test(tc, the_rare_one_is_found, 0, 3);
    tcase_add_loop_test(tc, tried_is_by_index, 0, 3);
    tcase_add_loop_test(tc, uncounted_process, 0, 3);
    return tc;
}
