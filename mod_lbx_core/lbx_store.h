/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of a chain of segments: find them by key, make, retire and free
 * them.
 *
 * A store is a process's own view: the addresses of the segments it knows.  The
 * parent adds a segment when one is full and never removes one; a child keeps
 * those that were there when it was forked.  The first segment holds the admin
 * mutex and the table of children for all.
 *
 * Not here: who serves requests (lbx_children), where the memory comes from
 * (core_store), what a value means.
 *
 * Pure.
 */
#ifndef LBX_STORE_H
#define LBX_STORE_H

#include "lbx_segment.h"

enum {
    LBX_SEGMENTS_MAX = 16,
    LBX_SLOT_BITS = 24 /* a slot is (segment << 24 | index in the segment) */
};

#define LBX_SLOT_INDEX(slot) ((slot) & ((1u << LBX_SLOT_BITS) - 1))

struct lbx_store {
    unsigned n;
    struct lbx_seg_head *seg[LBX_SEGMENTS_MAX];
};

/* The segment that a slot is in; NULL: this process does not know it. */
static inline struct lbx_seg_head *lbx_store_segment(const struct lbx_store *st, uint32_t slot)
{
    return slot >> LBX_SLOT_BITS < st->n ? st->seg[slot >> LBX_SLOT_BITS] : NULL;
}

/* Add a segment at the end of the chain.  It must be well formed, and have the
 * first one's number of children.  LBX_EFULL: the chain is at its limit. */
enum lbx_rc lbx_store_add(struct lbx_store *st, void *mem, uint64_t len);

/* The admin mutex, waited for until <until_us> of the system's clock.  LBX_OK also when
 * the last holder died in it: every change made under it is in force or not at its last
 * store.  LBX_ELOCK: somebody holds it for so long. */
enum lbx_rc lbx_store_lock(struct lbx_store *st, uint64_t until_us);
void lbx_store_unlock(struct lbx_store *st);

/* Records by handle; NULL when the slot is free or has another owner by now.
 * A retired record is found: it may still have requests. */
struct lbx_seg_set *lbx_store_set(const struct lbx_store *st, struct lbx_ref ref);
struct lbx_seg_member *lbx_store_member(const struct lbx_store *st, struct lbx_ref ref);

/* Records by key, live or retired, rather a live one.  Admin mutex held.
 * LBX_ENOTFOUND.  */
enum lbx_rc lbx_store_find_set_locked(const struct lbx_store *st, const char *scope,
                                      const char *name, struct lbx_ref *ref);
enum lbx_rc lbx_store_find_member_locked(const struct lbx_store *st, struct lbx_ref set,
                                         const char *name, struct lbx_ref *ref);

/* A new record with zeroed values, live.  Admin mutex held.  LBX_EFULL: add a
 * segment; LBX_EVALUE: the key is too long. */
enum lbx_rc lbx_store_new_set_locked(struct lbx_store *st, const char *scope, const char *name,
                                     struct lbx_ref *ref);
enum lbx_rc lbx_store_new_member_locked(struct lbx_store *st, struct lbx_ref set, const char *name,
                                        struct lbx_ref *ref);

/* As before, but nobody finds the record until the caller, who fills it, makes it
 * live.  One whose maker dies is freed by the next sweep. */
enum lbx_rc lbx_store_make_member_locked(struct lbx_store *st, struct lbx_ref set, const char *name,
                                         struct lbx_ref *ref);

/* Free the retired records nobody has requests on; their slots may be used
 * again.  Returns how many.  Admin mutex held. */
unsigned lbx_store_sweep_locked(struct lbx_store *st);

/* Likewise members alone, and of them those that were removed at run time before
 * <before_s> (seconds since the epoch): while processes serve, one may be about to use
 * the record, and those of old configurations may know no other. */
unsigned lbx_store_sweep_old_locked(struct lbx_store *st, uint32_t before_s);

/* Free slots left in the chain, for members and for sets. */
uint32_t lbx_store_room(const struct lbx_store *st, uint32_t *sets);

/* Call <fn> for every record in use.  Returning non-zero stops. */
void lbx_store_each_set(const struct lbx_store *st,
                        int (*fn)(void *, struct lbx_ref, struct lbx_seg_set *), void *baton);
void lbx_store_each_member(const struct lbx_store *st,
                           int (*fn)(void *, struct lbx_ref, struct lbx_seg_member *), void *baton);

/* A member by value.  retry_us is not in the segment: the caller sets it. */
void lbx_store_view(const struct lbx_store *st, struct lbx_ref ref, const struct lbx_seg_member *m,
                    struct lbx_member_view *out);

/* What a member has done.  The figures are read one by one: they need not agree. */
void lbx_store_tally(const struct lbx_seg_member *m, struct lbx_tally *out);

#endif
