/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer.  See lbx_json.h.
 *
 * '<', '>' and '&' are written as \u003c and so on: an answer that somebody pastes
 * into a page, or that a browser takes for one, stays text.
 *
 * Pure.
 */
#include "lbx_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void flush(struct lbx_json *j)
{
    if (j->used) {
        j->sink(j->baton, j->room, j->used);
        j->used = 0;
    }
}

static void put_over(struct lbx_json *j, const char *text, size_t len)
{
    while (len) {
        size_t n = LBX_JSON_ROOM - j->used;

        if (!n) {
            flush(j);
            continue;
        }
        n = len < n ? len : n;
        memcpy(j->room + j->used, text, n);
        j->used += n;
        text += n;
        len -= n;
    }
}

static inline void put(struct lbx_json *j, const char *text, size_t len)
{
    if (len > LBX_JSON_ROOM - j->used) {
        put_over(j, text, len);
        return;
    }
    memcpy(j->room + j->used, text, len);
    j->used += len;
}

static void puts_(struct lbx_json *j, const char *text)
{
    put(j, text, strlen(text));
}

/* Length of the well-formed UTF-8 sequence at <at>, 0 for none. */
static size_t utf8(const unsigned char *at)
{
    size_t n = *at < 0x80                  ? 1
               : *at >= 0xc2 && *at < 0xe0 ? 2
               : *at >= 0xe0 && *at < 0xf0 ? 3
               : *at >= 0xf0 && *at < 0xf5 ? 4
                                           : 0;

    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) { /* the NUL at the end is none of these either */
            return 0;
        }
    }
    if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f)
        || (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f)) {
        return 0; /* overlong, a surrogate, beyond U+10FFFF */
    }
    return n;
}

static int is_plain(unsigned char ch)
{
    return ch >= ' ' && ch < 0x7f && ch != '"' && ch != '\\' && ch != '<' && ch != '>' && ch != '&';
}

static void put_quoted(struct lbx_json *j, const char *text)
{
    put(j, "\"", 1);
    for (;;) {
        const char *plain = text;

        while (is_plain((unsigned char)*text)) {
            text++;
        }
        put(j, plain, (size_t)(text - plain));
        if (!*text) {
            break;
        }
        unsigned char ch = (unsigned char)*text;
        size_t n = utf8((const unsigned char *)text);
        char code[8];

        if (!n) {
            put(j, "\\ufffd", 6);
            text++;
        } else if (ch == '"' || ch == '\\') {
            code[0] = '\\';
            code[1] = (char)ch;
            put(j, code, 2);
            text++;
        } else if (ch < ' ' || ch == 0x7f || ch == '<' || ch == '>' || ch == '&') {
            snprintf(code, sizeof(code), "\\u%04x", ch);
            put(j, code, 6);
            text++;
        } else {
            put(j, text, n);
            text += n;
        }
    }
    put(j, "\"", 1);
}

static void lead(struct lbx_json *j, const char *key)
{
    char *more = &j->more[j->depth];

    if (*more) {
        put(j, ",", 1);
    }
    *more = 1;
    if (key) {
        put_quoted(j, key);
        put(j, ":", 1);
    }
}

static void lead_in(struct lbx_json *j, const char *key, const char *bracket)
{
    lead(j, key);
    put(j, bracket, 1);
    if (j->depth + 1 < LBX_JSON_DEPTH) {
        j->depth++;
    }
    j->more[j->depth] = 0;
}

void lbx_json_start(struct lbx_json *j, void (*sink)(void *, const char *, size_t), void *baton)
{
    j->sink = sink;
    j->baton = baton;
    j->depth = 0;
    j->more[0] = 0;
    j->used = 0;
}

void lbx_json_end(struct lbx_json *j)
{
    put(j, "\n", 1);
    flush(j);
}

void lbx_json_object(struct lbx_json *j, const char *key)
{
    lead_in(j, key, "{");
}

void lbx_json_array(struct lbx_json *j, const char *key)
{
    lead_in(j, key, "[");
}

void lbx_json_close(struct lbx_json *j, char bracket)
{
    put(j, &bracket, 1);
    j->depth -= j->depth > 0;
}

void lbx_json_text(struct lbx_json *j, const char *key, const char *text)
{
    if (!text) {
        lbx_json_null(j, key);
        return;
    }
    lead(j, key);
    put_quoted(j, text);
}

void lbx_json_count(struct lbx_json *j, const char *key, uint64_t v)
{
    char text[24];
    char *at = text + sizeof(text);

    lead(j, key);
    do { /* no printf: most of an answer is counts */
        *--at = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    put(j, at, (size_t)(text + sizeof(text) - at));
}

void lbx_json_signed(struct lbx_json *j, const char *key, int64_t v)
{
    char text[24];

    lead(j, key);
    snprintf(text, sizeof(text), "%lld", (long long)v);
    puts_(j, text);
}

void lbx_json_switch(struct lbx_json *j, const char *key, int on)
{
    lead(j, key);
    puts_(j, on ? "true" : "false");
}

void lbx_json_null(struct lbx_json *j, const char *key)
{
    lead(j, key);
    puts_(j, "null");
}

/* v / 10^digits, without zeros at the end. */
static void put_decimal(struct lbx_json *j, uint64_t v, uint64_t scale, int digits)
{
    char text[48];
    size_t n = (size_t)snprintf(text, sizeof(text), "%llu.%0*llu", (unsigned long long)(v / scale),
                                digits, (unsigned long long)(v % scale));

    while (text[n - 1] == '0') {
        n--;
    }
    put(j, text, n - (text[n - 1] == '.'));
}

void lbx_json_hundredths(struct lbx_json *j, const char *key, uint64_t v)
{
    lead(j, key);
    put_decimal(j, v, 100, 2);
}

void lbx_json_seconds(struct lbx_json *j, const char *key, uint64_t us)
{
    lead(j, key);
    put_decimal(j, us, 1000000, 6);
}

void lbx_json_number(struct lbx_json *j, const char *key, double v)
{
    char text[40];

    if (!isfinite(v)) {
        lbx_json_null(j, key);
        return;
    }
    lead(j, key);
    snprintf(text, sizeof(text), "%.15g", v);
    for (char *ch = text; *ch; ch++) {
        if (*ch == ',') { /* some locale's idea of a point */
            *ch = '.';
        }
    }
    puts_(j, text);
}
