/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_vals: setting and printing each field, refusing bad values, the merge of
 * file and override, and copies that are never torn.
 *
 * Not here: writers in several processes, and writers that die (stress_segment.c).
 */
#include "unit.h"

#include <stdio.h>

struct table {
    const struct lbx_field *rows;
    unsigned n;
    size_t size; /* of the values */
};

static struct table table_of(int which)
{
    return which ? (struct table){lbx_set_fields, lbx_set_fields_n, sizeof(struct lbx_set_vals)}
                 : (struct table){lbx_member_fields, lbx_member_fields_n,
                                  sizeof(struct lbx_member_vals)};
}

union any_vals {
    struct lbx_member_vals member;
    struct lbx_set_vals set;
};

static const struct lbx_field *row(const char *name)
{
    const struct lbx_field *f = lbx_field_find(lbx_member_fields, lbx_member_fields_n, name);

    f = f ? f : lbx_field_find(lbx_set_fields, lbx_set_fields_n, name);
    ck_assert_msg(f != NULL, "no field %s", name);
    return f;
}

/* {field, text to set, text it prints; NULL: refused} */
static const struct {
    const char *name;
    const char *text;
    const char *prints;
} values[] = {
    {"loadfactor", "1", "1.00"},
    {"loadfactor", "1.15", "1.15"},
    {"loadfactor", "2.5", "2.50"},
    {"loadfactor", "99.99", "99.99"},
    {"loadfactor", "100", "100.00"},
    {"loadfactor", "1.239", "1.23"},
    {"loadfactor", "0", NULL},
    {"loadfactor", "0.99", NULL},
    {"loadfactor", "100.01", NULL},
    {"loadfactor", "101", NULL},
    {"loadfactor", "-1", NULL},
    {"loadfactor", "", NULL},
    {"loadfactor", "1x", NULL},
    {"loadfactor", " 1", NULL},
    {"loadfactor", "1 ", NULL},
    {"loadfactor", "1.5.5", NULL},
    {"loadfactor", ".5", NULL},
    {"loadfactor", "nan", NULL},
    {"loadfactor", "4294967396", NULL}, /* 2^32 + 100 */
    {"loadfactor", "184467440737095517", NULL},
    {"lbset", "0", "0"},
    {"lbset", "99", "99"},
    {"lbset", "007", "7"},
    {"lbset", "100", NULL},
    {"lbset", "-1", NULL},
    {"lbset", "1.0", NULL},
    {"lbset", "", NULL},
    {"lbset", "4294967296", NULL},
    {"lbset", "18446744073709551616", NULL},
    {"route", "a", "a"},
    {"route", "", ""},
    {"route", "node-1.dc;2", "node-1.dc;2"},
    {"route", "a b", NULL},
    {"route", "a\tb", NULL},
    {"route", "a\r\nSet-Cookie:", NULL},
    {"route", "\x7f", NULL},
    {"route", "012345678901234567890123456789012345678901234567890123456789012",
     "012345678901234567890123456789012345678901234567890123456789012"},
    {"route", "0123456789012345678901234567890123456789012345678901234567890123", NULL},
    {"redirect", "b", "b"},
    {"disabled", "on", "on"},
    {"disabled", "ON", "on"},
    {"disabled", "1", "on"},
    {"disabled", "off", "off"},
    {"disabled", "Off", "off"},
    {"disabled", "0", "off"},
    {"disabled", "", NULL},
    {"disabled", "yes", NULL},
    {"disabled", "2", NULL},
    {"disabled", "10", NULL},
    {"lbmethod", "byrequests", "byrequests"},
    {"lbmethod", "", NULL},
    {"lbmethod", "123456789012345", "123456789012345"},
    {"lbmethod", "1234567890123456", NULL},
    {"timeout", "0", "0"},
    {"timeout", "7200", "7200"},
    {"timeout", "7201", NULL},
    {"timeout", "-1", NULL},
    {"timeout", "1s", NULL},
    {"maxattempts", "-1", "-1"},
    {"maxattempts", "0", "0"},
    {"maxattempts", "99", "99"},
    {"maxattempts", "100", NULL},
    {"maxattempts", "-2", NULL},
    {"maxattempts", "-", NULL},
    {"maxattempts", "-10", NULL},
    {"nofailover", "on", "on"},
    {"nofailover", "off", "off"},
    {"nofailover", "maybe", NULL},
    {"stickysession", "JSESSIONID", "JSESSIONID"},
    {"stickysession", "", ""},
    {"stickysession-path", "jsessionid", "jsessionid"},
};

static void fill_noise(struct unit_rng *g, void *mem, size_t size)
{
    unsigned char *c = mem;

    for (size_t i = 0; i < size; i++) {
        c[i] = (unsigned char)unit_rand(g);
    }
}

/* Which bytes of a struct may a field change? */
static size_t width_of(const struct lbx_field *f)
{
    switch (f->kind) {
    case LBX_KIND_TEXT:
        return f->max;
    case LBX_KIND_TIME:
        return sizeof(uint64_t);
    default:
        return sizeof(uint32_t);
    }
}

START_TEST(set_and_print)
{
    const struct lbx_field *f = row(values[_i].name);
    struct unit_rng g = UNIT_RNG();
    union any_vals v, was;
    char buf[LBX_FIELD_TEXT_MAX];
    enum lbx_rc rc;

    fill_noise(&g, &v, sizeof(v));
    was = v;
    rc = lbx_field_set(f, &v, values[_i].text);
    if (!values[_i].prints) {
        ck_assert_int_eq(rc, LBX_EVALUE);
        ck_assert_msg(!memcmp(&v, &was, sizeof(v)), "a refused value changed something");
        return;
    }
    ck_assert_int_eq(rc, LBX_OK);
    ck_assert_ptr_eq(lbx_field_print(f, &v, buf), buf);
    ck_assert_str_eq(buf, values[_i].prints);
    /* nothing beside the field was touched */
    if (f->kind == LBX_KIND_BIT) {
        v.member.admin = (v.member.admin & ~f->max) | (was.member.admin & f->max);
    } else {
        memcpy((char *)&v + f->at, (char *)&was + f->at, width_of(f));
    }
    ck_assert(!memcmp(&v, &was, sizeof(v)));
}
END_TEST

START_TEST(values_as_stored)
{
    struct lbx_member_vals m = {0};
    struct lbx_set_vals s = {0};

    ck_assert_int_eq(lbx_field_set(row("loadfactor"), &m, "1.5"), LBX_OK);
    ck_assert_uint_eq(m.weight, 150);
    ck_assert_int_eq(lbx_field_set(row("drain"), &m, "on"), LBX_OK);
    ck_assert_int_eq(lbx_field_set(row("spare"), &m, "on"), LBX_OK);
    ck_assert_uint_eq(m.admin, LBX_ADMIN_DRAIN | LBX_ADMIN_SPARE);
    ck_assert_int_eq(lbx_field_set(row("timeout"), &s, "3"), LBX_OK);
    ck_assert_uint_eq(s.timeout_us, 3000000);
    ck_assert_int_eq(lbx_field_set(row("maxattempts"), &s, "-1"), LBX_OK);
    ck_assert_int_eq(s.maxattempts, -1);
    ck_assert_int_eq(lbx_field_set(row("stickysession"), &s, "long-name"), LBX_OK);
    ck_assert_int_eq(lbx_field_set(row("stickysession"), &s, "x"), LBX_OK);
    ck_assert_msg(!memcmp(s.sticky, "x\0\0\0\0\0\0\0\0", 9), "the old text shines through");
}
END_TEST

START_TEST(find_is_exact)
{
    ck_assert_ptr_eq(lbx_field_find(lbx_member_fields, lbx_member_fields_n, "lbset"),
                     &lbx_member_fields[1]);
    ck_assert_ptr_null(lbx_field_find(lbx_member_fields, lbx_member_fields_n, "LBSET"));
    ck_assert_ptr_null(lbx_field_find(lbx_member_fields, lbx_member_fields_n, "lbse"));
    ck_assert_ptr_null(lbx_field_find(lbx_member_fields, lbx_member_fields_n, "lbset2"));
    ck_assert_ptr_null(lbx_field_find(lbx_member_fields, lbx_member_fields_n, ""));
    ck_assert_ptr_null(lbx_field_find(lbx_member_fields, lbx_member_fields_n, "lbmethod"));
}
END_TEST

/* Together the bits are all that the operator can decide, each once; no two
 * fields of a table share a byte or a name. */
START_TEST(tables_are_sound)
{
    uint32_t bits = 0;

    for (int which = 0; which < 2; which++) {
        struct table t = table_of(which);

        for (unsigned i = 0; i < t.n; i++) {
            const struct lbx_field *f = &t.rows[i];

            ck_assert_uint_le(f->at + width_of(f), t.size);
            ck_assert_ptr_nonnull(f->allowed);
            for (unsigned j = 0; j < i; j++) {
                ck_assert_str_ne(f->name, t.rows[j].name);
                ck_assert(f->kind == LBX_KIND_BIT || f->at + width_of(f) <= t.rows[j].at
                          || t.rows[j].at + width_of(&t.rows[j]) <= f->at);
            }
            if (f->kind == LBX_KIND_BIT) {
                ck_assert_uint_eq(f->at, offsetof(struct lbx_member_vals, admin));
                ck_assert_uint_eq(bits & f->max, 0);
                bits |= f->max;
            }
        }
    }
    ck_assert_uint_eq(bits, LBX_ADMIN_ALL);
}
END_TEST

/* A random value that the field takes, as text. */
static void random_text(struct unit_rng *g, const struct lbx_field *f, char *buf, size_t size)
{
    uint32_t v = unit_between(g, f->min, f->max);
    uint32_t len = f->min + unit_below(g, f->max - f->min);
    uint32_t i;

    switch (f->kind) {
    case LBX_KIND_FACTOR:
        snprintf(buf, size, "%u.%02u", v / 100, v % 100);
        break;
    case LBX_KIND_SIGNED:
        snprintf(buf, size, "%d", unit_below(g, 4) ? (int)v : -1);
        break;
    case LBX_KIND_SWITCH:
    case LBX_KIND_BIT:
        snprintf(buf, size, "%s", unit_below(g, 2) ? "on" : "off");
        break;
    case LBX_KIND_TEXT:
        len = unit_below(g, 3) ? f->min + len % 2 : len; /* short ones meet more often */
        for (i = 0; i < len; i++) {
            buf[i] = (char)unit_between(g, '!', '~');
        }
        buf[i] = '\0';
        break;
    default:
        snprintf(buf, size, "%u", v);
        break;
    }
}

START_TEST(round_trip)
{
    struct unit_rng g = UNIT_RNG();
    struct table t = table_of(_i);

    for (int round = 0; round < 3000; round++) {
        const struct lbx_field *f = &t.rows[unit_below(&g, t.n)];
        union any_vals a, b;
        char text[LBX_FIELD_TEXT_MAX], printed[LBX_FIELD_TEXT_MAX];

        fill_noise(&g, &a, sizeof(a));
        fill_noise(&g, &b, sizeof(b));
        random_text(&g, f, text, sizeof(text));
        ck_assert_msg(lbx_field_set(f, &a, text) == LBX_OK, "%s = \"%s\"", f->name, text);
        lbx_field_print(f, &a, printed);
        ck_assert_str_eq(printed, text);
        ck_assert_int_eq(lbx_field_set(f, &b, printed), LBX_OK);
        ck_assert(lbx_field_same(f, &a, &b));
    }
}
END_TEST

/* Texts that stand next to each other in a struct and have no NUL of their own. */
START_TEST(print_stays_inside)
{
    union any_vals v;
    char buf[LBX_FIELD_TEXT_MAX];

    memset(&v, 'x', sizeof(v));
    for (int which = 0; which < 2; which++) {
        struct table t = table_of(which);

        for (unsigned i = 0; i < t.n; i++) {
            lbx_field_print(&t.rows[i], &v, buf);
            ck_assert_uint_lt(strlen(buf), LBX_FIELD_TEXT_MAX);
            if (t.rows[i].kind == LBX_KIND_TEXT) {
                ck_assert_uint_eq(strlen(buf), t.rows[i].max);
            }
        }
    }
}
END_TEST

/* The three cases of the merge, for one field of each kind: {was, run, now}. */
static const struct {
    const char *name;
    const char *was;
    const char *run;
    const char *now;
    const char *then; /* in force afterwards */
    enum lbx_merged done;
} merges[] = {
    {"loadfactor", "1.00", "1.00", "1.00", "1.00", LBX_MERGED_SAME},
    {"loadfactor", "1.00", "1.00", "2.00", "2.00", LBX_MERGED_FILE},
    {"loadfactor", "1.00", "3.00", "1.00", "3.00", LBX_MERGED_KEEPS},
    {"loadfactor", "1.00", "3.00", "2.00", "2.00", LBX_MERGED_DROPS},
    {"loadfactor", "1.00", "3.00", "3.00", "3.00", LBX_MERGED_FILE},
    {"lbset", "0", "1", "0", "1", LBX_MERGED_KEEPS},
    {"lbset", "0", "1", "2", "2", LBX_MERGED_DROPS},
    {"lbset", "0", "1", "1", "1", LBX_MERGED_FILE},
    {"route", "a", "b", "a", "b", LBX_MERGED_KEEPS},
    {"route", "a", "b", "c", "c", LBX_MERGED_DROPS},
    {"route", "a", "a", "", "", LBX_MERGED_FILE},
    {"route", "a", "", "a", "", LBX_MERGED_KEEPS},
    {"disabled", "off", "on", "off", "on", LBX_MERGED_KEEPS},
    {"disabled", "off", "on", "on", "on", LBX_MERGED_FILE},
    {"disabled", "on", "on", "off", "off", LBX_MERGED_FILE},
    {"disabled", "off", "off", "off", "off", LBX_MERGED_SAME},
    {"timeout", "0", "5", "0", "5", LBX_MERGED_KEEPS},
    {"timeout", "0", "5", "7", "7", LBX_MERGED_DROPS},
    {"timeout", "0", "5", "5", "5", LBX_MERGED_FILE},
    {"maxattempts", "-1", "2", "-1", "2", LBX_MERGED_KEEPS},
    {"maxattempts", "-1", "2", "0", "0", LBX_MERGED_DROPS},
    {"maxattempts", "-1", "-1", "2", "2", LBX_MERGED_FILE},
    {"nofailover", "off", "on", "off", "on", LBX_MERGED_KEEPS},
    {"nofailover", "off", "off", "on", "on", LBX_MERGED_FILE},
};

START_TEST(merge_examples)
{
    const struct lbx_field *f = row(merges[_i].name);
    union any_vals was = {0}, run = {0}, now = {0};
    enum lbx_merged done;
    char buf[LBX_FIELD_TEXT_MAX];

    ck_assert_int_eq(lbx_field_set(f, &was, merges[_i].was), LBX_OK);
    ck_assert_int_eq(lbx_field_set(f, &run, merges[_i].run), LBX_OK);
    ck_assert_int_eq(lbx_field_set(f, &now, merges[_i].now), LBX_OK);
    lbx_vals_merge(f, 1, &run, &was, &now, &done);
    ck_assert_str_eq(lbx_field_print(f, &run, buf), merges[_i].then);
    ck_assert_int_eq(done, merges[_i].done);
    ck_assert_str_eq(lbx_field_print(f, &was, buf), merges[_i].was);
    ck_assert_str_eq(lbx_field_print(f, &now, buf), merges[_i].now);
}
END_TEST

/* All fields at once against the rule in words, on their printed texts. */
START_TEST(merge_against_naive)
{
    struct unit_rng g = UNIT_RNG();
    struct table t = table_of(_i);

    for (int round = 0; round < 400; round++) {
        union any_vals was = {0}, run = {0}, now = {0}, before;
        enum lbx_merged done[32];
        char pool[2][LBX_FIELD_TEXT_MAX];

        for (unsigned i = 0; i < t.n; i++) { /* two values to choose from: many coincide */
            for (int k = 0; k < 2; k++) {
                random_text(&g, &t.rows[i], pool[k], sizeof(pool[k]));
            }
            ck_assert_int_eq(lbx_field_set(&t.rows[i], &was, pool[unit_below(&g, 2)]), LBX_OK);
            ck_assert_int_eq(lbx_field_set(&t.rows[i], &run, pool[unit_below(&g, 2)]), LBX_OK);
            ck_assert_int_eq(lbx_field_set(&t.rows[i], &now, pool[unit_below(&g, 2)]), LBX_OK);
        }
        before = run;
        lbx_vals_merge(t.rows, t.n, &run, &was, &now, round % 2 ? done : NULL);
        for (unsigned i = 0; i < t.n; i++) {
            char w[LBX_FIELD_TEXT_MAX], r[LBX_FIELD_TEXT_MAX], n[LBX_FIELD_TEXT_MAX];
            char got[LBX_FIELD_TEXT_MAX];
            int edited, overridden;

            lbx_field_print(&t.rows[i], &was, w);
            lbx_field_print(&t.rows[i], &before, r);
            lbx_field_print(&t.rows[i], &now, n);
            lbx_field_print(&t.rows[i], &run, got);
            edited = strcmp(w, n) != 0;
            overridden = strcmp(w, r) != 0;
            ck_assert_str_eq(got, edited ? n : r);
            if (round % 2) {
                ck_assert_int_eq(done[i] == LBX_MERGED_SAME, !edited && !overridden);
                ck_assert_int_eq(done[i] == LBX_MERGED_KEEPS, !edited && overridden);
                ck_assert_int_eq(done[i] == LBX_MERGED_DROPS,
                                 edited && overridden && strcmp(r, n) != 0);
            }
        }
    }
}
END_TEST

START_TEST(write_and_read)
{
    struct lab l;
    struct lbx_member_vals in, out;
    struct lbx_set_vals sin, sout;
    struct unit_rng g = UNIT_RNG();

    lab_open(&l, 1, NULL, 1);
    for (int i = 0; i < 100; i++) {
        fill_noise(&g, &in, sizeof(in));
        fill_noise(&g, &sin, sizeof(sin));
        lbx_member_vals_write(l.rec[0], &in);
        lbx_set_vals_write(l.set, &sin);
        lbx_member_vals_read(l.rec[0], &out);
        lbx_set_vals_read(l.set, &sout);
        ck_assert(!memcmp(&in, &out, sizeof(in)));
        ck_assert(!memcmp(&sin, &sout, sizeof(sin)));
    }
    lab_close(&l);
}
END_TEST

/* A writer killed after each of its stores: the copy in force is whole. */
START_TEST(half_a_write_is_not_seen)
{
    struct lab l;
    struct lbx_member_vals one, out;

    lab_open(&l, 1, NULL, 1);
    memset(&one, 0x11, sizeof(one));
    lbx_member_vals_write(l.rec[0], &one);
    for (size_t bytes = 0; bytes <= sizeof(one); bytes += 8) {
        uint32_t gen = atomic_load(&l.rec[0]->vals_gen);

        memset(&l.rec[0]->vals[(gen + 1) & 1], 0xee, bytes);
        lbx_member_vals_read(l.rec[0], &out);
        ck_assert(!memcmp(&one, &out, sizeof(one)));
    }
    memset(&one, 0x22, sizeof(one));
    lbx_member_vals_write(l.rec[0], &one); /* the next writer needs no repair */
    lbx_member_vals_read(l.rec[0], &out);
    ck_assert(!memcmp(&one, &out, sizeof(one)));
    lab_close(&l);
}
END_TEST

/* A writer comes in the middle of a read, wherever that is, and changes both
 * copies. */
static void write_twice(void *baton)
{
    struct lbx_member_vals v;

    for (int i = 0; i < 2; i++) {
        memset(&v, 2 * unit_meddled + i + 1, sizeof(v));
        lbx_member_vals_write(baton, &v);
    }
}

START_TEST(never_torn)
{
    struct lab l;
    unsigned torn = 0, changes = 0;
    unsigned char last = 0;

    lab_open(&l, 1, NULL, 1);
    memset(&l.rec[0]->vals, 0, sizeof(l.rec[0]->vals));
    unit_meddle(write_twice, l.rec[0]);
    while (unit_meddled < 80) {
        struct lbx_member_vals v;
        const unsigned char *c = (const void *)&v;

        lbx_member_vals_read(l.rec[0], &v);
        for (size_t k = 0; k < sizeof(v); k += 8) { /* it is copied in words */
            torn += c[k] != c[0];
        }
        changes += c[0] != last;
        last = c[0];
    }
    unit_meddle_no_more();
    ck_assert_uint_eq(torn, 0);
    ck_assert_uint_gt(changes, 40);
    lab_close(&l);
}
END_TEST

TCase *case_vals(void)
{
    TCase *tc = tcase_create("vals");

    tcase_add_loop_test(tc, set_and_print, 0, sizeof(values) / sizeof(values[0]));
    tcase_add_test(tc, values_as_stored);
    tcase_add_test(tc, find_is_exact);
    tcase_add_test(tc, tables_are_sound);
    tcase_add_loop_test(tc, round_trip, 0, 2);
    tcase_add_test(tc, print_stays_inside);
    tcase_add_loop_test(tc, merge_examples, 0, sizeof(merges) / sizeof(merges[0]));
    tcase_add_loop_test(tc, merge_against_naive, 0, 2);
    tcase_add_test(tc, write_and_read);
    tcase_add_test(tc, half_a_write_is_not_seen);
    tcase_add_test(tc, never_torn);
    return tc;
}
