/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of sessions.  See lbx_learn.h.
 *
 * Pure.
 */
#include "lbx_learn.h"

enum { MAGIC = 0x4c42584c, VERSION = 1, LOOKS = 3 };

_Static_assert(sizeof(struct lbx_learn_row) == 16, "layout: row");
_Static_assert(sizeof(struct lbx_learn) == 64, "layout: head");

static uint64_t buckets_for(uint64_t sessions)
{
    uint64_t want = sessions + sessions / 4, n = 1;

    while (n * LBX_LEARN_WAYS < want) {
        n *= 2;
    }
    return n;
}

uint64_t lbx_learn_size(uint64_t sessions)
{
    return sizeof(struct lbx_learn)
           + buckets_for(sessions) * LBX_LEARN_WAYS * sizeof(struct lbx_learn_row);
}

void lbx_learn_format(struct lbx_learn *t, uint64_t sessions)
{
    t->version = VERSION;
    t->buckets = buckets_for(sessions);
    t->magic = MAGIC;
}

int lbx_learn_check(const struct lbx_learn *t, uint64_t len, uint64_t sessions)
{
    return len >= lbx_learn_size(sessions) && t->magic == MAGIC && t->version == VERSION
           && t->buckets == buckets_for(sessions);
}

/* Spreads the bits of a member over a word (the finalizer of MurmurHash3). */
static uint64_t scrambled(uint32_t member)
{
    uint64_t h = member * 0x9e3779b97f4a7c15u;

    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    return h ^ h >> 33;
}

/* Where a session may be: bucket 0 or 1. */
static struct lbx_learn_row *bucket_of(struct lbx_learn *t, uint64_t session, int choice)
{
    return &t->row[((choice ? session : session >> 32) & (t->buckets - 1)) * LBX_LEARN_WAYS];
}

/* The session's row, and whose it is; NULL: it has none. */
static struct lbx_learn_row *find_row(struct lbx_learn *t, uint64_t session, uint32_t *member)
{
    for (int i = 0; i < 2 * LBX_LEARN_WAYS; i++) {
        struct lbx_learn_row *row = bucket_of(t, session, i / LBX_LEARN_WAYS) + i % LBX_LEARN_WAYS;

        *member = atomic_load_explicit(&row->member, memory_order_acquire);
        if (*member
            && (atomic_load_explicit(&row->mark, memory_order_acquire) ^ scrambled(*member))
                   == session) {
            return row;
        }
    }
    *member = 0;
    return NULL;
}

/* Has it been idle for too long?  Clocks of processes may differ by a little. */
static int outdated(uint32_t used, uint32_t now, uint32_t idle)
{
    return now > used && now - used > idle;
}

uint32_t lbx_learn_find(struct lbx_learn *t, uint64_t session, uint32_t now, uint32_t idle)
{
    struct lbx_learn_row *row = NULL;
    uint32_t member, used;

    /* somebody may be in the middle of writing it */
    for (int i = 0; i < LOOKS && !row; i++) {
        row = find_row(t, session, &member);
    }
    if (!row) {
        return 0;
    }
    used = atomic_load_explicit(&row->used, memory_order_relaxed);
    if (outdated(used, now, idle)) {
        return 0;
    }
    if (now > used) { /* not for every request: the line is shared */
        atomic_store_explicit(&row->used, now, memory_order_relaxed);
    }
    return member;
}

/* Empty rows of a bucket, one of them in *empty, and the one used longest ago. */
static int look_at(struct lbx_learn_row *row, struct lbx_learn_row **empty,
                   struct lbx_learn_row **oldest)
{
    int n = 0;

    for (int i = 0; i < LBX_LEARN_WAYS; i++) {
        if (!atomic_load_explicit(&row[i].member, memory_order_relaxed)) {
            *empty = &row[i];
            n++;
        } else if (!*oldest
                   || atomic_load_explicit(&row[i].used, memory_order_relaxed)
                          < atomic_load_explicit(&(*oldest)->used, memory_order_relaxed)) {
            *oldest = &row[i];
        }
    }
    return n;
}

/* The row for a new session: an empty one, or the one that has to go. */
static struct lbx_learn_row *row_for(struct lbx_learn *t, uint64_t session, int *is_empty)
{
    struct lbx_learn_row *empty[2] = {NULL, NULL}, *oldest = NULL;
    int first = look_at(bucket_of(t, session, 0), &empty[0], &oldest);
    int second = look_at(bucket_of(t, session, 1), &empty[1], &oldest);

    *is_empty = first || second;
    return *is_empty ? empty[second > first] : oldest;
}

static struct lbx_learn_row *victim(struct lbx_learn *t, uint64_t session, uint32_t now,
                                    uint32_t idle)
{
    int is_empty;
    struct lbx_learn_row *row = row_for(t, session, &is_empty);

    if (!is_empty && !outdated(row->used, now, idle)) {
        atomic_fetch_add_explicit(&t->evicted, 1, memory_order_relaxed);
    }
    return row;
}

void lbx_learn_put(struct lbx_learn *t, uint64_t session, uint32_t member, uint32_t now,
                   uint32_t idle)
{
    uint32_t before;
    struct lbx_learn_row *row = find_row(t, session, &before);

    if (!row) {
        row = victim(t, session, now, idle);
    }
    atomic_store_explicit(&row->used, now, memory_order_relaxed);
    if (before != member) {
        atomic_store_explicit(&row->member, member, memory_order_release);
        atomic_store_explicit(&row->mark, session ^ scrambled(member), memory_order_release);
    }
}

void lbx_learn_copy(struct lbx_learn *to, struct lbx_learn *from)
{
    for (uint64_t i = 0; i < from->buckets * LBX_LEARN_WAYS; i++) {
        struct lbx_learn_row *row = &from->row[i], *place;
        uint32_t member = row->member, used = row->used;
        uint64_t session = row->mark ^ scrambled(member); /* a stranger's, of half a row */
        int is_empty;

        if (!member) {
            continue;
        }
        place = row_for(to, session, &is_empty);
        if (is_empty || place->used < used) {
            place->mark = session ^ scrambled(member);
            place->member = member;
            place->used = used;
        }
    }
}

void lbx_learn_forget(struct lbx_learn *t, uint64_t session)
{
    uint32_t member;
    struct lbx_learn_row *row;

    /* two first requests at once may have made two */
    while ((row = find_row(t, session, &member))) {
        atomic_store_explicit(&row->member, 0, memory_order_release);
    }
}

uint64_t lbx_learn_count(const struct lbx_learn *t)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < t->buckets * LBX_LEARN_WAYS; i++) {
        n += atomic_load_explicit(&t->row[i].member, memory_order_relaxed) != 0;
    }
    return n;
}
