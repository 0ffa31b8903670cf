/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of in-flight counts.  See lbx_children.h.
 *
 * Pure.
 */
#include "lbx_children.h"
#include "lbx_hot.h"

uint32_t lbx_store_child_claim(struct lbx_store *st, uint32_t pid)
{
    struct lbx_seg_head *h = st->seg[0];

    for (uint32_t i = 0; i < h->child_cap; i++) {
        uint32_t nobody = 0;

        if (atomic_compare_exchange_strong(&lbx_seg_child_at(h, i)->pid, &nobody, pid)) {
            atomic_store(&lbx_seg_child_at(h, i)->gone, 0); /* pids come again */
            uint32_t high = atomic_load(&h->children_high);

            while (high < i + 1 && !atomic_compare_exchange_weak(&h->children_high, &high, i + 1)) {
            }
            return i;
        }
    }
    return LBX_NO_CHILD;
}

/* Untouched pages stay untouched: only what is not zero is written. */
static uint64_t clear_column(struct lbx_store *st, uint32_t child)
{
    uint64_t sum = 0;

    for (uint32_t s = 0; s < st->n; s++) {
        _Atomic uint32_t *column = lbx_seg_column(st->seg[s], child);

        for (uint32_t i = 0; i < st->seg[s]->member_cap; i++) {
            uint32_t n = atomic_load_explicit(&column[i], memory_order_relaxed);

            if (n) {
                sum += n;
                atomic_store(&column[i], 0);
            }
        }
    }
    return sum;
}

static void clear_places(struct lbx_store *st, uint32_t child)
{
    struct lbx_seg_place *place = lbx_seg_places(st->seg[0], child);

    for (uint32_t i = 0; i < st->seg[0]->place_cap; i++) {
        if (atomic_load_explicit(&place[i].taken, memory_order_relaxed)) {
            atomic_store(&place[i].ticket, 0);
            atomic_store(&place[i].taken, 0);
        }
    }
}

/* Whoever compares in-flight counts must notice that they moved. */
static int touch_busy(void *baton, struct lbx_ref ref, struct lbx_seg_set *s)
{
    (void)baton;
    (void)ref;
    atomic_fetch_add(&s->busy_seq, 1);
    return 0;
}

static uint64_t clear_child(struct lbx_store *st, uint32_t i)
{
    uint64_t sum = clear_column(st, i);

    clear_places(st, i);
    lbx_store_each_set(st, touch_busy, NULL);
    atomic_store(&lbx_seg_child_at(st->seg[0], i)->pid, 0);
    return sum;
}

uint64_t lbx_store_child_clear(struct lbx_store *st, uint32_t pid)
{
    struct lbx_seg_head *h = st->seg[0];
    uint32_t high = atomic_load(&h->children_high);

    for (uint32_t i = 0; pid && i < high; i++) {
        if (atomic_load(&lbx_seg_child_at(h, i)->pid) == pid) {
            return clear_child(st, i);
        }
    }
    return 0;
}

uint64_t lbx_store_child_sweep(struct lbx_store *st, int (*alive)(uint32_t pid))
{
    struct lbx_seg_head *h = st->seg[0];
    uint32_t high = atomic_load(&h->children_high);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < high; i++) {
        uint32_t pid = atomic_load(&lbx_seg_child_at(h, i)->pid);

        if (pid && !alive(pid)) {
            sum += clear_child(st, i);
        }
    }
    return sum;
}

uint32_t lbx_store_child_look(const struct lbx_store *st, int (*alive)(uint32_t pid))
{
    struct lbx_seg_head *h = st->seg[0];
    uint32_t high = atomic_load(&h->children_high), found = 0;

    for (uint32_t i = 0; i < high; i++) {
        struct lbx_seg_child *c = lbx_seg_child_at(h, i);
        uint32_t pid = atomic_load(&c->pid);

        if (pid && atomic_load(&c->gone) != pid && !alive(pid)) {
            found += atomic_exchange(&c->gone, pid) != pid;
        }
    }
    return found;
}

LBX_HOT void lbx_store_reserve(const struct lbx_store *st, uint32_t child, uint32_t slot)
{
    struct lbx_seg_head *h = lbx_store_segment(st, slot);

    if (child != LBX_NO_CHILD && LBX_CHECK(h)) {
        atomic_fetch_add(&lbx_seg_column(h, child)[LBX_SLOT_INDEX(slot)], 1);
    }
}

LBX_HOT uint32_t lbx_store_release(const struct lbx_store *st, uint32_t child, uint32_t slot)
{
    struct lbx_seg_head *h = lbx_store_segment(st, slot);

    if (child == LBX_NO_CHILD || !LBX_CHECK(h)) {
        return 0;
    }
    return atomic_fetch_sub(&lbx_seg_column(h, child)[LBX_SLOT_INDEX(slot)], 1) - 1;
}

uint32_t lbx_store_in_flight(const struct lbx_store *st, uint32_t slot)
{
    struct lbx_seg_head *h = lbx_store_segment(st, slot);
    uint32_t high = atomic_load(&st->seg[0]->children_high);
    uint32_t sum = 0;

    if (!h) {
        return 0;
    }
    for (uint32_t c = 0; c < high; c++) {
        /* in one order with the reservations: lbx_limit depends on it */
        sum += atomic_load(&lbx_seg_column(h, c)[LBX_SLOT_INDEX(slot)]);
    }
    return sum;
}
