/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the application sets its cookie, remembered in shared memory: whoever has to set
 * that cookie in its place does it alike.
 *
 * Any thread of any process writes the words one after the other, without a lock, and
 * may be killed in between; so the last one is a check over the others.  What does not
 * agree with it is not known, until the application sets the cookie again.
 *
 * Pure: works on any zeroed block of memory.
 */
#ifndef LBX_ATTRS_H
#define LBX_ATTRS_H

#include <stdatomic.h>
#include <stdint.h>

enum { LBX_ATTRS_DOMAIN = 62, LBX_ATTRS_PATH = 122, LBX_ATTRS_WORDS = 24 };

struct lbx_attrs {
    uint32_t life; /* seconds; 0: until the browser ends */
    uint8_t flags; /* enum lbx_token_flag, SECURE and above */
    uint8_t httponly;
    char domain[LBX_ATTRS_DOMAIN + 1]; /* "": none */
    char path[LBX_ATTRS_PATH + 1];
};

/* Shared.  All zero: nothing is known. */
struct lbx_attrs_slot {
    _Atomic uint64_t word[LBX_ATTRS_WORDS];
    _Atomic uint64_t check;
};

/* Remember <a>; writes nothing when that is what is known. */
void lbx_attrs_keep(struct lbx_attrs_slot *slot, const struct lbx_attrs *a);

/* 0: not known. */
int lbx_attrs_recall(const struct lbx_attrs_slot *slot, struct lbx_attrs *a);

/* Does a cookie with this Path come with requests for <uri> (RFC 6265, 5.1.4)? */
int lbx_attrs_covers(const char *path, const char *uri);

#endif
