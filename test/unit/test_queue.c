/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_queue: who is first, over several children, some of which die.
 *
 * Not here: sleeping and waking (scenarios).
 */
#include "unit.h"

#include "lbx_queue.h"

enum { CHILDREN = 3, PLACES = 8 };

static struct lbx_ahead look(struct lab *l, const struct lbx_wait *w)
{
    struct lbx_ahead a;

    lbx_queue_look(&l->store, l->set_ref, w, &a);
    return a;
}

static void enter(struct lab *l, struct lbx_wait *w, uint32_t child, uint32_t target)
{
    lbx_queue_begin(w, child);
    ck_assert(lbx_queue_enter(&l->store, w, l->set_ref, target));
}

START_TEST(first_come_first_served)
{
    struct lab l;
    struct lbx_wait a, b, c, late;
    uint64_t head[4];

    lab_open(&l, 3, NULL, CHILDREN);
    lbx_queue_begin(&late, l.child);
    ck_assert_uint_eq(look(&l, &late).total, 0);
    enter(&l, &a, l.child, LBX_ANY_MEMBER);
    enter(&l, &b, l.child, LBX_ANY_MEMBER);
    enter(&l, &c, l.child, LBX_ANY_MEMBER);
    ck_assert_uint_eq(look(&l, &a).any, 0);
    ck_assert_uint_eq(look(&l, &b).any, 1);
    ck_assert_uint_eq(look(&l, &c).any, 2);
    ck_assert_uint_eq(look(&l, &late).any, 3);
    ck_assert_uint_eq(lbx_queue_length(&l.store, l.set_ref), 3);
    ck_assert_uint_eq(lbx_queue_heads(&l.store, l.set_ref, head, 4), 1);
    ck_assert_uint_eq(head[0], a.ticket);
    lbx_queue_leave(&l.store, &a);
    lbx_queue_leave(&l.store, &a); /* twice is no harm */
    ck_assert_uint_eq(look(&l, &b).any, 0);
    lbx_queue_leave(&l.store, &c);
    lbx_queue_leave(&l.store, &b);
    ck_assert_uint_eq(look(&l, &late).total, 0);
    ck_assert_uint_eq(l.set->queue_hint, 0);
    lab_close(&l);
}
END_TEST

static int pretend_alive;

static int alive(uint32_t pid)
{
    return pretend_alive || pid != 4711;
}

/* ... until its column is cleared, and a new process gets it. */
START_TEST(places_of_a_child_that_is_gone_do_not_count)
{
    struct lab l;
    struct lbx_wait a, b;
    uint32_t child;

    lab_open(&l, 3, NULL, CHILDREN);
    child = lbx_store_child_claim(&l.store, 4711);
    enter(&l, &a, child, LBX_ANY_MEMBER);
    enter(&l, &b, l.child, LBX_ANY_MEMBER);
    pretend_alive = 1;
    ck_assert_uint_eq(lbx_store_child_look(&l.store, alive), 0);
    ck_assert_uint_eq(look(&l, &b).any, 1);
    pretend_alive = 0;
    ck_assert_uint_eq(lbx_store_child_look(&l.store, alive), 1);
    ck_assert_uint_eq(lbx_store_child_look(&l.store, alive), 0); /* told once */
    ck_assert_uint_eq(look(&l, &b).any, 0);
    ck_assert_uint_eq(lbx_queue_length(&l.store, l.set_ref), 1);
    lbx_store_child_clear(&l.store, 4711);
    pretend_alive = 1;
    ck_assert_uint_eq(lbx_store_child_claim(&l.store, 4711), child);
    enter(&l, &a, child, LBX_ANY_MEMBER);
    ck_assert_uint_eq(look(&l, &a).any, 1);
    ck_assert_uint_eq(lbx_queue_length(&l.store, l.set_ref), 2);
    lab_close(&l);
}
END_TEST

/* Who waits for one member holds up only those who want that one. */
START_TEST(sessions_wait_for_their_member)
{
    struct lab l;
    struct lbx_wait a, b, other, late;
    struct lbx_ahead ahead;
    uint64_t head[4];

    lab_open(&l, 3, NULL, CHILDREN);
    lbx_queue_begin(&late, l.child);
    enter(&l, &a, l.child, l.ref[1].slot + 1);
    enter(&l, &b, l.child, l.ref[1].slot + 1);
    enter(&l, &other, l.child, LBX_OTHER_MEMBER);
    ahead = look(&l, &late);
    ck_assert_uint_eq(ahead.total, 3);
    ck_assert_uint_eq(ahead.any, 0);
    ck_assert_uint_eq(ahead.n, 1);
    ck_assert(lbx_ahead_wants(&ahead, l.ref[1].slot));
    ck_assert(!lbx_ahead_wants(&ahead, l.ref[0].slot));
    ahead = look(&l, &a);
    ck_assert(!lbx_ahead_wants(&ahead, l.ref[1].slot));
    ck_assert_uint_eq(lbx_queue_heads(&l.store, l.set_ref, head, 4), 2);
    lbx_queue_aim(&l.store, &a, LBX_ANY_MEMBER); /* its member is gone: keeps its place */
    ahead = look(&l, &b);
    ck_assert_uint_eq(ahead.any, 1);
    lab_close(&l);
}
END_TEST

START_TEST(more_targets_than_are_listed)
{
    struct lab l;
    struct lbx_wait w[5 * PLACES], late;
    struct lbx_ahead ahead;
    unsigned n = 0;

    lab_open(&l, 100, NULL, 8);
    for (uint32_t pid = 1; pid < 6; pid++) {
        uint32_t child = lbx_store_child_claim(&l.store, pid);

        for (unsigned i = 0; i < PLACES; i++, n++) {
            enter(&l, &w[n], child, l.ref[n].slot + 1);
        }
    }
    lbx_queue_begin(&late, l.child);
    ahead = look(&l, &late);
    ck_assert_uint_gt(n, LBX_QUEUE_TARGETS);
    ck_assert_uint_eq(ahead.n, LBX_QUEUE_TARGETS);
    ck_assert(lbx_ahead_wants(&ahead, l.ref[n - 1].slot));
    lab_close(&l);
}
END_TEST

/* Random arrivals, departures and deaths against a list. */
struct one {
    int here;
    uint64_t order;
    uint32_t target;
    struct lbx_wait w;
};

static void check_against_list(struct lab *l, const struct one *list, unsigned n,
                               const struct one *who)
{
    struct lbx_ahead a = look(l, &who->w);
    unsigned total = 0, any = 0;

    for (unsigned i = 0; i < n; i++) {
        int before = list[i].here && list[i].order < who->order;

        total += before;
        any += before && list[i].target == LBX_ANY_MEMBER;
        if (before && list[i].target != LBX_ANY_MEMBER) {
            ck_assert(lbx_ahead_wants(&a, list[i].target - 1));
        }
    }
    ck_assert_uint_eq(a.total, total);
    ck_assert_uint_eq(a.any, any);
}

START_TEST(like_a_list)
{
    struct unit_rng g = UNIT_RNG();
    struct one list[CHILDREN * PLACES] = {{0}};
    uint32_t child[CHILDREN];
    uint64_t order = 0;
    struct lab l;

    lab_open(&l, 5, NULL, CHILDREN + 1);
    for (uint32_t c = 0; c < CHILDREN; c++) {
        child[c] = lbx_store_child_claim(&l.store, c + 1);
    }
    for (int step = 0; step < 20000; step++) {
        unsigned at = unit_below(&g, CHILDREN * PLACES), here = 0;
        struct one *o = &list[at];

        if (!unit_below(&g, 200)) { /* a child dies, another takes its column */
            lbx_store_child_clear(&l.store, at / PLACES + 1);
            ck_assert_uint_eq(lbx_store_child_claim(&l.store, at / PLACES + 1), child[at / PLACES]);
            for (unsigned i = 0; i < PLACES; i++) {
                list[at / PLACES * PLACES + i].here = 0;
            }
        } else if (o->here) {
            check_against_list(&l, list, CHILDREN * PLACES, o);
            lbx_queue_leave(&l.store, &o->w);
            o->here = 0;
        } else {
            uint32_t m = unit_below(&g, 8);

            *o = (struct one){.here = 1, .order = ++order};
            o->target = m < 5 ? l.ref[m].slot + 1 : LBX_ANY_MEMBER;
            enter(&l, &o->w, child[at / PLACES], o->target);
        }
        for (unsigned i = 0; i < CHILDREN * PLACES; i++) {
            here += (unsigned)list[i].here;
        }
        ck_assert_uint_eq(lbx_queue_length(&l.store, l.set_ref), here);
    }
    lab_close(&l);
}
END_TEST

START_TEST(a_child_has_so_many_places)
{
    struct lab l;
    struct lbx_wait w[PLACES + 1];

    lab_open(&l, 1, NULL, CHILDREN);
    for (unsigned i = 0; i < PLACES; i++) {
        enter(&l, &w[i], l.child, LBX_ANY_MEMBER);
    }
    lbx_queue_begin(&w[PLACES], l.child);
    ck_assert(!lbx_queue_enter(&l.store, &w[PLACES], l.set_ref, LBX_ANY_MEMBER));
    lbx_queue_leave(&l.store, &w[3]);
    ck_assert(lbx_queue_enter(&l.store, &w[PLACES], l.set_ref, LBX_ANY_MEMBER));
    /* a process without a column has none */
    lbx_queue_begin(&w[3], LBX_NO_CHILD);
    ck_assert(!lbx_queue_enter(&l.store, &w[3], l.set_ref, LBX_ANY_MEMBER));
    lab_close(&l);
}
END_TEST

TCase *case_queue(void)
{
    TCase *tc = tcase_create("queue");

    tcase_add_test(tc, first_come_first_served);
    tcase_add_test(tc, places_of_a_child_that_is_gone_do_not_count);
    tcase_add_test(tc, sessions_wait_for_their_member);
    tcase_add_test(tc, more_targets_than_are_listed);
    tcase_add_test(tc, like_a_list);
    tcase_add_test(tc, a_child_has_so_many_places);
    return tc;
}
