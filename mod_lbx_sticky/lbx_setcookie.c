/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Set-Cookie header.  See lbx_setcookie.h.
 *
 *     S="x.r1"; Path=/app; Secure; HttpOnly; Max-Age=60
 *
 * Pure.
 */
#include "lbx_setcookie.h"

#include <string.h>
#include <strings.h>

static struct lbx_span trimmed(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    while (end > at && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return (struct lbx_span){at, (size_t)(end - at)};
}

int lbx_span_is(const struct lbx_span *s, const char *text)
{
    return s->at && s->len == strlen(text) && !memcmp(s->at, text, s->len);
}

int lbx_span_is_nocase(const struct lbx_span *s, const char *text)
{
    return s->at && s->len == strlen(text) && !strncasecmp(s->at, text, s->len);
}

static void read_samesite(struct lbx_setcookie *c, const struct lbx_span *value)
{
    c->samesite = lbx_span_is_nocase(value, "lax")      ? LBX_SAMESITE_LAX
                  : lbx_span_is_nocase(value, "strict") ? LBX_SAMESITE_STRICT
                  : lbx_span_is_nocase(value, "none")   ? LBX_SAMESITE_NONE
                                                        : LBX_SAMESITE_NONE_GIVEN;
}

static void read_attribute(struct lbx_setcookie *c, const char *at, const char *end)
{
    const char *equals = memchr(at, '=', (size_t)(end - at));
    struct lbx_span name = trimmed(at, equals ? equals : end);
    struct lbx_span value = equals ? trimmed(equals + 1, end) : (struct lbx_span){end, 0};

    if (lbx_span_is_nocase(&name, "path")) {
        c->path = value;
    } else if (lbx_span_is_nocase(&name, "domain")) {
        c->domain = value;
    } else if (lbx_span_is_nocase(&name, "expires")) {
        c->expires = value;
    } else if (lbx_span_is_nocase(&name, "max-age")) {
        c->maxage = value;
    } else if (lbx_span_is_nocase(&name, "samesite")) {
        read_samesite(c, &value);
    } else {
        c->secure |= lbx_span_is_nocase(&name, "secure");
        c->httponly |= lbx_span_is_nocase(&name, "httponly");
        c->partitioned |= lbx_span_is_nocase(&name, "partitioned");
    }
}

int lbx_setcookie_read(struct lbx_setcookie *c, const char *header)
{
    const char *end = header + strcspn(header, ";");
    const char *equals = memchr(header, '=', (size_t)(end - header));

    memset(c, 0, sizeof(*c));
    if (!equals) {
        return 0;
    }
    c->name = trimmed(header, equals);
    c->raw = c->value = trimmed(equals + 1, end);
    if (c->value.len >= 2 && c->value.at[0] == '"' && c->value.at[c->value.len - 1] == '"') {
        c->value.at++;
        c->value.len -= 2;
    }
    while (*end) {
        const char *at = end + 1;

        end = at + strcspn(at, ";");
        read_attribute(c, at, end);
    }
    return c->name.len > 0;
}

long lbx_setcookie_maxage(const struct lbx_setcookie *c, long most)
{
    const char *at = c->maxage.at, *end;
    int minus;
    long n = 0;

    if (!at) {
        return -1;
    }
    end = at + c->maxage.len;
    minus = at < end && *at == '-';
    at += minus;
    if (at == end) {
        return -1;
    }
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') {
            return -1;
        }
        n = n > most / 10 ? most : n * 10 + (*at - '0');
    }
    return minus ? 0 : n > most ? most : n;
}

enum lbx_promise lbx_setcookie_promise(const char *name)
{
    return !strncasecmp(name, "__Host-", 7)     ? LBX_PROMISE_HOST
           : !strncasecmp(name, "__Secure-", 9) ? LBX_PROMISE_SECURE
                                                : LBX_PROMISE_NOTHING;
}
