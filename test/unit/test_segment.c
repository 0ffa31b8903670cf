/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_segment: where the parts lie, and that nothing damaged or foreign is
 * adopted.
 *
 * Not here: what the records mean (test_store.c, test_vals.c).
 */
#include "unit.h"

#include <errno.h>

static const struct lbx_seg_plan small = {3, 17, 5, 1, 7};

static struct lbx_seg_head *make(const struct lbx_seg_plan *plan)
{
    uint64_t len = lbx_seg_size(plan);
    void *mem = lab_block(len);

    ck_assert_int_eq(lbx_seg_format(mem, len, plan), LBX_OK);
    return mem;
}

START_TEST(formats_and_checks)
{
    struct lbx_seg_head *h = make(&small);

    ck_assert_uint_eq(h->total, lbx_seg_size(&small));
    ck_assert_uint_eq(h->set_cap, small.set_cap);
    ck_assert_uint_eq(h->member_cap, small.member_cap);
    ck_assert_uint_eq(h->child_cap, small.child_cap);
    ck_assert_int_eq(lbx_seg_check(h, h->total), LBX_OK);
    ck_assert_int_eq(lbx_seg_check(h, h->total + 4096), LBX_OK);
    free(h);
}
END_TEST

START_TEST(too_small_a_block_is_refused_untouched)
{
    uint64_t len = lbx_seg_size(&small);
    unsigned char *mem = lab_block(len);

    ck_assert_int_eq(lbx_seg_format(mem, len - 1, &small), LBX_ESIZE);
    ck_assert_int_eq(lbx_seg_format(mem, 0, &small), LBX_ESIZE);
    for (uint64_t i = 0; i < len; i++) {
        ck_assert_msg(!mem[i], "byte %" PRIu64 " was written", i);
    }
    free(mem);
}
END_TEST

/* Each part fits between its neighbours, whatever the plan, and the block that
 * the size asks for holds the last word (ASan sees the rest). */
START_TEST(parts_do_not_overlap)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 60; round++) {
        struct lbx_seg_plan plan = {unit_between(&g, 1, 20), unit_between(&g, 1, 100),
                                    unit_between(&g, 1, 40), unit_below(&g, 2),
                                    unit_between(&g, 0, 9)};
        struct lbx_seg_head *h = make(&plan);
        char *base = (char *)h;

        ck_assert((char *)lbx_seg_set_at(h, 0) >= base + sizeof(*h));
        ck_assert((char *)lbx_seg_set_at(h, plan.set_cap) <= (char *)lbx_seg_member_at(h, 0));
        ck_assert((char *)lbx_seg_member_at(h, plan.member_cap) <= (char *)lbx_seg_child_at(h, 0));
        ck_assert((char *)lbx_seg_child_at(h, plan.child_cap) <= (char *)h + h->events_at);
        ck_assert(!lbx_seg_events(h) == !plan.events);
        ck_assert((char *)h + h->events_at + plan.events * sizeof(struct lbx_ring)
                  <= (char *)lbx_seg_column(h, 0));
        for (uint32_t c = 0; c < plan.child_cap; c++) {
            char *end = (char *)(lbx_seg_column(h, c) + plan.member_cap);

            ck_assert((uintptr_t)lbx_seg_column(h, c) % LBX_LINE == 0);
            ck_assert(end <= (c + 1 < plan.child_cap ? (char *)lbx_seg_column(h, c + 1)
                                                     : (char *)lbx_seg_places(h, 0)));
            memset(lbx_seg_column(h, c), 0xff, plan.member_cap * sizeof(uint32_t));
        }
        ck_assert((uintptr_t)lbx_seg_set_at(h, plan.set_cap - 1) % LBX_LINE == 0);
        ck_assert((uintptr_t)lbx_seg_member_at(h, plan.member_cap - 1) % LBX_LINE == 0);
        memset(lbx_seg_set_at(h, 0), 0xff, plan.set_cap * sizeof(struct lbx_seg_set));
        memset(lbx_seg_member_at(h, 0), 0xff, plan.member_cap * sizeof(struct lbx_seg_member));
        memset((char *)h + h->events_at, 0xff, plan.events * sizeof(struct lbx_ring));
        memset(lbx_seg_child_at(h, 0), 0xff, plan.child_cap * sizeof(struct lbx_seg_child));
        ck_assert((char *)lbx_seg_places(h, plan.child_cap) <= base + h->total);
        memset(lbx_seg_places(h, 0), 0xff,
               (size_t)plan.child_cap * plan.place_cap * sizeof(struct lbx_seg_place));
        ck_assert_int_eq(lbx_seg_check(h, h->total), LBX_OK);
        free(h);
    }
}
END_TEST

#define FIELD(f, rc)                                                                               \
    {                                                                                              \
#f, offsetof(struct lbx_seg_head, f), sizeof(((struct lbx_seg_head *)0)->f), rc            \
    }

static const struct {
    const char *name;
    size_t at;
    size_t size;
    enum lbx_rc rc; /* what a damaged one must give */
} head_fields[] = {
    FIELD(magic, LBX_EMAGIC),         FIELD(major, LBX_EVERSION),    FIELD(set_size, LBX_EVERSION),
    FIELD(member_size, LBX_EVERSION), FIELD(set_cap, LBX_ESIZE),     FIELD(member_cap, LBX_ESIZE),
    FIELD(child_cap, LBX_ESIZE),      FIELD(events_at, LBX_ESIZE),   FIELD(sets_at, LBX_ESIZE),
    FIELD(members_at, LBX_ESIZE),     FIELD(children_at, LBX_ESIZE), FIELD(columns_at, LBX_ESIZE),
    FIELD(column_stride, LBX_ESIZE),  FIELD(total, LBX_ESIZE),       FIELD(place_cap, LBX_ESIZE),
    FIELD(places_at, LBX_ESIZE),
};

/* Every bit of every field that says what the segment is. */
START_TEST(damaged_head_is_refused)
{
    struct lbx_seg_head *h = make(&small);
    uint64_t len = h->total;
    unsigned char *field = (unsigned char *)h + head_fields[_i].at;

    for (size_t bit = 0; bit < head_fields[_i].size * 8; bit++) {
        field[bit / 8] ^= (unsigned char)(1u << bit % 8);
        ck_assert_msg(lbx_seg_check(h, len) == head_fields[_i].rc, "%s, bit %zu: %d",
                      head_fields[_i].name, bit, lbx_seg_check(h, len));
        field[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    ck_assert_int_eq(lbx_seg_check(h, len), LBX_OK);
    free(h);
}
END_TEST

START_TEST(later_minor_is_adopted)
{
    struct lbx_seg_head *h = make(&small);

    h->minor = LBX_SEG_MINOR + 1;
    ck_assert_int_eq(lbx_seg_check(h, h->total), LBX_OK);
    free(h);
}
END_TEST

START_TEST(without_a_mutex_it_is_not_one)
{
    struct lbx_seg_head *h = make(&small);

    h->admin_mutex_ready = 0;
    ck_assert_int_eq(lbx_seg_check(h, h->total), LBX_EMAGIC);
    free(h);
}
END_TEST

START_TEST(cut_off_is_refused)
{
    struct lbx_seg_head *h = make(&small);

    ck_assert_int_eq(lbx_seg_check(h, h->total - 1), LBX_ESIZE);
    ck_assert_int_eq(lbx_seg_check(h, sizeof(*h)), LBX_ESIZE);
    ck_assert_int_eq(lbx_seg_check(h, sizeof(*h) - 1), LBX_ESIZE);
    ck_assert_int_eq(lbx_seg_check(h, 0), LBX_ESIZE);
    free(h);
}
END_TEST

START_TEST(zeroes_and_noise_are_refused)
{
    struct unit_rng g = UNIT_RNG();
    uint64_t len = lbx_seg_size(&small);
    uint64_t *mem = lab_block(len);

    ck_assert_int_eq(lbx_seg_check(mem, len), LBX_EMAGIC);
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof(struct lbx_seg_head) / sizeof(*mem); i++) {
            mem[i] = unit_rand(&g);
        }
        if (round % 2) {
            ((struct lbx_seg_head *)(void *)mem)->magic = LBX_SEG_MAGIC;
        }
        ck_assert_int_ne(lbx_seg_check(mem, len), LBX_OK);
    }
    free(mem);
}
END_TEST

static void *die_in_the_mutex(void *mutex)
{
    pthread_mutex_lock(mutex);
    return NULL;
}

START_TEST(mutex_is_robust_and_shared)
{
    struct lbx_seg_head *h = make(&small);
    pthread_t t;

    ck_assert_int_eq(pthread_mutex_lock(&h->admin_mutex), 0);
    ck_assert_int_eq(pthread_mutex_trylock(&h->admin_mutex), EBUSY);
    ck_assert_int_eq(pthread_mutex_unlock(&h->admin_mutex), 0);
    ck_assert_int_eq(pthread_create(&t, NULL, die_in_the_mutex, &h->admin_mutex), 0);
    pthread_join(t, NULL);
    ck_assert_int_eq(pthread_mutex_trylock(&h->admin_mutex), EOWNERDEAD);
    ck_assert_int_eq(pthread_mutex_consistent(&h->admin_mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&h->admin_mutex), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&h->admin_mutex), 0);
    free(h);
}
END_TEST

TCase *case_segment(void)
{
    TCase *tc = tcase_create("segment");

    tcase_add_test(tc, formats_and_checks);
    tcase_add_test(tc, too_small_a_block_is_refused_untouched);
    tcase_add_test(tc, parts_do_not_overlap);
    tcase_add_loop_test(tc, damaged_head_is_refused, 0,
                        sizeof(head_fields) / sizeof(head_fields[0]));
    tcase_add_test(tc, later_minor_is_adopted);
    tcase_add_test(tc, without_a_mutex_it_is_not_one);
    tcase_add_test(tc, cut_off_is_refused);
    tcase_add_test(tc, zeroes_and_noise_are_refused);
    tcase_add_test(tc, mutex_is_robust_and_shared);
    return tc;
}
