/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the application sets its cookie, remembered in shared memory: whoever has to set
 * that cookie in its place does it alike.  How long a cookie lives is not among it: that
 * is each client's own.
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

enum { LBX_ATTRS_DOMAIN = 62, LBX_ATTRS_PATH = 125, LBX_ATTRS_WORDS = 24 };

struct lbx_attrs {
    uint8_t flags; /* enum lbx_token_flag, SECURE and above */
    uint8_t httponly;
    uint8_t tls;                       /* the client that got it came by TLS */
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

/* Would a browser that asked <host> ("" or NULL: not known) for <uri> take a cookie with
 * them, and send it there?  Another one may have got it: from another host, by TLS. */
int lbx_attrs_fit(const struct lbx_attrs *a, const char *host, const char *uri, int tls);

#endif
