/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Cookie header.  See lbx_cookie.h.
 *
 * A pair ends at ';', quotes or not, as browsers and servers have it (RFC 6265):
 * one stray quote must not swallow the cookies after it.  It ends at ',' as well,
 * since httpd joins several Cookie fields with one; there a quoted value may have
 * a comma of its own.
 *
 *     a=1; S="x,y.r1", S = z.r2      a -> 1    S -> x,y.r1    S -> z.r2
 *     S="x,y.r1; b=2                 S -> "x   b -> 2         (nothing closes the quote)
 *
 * Pure.
 */
#include "lbx_cookie.h"

#include <string.h>

static int is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

static int is_delimiter(char ch)
{
    return ch == ';' || ch == ',';
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at)) {
        at++;
    }
    return at;
}

/* Without the blanks at its end. */
static size_t trimmed(const char *at, const char *end)
{
    while (end > at && is_blank(end[-1])) {
        end--;
    }
    return (size_t)(end - at);
}

/*
 * The quote that closes the value whose opening quote is at <open>, or NULL when
 * none does before the next ';', or when more than blanks follows it.  Looks no
 * further than the next quote, and only a quote brings us here: a header full of
 * them is still read only a few times over.
 */
static const char *closing_quote(const char *open, const char *end)
{
    const char *quote = open + 1;
    const char *next;

    while (quote < end && *quote != '"' && *quote != ';') {
        quote++;
    }
    if (quote == end || *quote == ';') {
        return NULL;
    }
    next = skip_blanks(quote + 1, end);
    return next == end || is_delimiter(*next) ? quote : NULL;
}

/* The next delimiter, or the end.  Values are long, and memchr() is fast; piece by piece,
 * so that a header full of commas is not read to its end for each of them. */
static const char *behind(const char *at, const char *end)
{
    enum { PIECE = 64 };

    while (at < end) {
        size_t n = end - at < PIECE ? (size_t)(end - at) : PIECE;
        const char *stop = memchr(at, ';', n);
        const char *comma = memchr(at, ',', stop ? (size_t)(stop - at) : n);

        if (stop || comma) {
            return comma ? comma : stop;
        }
        at += n;
    }
    return end;
}

/* The value at c->at; leaves the cursor behind it. */
static void read_value(struct lbx_cookie_cursor *c, struct lbx_cookie *cookie)
{
    const char *value = skip_blanks(c->at, c->end);
    const char *quote = value < c->end && *value == '"' ? closing_quote(value, c->end) : NULL;

    if (quote) {
        cookie->value = value + 1;
        cookie->value_len = (size_t)(quote - cookie->value);
        cookie->end = quote + 1;
        c->at = skip_blanks(quote + 1, c->end);
        return;
    }
    c->at = behind(value, c->end);
    cookie->value = value;
    cookie->value_len = trimmed(value, c->at);
    cookie->end = value + cookie->value_len;
}

int lbx_cookie_next(struct lbx_cookie_cursor *c, struct lbx_cookie *cookie)
{
    const char *end = c->end;

    while (c->at < end) {
        const char *at = c->at, *name = at;

        if (is_delimiter(*at) || is_blank(*at)) {
            c->at++;
            continue;
        }
        while (at < end && *at != '=' && !is_delimiter(*at)) {
            at++;
        }
        c->at = at;
        if (at == end || *at != '=') {
            continue;
        }
        cookie->name = name;
        cookie->name_len = trimmed(name, at);
        c->at++;
        read_value(c, cookie);
        if (cookie->name_len) {
            return 1;
        }
    }
    return 0;
}

int lbx_cookie_is(const struct lbx_cookie *cookie, const char *name)
{
    return cookie->name_len == strlen(name) && !memcmp(cookie->name, name, cookie->name_len);
}

size_t lbx_cookie_without(char *to, const char *header,
                          int (*drop)(const void *baton, const struct lbx_cookie *cookie),
                          const void *baton)
{
    struct lbx_cookie_cursor c = {header, header + strlen(header)};
    struct lbx_cookie cookie;
    char *out = to;
    const char *kept = header; /* from here on nothing has been copied */

    while (lbx_cookie_next(&c, &cookie)) {
        if (drop(baton, &cookie)) {
            memcpy(out, kept, (size_t)(cookie.name - kept));
            out += cookie.name - kept;
            kept = skip_blanks(c.at, c.end);
            kept = skip_blanks(kept < c.end && is_delimiter(*kept) ? kept + 1 : kept, c.end);
            c.at = kept;
        }
    }
    memcpy(out, kept, (size_t)(c.end - kept));
    out += c.end - kept;
    if (kept == c.end) { /* the last one went: so does the delimiter before it */
        while (out > to && (is_blank(out[-1]) || is_delimiter(out[-1]))) {
            out--;
        }
    }
    *out = '\0';
    return (size_t)(out - to);
}
