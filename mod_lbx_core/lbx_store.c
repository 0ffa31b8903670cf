/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records over a chain of segments.  See lbx_store.h.
 *
 * Look-ups by key scan: they run at a (re)start and for manager actions only.
 *
 * Pure.
 */
#include "lbx_store.h"

#include "lbx_children.h"
#include "lbx_vals.h"
#include "lbx_hot.h"

#include <errno.h>
#include <string.h>

enum lbx_rc lbx_store_add(struct lbx_store *st, void *mem, uint64_t len)
{
    struct lbx_seg_head *h = mem;
    enum lbx_rc rc = lbx_seg_check(mem, len);

    if (rc) {
        return rc;
    }
    if (st->n == LBX_SEGMENTS_MAX || (st->n && h->child_cap != st->seg[0]->child_cap)) {
        return LBX_EFULL;
    }
    st->seg[st->n++] = h;
    return LBX_OK;
}

enum lbx_rc lbx_store_lock(struct lbx_store *st, uint64_t until_us)
{
    struct timespec until = {(time_t)(until_us / 1000000), (long)(until_us % 1000000) * 1000};
    pthread_mutex_t *m = &st->seg[0]->admin_mutex;
    int rc = pthread_mutex_timedlock(m, &until);

    if (rc == EOWNERDEAD) {
        rc = pthread_mutex_consistent(m);
    }
    return rc ? LBX_ELOCK : LBX_OK;
}

void lbx_store_unlock(struct lbx_store *st)
{
    pthread_mutex_unlock(&st->seg[0]->admin_mutex);
}

LBX_HOT struct lbx_seg_set *lbx_store_set(const struct lbx_store *st, struct lbx_ref ref)
{
    struct lbx_seg_head *h = lbx_store_segment(st, ref.slot);
    struct lbx_seg_set *s;

    if (!h || LBX_SLOT_INDEX(ref.slot) >= h->set_cap) {
        return NULL;
    }
    s = lbx_seg_set_at(h, LBX_SLOT_INDEX(ref.slot));
    return s->life != LBX_FREE && s->revision == ref.revision ? s : NULL;
}

struct lbx_seg_member *lbx_store_member(const struct lbx_store *st, struct lbx_ref ref)
{
    struct lbx_seg_head *h = lbx_store_segment(st, ref.slot);
    struct lbx_seg_member *m;

    if (!h || LBX_SLOT_INDEX(ref.slot) >= h->member_cap) {
        return NULL;
    }
    m = lbx_seg_member_at(h, LBX_SLOT_INDEX(ref.slot));
    return m->life != LBX_FREE && m->life != LBX_MAKING && m->revision == ref.revision ? m : NULL;
}

void lbx_store_each_set(const struct lbx_store *st,
                        int (*fn)(void *, struct lbx_ref, struct lbx_seg_set *), void *baton)
{
    for (uint32_t s = 0; s < st->n; s++) {
        for (uint32_t i = 0; i < st->seg[s]->set_cap; i++) {
            struct lbx_seg_set *set = lbx_seg_set_at(st->seg[s], i);
            struct lbx_ref ref = {s << LBX_SLOT_BITS | i, set->revision};

            if (set->life != LBX_FREE && fn(baton, ref, set)) {
                return;
            }
        }
    }
}

void lbx_store_each_member(const struct lbx_store *st,
                           int (*fn)(void *, struct lbx_ref, struct lbx_seg_member *), void *baton)
{
    for (uint32_t s = 0; s < st->n; s++) {
        for (uint32_t i = 0; i < st->seg[s]->member_cap; i++) {
            struct lbx_seg_member *m = lbx_seg_member_at(st->seg[s], i);
            struct lbx_ref ref = {s << LBX_SLOT_BITS | i, m->revision};

            if (m->life != LBX_FREE && m->life != LBX_MAKING && fn(baton, ref, m)) {
                return;
            }
        }
    }
}

/* FNV-1a, only to make comparing keys cheap; equality is decided by the text.
 * http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_text(uint64_t h, const char *t)
{
    for (; *t; t++) {
        h = (h ^ (unsigned char)*t) * 0x100000001b3ull;
    }
    return (h ^ 0xff) * 0x100000001b3ull; /* where one text ends and the next begins */
}

#define FNV_START 0xcbf29ce484222325ull

struct wanted {
    uint64_t hash;
    const char *scope; /* sets */
    const char *name;
    struct lbx_ref set; /* members */
    struct lbx_ref found;
    int hit;
};

static int is_set(void *baton, struct lbx_ref ref, struct lbx_seg_set *s)
{
    struct wanted *w = baton;

    if (s->hash == w->hash && !strcmp(s->name, w->name) && !strcmp(s->scope, w->scope)) {
        w->found = ref;
        w->hit = 1;
    }
    return w->hit;
}

static int is_member(void *baton, struct lbx_ref ref, struct lbx_seg_member *m)
{
    struct wanted *w = baton;

    if (m->hash == w->hash && m->set.slot == w->set.slot && m->set.revision == w->set.revision
        && !strcmp(m->name, w->name)) {
        w->found = ref;
        w->hit = 1;
        return m->life == LBX_LIVE;
    }
    return 0;
}

enum lbx_rc lbx_store_find_set_locked(const struct lbx_store *st, const char *scope,
                                      const char *name, struct lbx_ref *ref)
{
    struct wanted w = {
        .hash = hash_text(hash_text(FNV_START, scope), name), .scope = scope, .name = name};

    lbx_store_each_set(st, is_set, &w);
    *ref = w.found;
    return w.hit ? LBX_OK : LBX_ENOTFOUND;
}

enum lbx_rc lbx_store_find_member_locked(const struct lbx_store *st, struct lbx_ref set,
                                         const char *name, struct lbx_ref *ref)
{
    struct wanted w = {.hash = hash_text(FNV_START, name), .name = name, .set = set};

    lbx_store_each_member(st, is_member, &w);
    *ref = w.found;
    return w.hit ? LBX_OK : LBX_ENOTFOUND;
}

/* A new owner for a free slot: everything zero, the revision one further.  The
 * revision is never 0, so that a zeroed handle fits nobody. */
static uint32_t take_slot(void *record, size_t size, _Atomic uint32_t *revision)
{
    uint32_t next = *revision + 1;

    memset(record, 0, size);
    next = next ? next : 1;
    *revision = next;
    return next;
}

enum lbx_rc lbx_store_new_set_locked(struct lbx_store *st, const char *scope, const char *name,
                                     struct lbx_ref *ref)
{
    if (strlen(scope) >= LBX_SCOPE_MAX || strlen(name) >= LBX_BALANCER_MAX) {
        return LBX_EVALUE;
    }
    for (uint32_t s = 0; s < st->n; s++) {
        for (uint32_t i = 0; i < st->seg[s]->set_cap; i++) {
            struct lbx_seg_set *set = lbx_seg_set_at(st->seg[s], i);

            if (set->life != LBX_FREE) {
                continue;
            }
            ref->revision = take_slot(set, sizeof(*set), &set->revision);
            ref->slot = s << LBX_SLOT_BITS | i;
            strcpy(set->scope, scope); /* style-ok: length checked above */
            strcpy(set->name, name);   /* style-ok: length checked above */
            set->hash = hash_text(hash_text(FNV_START, scope), name);
            set->life = LBX_LIVE;
            return LBX_OK;
        }
    }
    return LBX_EFULL;
}

enum lbx_rc lbx_store_make_member_locked(struct lbx_store *st, struct lbx_ref set, const char *name,
                                         struct lbx_ref *ref)
{
    if (strlen(name) >= LBX_MEMBER_MAX) {
        return LBX_EVALUE;
    }
    for (uint32_t s = 0; s < st->n; s++) {
        for (uint32_t i = 0; i < st->seg[s]->member_cap; i++) {
            struct lbx_seg_member *m = lbx_seg_member_at(st->seg[s], i);

            if (m->life != LBX_FREE) {
                continue;
            }
            ref->revision = take_slot(m, sizeof(*m), &m->revision);
            ref->slot = s << LBX_SLOT_BITS | i;
            strcpy(m->name, name); /* style-ok: length checked above */
            m->hash = hash_text(FNV_START, name);
            m->set = set;
            m->life = LBX_MAKING;
            return LBX_OK;
        }
    }
    return LBX_EFULL;
}

enum lbx_rc lbx_store_new_member_locked(struct lbx_store *st, struct lbx_ref set, const char *name,
                                        struct lbx_ref *ref)
{
    enum lbx_rc rc = lbx_store_make_member_locked(st, set, name, ref);

    if (!rc) {
        lbx_seg_member_at(lbx_store_segment(st, ref->slot), LBX_SLOT_INDEX(ref->slot))->life =
            LBX_LIVE;
    }
    return rc;
}

struct sweep {
    struct lbx_store *st;
    uint32_t before_s; /* 0: whenever they retired */
    unsigned freed;
};

/* Whoever holds the admin mutex makes no record at this moment. */
static void free_debris(struct lbx_store *st)
{
    for (uint32_t s = 0; s < st->n; s++) {
        for (uint32_t i = 0; i < st->seg[s]->member_cap; i++) {
            struct lbx_seg_member *m = lbx_seg_member_at(st->seg[s], i);

            if (m->life == LBX_MAKING) {
                m->life = LBX_FREE;
            }
        }
    }
}

static int free_member(void *baton, struct lbx_ref ref, struct lbx_seg_member *m)
{
    struct sweep *w = baton;

    int rested = !w->before_s || (m->retired_s && m->retired_s < w->before_s);

    if (m->life == LBX_RETIRED && rested && !lbx_store_in_flight(w->st, ref.slot)) {
        m->life = LBX_FREE;
        w->freed++;
    }
    return 0;
}

static int belongs_to(void *baton, struct lbx_ref ref, struct lbx_seg_member *m)
{
    struct wanted *w = baton;

    (void)ref;
    w->hit = m->set.slot == w->set.slot && m->set.revision == w->set.revision;
    return w->hit;
}

static int free_set(void *baton, struct lbx_ref ref, struct lbx_seg_set *s)
{
    struct sweep *w = baton;
    struct wanted members = {.set = ref};

    if (s->life == LBX_RETIRED) {
        lbx_store_each_member(w->st, belongs_to, &members);
        if (!members.hit) {
            s->life = LBX_FREE;
            w->freed++;
        }
    }
    return 0;
}

unsigned lbx_store_sweep_locked(struct lbx_store *st)
{
    struct sweep w = {st, 0, 0};

    free_debris(st);
    lbx_store_each_member(st, free_member, &w);
    lbx_store_each_set(st, free_set, &w);
    return w.freed;
}

unsigned lbx_store_sweep_old_locked(struct lbx_store *st, uint32_t before_s)
{
    struct sweep w = {st, before_s, 0};

    free_debris(st);
    lbx_store_each_member(st, free_member, &w);
    return w.freed;
}

uint32_t lbx_store_room(const struct lbx_store *st, uint32_t *sets)
{
    uint32_t members = 0;

    *sets = 0;
    for (uint32_t s = 0; s < st->n; s++) {
        for (uint32_t i = 0; i < st->seg[s]->member_cap; i++) {
            members += lbx_seg_member_at(st->seg[s], i)->life == LBX_FREE;
        }
        for (uint32_t i = 0; i < st->seg[s]->set_cap; i++) {
            *sets += lbx_seg_set_at(st->seg[s], i)->life == LBX_FREE;
        }
    }
    return members;
}

void lbx_store_view(const struct lbx_store *st, struct lbx_ref ref, const struct lbx_seg_member *m,
                    struct lbx_member_view *out)
{
    out->ref = ref;
    lbx_member_vals_read(m, &out->run);
    out->conf = m->conf;
    out->health = m->health;
    out->retired = m->life != LBX_LIVE;
    out->ramp = m->ramp ? m->ramp : LBX_RAMP_FULL;
    out->held = m->held;
    out->panic = 0;
    out->error_at_us = m->error_at_us;
    out->trial = atomic_load(&m->trial_us) != 0; /* begins before the error ends */
    out->drain_at_us = m->drain_at_us;
    out->drain_us = 0;
    out->retry_us = 0;
    out->retries = m->retries;
    out->in_flight = lbx_store_in_flight(st, ref.slot);
    out->elected = m->elected;
    out->sent = m->sent;
    out->received = m->received;
    out->failures = m->failures;
    out->load = m->credit;
}

void lbx_store_tally(const struct lbx_seg_member *m, struct lbx_tally *out)
{
    for (unsigned i = 0; i < LBX_OUTCOME_N; i++) {
        out->outcome[i] = m->outcome[i];
        out->retried[i] = m->retried[i];
    }
    for (unsigned i = 0; i < LBX_CLASS_N; i++) {
        out->status[i] = m->status[i];
    }
    for (unsigned i = 0; i < LBX_LATENCY_N; i++) {
        out->latency[i] = m->latency[i];
    }
    out->latency_us = m->latency_us;
}
