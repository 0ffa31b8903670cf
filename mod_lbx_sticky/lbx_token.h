/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of our own cookies: which member a client belongs to, since when, and
 * with which attributes the cookie was set, so that it can be set again alike.
 *
 *     opaque   base64url of  flags(1) id(8) issued(4) [seen(4)] [expires(4)]
 *              [n domain(n)] [n path(n)]  check(8)
 *     plain    NAME, or NAME~issued~seen in hexadecimal
 *
 * Times are seconds since the epoch, big endian.  <id> stands for the member's
 * identity and is a keyed hash; the check is a keyed hash of everything before it
 * and of the cookie's context (balancer and name), so that a value made for
 * another cookie is as foreign as a forged one.
 *
 * Not here: keys and their rotation (sticky_key), what a cookie header looks like
 * (lbx_cookie, lbx_setcookie).
 *
 * Pure.  The texts come from strangers: nothing outside them is read.
 */
#ifndef LBX_TOKEN_H
#define LBX_TOKEN_H

#include <stddef.h>
#include <stdint.h>

enum {
    LBX_KEY_SIZE = 16,
    LBX_TOKEN_ATTR_MAX = 255, /* a longer domain or path is not kept */
    LBX_TOKEN_RAW_MAX = 1 + 8 + 3 * 4 + 2 * (1 + LBX_TOKEN_ATTR_MAX) + 8,
    LBX_TOKEN_TEXT_MAX = (LBX_TOKEN_RAW_MAX + 2) / 3 * 4 + 1
};

enum lbx_token_flag {
    LBX_TOKEN_SEEN = 0x01,    /* has the time of the last use */
    LBX_TOKEN_EXPIRES = 0x02, /* has the time when the browser forgets it */
    LBX_TOKEN_DOMAIN = 0x04,
    LBX_TOKEN_PATH = 0x08, /* else: "/" */
    LBX_TOKEN_SECURE = 0x10,
    LBX_TOKEN_LAX = 0x20, /* SameSite; both bits: None */
    LBX_TOKEN_STRICT = 0x40,
    LBX_TOKEN_PARTITIONED = 0x80
};

struct lbx_token {
    uint8_t flags; /* SEEN to PATH are derived from the fields below when it is written */
    uint64_t id;
    uint32_t issued;
    uint32_t seen;    /* 0: not kept */
    uint32_t expires; /* 0: with the session */
    char domain[LBX_TOKEN_ATTR_MAX + 1];
    char path[LBX_TOKEN_ATTR_MAX + 1]; /* "": "/" */
};

/* 64 bits of a keyed hash, such as SipHash-2-4. */
typedef uint64_t (*lbx_hash_fn)(const void *data, size_t len, const unsigned char *key);

/* One key, and what it is used for. */
struct lbx_token_key {
    lbx_hash_fn hash;
    unsigned char check[LBX_KEY_SIZE];
    unsigned char id[LBX_KEY_SIZE];
    unsigned char learn[LBX_KEY_SIZE]; /* of sessions that are remembered (lbx_learn) */
};

/* What the id of a member is under this key. */
uint64_t lbx_token_id(const struct lbx_token_key *key, const char *identity);

/* Write <t> as an opaque value.  <context> is any number that stands for the
 * cookie.  Returns <out>. */
const char *lbx_token_write(const struct lbx_token *t, const struct lbx_token_key *key,
                            uint64_t context, char out[LBX_TOKEN_TEXT_MAX]);

/* Read one.  0: not written with this key for this context, or not one at all.
 * Takes the same time wherever a wrong check differs. */
int lbx_token_read(struct lbx_token *t, const char *text, size_t len,
                   const struct lbx_token_key *key, uint64_t context);

/* A plain value: the name (a part of the text), and its times (0: none).  0: not one. */
int lbx_token_read_plain(const char *text, size_t len, size_t *name_len, uint32_t *issued,
                         uint32_t *seen);

/* How old may it be?  Seconds; 0: for ever. */
struct lbx_token_life {
    uint32_t maxidle; /* since it was last used */
    uint32_t maxlife; /* since it was first set */
};

enum { LBX_TOKEN_AHEAD = 86400 }; /* clocks differ; more than that is no date of ours */

/* Is the value still good at <now>?  One without a time of use, read with maxidle,
 * is accepted and gets one. */
int lbx_token_alive(uint32_t issued, uint32_t seen, const struct lbx_token_life *life,
                    uint32_t now);

/* Has so much of its idle time passed that it is to be set anew? */
int lbx_token_tired(uint32_t seen, const struct lbx_token_life *life, uint32_t now);

#endif
