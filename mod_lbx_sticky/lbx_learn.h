/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded table from session to member, in shared memory, without locks.
 *
 * A session is a 64-bit keyed hash of its id, a member a 32-bit number that is not 0.
 * Rows stand in buckets of LBX_LEARN_WAYS, and each session has two buckets in which it
 * may be; a new one takes an empty row of the emptier, else the row of both that was
 * used longest ago.  (Y. Azar and others, Balanced allocations, 1994: with two choices
 * the buckets fill nearly evenly.)
 *
 * The words of a row are written one after the other, by any thread of any process,
 * each of which may be killed in between.  So the first word is the session XOR a
 * scrambled member: a row that is half of one and half of another belongs to nobody.
 * (R. Hyatt and T. Mann, A lockless transposition table, 2002.)  The time of the last
 * use stands apart and decides only who is thrown out.
 *
 * Pure: works on any block of zeroed memory that is aligned to 64.
 */
#ifndef LBX_LEARN_H
#define LBX_LEARN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { LBX_LEARN_WAYS = 8, LBX_LEARN_MIN = 64, LBX_LEARN_MAX = 100000000 };

struct lbx_learn_row {
    _Atomic uint64_t mark;
    _Atomic uint32_t member;
    _Atomic uint32_t used; /* seconds */
};

struct lbx_learn {
    uint32_t magic;
    uint32_t version;
    uint64_t buckets;         /* a power of two */
    _Atomic uint64_t evicted; /* sessions thrown out before their time */
    uint64_t reserved_[5];
    struct lbx_learn_row row[]; /* buckets * LBX_LEARN_WAYS */
};

/* Bytes for that many sessions: a quarter more than that fit, since buckets do not fill
 * evenly. */
uint64_t lbx_learn_size(uint64_t sessions);

/* Make <mem>, zeroed, of that size, a table. */
void lbx_learn_format(struct lbx_learn *t, uint64_t sessions);

/* Is it one of that size? */
int lbx_learn_check(const struct lbx_learn *t, uint64_t len, uint64_t sessions);

/* The member of a session, used now; 0: not known, or not used for <idle> seconds. */
uint32_t lbx_learn_find(struct lbx_learn *t, uint64_t session, uint32_t now, uint32_t idle);

/* Remember, or remember anew. */
void lbx_learn_put(struct lbx_learn *t, uint64_t session, uint32_t member, uint32_t now,
                   uint32_t idle);

/* Take over what <from> knows, with the times of use; where that is too much, the
 * sessions that were used last.  Nobody else uses <to> yet. */
void lbx_learn_copy(struct lbx_learn *to, struct lbx_learn *from);

/* The application has ended the session. */
void lbx_learn_forget(struct lbx_learn *t, uint64_t session);

/* Rows in use, outdated ones included.  Looks at all: not for requests. */
uint64_t lbx_learn_count(const struct lbx_learn *t);

#endif
