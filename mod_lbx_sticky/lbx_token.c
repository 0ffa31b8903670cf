/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of our cookies.  See lbx_token.h.
 *
 * Pure.
 */
#include "lbx_token.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* base64url without padding (RFC 4648, 5). */
static char *encode(char *to, const uint8_t *from, size_t len)
{
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)from[i] << 16 | (i + 1 < len ? (uint32_t)from[i + 1] << 8 : 0)
                        | (i + 2 < len ? from[i + 2] : 0);

        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        if (i + 1 < len) {
            *to++ = digits[bits >> 6 & 63];
        }
        if (i + 2 < len) {
            *to++ = digits[bits & 63];
        }
    }
    *to = '\0';
    return to;
}

/* The value of a digit, or NONE. */
enum { NONE = 64 };

/* clang-format off */
static const uint8_t values[128] = {
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64,
    64,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63,
    64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
};
/* clang-format on */

static unsigned value_of(char ch)
{
    return (unsigned char)ch < sizeof(values) ? values[(unsigned char)ch] : NONE;
}

/* Returns the bytes written, or 0: there is something that is no digit, or bits are
 * left over.  <to> has room for LBX_TOKEN_RAW_MAX. */
static size_t decode(uint8_t *to, const char *from, size_t len)
{
    uint32_t bits = 0;
    size_t n = 0;

    if (len > LBX_TOKEN_TEXT_MAX - 1 || len % 4 == 1) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned v = value_of(from[i]);

        if (v == NONE) {
            return 0;
        }
        bits = bits << 6 | v;
        if (i % 4 && n < LBX_TOKEN_RAW_MAX) {
            to[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
        }
    }
    if (len % 4 && bits & ((1u << (6 - 2 * (len % 4 - 1))) - 1)) {
        return 0; /* two texts for one value */
    }
    return n;
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        *at++ = (uint8_t)(v >> shift);
    }
    return at;
}

static uint8_t *put64(uint8_t *at, uint64_t v)
{
    return put32(put32(at, (uint32_t)(v >> 32)), (uint32_t)v);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t get64(const uint8_t *at)
{
    return (uint64_t)get32(at) << 32 | get32(at + 4);
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
    size_t len = strlen(text);

    *at++ = (uint8_t)len;
    memcpy(at, text, len);
    return at + len;
}

uint64_t lbx_token_id(const struct lbx_token_key *key, const char *identity)
{
    return key->hash(identity, strlen(identity), key->id);
}

static uint64_t check_of(const struct lbx_token_key *key, const uint8_t *raw, size_t len,
                         uint64_t context)
{
    uint8_t room[LBX_TOKEN_RAW_MAX + 8];

    put64(room, context);
    memcpy(room + 8, raw, len);
    return key->hash(room, len + 8, key->check);
}

const char *lbx_token_write(const struct lbx_token *t, const struct lbx_token_key *key,
                            uint64_t context, char out[LBX_TOKEN_TEXT_MAX])
{
    uint8_t raw[LBX_TOKEN_RAW_MAX], *at = raw;
    int path = *t->path && strcmp(t->path, "/");

    *at++ = (uint8_t)((t->flags & 0xf0) | (t->seen ? LBX_TOKEN_SEEN : 0)
                      | (t->expires ? LBX_TOKEN_EXPIRES : 0) | (*t->domain ? LBX_TOKEN_DOMAIN : 0)
                      | (path ? LBX_TOKEN_PATH : 0));
    at = put64(at, t->id);
    at = put32(at, t->issued);
    at = t->seen ? put32(at, t->seen) : at;
    at = t->expires ? put32(at, t->expires) : at;
    at = *t->domain ? put_text(at, t->domain) : at;
    at = path ? put_text(at, t->path) : at;
    at = put64(at, check_of(key, raw, (size_t)(at - raw), context));
    encode(out, raw, (size_t)(at - raw));
    return out;
}

/* A text of the form n text(n); NULL: cut off, or with a NUL inside. */
static const uint8_t *get_text(char *to, const uint8_t *at, const uint8_t *end)
{
    size_t len;

    if (at == end || (size_t)(end - at - 1) < *at) {
        return NULL;
    }
    len = *at++;
    memcpy(to, at, len);
    to[len] = '\0';
    return memchr(to, '\0', len) ? NULL : at + len;
}

/* The fields between the fixed part and the check. */
static int read_rest(struct lbx_token *t, const uint8_t *at, const uint8_t *end)
{
    for (unsigned bit = LBX_TOKEN_SEEN; bit <= LBX_TOKEN_EXPIRES; bit <<= 1) {
        if (t->flags & bit) {
            if (end - at < 4) {
                return 0;
            }
            *(bit == LBX_TOKEN_SEEN ? &t->seen : &t->expires) = get32(at);
            at += 4;
        }
    }
    if (t->flags & LBX_TOKEN_DOMAIN && !(at = get_text(t->domain, at, end))) {
        return 0;
    }
    if (t->flags & LBX_TOKEN_PATH && !(at = get_text(t->path, at, end))) {
        return 0;
    }
    return at == end;
}

int lbx_token_read(struct lbx_token *t, const char *text, size_t len,
                   const struct lbx_token_key *key, uint64_t context)
{
    uint8_t raw[LBX_TOKEN_RAW_MAX];
    size_t n = decode(raw, text, len);

    if (n < 1 + 8 + 4 + 8) {
        return 0;
    }
    n -= 8;
    /* one comparison of two words: no byte of it tells how many were right */
    if (get64(raw + n) != check_of(key, raw, n, context)) {
        return 0;
    }
    memset(t, 0, sizeof(*t));
    t->flags = raw[0];
    t->id = get64(raw + 1);
    t->issued = get32(raw + 9);
    return read_rest(t, raw + 13, raw + n);
}

/* "~5f00aa11": a time in hexadecimal behind a tilde, read from the end. */
static int read_hex(const char *text, size_t *len, uint32_t *v)
{
    size_t at = *len;
    unsigned shift = 0;

    *v = 0;
    for (; at && shift < 32; at--, shift += 4) {
        char ch = text[at - 1];
        uint32_t digit = ch >= '0' && ch <= '9'   ? (uint32_t)(ch - '0')
                         : ch >= 'a' && ch <= 'f' ? (uint32_t)(ch - 'a' + 10)
                                                  : 16;

        if (digit > 15) {
            break;
        }
        *v |= digit << shift;
    }
    if (!shift || !at || text[at - 1] != '~') {
        return 0;
    }
    *len = at - 1;
    return 1;
}

int lbx_token_read_plain(const char *text, size_t len, size_t *name_len, uint32_t *issued,
                         uint32_t *seen)
{
    size_t at = len;

    if (!read_hex(text, &at, seen) || !read_hex(text, &at, issued)) {
        at = len; /* a name, if one that looks a little like it */
        *issued = *seen = 0;
    }
    *name_len = at;
    return at > 0;
}

static int within(uint32_t then, uint32_t most, uint32_t now)
{
    return then > now ? then - now <= LBX_TOKEN_AHEAD : now - then <= most;
}

int lbx_token_alive(uint32_t issued, uint32_t seen, const struct lbx_token_life *life, uint32_t now)
{
    return (!life->maxlife || within(issued, life->maxlife, now))
           && (!life->maxidle || !seen || within(seen, life->maxidle, now));
}

int lbx_token_tired(uint32_t seen, const struct lbx_token_life *life, uint32_t now)
{
    return life->maxidle && (!seen || (now > seen && now - seen > life->maxidle / 8));
}
