/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places and who is first.  See lbx_queue.h.
 *
 * set->queue_hint spares requests the look at all places while nobody waits.  Who
 * enters sets it after its ticket is in its place; who looks and finds nobody
 * clears it, looks again, and sets it again when somebody was there after all: it
 * does not stay 0 while a ticket is unseen.
 *
 * Pure.
 */
#include "lbx_queue.h"

#include "lbx_children.h"

static uint64_t id_of(struct lbx_ref set)
{
    return (uint64_t)set.slot << 32 | set.revision;
}

void lbx_queue_begin(struct lbx_wait *w, uint32_t child)
{
    w->child = child;
    w->place = 0;
    w->ticket = UINT64_MAX;
}

int lbx_queue_enter(const struct lbx_store *st, struct lbx_wait *w, struct lbx_ref set,
                    uint32_t target)
{
    struct lbx_seg_head *h = st->seg[0];
    struct lbx_seg_set *rec = lbx_store_set(st, set);

    for (uint32_t i = 0; rec && w->child < h->child_cap && i < h->place_cap; i++) {
        struct lbx_seg_place *p = &lbx_seg_places(h, w->child)[i];
        uint32_t nobody = 0;

        if (atomic_compare_exchange_strong(&p->taken, &nobody, 1)) {
            atomic_store(&p->set, id_of(set));
            atomic_store(&p->target, target);
            w->place = i + 1;
            w->ticket = atomic_fetch_add(&rec->queue_ticket, 1) + 1;
            atomic_store(&p->ticket, w->ticket);
            atomic_store(&rec->queue_hint, 1);
            return 1;
        }
    }
    return 0;
}

void lbx_queue_aim(const struct lbx_store *st, const struct lbx_wait *w, uint32_t target)
{
    if (w->place) {
        atomic_store(&lbx_seg_places(st->seg[0], w->child)[w->place - 1].target, target);
    }
}

void lbx_queue_leave(const struct lbx_store *st, struct lbx_wait *w)
{
    if (w->place) {
        struct lbx_seg_place *p = &lbx_seg_places(st->seg[0], w->child)[w->place - 1];

        atomic_store(&p->ticket, 0);
        atomic_store(&p->taken, 0);
        lbx_queue_begin(w, w->child);
    }
}

/* Call <fn> for each place in the queue of <set>. */
static void each_place(const struct lbx_store *st, struct lbx_ref set,
                       void (*fn)(void *baton, uint64_t ticket, uint32_t target), void *baton)
{
    struct lbx_seg_head *h = st->seg[0];
    uint32_t high = atomic_load_explicit(&h->children_high, memory_order_acquire);
    uint64_t id = id_of(set);

    for (uint32_t c = 0; c < high; c++) {
        struct lbx_seg_place *p = lbx_seg_places(h, c);

        if (lbx_store_child_gone(h, c)) {
            continue;
        }
        for (uint32_t i = 0; i < h->place_cap; i++) {
            uint64_t ticket = atomic_load_explicit(&p[i].ticket, memory_order_acquire);

            if (ticket && atomic_load_explicit(&p[i].set, memory_order_relaxed) == id) {
                fn(baton, ticket, atomic_load_explicit(&p[i].target, memory_order_relaxed));
            }
        }
    }
}

struct look {
    uint64_t before;
    int somebody;
    struct lbx_ahead *ahead;
};

static void note_ahead(void *baton, uint64_t ticket, uint32_t target)
{
    struct look *l = baton;
    struct lbx_ahead *a = l->ahead;

    l->somebody = 1;
    if (ticket >= l->before) {
        return;
    }
    a->total++;
    if (target == LBX_ANY_MEMBER) {
        a->any++;
    } else if (target == LBX_OTHER_MEMBER) {
        return;
    } else if (!lbx_ahead_wants(a, target - 1)) {
        if (a->n < LBX_QUEUE_TARGETS) {
            a->target[a->n++] = target - 1;
        } else {
            a->more = 1;
        }
    }
}

void lbx_queue_look(const struct lbx_store *st, struct lbx_ref set, const struct lbx_wait *w,
                    struct lbx_ahead *ahead)
{
    struct lbx_seg_set *rec = lbx_store_set(st, set);
    struct look l = {w->ticket, 0, ahead};

    ahead->total = ahead->any = ahead->n = 0;
    ahead->more = 0;
    if (!rec || lbx_queue_is_empty(rec)) {
        return;
    }
    each_place(st, set, note_ahead, &l);
    if (!l.somebody) {
        atomic_store(&rec->queue_hint, 0);
        each_place(st, set, note_ahead, &l);
        if (l.somebody) {
            atomic_store(&rec->queue_hint, 1);
        }
    }
}

int lbx_ahead_wants(const struct lbx_ahead *a, uint32_t slot)
{
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->target[i] == slot) {
            return 1;
        }
    }
    return a->more;
}

struct heads {
    uint32_t n, max;
    uint64_t *ticket;
    uint32_t target[LBX_QUEUE_TARGETS];
};

static void note_head(void *baton, uint64_t ticket, uint32_t target)
{
    struct heads *hs = baton;
    uint32_t i = 0;

    while (i < hs->n && hs->target[i] != target) {
        i++;
    }
    if (i == hs->max) {
        return;
    }
    if (i == hs->n) {
        hs->n++;
        hs->target[i] = target;
        hs->ticket[i] = ticket;
    } else if (ticket < hs->ticket[i]) {
        hs->ticket[i] = ticket;
    }
}

uint32_t lbx_queue_heads(const struct lbx_store *st, struct lbx_ref set, uint64_t *ticket,
                         uint32_t max)
{
    struct heads hs = {.max = max < LBX_QUEUE_TARGETS ? max : LBX_QUEUE_TARGETS, .ticket = ticket};

    each_place(st, set, note_head, &hs);
    return hs.n;
}

static void note_one(void *baton, uint64_t ticket, uint32_t target)
{
    (void)ticket;
    (void)target;
    ++*(uint32_t *)baton;
}

uint32_t lbx_queue_length(const struct lbx_store *st, struct lbx_ref set)
{
    uint32_t n = 0;

    each_place(st, set, note_one, &n);
    return n;
}
