/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables and the operations on them.  See lbx_vals.h.
 *
 * Values are kept twice in a record, and a counter says which copy is in force:
 * a writer fills the other copy and then moves the counter on.  A reader copies,
 * looks at the counter again, and starts over if it moved meanwhile.
 *
 * Pure.
 */
#include "lbx_vals.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define M(field) offsetof(struct lbx_member_vals, field)
#define S(field) offsetof(struct lbx_set_vals, field)
#define BIT(letter, bit)                                                                           \
    {                                                                                              \
        letter, LBX_KIND_BIT, M(admin), bit, 0, "on or off"                                        \
    }

const struct lbx_field lbx_member_fields[] = {
    {"loadfactor", LBX_KIND_FACTOR, M(weight), LBX_WEIGHT_MAX, LBX_WEIGHT_MIN, "1..100"},
    {"lbset", LBX_KIND_COUNT, M(lbset), LBX_LBSET_MAX, 0, "0..99"},
    {"maxconn", LBX_KIND_COUNT, M(maxconn), LBX_MAXCONN_MAX, 0, "0..1000000 (0: no limit)"},
    {"route", LBX_KIND_TEXT, M(route), LBX_ROUTE_MAX, 0, "up to 63 printable characters"},
    {"redirect", LBX_KIND_TEXT, M(redirect), LBX_ROUTE_MAX, 0, "up to 63 printable characters"},
    BIT("ignore-errors", LBX_ADMIN_IGNORE_ERRORS),
    BIT("drain", LBX_ADMIN_DRAIN),
    BIT("shutdown", LBX_ADMIN_SHUTDOWN),
    BIT("disabled", LBX_ADMIN_DISABLED),
    BIT("stopped", LBX_ADMIN_STOPPED),
    BIT("standby", LBX_ADMIN_STANDBY),
    BIT("spare", LBX_ADMIN_SPARE),
};
const unsigned lbx_member_fields_n = LBX_MEMBER_FIELDS;
LBX_STATIC(sizeof(lbx_member_fields) / sizeof(lbx_member_fields[0]) == LBX_MEMBER_FIELDS, "rows");

const struct lbx_field lbx_set_fields[] = {
    {"lbmethod", LBX_KIND_TEXT, S(method), LBX_METHOD_MAX, 1, "the name of a loaded lbmethod"},
    {"timeout", LBX_KIND_TIME, S(timeout_us), 7200, 0, "0..7200 seconds"},
    {"maxattempts", LBX_KIND_SIGNED, S(maxattempts), 99, 0, "-1..99 (-1: members - 1)"},
    {"nofailover", LBX_KIND_SWITCH, S(nofailover), 1, 0, "on or off"},
    {"stickysession", LBX_KIND_TEXT, S(sticky), LBX_STICKY_MAX, 0, "up to 63 printable characters"},
    {"stickysession-path", LBX_KIND_TEXT, S(sticky_path), LBX_STICKY_MAX, 0,
     "up to 63 printable characters"},
};
const unsigned lbx_set_fields_n = LBX_SET_FIELDS;
LBX_STATIC(sizeof(lbx_set_fields) / sizeof(lbx_set_fields[0]) == LBX_SET_FIELDS, "rows");

const struct lbx_field *lbx_field_find(const struct lbx_field *table, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++) {
        if (!strcmp(table[i].name, name)) {
            return &table[i];
        }
    }
    return NULL;
}

static uint32_t get32(const struct lbx_field *f, const void *vals)
{
    uint32_t v;

    memcpy(&v, (const char *)vals + f->at, sizeof(v));
    return v;
}

static void put32(const struct lbx_field *f, void *vals, uint32_t v)
{
    memcpy((char *)vals + f->at, &v, sizeof(v));
}

static uint64_t get64(const struct lbx_field *f, const void *vals)
{
    uint64_t v;

    memcpy(&v, (const char *)vals + f->at, sizeof(v));
    return v;
}

const char *lbx_field_print(const struct lbx_field *f, const void *vals,
                            char buf[LBX_FIELD_TEXT_MAX])
{
    uint32_t v;
    uint64_t us;

    switch (f->kind) {
    case LBX_KIND_FACTOR:
        v = get32(f, vals);
        snprintf(buf, LBX_FIELD_TEXT_MAX, "%u.%02u", v / 100, v % 100);
        break;
    case LBX_KIND_COUNT:
        snprintf(buf, LBX_FIELD_TEXT_MAX, "%u", get32(f, vals));
        break;
    case LBX_KIND_SIGNED:
        snprintf(buf, LBX_FIELD_TEXT_MAX, "%d", (int)(int32_t)get32(f, vals));
        break;
    case LBX_KIND_TIME:
        us = get64(f, vals);
        snprintf(buf, LBX_FIELD_TEXT_MAX, "%llu", (unsigned long long)(us / 1000000));
        break;
    case LBX_KIND_SWITCH:
        snprintf(buf, LBX_FIELD_TEXT_MAX, "%s", get32(f, vals) ? "on" : "off");
        break;
    case LBX_KIND_BIT:
        snprintf(buf, LBX_FIELD_TEXT_MAX, "%s", get32(f, vals) & f->max ? "on" : "off");
        break;
    case LBX_KIND_TEXT:
        snprintf(buf, LBX_FIELD_TEXT_MAX, "%.*s", (int)f->max, (const char *)vals + f->at);
        break;
    }
    return buf;
}

/* "12.34" -> 1234, at most two decimals are kept; <unit> is 1 for whole numbers. */
static int parse_number(const char *t, unsigned unit, uint64_t *out)
{
    uint64_t v = 0;
    unsigned scale = unit;

    if (*t < '0' || *t > '9') {
        return 0;
    }
    for (; *t >= '0' && *t <= '9'; t++) {
        v = v * 10 + (uint64_t)(*t - '0');
        if (v > 1000000000) {
            return 0;
        }
    }
    v *= unit;
    if (unit > 1 && *t == '.') {
        for (t++; *t >= '0' && *t <= '9'; t++) {
            scale /= 10;
            v += (uint64_t)(*t - '0') * scale;
        }
    }
    *out = v;
    return *t == '\0';
}

static int parse_switch(const char *t, uint32_t *out)
{
    if (!strcasecmp(t, "on") || !strcmp(t, "1")) {
        *out = 1;
    } else if (!strcasecmp(t, "off") || !strcmp(t, "0")) {
        *out = 0;
    } else {
        return 0;
    }
    return 1;
}

/* Blanks and control characters would break headers, cookies and log lines. */
static int printable(const char *t)
{
    for (; *t; t++) {
        if ((unsigned char)*t <= ' ' || *t == 0x7f) {
            return 0;
        }
    }
    return 1;
}

static enum lbx_rc set_number(const struct lbx_field *f, void *vals, const char *text)
{
    uint64_t v;
    int minus = f->kind == LBX_KIND_SIGNED && !strcmp(text, "-1");

    if (minus) {
        put32(f, vals, (uint32_t)-1);
        return LBX_OK;
    }
    if (!parse_number(text, f->kind == LBX_KIND_FACTOR ? 100 : 1, &v) || v < f->min || v > f->max) {
        return LBX_EVALUE;
    }
    if (f->kind == LBX_KIND_TIME) {
        v *= 1000000;
        memcpy((char *)vals + f->at, &v, sizeof(v));
    } else {
        put32(f, vals, (uint32_t)v);
    }
    return LBX_OK;
}

enum lbx_rc lbx_field_set(const struct lbx_field *f, void *vals, const char *text)
{
    uint32_t on;
    size_t len;

    switch (f->kind) {
    case LBX_KIND_SWITCH:
    case LBX_KIND_BIT:
        if (!parse_switch(text, &on)) {
            return LBX_EVALUE;
        }
        if (f->kind == LBX_KIND_SWITCH) {
            put32(f, vals, on);
        } else {
            put32(f, vals, on ? get32(f, vals) | f->max : get32(f, vals) & ~f->max);
        }
        return LBX_OK;
    case LBX_KIND_TEXT:
        len = strlen(text);
        if (len >= f->max || len < f->min || !printable(text)) {
            return LBX_EVALUE;
        }
        memset((char *)vals + f->at, 0, f->max);
        memcpy((char *)vals + f->at, text, len);
        return LBX_OK;
    default:
        return set_number(f, vals, text);
    }
}

int lbx_field_same(const struct lbx_field *f, const void *a, const void *b)
{
    switch (f->kind) {
    case LBX_KIND_TIME:
        return get64(f, a) == get64(f, b);
    case LBX_KIND_BIT:
        return (get32(f, a) & f->max) == (get32(f, b) & f->max);
    case LBX_KIND_TEXT:
        return !strncmp((const char *)a + f->at, (const char *)b + f->at, f->max);
    default:
        return get32(f, a) == get32(f, b);
    }
}

void lbx_field_copy(const struct lbx_field *f, void *to, const void *from)
{
    switch (f->kind) {
    case LBX_KIND_TIME:
        memcpy((char *)to + f->at, (const char *)from + f->at, sizeof(uint64_t));
        break;
    case LBX_KIND_BIT:
        put32(f, to, (get32(f, to) & ~f->max) | (get32(f, from) & f->max));
        break;
    case LBX_KIND_TEXT:
        memcpy((char *)to + f->at, (const char *)from + f->at, f->max);
        break;
    default:
        put32(f, to, get32(f, from));
        break;
    }
}

static enum lbx_merged merge_field(const struct lbx_field *f, void *run, const void *was,
                                   const void *now)
{
    int overridden = !lbx_field_same(f, run, was);

    if (lbx_field_same(f, was, now)) {
        return overridden ? LBX_MERGED_KEEPS : LBX_MERGED_SAME;
    }
    if (overridden && lbx_field_same(f, run, now)) {
        return LBX_MERGED_FILE; /* the file caught up with the override */
    }
    lbx_field_copy(f, run, now);
    return overridden ? LBX_MERGED_DROPS : LBX_MERGED_FILE;
}

void lbx_vals_merge(const struct lbx_field *table, unsigned n, void *run, const void *was,
                    const void *now, enum lbx_merged *done)
{
    for (unsigned i = 0; i < n; i++) {
        enum lbx_merged what = merge_field(&table[i], run, was, now);

        if (done) {
            done[i] = what;
        }
    }
}

/* The copies are read while somebody may write: word by word, so that it is no
 * race in the eyes of the language either. */
static void copy_words(uint64_t *to, const uint64_t *from, size_t size)
{
    for (size_t i = 0; i < size / sizeof(uint64_t); i++) {
        uint64_t w = __atomic_load_n(&from[i], __ATOMIC_RELAXED);

        __atomic_store_n(&to[i], w, __ATOMIC_RELAXED);
    }
}

LBX_STATIC(sizeof(struct lbx_member_vals) % sizeof(uint64_t) == 0, "copied in words");
LBX_STATIC(sizeof(struct lbx_set_vals) % sizeof(uint64_t) == 0, "copied in words");
LBX_STATIC(sizeof(struct lbx_member_notes) % sizeof(uint64_t) == 0, "copied in words");
LBX_STATIC(offsetof(struct lbx_seg_member, notes) % sizeof(uint64_t) == 0, "copied in words");

static void read_vals(const _Atomic uint32_t *gen, const void *pair, size_t size, void *out)
{
    uint32_t before, after;

    do {
        before = atomic_load_explicit(gen, memory_order_acquire);
        copy_words(out, (const void *)((const char *)pair + (before & 1) * size), size);
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(gen, memory_order_relaxed);
    } while (after != before); /* the copy just read may be the next to be filled */
}

static void write_vals(_Atomic uint32_t *gen, void *pair, size_t size, const void *in)
{
    uint32_t next = atomic_load_explicit(gen, memory_order_relaxed) + 1;

    atomic_thread_fence(memory_order_release);
    copy_words((void *)((char *)pair + (next & 1) * size), in, size);
    atomic_store_explicit(gen, next, memory_order_release);
}

void lbx_member_vals_read(const struct lbx_seg_member *m, struct lbx_member_vals *out)
{
    read_vals(&m->vals_gen, m->vals, sizeof(*out), out);
}

void lbx_set_vals_read(const struct lbx_seg_set *s, struct lbx_set_vals *out)
{
    read_vals(&s->vals_gen, s->vals, sizeof(*out), out);
}

void lbx_member_vals_write(struct lbx_seg_member *m, const struct lbx_member_vals *v)
{
    write_vals(&m->vals_gen, m->vals, sizeof(*v), v);
}

void lbx_set_vals_write(struct lbx_seg_set *s, const struct lbx_set_vals *v)
{
    write_vals(&s->vals_gen, s->vals, sizeof(*v), v);
}

void lbx_member_notes_read(const struct lbx_seg_member *m, struct lbx_member_notes *out)
{
    read_vals(&m->notes_gen, m->notes, sizeof(*out), out);
}

void lbx_member_notes_write(struct lbx_seg_member *m, const struct lbx_member_notes *n)
{
    write_vals(&m->notes_gen, m->notes, sizeof(*n), n);
}
