/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last events of the suite, in shared memory: a ring that any process writes
 * and reads without a lock, and that a writer may leave at any instruction, for
 * ever.
 *
 * Each entry has a mark (whose it is, and whether it is complete) and a sum over
 * its words.  A writer takes the next number and marks the entry of that number,
 * whoever was at it; a reader accepts what is marked complete before and after
 * it copied, and whose sum is right.  An entry whose writer died, or at which
 * two were at once because one slept while the ring went round, is left out.
 *
 * Not here: what is worth an event, what the texts say.
 *
 * Pure.
 */
#ifndef LBX_EVENTS_H
#define LBX_EVENTS_H

#include <stdatomic.h>

#include "lbx_assert.h"
#include "lbx_types.h"

enum { LBX_EVENT_WORDS = sizeof(struct lbx_event) / sizeof(uint64_t) };

struct lbx_ring_entry {
    _Alignas(64) _Atomic uint64_t mark; /* 2 * number; + 1: not complete */
    _Atomic uint64_t sum;               /* over number and words */
    _Atomic uint64_t word[LBX_EVENT_WORDS];
};

/* Zeroed memory is an empty ring. */
struct lbx_ring {
    _Alignas(64) _Atomic uint64_t last; /* number taken last */
    struct lbx_ring_entry entry[LBX_EVENTS_MAX];
};

LBX_STATIC(sizeof(struct lbx_event) % sizeof(uint64_t) == 0, "copied in words");
LBX_STATIC(sizeof(struct lbx_ring_entry) == 512, "layout: event");

/* Remember <event>; its number is assigned here and returned.  Texts are cut at
 * their arrays' ends. */
uint64_t lbx_events_add(struct lbx_ring *ring, const struct lbx_event *event);

/* Those with numbers above <after>, oldest first, at most LBX_EVENTS_MAX of them,
 * into <out>.  Returns how many. */
unsigned lbx_events_read(const struct lbx_ring *ring, uint64_t after, struct lbx_event *out);

#endif
