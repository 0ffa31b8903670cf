/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a Set-Cookie response header as browsers do (RFC 6265, 5.2).
 *
 * Not here: the Cookie request header (lbx_cookie), dates (the caller has a
 * library for them).
 *
 * Pure.  Reads nothing outside the text; linear in its length.
 */
#ifndef LBX_SETCOOKIE_H
#define LBX_SETCOOKIE_H

#include <stddef.h>

struct lbx_span {
    const char *at; /* NULL: not there */
    size_t len;
};

enum lbx_samesite {
    LBX_SAMESITE_NONE_GIVEN,
    LBX_SAMESITE_LAX,
    LBX_SAMESITE_STRICT,
    LBX_SAMESITE_NONE
};

/* All spans are parts of the header.  Of an attribute given twice the last counts. */
struct lbx_setcookie {
    struct lbx_span name;
    struct lbx_span value; /* without surrounding quotes */
    struct lbx_span raw;   /* ... with them */
    struct lbx_span domain;
    struct lbx_span path;
    struct lbx_span expires;
    struct lbx_span maxage;
    enum lbx_samesite samesite;
    int secure;
    int httponly;
    int partitioned;
};

/* 0: no cookie: no '=' before the first ';', or no name. */
int lbx_setcookie_read(struct lbx_setcookie *c, const char *header);

/* Seconds of Max-Age: what a browser makes of it, at most <most>; -1: not given, or no
 * number; 0: take it back. */
long lbx_setcookie_maxage(const struct lbx_setcookie *c, long most);

/* What a cookie's name promises: a browser throws away one that does not keep it. */
enum lbx_promise {
    LBX_PROMISE_NOTHING,
    LBX_PROMISE_SECURE, /* __Secure-: Secure */
    LBX_PROMISE_HOST    /* __Host-: Secure, Path=/, no Domain */
};

/* With any case, as browsers have it. */
enum lbx_promise lbx_setcookie_promise(const char *name);

/* Whole name, with case. */
int lbx_span_is(const struct lbx_span *s, const char *text);

/* Without case. */
int lbx_span_is_nocase(const struct lbx_span *s, const char *text);

#endif
