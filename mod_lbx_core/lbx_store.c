/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records, children and in-flight counts over a chain of segments.  See
 * lbx_store.h.
 *
 * Look-ups by key scan: they run at a (re)start and for manager actions only.
 *
 * Pure.
 */
#include "lbx_store.h"

#include "lbx_vals.h"

#include <errno.h>
#include <string.h>

#define INDEX_MASK ((1u << LBX_SLOT_BITS) - 1)

static struct lbx_seg_head *seg_of(const struct lbx_store *st, uint32_t slot)
{
    uint32_t s = slot >> LBX_SLOT_BITS;

    return s < st->n ? st->seg[s] : NULL;
}

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

enum lbx_rc lbx_store_lock(struct lbx_store *st)
{
    pthread_mutex_t *m = &st->seg[0]->admin_mutex;
    int rc = pthread_mutex_lock(m);

    if (rc == EOWNERDEAD) {
        rc = pthread_mutex_consistent(m);
    }
    return rc ? LBX_ELOCK : LBX_OK;
}

void lbx_store_unlock(struct lbx_store *st)
{
    pthread_mutex_unlock(&st->seg[0]->admin_mutex);
}

struct lbx_seg_set *lbx_store_set(const struct lbx_store *st, struct lbx_ref ref)
{
    struct lbx_seg_head *h = seg_of(st, ref.slot);
    struct lbx_seg_set *s;

    if (!h || (ref.slot & INDEX_MASK) >= h->set_cap) {
        return NULL;
    }
    s = lbx_seg_set_at(h, ref.slot & INDEX_MASK);
    return s->life != LBX_FREE && s->revision == ref.revision ? s : NULL;
}

struct lbx_seg_member *lbx_store_member(const struct lbx_store *st, struct lbx_ref ref)
{
    struct lbx_seg_head *h = seg_of(st, ref.slot);
    struct lbx_seg_member *m;

    if (!h || (ref.slot & INDEX_MASK) >= h->member_cap) {
        return NULL;
    }
    m = lbx_seg_member_at(h, ref.slot & INDEX_MASK);
    return m->life != LBX_FREE && m->revision == ref.revision ? m : NULL;
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

            if (m->life != LBX_FREE && fn(baton, ref, m)) {
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
    }
    return w->hit;
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

enum lbx_rc lbx_store_new_member_locked(struct lbx_store *st, struct lbx_ref set, const char *name,
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
            m->life = LBX_LIVE;
            return LBX_OK;
        }
    }
    return LBX_EFULL;
}

struct sweep {
    struct lbx_store *st;
    unsigned freed;
};

static int free_member(void *baton, struct lbx_ref ref, struct lbx_seg_member *m)
{
    struct sweep *w = baton;

    if (m->life == LBX_RETIRED && !lbx_store_in_flight(w->st, ref.slot)) {
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
    struct sweep w = {st, 0};

    lbx_store_each_member(st, free_member, &w);
    lbx_store_each_set(st, free_set, &w);
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

uint32_t lbx_store_child_claim(struct lbx_store *st, uint32_t pid)
{
    struct lbx_seg_head *h = st->seg[0];

    for (uint32_t i = 0; i < h->child_cap; i++) {
        uint32_t nobody = 0;

        if (atomic_compare_exchange_strong(&lbx_seg_child_at(h, i)->pid, &nobody, pid)) {
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

void lbx_store_reserve(const struct lbx_store *st, uint32_t child, uint32_t slot)
{
    struct lbx_seg_head *h = seg_of(st, slot);

    if (child != LBX_NO_CHILD && LBX_CHECK(h)) {
        atomic_fetch_add(&lbx_seg_column(h, child)[slot & INDEX_MASK], 1);
    }
}

void lbx_store_release(const struct lbx_store *st, uint32_t child, uint32_t slot)
{
    struct lbx_seg_head *h = seg_of(st, slot);

    if (child != LBX_NO_CHILD && LBX_CHECK(h)) {
        atomic_fetch_sub(&lbx_seg_column(h, child)[slot & INDEX_MASK], 1);
    }
}

uint32_t lbx_store_in_flight(const struct lbx_store *st, uint32_t slot)
{
    struct lbx_seg_head *h = seg_of(st, slot);
    uint32_t high = atomic_load_explicit(&st->seg[0]->children_high, memory_order_acquire);
    uint32_t sum = 0;

    if (!h) {
        return 0;
    }
    for (uint32_t c = 0; c < high; c++) {
        sum += atomic_load_explicit(&lbx_seg_column(h, c)[slot & INDEX_MASK], memory_order_acquire);
    }
    return sum;
}

void lbx_store_view(const struct lbx_store *st, struct lbx_ref ref, const struct lbx_seg_member *m,
                    struct lbx_member_view *out)
{
    out->ref = ref;
    lbx_member_vals_read(m, &out->run);
    out->conf = m->conf;
    out->health = m->health;
    out->retired = m->life != LBX_LIVE;
    out->error_at_us = m->error_at_us;
    out->retry_us = 0;
    out->retries = m->retries;
    out->in_flight = lbx_store_in_flight(st, ref.slot);
    out->elected = m->elected;
    out->sent = m->sent;
    out->received = m->received;
    out->failures = m->failures;
    out->load = m->credit;
}
