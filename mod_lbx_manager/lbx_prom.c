/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of metrics.  See lbx_prom.h.
 *
 * No printf for counts: it would be half the cost of a scrape.
 *
 * Pure.
 */
#include "lbx_prom.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void flush(struct lbx_prom *p)
{
    if (p->used) {
        p->sink(p->baton, p->room, p->used);
        p->used = 0;
    }
}

static void put_over(struct lbx_prom *p, const char *text, size_t len)
{
    while (len) {
        size_t n = LBX_PROM_ROOM - p->used;

        if (!n) {
            flush(p);
            continue;
        }
        n = len < n ? len : n;
        memcpy(p->room + p->used, text, n);
        p->used += n;
        text += n;
        len -= n;
    }
}

static inline void put(struct lbx_prom *p, const char *text, size_t len)
{
    if (len > LBX_PROM_ROOM - p->used) {
        put_over(p, text, len);
        return;
    }
    memcpy(p->room + p->used, text, len);
    p->used += len;
}

static void puts_(struct lbx_prom *p, const char *text)
{
    put(p, text, strlen(text));
}

/* What stands for <ch> in a label's value or a help text, NULL: itself. */
static inline const char *escape(char ch, int in_label)
{
    if ((unsigned char)ch > '\\' && ch != 0x7f) {
        return NULL;
    }
    if (ch == '\\') {
        return "\\\\";
    }
    if (ch == '\n') {
        return "\\n";
    }
    if (ch == '"' && in_label) {
        return "\\\"";
    }
    /* the format allows them, terminals and some readers do not */
    return ((unsigned char)ch < ' ' || ch == 0x7f) ? "?" : NULL;
}

/* Most texts have nothing to escape: they go in one piece. */
static void put_escaped(struct lbx_prom *p, const char *text, int in_label)
{
    for (;;) {
        const char *plain = text;
        const char *other = NULL;

        while (*text && !(other = escape(*text, in_label))) {
            text++;
        }
        put(p, plain, (size_t)(text - plain));
        if (!*text) {
            return;
        }
        put(p, other, strlen(other));
        text++;
    }
}

static void put_count(struct lbx_prom *p, uint64_t v)
{
    char text[24];
    char *at = text + sizeof(text);

    do {
        *--at = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    put(p, at, (size_t)(text + sizeof(text) - at));
}

void lbx_prom_start(struct lbx_prom *p, void (*sink)(void *, const char *, size_t), void *baton)
{
    p->sink = sink;
    p->baton = baton;
    p->used = 0;
}

void lbx_prom_end(struct lbx_prom *p)
{
    flush(p);
}

void lbx_prom_family(struct lbx_prom *p, const char *name, const char *type, const char *help)
{
    puts_(p, "# HELP ");
    puts_(p, name);
    put(p, " ", 1);
    put_escaped(p, help, 0);
    puts_(p, "\n# TYPE ");
    puts_(p, name);
    put(p, " ", 1);
    puts_(p, type);
    put(p, "\n", 1);
}

void lbx_prom_who_clear(struct lbx_prom_who *who)
{
    who->len = 0;
}

/* Whole, or not at all. */
static int who_put(struct lbx_prom_who *who, const char *text, size_t len)
{
    if (who->len + len > sizeof(who->text)) {
        return 0;
    }
    memcpy(who->text + who->len, text, len);
    who->len += len;
    return 1;
}

void lbx_prom_who_add(struct lbx_prom_who *who, const char *label, const char *value)
{
    size_t before = who->len;
    size_t room = sizeof(who->text) - 1; /* the closing quote */

    if ((before && !who_put(who, ",", 1)) || !who_put(who, label, strlen(label))
        || !who_put(who, "=\"", 2)) {
        who->len = before;
        return;
    }
    for (; *value; value++) {
        const char *other = escape(*value, 1);
        size_t len = other ? strlen(other) : 1;

        if (who->len + len > room || !who_put(who, other ? other : value, len)) {
            break;
        }
    }
    if (!who_put(who, "\"", 1)) {
        who->len = before;
    }
}

static void lead(struct lbx_prom *p, const char *name, const char *suffix,
                 const struct lbx_prom_who *who, const char *label, const char *value)
{
    puts_(p, name);
    if (suffix) {
        puts_(p, suffix);
    }
    if (who->len || label) {
        put(p, "{", 1);
        put(p, who->text, who->len);
        if (label) {
            put(p, ",", who->len != 0);
            puts_(p, label);
            put(p, "=\"", 2);
            put_escaped(p, value, 1);
            put(p, "\"", 1);
        }
        put(p, "}", 1);
    }
    put(p, " ", 1);
}

void lbx_prom_count(struct lbx_prom *p, const char *name, const char *suffix,
                    const struct lbx_prom_who *who, const char *label, const char *value,
                    uint64_t v)
{
    lead(p, name, suffix, who, label, value);
    put_count(p, v);
    put(p, "\n", 1);
}

void lbx_prom_seconds(struct lbx_prom *p, const char *name, const char *suffix,
                      const struct lbx_prom_who *who, uint64_t us)
{
    char text[8] = {'.'};
    uint64_t rest = us % 1000000;

    lead(p, name, suffix, who, NULL, NULL);
    put_count(p, us / 1000000);
    for (int i = 6; i > 0; i--, rest /= 10) {
        text[i] = (char)('0' + rest % 10);
    }
    put(p, text, 7);
    put(p, "\n", 1);
}

void lbx_prom_number(struct lbx_prom *p, const char *name, const struct lbx_prom_who *who,
                     const char *label, const char *value, double v)
{
    char text[40];

    lead(p, name, NULL, who, label, value);
    if (isfinite(v)) {
        snprintf(text, sizeof(text), "%.15g", v);
        for (char *ch = text; *ch; ch++) {
            *ch = *ch == ',' ? '.' : *ch;
        }
        puts_(p, text);
    } else {
        puts_(p, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
    }
    put(p, "\n", 1);
}
