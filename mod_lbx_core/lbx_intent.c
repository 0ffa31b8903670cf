/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints and parses decisions.  See lbx_intent.h.
 *
 * Pure.
 */
#include "lbx_intent.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 7 };

/* As long as the present one. */
#define FIRST_HEAD "lbx-state 1"

static int breaks_line(unsigned char c)
{
    return c < ' ' || c == '%' || c == 0x7f;
}

/* Append <t> escaped; returns the new length, or <max> when it does not fit. */
static size_t put(char *buf, size_t at, size_t max, const char *t)
{
    static const char hex[] = "0123456789ABCDEF";

    for (; *t; t++) {
        unsigned char c = (unsigned char)*t;

        if (at + 4 > max) {
            return max;
        }
        if (breaks_line(c)) {
            buf[at++] = '%';
            buf[at++] = hex[c >> 4];
            buf[at++] = hex[c & 15];
        } else {
            buf[at++] = (char)c;
        }
    }
    return at;
}

size_t lbx_intent_print(const struct lbx_intent *i, char *buf)
{
    const char *column[COLUMNS] = {i->added    ? "added"
                                   : i->member ? "member"
                                               : "set",
                                   i->scope,
                                   i->balancer,
                                   i->member ? i->member : "",
                                   i->field,
                                   i->conf,
                                   i->run};
    size_t at = 0;

    for (int c = 0; c < COLUMNS; c++) {
        at = put(buf, at, LBX_INTENT_LINE_MAX, column[c]);
        if (at + 2 > LBX_INTENT_LINE_MAX) {
            return 0;
        }
        buf[at++] = c < COLUMNS - 1 ? '\t' : '\n';
    }
    buf[at] = '\0';
    return at;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that %XX at <t> stands for; -1: not what put() writes. */
static int escaped(const char *t)
{
    int hi = hex_value(t[1]);
    int lo = hi < 0 ? -1 : hex_value(t[2]);
    int c = lo < 0 ? -1 : hi << 4 | lo;

    return c > 0 && breaks_line((unsigned char)c) ? c : -1;
}

/* Escapes back to bytes, in place. */
static void unescape(char *t)
{
    char *to = t;

    for (; *t; t++) {
        if (*t == '%') {
            *to++ = (char)escaped(t);
            t += 2;
        } else {
            *to++ = *t;
        }
    }
    *to = '\0';
}

/* Is this line, up to its line feed, a decision?  Says what split() relies on. */
static int well_formed(const char *line, const char *end)
{
    int member = !strncmp(line, "member\t", 7) || !strncmp(line, "added\t", 6);
    size_t width[COLUMNS] = {0};
    int c = 0;

    for (const char *t = line; t < end; t++) {
        if (*t == '\t') {
            if (++c == COLUMNS) {
                return 0;
            }
            continue;
        }
        width[c]++;
        if (*t == '%' ? escaped(t) < 0 : breaks_line((unsigned char)*t)) {
            return 0;
        }
    }
    return c == COLUMNS - 1 && (member || !strncmp(line, "set\t", 4)) && width[2] && width[4]
           && member == (width[3] > 0);
}

/* Check everything, changing nothing. */
static enum lbx_rc check(const char *text, unsigned *line)
{
    const char *t = text + strlen(LBX_INTENT_HEAD);
    unsigned long count = 0;
    char last[32];

    *line = 1;
    if (strncmp(text, LBX_INTENT_HEAD "\n", sizeof(LBX_INTENT_HEAD))
        && strncmp(text, FIRST_HEAD "\n", sizeof(FIRST_HEAD))) {
        return strncmp(text, "lbx-state ", 10) ? LBX_EFORMAT : LBX_EVERSION;
    }
    for (t++;; count++) {
        const char *end = strchr(t, '\n');

        ++*line;
        if (!end) {
            return LBX_EFORMAT;
        }
        if (!strncmp(t, "end ", 4)) {
            break;
        }
        if (!well_formed(t, end)) {
            return LBX_EFORMAT;
        }
        t = end + 1;
    }
    snprintf(last, sizeof(last), "end %lu\n", count);
    return strcmp(t, last) ? LBX_EFORMAT : LBX_OK;
}

/* Cut a well-formed line into its columns, in place; returns where the next begins. */
static char *split(char *line, char *column[COLUMNS])
{
    char *next = strchr(line, '\n');

    *next = '\0';
    for (int c = 0; c < COLUMNS; c++) {
        char *tab = strchr(line, '\t');

        column[c] = line;
        if (tab) {
            *tab = '\0';
            line = tab + 1;
        }
        unescape(column[c]);
    }
    return next + 1;
}

enum lbx_rc lbx_intent_parse(char *text, void (*fn)(void *, const struct lbx_intent *), void *baton,
                             unsigned *line)
{
    enum lbx_rc rc = check(text, line);

    if (rc) {
        return rc;
    }
    for (char *t = strchr(text, '\n') + 1; strncmp(t, "end ", 4);) {
        char *column[COLUMNS];
        struct lbx_intent i;

        int added = *t == 'a';

        t = split(t, column);
        i = (struct lbx_intent){.scope = column[1],
                                .balancer = column[2],
                                .member = *column[3] ? column[3] : NULL,
                                .field = column[4],
                                .conf = column[5],
                                .run = column[6],
                                .added = added};
        fn(baton, &i);
    }
    return LBX_OK;
}
