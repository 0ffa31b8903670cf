/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_store: records by key and by handle over a chain of segments, children
 * and their columns; then random operations against a list in plain memory.
 *
 * Not here: processes that die (stress_segment.c).
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static void *add_segment(struct lbx_store *st, uint32_t sets, uint32_t members, uint32_t children)
{
    struct lbx_seg_plan plan = {sets, members, children, 0, 8};
    uint64_t len = lbx_seg_size(&plan);
    void *mem = lab_block(len);

    ck_assert_int_eq(lbx_seg_format(mem, len, &plan), LBX_OK);
    ck_assert_int_eq(lbx_store_add(st, mem, len), LBX_OK);
    return mem;
}

static void drop_segments(struct lbx_store *st)
{
    for (unsigned i = 0; i < st->n; i++) {
        free(st->seg[i]);
    }
}

static void retire_set(struct lbx_store *st, struct lbx_ref ref)
{
    lbx_store_set(st, ref)->life = LBX_RETIRED;
}

static void retire_member(struct lbx_store *st, struct lbx_ref ref)
{
    lbx_store_member(st, ref)->life = LBX_RETIRED;
}

START_TEST(new_find_and_handles)
{
    struct lbx_store st = {0};
    struct lbx_ref set, other, m, found;

    add_segment(&st, 4, 8, 2);
    ck_assert_int_eq(lbx_store_find_set_locked(&st, "vhost", "app", &found), LBX_ENOTFOUND);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "vhost", "app", &set), LBX_OK);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "other", "app", &other), LBX_OK);
    ck_assert_int_eq(lbx_store_find_set_locked(&st, "vhost", "app", &found), LBX_OK);
    ck_assert_uint_eq(found.slot, set.slot);
    ck_assert_uint_eq(found.revision, set.revision);
    ck_assert_int_eq(lbx_store_find_set_locked(&st, "other", "app", &found), LBX_OK);
    ck_assert_uint_eq(found.slot, other.slot);
    /* where one part of the key ends and the next begins matters */
    ck_assert_int_eq(lbx_store_find_set_locked(&st, "vhosta", "pp", &found), LBX_ENOTFOUND);
    ck_assert_int_eq(lbx_store_find_set_locked(&st, "app", "vhost", &found), LBX_ENOTFOUND);

    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "http://a:1", &m), LBX_OK);
    ck_assert_int_eq(lbx_store_find_member_locked(&st, set, "http://a:1", &found), LBX_OK);
    ck_assert_uint_eq(found.slot, m.slot);
    ck_assert_int_eq(lbx_store_find_member_locked(&st, other, "http://a:1", &found), LBX_ENOTFOUND);
    ck_assert_int_eq(lbx_store_find_member_locked(&st, set, "http://a:10", &found), LBX_ENOTFOUND);
    ck_assert_str_eq(lbx_store_member(&st, m)->name, "http://a:1");
    ck_assert_uint_eq(lbx_store_member(&st, m)->life, LBX_LIVE);
    drop_segments(&st);
}
END_TEST

START_TEST(same_hash_is_not_same_key)
{
    struct lbx_store st = {0};
    struct lbx_ref set, a, b, found;

    add_segment(&st, 2, 2, 1);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", "one", &set), LBX_OK);
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "a", &a), LBX_OK);
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "b", &b), LBX_OK);
    lbx_store_member(&st, a)->hash = lbx_store_member(&st, b)->hash; /* a collision, by force */
    ck_assert_int_eq(lbx_store_find_member_locked(&st, set, "b", &found), LBX_OK);
    ck_assert_uint_eq(found.slot, b.slot);
    drop_segments(&st);
}
END_TEST

START_TEST(keys_at_their_limit)
{
    struct lbx_store st = {0};
    struct lbx_ref set, m, found;
    char scope[LBX_SCOPE_MAX + 1], name[LBX_BALANCER_MAX + 1], url[LBX_MEMBER_MAX + 1];

    add_segment(&st, 2, 2, 1);
    memset(scope, 's', sizeof(scope));
    memset(name, 'n', sizeof(name));
    memset(url, 'u', sizeof(url));
    scope[LBX_SCOPE_MAX] = name[LBX_BALANCER_MAX] = url[LBX_MEMBER_MAX] = '\0';
    ck_assert_int_eq(lbx_store_new_set_locked(&st, scope, "n", &set), LBX_EVALUE);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", name, &set), LBX_EVALUE);
    scope[LBX_SCOPE_MAX - 1] = name[LBX_BALANCER_MAX - 1] = '\0';
    ck_assert_int_eq(lbx_store_new_set_locked(&st, scope, name, &set), LBX_OK);
    ck_assert_int_eq(lbx_store_find_set_locked(&st, scope, name, &found), LBX_OK);
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, url, &m), LBX_EVALUE);
    url[LBX_MEMBER_MAX - 1] = '\0';
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, url, &m), LBX_OK);
    ck_assert_int_eq(lbx_store_find_member_locked(&st, set, url, &found), LBX_OK);
    ck_assert_uint_eq(lbx_store_set(&st, set)->life, LBX_LIVE);
    drop_segments(&st);
}
END_TEST

START_TEST(stale_and_wild_handles)
{
    struct lbx_store st = {0};
    struct lbx_ref set, m, again;
    struct lbx_ref zero = {0, 0};

    add_segment(&st, 1, 1, 1);
    ck_assert_ptr_null(lbx_store_set(&st, zero));
    ck_assert_ptr_null(lbx_store_member(&st, zero));
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", "a", &set), LBX_OK);
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "m", &m), LBX_OK);
    ck_assert_ptr_null(lbx_store_set(&st, zero));
    ck_assert_ptr_null(lbx_store_member(&st, zero));
    ck_assert_ptr_null(lbx_store_member(&st, (struct lbx_ref){1, m.revision}));
    ck_assert_ptr_null(lbx_store_member(&st, (struct lbx_ref){1u << LBX_SLOT_BITS, m.revision}));
    ck_assert_ptr_null(lbx_store_set(&st, (struct lbx_ref){0xffffffff, set.revision}));

    retire_member(&st, m);
    ck_assert_ptr_nonnull(lbx_store_member(&st, m)); /* it may still have requests */
    ck_assert_uint_eq(lbx_store_sweep_locked(&st), 1);
    ck_assert_ptr_null(lbx_store_member(&st, m));
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "m", &again), LBX_OK);
    ck_assert_uint_eq(again.slot, m.slot);
    ck_assert_uint_ne(again.revision, m.revision);
    ck_assert_ptr_null(lbx_store_member(&st, m));
    ck_assert_ptr_nonnull(lbx_store_member(&st, again));

    retire_member(&st, again);
    retire_set(&st, set);
    ck_assert_uint_eq(lbx_store_sweep_locked(&st), 2);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", "a", &again), LBX_OK);
    ck_assert_ptr_null(lbx_store_set(&st, set));
    /* members of the old owner of the set's slot do not belong to the new one */
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "m", &m), LBX_OK);
    ck_assert_int_eq(lbx_store_find_member_locked(&st, again, "m", &m), LBX_ENOTFOUND);
    drop_segments(&st);
}
END_TEST

START_TEST(revisions_never_become_zero)
{
    struct lbx_store st = {0};
    struct lbx_ref ref;

    add_segment(&st, 1, 1, 1);
    lbx_seg_set_at(st.seg[0], 0)->revision = UINT32_MAX;
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", "a", &ref), LBX_OK);
    ck_assert_uint_eq(ref.revision, 1);
    ck_assert_ptr_null(lbx_store_set(&st, (struct lbx_ref){0, 0}));
    drop_segments(&st);
}
END_TEST

START_TEST(a_new_owner_inherits_nothing)
{
    struct lbx_store st = {0};
    struct lbx_ref set, m;
    struct lbx_seg_member *rec, clean;
    uint32_t revision;

    add_segment(&st, 1, 1, 1);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", "a", &set), LBX_OK);
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "first", &m), LBX_OK);
    rec = lbx_store_member(&st, m);
    revision = rec->revision;
    memset(rec, 0x5a, sizeof(*rec));
    rec->revision = revision;
    rec->life = LBX_RETIRED;
    ck_assert_uint_eq(lbx_store_sweep_locked(&st), 1);
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "2", &m), LBX_OK);
    memset(&clean, 0, sizeof(clean));
    clean.revision = m.revision;
    clean.life = LBX_LIVE;
    clean.set = set;
    clean.hash = rec->hash;
    clean.name[0] = '2';
    ck_assert(!memcmp(&clean, rec, sizeof(clean)));
    drop_segments(&st);
}
END_TEST

START_TEST(sweep_spares_the_busy)
{
    struct lbx_store st = {0};
    struct lbx_ref set, m, found;
    uint32_t child;

    add_segment(&st, 1, 2, 2);
    child = lbx_store_child_claim(&st, 7);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", "a", &set), LBX_OK);
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "m", &m), LBX_OK);
    ck_assert_uint_eq(lbx_store_sweep_locked(&st), 0); /* live ones stay */
    lbx_store_reserve(&st, child, m.slot);
    retire_member(&st, m);
    retire_set(&st, set);
    ck_assert_uint_eq(lbx_store_sweep_locked(&st), 0);
    ck_assert_int_eq(lbx_store_find_member_locked(&st, set, "m", &found), LBX_OK);
    ck_assert_ptr_nonnull(lbx_store_set(&st, set)); /* its member needs it */
    lbx_store_release(&st, child, m.slot);
    ck_assert_uint_eq(lbx_store_sweep_locked(&st), 2);
    ck_assert_ptr_null(lbx_store_set(&st, set));
    ck_assert_int_eq(lbx_store_find_member_locked(&st, set, "m", &found), LBX_ENOTFOUND);
    drop_segments(&st);
}
END_TEST

START_TEST(full_then_a_second_segment)
{
    struct lbx_store st = {0};
    struct lbx_ref set, m[5], found;
    uint32_t sets;
    char name[16];

    add_segment(&st, 1, 2, 3);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", "a", &set), LBX_OK);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", "b", &found), LBX_EFULL);
    ck_assert_uint_eq(lbx_store_room(&st, &sets), 2);
    ck_assert_uint_eq(sets, 0);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        if (i == 2) {
            ck_assert_int_eq(lbx_store_new_member_locked(&st, set, name, &m[i]), LBX_EFULL);
            add_segment(&st, 1, 3, 3);
            ck_assert_uint_eq(lbx_store_room(&st, &sets), 3);
            ck_assert_uint_eq(sets, 1);
        }
        ck_assert_int_eq(lbx_store_new_member_locked(&st, set, name, &m[i]), LBX_OK);
        ck_assert_uint_eq(m[i].slot >> LBX_SLOT_BITS, i < 2 ? 0 : 1);
    }
    ck_assert_uint_eq(lbx_store_room(&st, &sets), 0);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        ck_assert_int_eq(lbx_store_find_member_locked(&st, set, name, &found), LBX_OK);
        ck_assert_uint_eq(found.slot, m[i].slot);
        ck_assert_str_eq(lbx_store_member(&st, m[i])->name, name);
    }
    { /* a child that was forked before knows only the first */
        struct lbx_store old = {1, {st.seg[0]}};

        ck_assert_ptr_nonnull(lbx_store_member(&old, m[1]));
        ck_assert_ptr_null(lbx_store_member(&old, m[2]));
        ck_assert_uint_eq(lbx_store_in_flight(&old, m[2].slot), 0);
    }
    drop_segments(&st);
}
END_TEST

START_TEST(the_chain_has_a_limit)
{
    struct lbx_store st = {0};
    struct lbx_seg_plan plan = {1, 1, 2, 0, 0}, other = {1, 1, 3, 0, 0};
    uint64_t len = lbx_seg_size(&plan);
    void *mem;

    mem = lab_block(lbx_seg_size(&other));
    ck_assert_int_eq(lbx_store_add(&st, mem, lbx_seg_size(&other)), LBX_EMAGIC);
    ck_assert_uint_eq(st.n, 0);
    add_segment(&st, 1, 1, 2);
    ck_assert_int_eq(lbx_seg_format(mem, lbx_seg_size(&other), &other), LBX_OK);
    ck_assert_int_eq(lbx_store_add(&st, mem, lbx_seg_size(&other)), LBX_EFULL);
    free(mem);
    while (st.n < LBX_SEGMENTS_MAX) {
        add_segment(&st, 1, 1, 2);
    }
    mem = lab_block(len);
    ck_assert_int_eq(lbx_seg_format(mem, len, &plan), LBX_OK);
    ck_assert_int_eq(lbx_store_add(&st, mem, len), LBX_EFULL);
    ck_assert_uint_eq(st.n, LBX_SEGMENTS_MAX);
    free(mem);
    drop_segments(&st);
}
END_TEST

START_TEST(children_claim_and_are_cleared)
{
    struct lbx_store st = {0};
    struct lbx_ref set, m;
    uint32_t a, b, c;
    uint64_t seq;

    add_segment(&st, 1, 1, 3);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", "a", &set), LBX_OK);
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "first", &m), LBX_OK);
    add_segment(&st, 1, 2, 3);
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "second", &m), LBX_OK);
    ck_assert_uint_eq(m.slot >> LBX_SLOT_BITS, 1);

    a = lbx_store_child_claim(&st, 101);
    b = lbx_store_child_claim(&st, 102);
    c = lbx_store_child_claim(&st, 103);
    ck_assert(a != b && b != c && a != c && c != LBX_NO_CHILD);
    ck_assert_uint_eq(lbx_store_child_claim(&st, 104), LBX_NO_CHILD);
    lbx_store_reserve(&st, LBX_NO_CHILD, m.slot); /* serves, uncounted */
    lbx_store_release(&st, LBX_NO_CHILD, m.slot);

    lbx_store_reserve(&st, a, m.slot);
    lbx_store_reserve(&st, b, m.slot);
    lbx_store_reserve(&st, b, m.slot);
    lbx_store_reserve(&st, b, 0);
    ck_assert_uint_eq(lbx_store_in_flight(&st, m.slot), 3);
    ck_assert_uint_eq(lbx_store_in_flight(&st, 0), 1);

    seq = lbx_store_set(&st, set)->busy_seq;
    ck_assert_uint_eq(lbx_store_child_clear(&st, 102), 3); /* over both segments */
    ck_assert_uint_gt(lbx_store_set(&st, set)->busy_seq, seq);
    ck_assert_uint_eq(lbx_store_in_flight(&st, m.slot), 1);
    ck_assert_uint_eq(lbx_store_in_flight(&st, 0), 0);
    ck_assert_uint_eq(lbx_store_child_clear(&st, 102), 0);
    ck_assert_uint_eq(lbx_store_child_clear(&st, 0), 0);
    ck_assert_uint_eq(lbx_store_child_claim(&st, 105), b);
    drop_segments(&st);
}
END_TEST

static int only_202(uint32_t pid)
{
    return pid == 202;
}

/* Half-made records are nobody's; removed ones rest before they are used again. */
START_TEST(members_come_and_go_at_run_time)
{
    struct lbx_store st = {0};
    struct lbx_seg_head *h = add_segment(&st, 1, 4, 2);
    struct lbx_ref set, made, same, again, found;
    uint32_t sets;

    ck_assert_int_eq(lbx_store_new_set_locked(&st, "main", "balancer://a", &set), LBX_OK);
    ck_assert_int_eq(lbx_store_make_member_locked(&st, set, "http://m", &made), LBX_OK);
    ck_assert_ptr_null(lbx_store_member(&st, made));
    ck_assert_int_eq(lbx_store_find_member_locked(&st, set, "http://m", &found), LBX_ENOTFOUND);
    ck_assert_uint_eq(lbx_store_room(&st, &sets), 3);
    /* its maker died; whoever sweeps holds the mutex, so nobody is at it */
    lbx_store_sweep_locked(&st);
    ck_assert_uint_eq(lbx_store_room(&st, &sets), 4);

    ck_assert_int_eq(lbx_store_make_member_locked(&st, set, "http://m", &same), LBX_OK);
    ck_assert_uint_ne(same.revision, made.revision);
    lbx_seg_member_at(h, LBX_SLOT_INDEX(same.slot))->life = LBX_LIVE;
    ck_assert_ptr_nonnull(lbx_store_member(&st, same));
    lbx_store_member(&st, same)->retired_s = 100;
    lbx_store_member(&st, same)->life = LBX_RETIRED;
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "http://m", &again), LBX_OK);
    ck_assert_int_eq(lbx_store_find_member_locked(&st, set, "http://m", &found), LBX_OK);
    ck_assert_uint_eq(found.slot, again.slot); /* rather the live one */

    ck_assert_uint_eq(lbx_store_sweep_old_locked(&st, 100), 0);
    lbx_store_reserve(&st, 1, same.slot);
    st.seg[0]->children_high = 2;
    ck_assert_uint_eq(lbx_store_sweep_old_locked(&st, 101), 0);
    lbx_store_release(&st, 1, same.slot);
    ck_assert_uint_eq(lbx_store_sweep_old_locked(&st, 101), 1);
    /* retired by a new configuration: not while processes serve */
    lbx_store_member(&st, again)->life = LBX_RETIRED;
    ck_assert_uint_eq(lbx_store_sweep_old_locked(&st, UINT32_MAX), 0);
    ck_assert_uint_eq(lbx_store_sweep_locked(&st), 1);
    drop_segments(&st);
}
END_TEST

START_TEST(child_sweep_clears_the_dead)
{
    struct lbx_store st = {0};
    struct lbx_ref set, m;

    add_segment(&st, 1, 1, 4);
    ck_assert_int_eq(lbx_store_new_set_locked(&st, "s", "a", &set), LBX_OK);
    ck_assert_int_eq(lbx_store_new_member_locked(&st, set, "m", &m), LBX_OK);
    for (uint32_t pid = 201; pid <= 204; pid++) {
        lbx_store_reserve(&st, lbx_store_child_claim(&st, pid), m.slot);
    }
    ck_assert_uint_eq(lbx_store_child_sweep(&st, only_202), 3);
    ck_assert_uint_eq(lbx_store_in_flight(&st, m.slot), 1);
    ck_assert_uint_eq(lbx_store_child_clear(&st, 202), 1);
    ck_assert_uint_eq(lbx_store_child_sweep(&st, only_202), 0);
    drop_segments(&st);
}
END_TEST

enum { CLAIMERS = 8 };

struct claims {
    struct lbx_store *st;
    uint32_t pid;
    uint32_t got;
};

static void *claim_one(void *baton)
{
    struct claims *c = baton;

    c->got = lbx_store_child_claim(c->st, c->pid);
    return NULL;
}

START_TEST(concurrent_claims_differ)
{
    for (int round = 0; round < 20; round++) {
        struct lbx_store st = {0};
        struct claims c[CLAIMERS];
        pthread_t t[CLAIMERS];
        uint32_t seen = 0;

        add_segment(&st, 1, 1, CLAIMERS);
        for (uint32_t i = 0; i < CLAIMERS; i++) {
            c[i] = (struct claims){&st, 300 + i, 0};
            ck_assert_int_eq(pthread_create(&t[i], NULL, claim_one, &c[i]), 0);
        }
        for (uint32_t i = 0; i < CLAIMERS; i++) {
            pthread_join(t[i], NULL);
            ck_assert_uint_lt(c[i].got, CLAIMERS);
            seen |= 1u << c[i].got;
        }
        ck_assert_uint_eq(seen, (1u << CLAIMERS) - 1);
        ck_assert_uint_eq(atomic_load(&st.seg[0]->children_high), CLAIMERS);
        drop_segments(&st);
    }
}
END_TEST

static void *die_in_the_lock(void *store)
{
    lbx_store_lock(store, UINT64_MAX);
    return NULL;
}

/* Not once, but for good: the next one, too, and again after another death. */
START_TEST(the_lock_outlives_its_holders)
{
    struct lbx_store st = {0};

    add_segment(&st, 1, 1, 1);
    for (int deaths = 0; deaths < 3; deaths++) {
        pthread_t t;

        ck_assert_int_eq(pthread_create(&t, NULL, die_in_the_lock, &st), 0);
        pthread_join(t, NULL);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(lbx_store_lock(&st, UINT64_MAX), LBX_OK);
            ck_assert_int_eq(pthread_mutex_trylock(&st.seg[0]->admin_mutex), EBUSY);
            lbx_store_unlock(&st);
        }
    }
    pthread_mutex_destroy(&st.seg[0]->admin_mutex);
    drop_segments(&st);
}
END_TEST

static void *try_the_lock(void *store)
{
    uint64_t s = (uint64_t)time(NULL); /* over by now, or within the second */

    return (void *)(uintptr_t)lbx_store_lock(store, s * 1000000 + 20000);
}

START_TEST(a_lock_that_is_held_is_waited_for_no_longer_than_told)
{
    struct lbx_store st = {0};
    pthread_t t;
    void *rc;

    add_segment(&st, 1, 1, 1);
    ck_assert_int_eq(lbx_store_lock(&st, 0), LBX_OK); /* free: no need to wait */
    ck_assert_int_eq(pthread_create(&t, NULL, try_the_lock, &st), 0);
    ck_assert_int_eq(pthread_join(t, &rc), 0);
    ck_assert_int_eq((int)(uintptr_t)rc, LBX_ELOCK);
    lbx_store_unlock(&st);
    drop_segments(&st);
}
END_TEST

START_TEST(view_says_what_the_record_says)
{
    struct lab l;
    struct lbx_member_view v;

    lab_open(&l, 2, NULL, 2);
    memset(&v, 0xff, sizeof(v));
    l.rec[1]->conf.weight = 250;
    lab_set_weight(&l, 1, 300);
    l.rec[1]->health = LBX_HEALTH_FAILED;
    l.rec[1]->error_at_us = 11;
    l.rec[1]->retries = 12;
    l.rec[1]->elected = 13;
    l.rec[1]->sent = 14;
    l.rec[1]->received = 15;
    l.rec[1]->failures = 16;
    lbx_store_reserve(&l.store, l.child, l.ref[1].slot);
    lbx_store_view(&l.store, l.ref[1], l.rec[1], &v);
    ck_assert_uint_eq(v.ref.slot, l.ref[1].slot);
    ck_assert_uint_eq(v.ref.revision, l.ref[1].revision);
    ck_assert_uint_eq(v.run.weight, 300);
    ck_assert_uint_eq(v.conf.weight, 250);
    ck_assert_uint_eq(v.health, LBX_HEALTH_FAILED);
    ck_assert_uint_eq(v.retired, 0);
    ck_assert_uint_eq(v.error_at_us, 11);
    ck_assert_uint_eq(v.retry_us, 0);
    ck_assert_uint_eq(v.retries, 12);
    ck_assert_uint_eq(v.in_flight, 1);
    ck_assert_uint_eq(v.elected, 13);
    ck_assert_uint_eq(v.sent, 14);
    ck_assert_uint_eq(v.received, 15);
    ck_assert_uint_eq(v.failures, 16);
    l.rec[1]->life = LBX_RETIRED;
    lbx_store_view(&l.store, l.ref[1], l.rec[1], &v);
    ck_assert_uint_ne(v.retired, 0);
    lab_close(&l);
}
END_TEST

/* Random operations against a list.  */

enum { KEYS = 12, STEPS = 4000, KIDS = 4, SLOTS_A = 5, SLOTS_B = 3 };

struct naive {
    int life;
    struct lbx_ref ref;
    uint32_t busy[KIDS];
};

struct model {
    struct lbx_store st;
    struct lbx_ref set;
    struct naive m[KEYS];
    struct lbx_ref gone[64]; /* handles of former owners */
    unsigned gone_n;
    int claimed[KIDS];
};

static uint32_t busy_of(const struct naive *m)
{
    uint32_t sum = 0;

    for (int c = 0; c < KIDS; c++) {
        sum += m->busy[c];
    }
    return sum;
}

static void compare(const struct model *w)
{
    uint32_t used = 0, sets;

    for (int k = 0; k < KEYS; k++) {
        const struct naive *m = &w->m[k];
        char name[16];
        struct lbx_ref found;
        enum lbx_rc rc;

        snprintf(name, sizeof(name), "k%d", k);
        rc = lbx_store_find_member_locked(&w->st, w->set, name, &found);
        ck_assert_int_eq(rc, m->life == LBX_FREE ? LBX_ENOTFOUND : LBX_OK);
        if (m->life == LBX_FREE) {
            continue;
        }
        used++;
        ck_assert_uint_eq(found.slot, m->ref.slot);
        ck_assert_uint_eq(found.revision, m->ref.revision);
        ck_assert_uint_eq(lbx_store_member(&w->st, found)->life, m->life);
        ck_assert_uint_eq(lbx_store_in_flight(&w->st, found.slot), busy_of(m));
    }
    for (unsigned i = 0; i < w->gone_n; i++) {
        ck_assert_ptr_null(lbx_store_member(&w->st, w->gone[i]));
    }
    ck_assert_uint_eq(lbx_store_room(&w->st, &sets), SLOTS_A + SLOTS_B - used);
}

static void step_records(struct model *w, struct unit_rng *g, int k)
{
    struct naive *m = &w->m[k];
    char name[16];
    unsigned freed = 0;
    uint32_t sets;

    snprintf(name, sizeof(name), "k%d", k);
    switch (unit_below(g, 4)) {
    case 0:
    case 1:
        if (m->life == LBX_FREE) {
            uint32_t room = lbx_store_room(&w->st, &sets);
            enum lbx_rc rc = lbx_store_new_member_locked(&w->st, w->set, name, &m->ref);

            ck_assert_int_eq(rc, room ? LBX_OK : LBX_EFULL);
            m->life = rc ? LBX_FREE : LBX_LIVE;
        }
        break;
    case 2:
        if (m->life == LBX_LIVE) {
            retire_member(&w->st, m->ref);
            m->life = LBX_RETIRED;
        }
        break;
    default:
        for (int i = 0; i < KEYS; i++) {
            if (w->m[i].life == LBX_RETIRED && !busy_of(&w->m[i])) {
                w->m[i].life = LBX_FREE;
                w->gone[w->gone_n++ % 64] = w->m[i].ref;
                w->gone_n = w->gone_n > 64 ? 64 : w->gone_n;
                freed++;
            }
        }
        ck_assert_uint_eq(lbx_store_sweep_locked(&w->st), freed);
        break;
    }
}

static void step_requests(struct model *w, struct unit_rng *g, int k)
{
    struct naive *m = &w->m[k];
    uint32_t c = unit_below(g, KIDS);
    uint64_t sum = 0;

    if (!w->claimed[c]) {
        uint32_t free_one = 0;

        while (w->claimed[free_one]) {
            free_one++;
        }
        ck_assert_uint_eq(lbx_store_child_claim(&w->st, 500 + free_one), free_one);
        w->claimed[free_one] = 1;
        return;
    }
    if (!unit_below(g, 40)) {
        for (int i = 0; i < KEYS; i++) {
            sum += w->m[i].busy[c];
            w->m[i].busy[c] = 0;
        }
        ck_assert_uint_eq(lbx_store_child_clear(&w->st, 500 + c), sum);
        w->claimed[c] = 0;
    } else if (m->life != LBX_FREE && unit_below(g, 2)) {
        lbx_store_reserve(&w->st, c, m->ref.slot);
        m->busy[c]++;
    } else if (m->busy[c]) {
        lbx_store_release(&w->st, c, m->ref.slot);
        m->busy[c]--;
    }
}

START_TEST(random_operations)
{
    struct unit_rng g = UNIT_RNG();
    struct model w;

    memset(&w, 0, sizeof(w));
    add_segment(&w.st, 1, SLOTS_A, KIDS);
    add_segment(&w.st, 1, SLOTS_B, KIDS);
    ck_assert_int_eq(lbx_store_new_set_locked(&w.st, "s", "set", &w.set), LBX_OK);
    for (int i = 0; i < STEPS; i++) {
        int k = (int)unit_below(&g, KEYS);

        if (unit_below(&g, 3)) {
            step_requests(&w, &g, k);
        } else {
            step_records(&w, &g, k);
        }
        if (i % 4 == 0) {
            compare(&w);
        }
    }
    compare(&w);
    drop_segments(&w.st);
}
END_TEST

TCase *case_store(void)
{
    TCase *tc = tcase_create("store");

    tcase_add_test(tc, new_find_and_handles);
    tcase_add_test(tc, same_hash_is_not_same_key);
    tcase_add_test(tc, keys_at_their_limit);
    tcase_add_test(tc, stale_and_wild_handles);
    tcase_add_test(tc, revisions_never_become_zero);
    tcase_add_test(tc, a_new_owner_inherits_nothing);
    tcase_add_test(tc, sweep_spares_the_busy);
    tcase_add_test(tc, full_then_a_second_segment);
    tcase_add_test(tc, the_chain_has_a_limit);
    tcase_add_test(tc, children_claim_and_are_cleared);
    tcase_add_test(tc, members_come_and_go_at_run_time);
    tcase_add_test(tc, child_sweep_clears_the_dead);
    tcase_add_test(tc, concurrent_claims_differ);
    tcase_add_test(tc, the_lock_outlives_its_holders);
    tcase_add_test(tc, a_lock_that_is_held_is_waited_for_no_longer_than_told);
    tcase_add_test(tc, view_says_what_the_record_says);
    tcase_add_test(tc, random_operations);
    return tc;
}
