/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Escaped markup.  See lbx_markup.h.
 *
 * Pure.
 */
#include "lbx_markup.h"

#include <stdio.h>
#include <string.h>

void lbx_markup_start(struct lbx_markup *m, void (*sink)(void *, const char *, size_t), void *baton)
{
    m->sink = sink;
    m->baton = baton;
    m->used = 0;
}

void lbx_markup_end(struct lbx_markup *m)
{
    if (m->used) {
        m->sink(m->baton, m->room, m->used);
        m->used = 0;
    }
}

void lbx_markup_literal(struct lbx_markup *m, const char *text, size_t len)
{
    while (len) {
        size_t n = LBX_MARKUP_ROOM - m->used;

        if (!n) {
            lbx_markup_end(m);
            continue;
        }
        n = len < n ? len : n;
        memcpy(m->room + m->used, text, n);
        m->used += n;
        text += n;
        len -= n;
    }
}

/* The character at *at, which moves behind it; U+FFFD for a byte that is no UTF-8. */
static uint32_t next_char(const unsigned char **at)
{
    const unsigned char *s = *at;
    uint32_t lead = *s, code;
    unsigned more = lead < 0x80 ? 0 : lead < 0xc2 ? 9 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;

    *at = s + 1;
    if (!more) {
        return lead;
    }
    if (more == 9 || lead > 0xf4) {
        return 0xfffd;
    }
    code = lead & (0x3fu >> more);
    for (unsigned i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) { /* the NUL at the end, too */
            return 0xfffd;
        }
        code = code << 6 | (s[i] & 0x3f);
    }
    if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000) || code > 0x10ffff
        || (code >= 0xd800 && code < 0xe000) || (code & 0xfffe) == 0xfffe) {
        return 0xfffd; /* overlong, a surrogate, no character */
    }
    *at = s + 1 + more;
    return code;
}

static int plain(unsigned char ch)
{
    return ch >= ' ' && ch < 0x7f && ch != '&' && ch != '<' && ch != '>' && ch != '"' && ch != '\'';
}

void lbx_markup_text(struct lbx_markup *m, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at) {
        const unsigned char *from = at;
        uint32_t code;
        char ref[16];
        int n;

        while (plain(*at)) {
            at++;
        }
        lbx_markup_literal(m, (const char *)from, (size_t)(at - from));
        if (!*at) {
            return;
        }
        code = next_char(&at);
        switch (code) {
        case '&':
            lbx_markup_lit(m, "&amp;");
            break;
        case '<':
            lbx_markup_lit(m, "&lt;");
            break;
        case '>':
            lbx_markup_lit(m, "&gt;");
            break;
        case '"':
            lbx_markup_lit(m, "&quot;");
            break;
        default:
            if (code < ' ' || (code >= 0x7f && code < 0xa0)) {
                code = 0xfffd;
            }
            n = snprintf(ref, sizeof(ref), "&#%u;", code);
            lbx_markup_literal(m, ref, (size_t)n);
        }
    }
}

/* Letters and digits, and what may stand in both a path and a query without a meaning
 * for HTML. */
static int stays(unsigned char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9')
           || (ch && strchr("-._~:/@!*(),$", ch));
}

static void encode(struct lbx_markup *m, const char *text)
{
    for (; *text; text++) {
        char code[4];

        if (stays((unsigned char)*text)) {
            lbx_markup_literal(m, text, 1);
        } else {
            snprintf(code, sizeof(code), "%%%02X", (unsigned char)*text);
            lbx_markup_literal(m, code, 3);
        }
    }
}

void lbx_markup_query(struct lbx_markup *m, const char *text)
{
    encode(m, text);
}

void lbx_markup_path(struct lbx_markup *m, const char *text)
{
    lbx_markup_lit(m, "/");
    encode(m, text + strspn(text, "/"));
}

void lbx_markup_count(struct lbx_markup *m, uint64_t v)
{
    char text[24];

    lbx_markup_literal(m, text,
                       (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)v));
}

void lbx_markup_signed(struct lbx_markup *m, int64_t v)
{
    char text[24];

    lbx_markup_literal(m, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)v));
}

void lbx_markup_hundredths(struct lbx_markup *m, uint64_t v)
{
    char text[32];

    lbx_markup_literal(m, text,
                       (size_t)snprintf(text, sizeof(text), "%llu.%02u",
                                        (unsigned long long)(v / 100), (unsigned)(v % 100)));
}
