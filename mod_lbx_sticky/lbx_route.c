/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session values and their routes.  See lbx_route.h.
 *
 * With the separator '.' and a member whose route is "r1":
 *
 *     value           asked for                  answer
 *     abc.r1          r1                         r1, known
 *     n0.abc.r1       abc.r1, r1                 r1, known
 *     n0.abc.r9       abc.r9, r9                 abc.r9, not known
 *     a.b.r1.x        b.r1.x, x, r1.x            b.r1.x, not known
 *     abc  or  abc.   -                          none
 *
 * Pure.
 */
#include "lbx_route.h"

#include <string.h>

#include "lbx_cookie.h"

/* The value of a hexadecimal digit, or -1.  Not isxdigit(): no locale. */
static int hex(char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }
    ch |= 0x20;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Decode one character; returns how many bytes of <from> it took. */
static size_t decode_one(const char *from, size_t len, char *ch)
{
    int high = len > 2 && *from == '%' ? hex(from[1]) : -1;
    int low = high >= 0 ? hex(from[2]) : -1;
    int byte = high * 16 + low;

    if (low < 0 || byte < 0x20 || byte == 0x7f) {
        *ch = *from;
        return 1;
    }
    *ch = (char)byte;
    return 3;
}

size_t lbx_percent_decode(char *to, const char *from, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len;) {
        i += decode_one(from + i, len - i, &to[n++]);
    }
    to[n] = '\0';
    return n;
}

/* Do <len> bytes of <raw>, decoded, spell <name>? */
static int spells(const char *raw, size_t len, const char *name)
{
    for (size_t i = 0; i < len; name++) {
        char ch;

        i += decode_one(raw + i, len - i, &ch);
        if (ch != *name) {
            return 0;
        }
    }
    return !*name;
}

void lbx_param_start(struct lbx_param_cursor *c, const char *url, int semicolon)
{
    size_t scheme = strcspn(url, ":/?#");

    c->at = url;
    if (!strncmp(url + scheme, "://", 3)) {
        c->at += scheme + 3;
        c->at += strcspn(c->at, "/?#");
    }
    c->in_query = 0;
    c->semicolon = semicolon;
}

/* What ends a parameter.  '?' within a query and '&' within a path do it too:
 * links are glued together carelessly, and no route has either. */
static const char *param_ends(const struct lbx_param_cursor *c)
{
    if (!c->in_query) {
        return ";/?&#";
    }
    return c->semicolon ? "?&;#" : "?&#";
}

int lbx_param_next(struct lbx_param_cursor *c, const char *name, const char **value, size_t *len)
{
    for (;;) {
        const char *pair, *equals;

        c->at += strcspn(c->at, c->in_query ? param_ends(c) : ";?#");
        if (!*c->at || *c->at == '#') {
            return 0;
        }
        c->in_query |= *c->at == '?';
        pair = ++c->at;
        c->at += strcspn(pair, param_ends(c));
        equals = memchr(pair, '=', (size_t)(c->at - pair));
        if (equals && equals > pair && spells(pair, (size_t)(equals - pair), name)) {
            *value = equals + 1;
            *len = (size_t)(c->at - *value);
            return 1;
        }
    }
}

/* The part [at, end) of a session called <name>: a route that somebody knows? */
static int try_route(struct lbx_route_search *s, const char *name, const char *at, const char *end)
{
    char text[LBX_ROUTE_MAX];
    size_t len = (size_t)(end - at);

    if (!len) {
        return 0;
    }
    if (len < sizeof(text) && s->tries) {
        memcpy(text, at, len);
        text[len] = '\0';
        s->tries--;
        s->is_known = s->known(s->baton, text) != 0;
    }
    if (s->is_known || !s->route) {
        s->route = at;
        s->route_len = len;
        s->from = name;
    }
    return s->is_known;
}

/* Behind the first separator, the last, those between.  Parts that are longer
 * than any route are not worth a question, so only the tail is gone through. */
static void cut(struct lbx_route_search *s, const char *name, const char *value, const char *end)
{
    const char *first = memchr(value, s->separator, (size_t)(end - value));
    const char *last = end - 1;
    const char *tail;

    if (!first || first + 1 == end) {
        s->routeless = name;
        return;
    }
    while (*last != s->separator) {
        last--;
    }
    if (try_route(s, name, first + 1, end) || last == first || try_route(s, name, last + 1, end)) {
        return;
    }
    tail = end - first > LBX_ROUTE_MAX ? end - LBX_ROUTE_MAX : first + 1;
    for (const char *p = tail; p < last; p++) {
        if (*p == s->separator && try_route(s, name, p + 1, end)) {
            return;
        }
    }
}

/* One session value.  Returns 0 when there is no use in another one. */
static int offer(struct lbx_route_search *s, const char *name, const char *value, size_t len)
{
    if (s->separator && len) {
        cut(s, name, value, value + len);
    } else if (len) {
        try_route(s, name, value, value + len);
    }
    return !s->is_known && s->tries;
}

int lbx_route_from_url(struct lbx_route_search *s, const char *url, const char *name, int semicolon,
                       char *room)
{
    struct lbx_param_cursor c;
    const char *value;
    size_t len;
    int more = 1;

    s->tries = LBX_ROUTE_TRIES;
    lbx_param_start(&c, url, semicolon);
    while (more && lbx_param_next(&c, name, &value, &len)) {
        /* The delimiter before each value pays for the NUL behind it. */
        len = lbx_percent_decode(room, value, len);
        more = offer(s, name, room, len);
        room += len + 1;
    }
    return s->is_known;
}

int lbx_route_from_cookies(struct lbx_route_search *s, const char *header, const char *name)
{
    struct lbx_cookie_cursor c = {header, header + strlen(header)};
    struct lbx_cookie cookie;
    int more = !s->is_known; /* else the URL has said it */

    s->tries = LBX_ROUTE_TRIES;
    while (more && lbx_cookie_next(&c, &cookie)) {
        if (lbx_cookie_is(&cookie, name)) {
            more = offer(s, name, cookie.value, cookie.value_len);
        }
    }
    return s->is_known;
}
