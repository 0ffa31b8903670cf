/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of a balancer: which of the requests that wait for a member comes
 * next, over all processes, first come first served.
 *
 * Each waiting request holds a place in its own child's part of the segment and
 * nothing else; a place with a ticket is in the queue, and who is first is found
 * by looking at all of them.  So a child that dies takes its own places with it and
 * nobody else's: the parent clears them, and before it comes to that, those who wait
 * notice that the child is gone (lbx_store_child_look).
 *
 * A request waits for any member, or for one: that of its session.  Who waits for
 * one holds up nobody else; who waits for any comes before those that came later
 * and want any, and before later ones that want a member which it could have.
 *
 * Not here: sleeping and waking (core_queue), whether there is a member
 * (core_choose).
 *
 * Pure.  Any thread of any process.
 */
#ifndef LBX_QUEUE_H
#define LBX_QUEUE_H

#include "lbx_store.h"

/* For whom a request waits: slot + 1 of a member, or one of these.  A request that
 * some members have failed wants others, and holds up nobody. */
enum { LBX_QUEUE_TARGETS = 32 };
#define LBX_ANY_MEMBER   0
#define LBX_OTHER_MEMBER UINT32_MAX

/* The place of one request; the caller's. */
struct lbx_wait {
    uint32_t child;
    uint32_t place;  /* index in the child's places, + 1; 0: none */
    uint64_t ticket; /* UINT64_MAX: not in the queue, comes after all that are */
};

/* Who comes before a request. */
struct lbx_ahead {
    uint32_t total;
    uint32_t any;                       /* ... of those that take any member */
    uint32_t n;                         /* members that others wait for, as slots */
    uint32_t target[LBX_QUEUE_TARGETS]; /* ... each once */
    int more;                           /* ... and others that found no room there */
};

/* Nobody in the queue yet. */
void lbx_queue_begin(struct lbx_wait *w, uint32_t child);

/* Take a place at the end.  0: this child has no place left. */
int lbx_queue_enter(const struct lbx_store *st, struct lbx_wait *w, struct lbx_ref set,
                    uint32_t target);

/* Wait for somebody else from now on, at the same place. */
void lbx_queue_aim(const struct lbx_store *st, const struct lbx_wait *w, uint32_t target);

/* Give the place back; nothing happens to a request without one. */
void lbx_queue_leave(const struct lbx_store *st, struct lbx_wait *w);

/* Does surely nobody wait?  Spares lbx_queue_look. */
static inline int lbx_queue_is_empty(const struct lbx_seg_set *rec)
{
    return !atomic_load_explicit(&rec->queue_hint, memory_order_acquire);
}

/* Who comes before <w>? */
void lbx_queue_look(const struct lbx_store *st, struct lbx_ref set, const struct lbx_wait *w,
                    struct lbx_ahead *ahead);

/* Does somebody who comes before wait for this member and no other? */
int lbx_ahead_wants(const struct lbx_ahead *ahead, uint32_t slot);

/* Tickets of those who may go on now, to be woken: the first of those who take any
 * member, and the first for each member.  Returns how many of up to <max>. */
uint32_t lbx_queue_heads(const struct lbx_store *st, struct lbx_ref set, uint64_t *ticket,
                         uint32_t max);

/* Requests that wait in this queue. */
uint32_t lbx_queue_length(const struct lbx_store *st, struct lbx_ref set);

#endif
