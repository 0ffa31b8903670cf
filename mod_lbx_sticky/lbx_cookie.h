/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks over the pairs of a Cookie request header.
 *
 * Not here: Set-Cookie, and what a value means (lbx_route.h).
 *
 * Pure.  Reads nothing outside the header, allocates nothing; all pairs together
 * take time linear in its length.
 */
#ifndef LBX_COOKIE_H
#define LBX_COOKIE_H

#include <stddef.h>

/* Both are parts of the header, without a terminating NUL. */
struct lbx_cookie {
    const char *name; /* never empty */
    size_t name_len;
    const char *value; /* without surrounding blanks and quotes; may be empty */
    size_t value_len;
    const char *end; /* behind the cookie, with a closing quote */
};

/* To begin, <at> is the first byte of the header and <end> the one behind it. */
struct lbx_cookie_cursor {
    const char *at;
    const char *end;
};

/* Is there another cookie?  Entries without '=' or without a name are passed over. */
int lbx_cookie_next(struct lbx_cookie_cursor *c, struct lbx_cookie *cookie);

/*
 * The header without the cookies that <drop> says yes to, in <to>, which has room for
 * strlen(header) + 1 bytes.  The others keep their bytes and order.  Returns the
 * length: 0, nothing is left.
 */
size_t lbx_cookie_without(char *to, const char *header,
                          int (*drop)(const void *baton, const struct lbx_cookie *cookie),
                          const void *baton);

/* Names are compared byte by byte: "sid" is not "SID". */
int lbx_cookie_is(const struct lbx_cookie *cookie, const char *name);

#endif
