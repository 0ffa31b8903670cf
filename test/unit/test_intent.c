/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_intent: lines come back as they went in, whatever bytes a key has; a text
 * that was cut, edited badly or is not ours is refused as a whole.
 *
 * Not here: files, and what the fields mean (test_vals.c).
 */
#include "unit.h"

#include <stdio.h>

#include "lbx_intent.h"

enum { MOST = 8, TEXT_MAX = MOST * LBX_INTENT_LINE_MAX };

/* What the parser reported, copied. */
struct seen {
    unsigned n;
    char text[MOST][6][600];
    int has_member[MOST];
    int added[MOST];
};

static void note(void *baton, const struct lbx_intent *i)
{
    struct seen *s = baton;
    const char *part[6] = {i->scope, i->balancer, i->member ? i->member : "",
                           i->field, i->conf,     i->run};

    ck_assert_uint_lt(s->n, MOST);
    for (int k = 0; k < 6; k++) {
        snprintf(s->text[s->n][k], sizeof(s->text[0][0]), "%s", part[k]);
    }
    s->added[s->n] = i->added;
    s->has_member[s->n++] = i->member != NULL;
}

static void never(void *baton, const struct lbx_intent *i)
{
    (void)baton;
    ck_abort_msg("\"%s\" was reported from a text that is refused", i->field);
}

static const char example[] =
    LBX_INTENT_HEAD "\n"
                    "member\tmain\tbalancer://app\thttp://a:80\tdrain\toff\ton\n"
                    "set\tmain\tbalancer://app\t\tlbmethod\tbyrequests\tbytraffic\n"
                    "end 2\n";

START_TEST(worked_example)
{
    struct lbx_intent drain = {"main", "balancer://app", "http://a:80", "drain", "off", "on", 0};
    struct lbx_intent method = {"main",       "balancer://app", NULL, "lbmethod",
                                "byrequests", "bytraffic",      0};
    static char line[LBX_INTENT_LINE_MAX];
    static struct seen s;
    char made[sizeof(example)] = LBX_INTENT_HEAD "\n", text[sizeof(example)];
    size_t at = strlen(made), len;
    unsigned where;

    len = lbx_intent_print(&drain, line);
    ck_assert_uint_eq(len, strlen(line));
    memcpy(made + at, line, len);
    at += len;
    len = lbx_intent_print(&method, line);
    memcpy(made + at, line, len);
    at += len;
    memcpy(made + at, "end 2\n", 7);
    ck_assert_str_eq(made, example);

    memcpy(text, example, sizeof(text));
    ck_assert_int_eq(lbx_intent_parse(text, note, &s, &where), LBX_OK);
    ck_assert_uint_eq(s.n, 2);
    ck_assert_int_eq(s.has_member[0], 1);
    ck_assert_int_eq(s.has_member[1], 0);
    ck_assert_str_eq(s.text[0][2], "http://a:80");
    ck_assert_str_eq(s.text[0][3], "drain");
    ck_assert_str_eq(s.text[1][3], "lbmethod");
    ck_assert_str_eq(s.text[1][5], "bytraffic");
}
END_TEST

START_TEST(nothing_decided)
{
    char text[] = LBX_INTENT_HEAD "\nend 0\n";
    unsigned where;

    ck_assert_int_eq(lbx_intent_parse(text, never, NULL, &where), LBX_OK);
}
END_TEST

/* {text, what it gives, line} */
static const struct {
    const char *text;
    enum lbx_rc rc;
    unsigned line;
} refused[] = {
    {"", LBX_EFORMAT, 1},
    {"\n", LBX_EFORMAT, 1},
    {"something else\nend 0\n", LBX_EFORMAT, 1},
    {"lbx-state 3\nend 0\n", LBX_EVERSION, 1},
    {"lbx-state 10\nend 0\n", LBX_EVERSION, 1},
    {LBX_INTENT_HEAD, LBX_EVERSION, 1}, /* cut within the first line: not one we know */
    {LBX_INTENT_HEAD "\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nend 0", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nend 0\nend 0\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nend 00\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\n\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\tb\t\tf\tc\tr\nend 2\n", LBX_EFORMAT, 3},
    {LBX_INTENT_HEAD "\nset\ts\tb\t\tf\tc\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\tb\t\tf\tc\tr\tx\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\tb\tm\tf\tc\tr\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nmember\ts\tb\t\tf\tc\tr\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nothers\ts\tb\tm\tf\tc\tr\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\t\t\tf\tc\tr\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\tb\t\t\tc\tr\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\tb\t\tf\tc\tr%\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\tb\t\tf\tc\tr%0\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\tb\t\tf\tc\t%00\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\tb\t\tf\tc\t%41\nend 1\n", LBX_EFORMAT, 2}, /* needs none */
    {LBX_INTENT_HEAD "\nset\ts\tb\t\tf\tc\t%0a\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\tb\t\tf\tc\tr\r\nend 1\n", LBX_EFORMAT, 2},
    {LBX_INTENT_HEAD "\nset\ts\tb\t\tf\tc\tr\nset\ts\tb\t\tf\tc\t\x01\nend 2\n", LBX_EFORMAT, 3},
};

START_TEST(refused_as_a_whole)
{
    size_t len = strlen(refused[_i].text) + 1;
    char *text = lab_must(malloc(len)); /* of its size: ASan sees a step outside */
    unsigned where = 0;

    memcpy(text, refused[_i].text, len);
    ck_assert_int_eq(lbx_intent_parse(text, never, NULL, &where), refused[_i].rc);
    ck_assert_uint_eq(where, refused[_i].line);
    free(text);
}
END_TEST

START_TEST(cut_anywhere)
{
    for (size_t cut = 0; cut + 1 < sizeof(example); cut++) {
        char *text = lab_must(malloc(cut + 1));
        unsigned where;

        memcpy(text, example, cut);
        text[cut] = '\0';
        ck_assert_msg(lbx_intent_parse(text, never, NULL, &where) != LBX_OK, "cut at %zu", cut);
        free(text);
    }
}
END_TEST

/* One byte changed: refused, or every decision still has its columns. */
START_TEST(damaged_anywhere)
{
    struct unit_rng g = UNIT_RNG();
    static struct seen s;

    for (int round = 0; round < 4000; round++) {
        char *text = lab_must(malloc(sizeof(example)));
        size_t at = unit_below(&g, sizeof(example) - 1);
        unsigned where;

        memcpy(text, example, sizeof(example));
        text[at] = (char)unit_rand(&g);
        s.n = 0;
        if (lbx_intent_parse(text, note, &s, &where) == LBX_OK) {
            ck_assert_uint_eq(s.n, 2);
            ck_assert_int_eq(s.has_member[0], 1);
            ck_assert_int_eq(s.has_member[1], 0);
        }
        free(text);
    }
}
END_TEST

static void random_bytes(struct unit_rng *g, char *buf, size_t min, size_t max)
{
    size_t len = min + unit_below(g, (uint32_t)(max - min));

    for (size_t i = 0; i < len; i++) {
        buf[i] = unit_below(g, 3) ? (char)unit_between(g, 1, 255) : "\t\n\r% \x7f"[i % 6];
    }
    buf[len] = '\0';
}

START_TEST(round_trip)
{
    struct unit_rng g = UNIT_RNG();
    static char want[MOST][6][600], text[TEXT_MAX];
    int added[MOST];
    static struct seen s;

    for (int round = 0; round < 100; round++) {
        unsigned n = unit_below(&g, MOST), where;
        size_t at = (size_t)snprintf(text, sizeof(text), "%s\n", LBX_INTENT_HEAD);

        for (unsigned k = 0; k < n; k++) {
            static const size_t most[6] = {
                LBX_SCOPE_MAX, LBX_BALANCER_MAX, LBX_MEMBER_MAX, 30, 80, 80};
            static const size_t least[6] = {0, 1, 1, 1, 0, 0};
            struct lbx_intent i;
            size_t len;

            for (int c = 0; c < 6; c++) {
                random_bytes(&g, want[k][c], least[c], most[c]);
            }
            if (unit_below(&g, 2)) {
                want[k][2][0] = '\0';
            }
            i = (struct lbx_intent){
                want[k][0], want[k][1], *want[k][2] ? want[k][2] : NULL,         want[k][3],
                want[k][4], want[k][5], *want[k][2] ? (int)unit_below(&g, 2) : 0};
            added[k] = i.added;
            len = lbx_intent_print(&i, text + at);
            ck_assert_uint_gt(len, 0);
            ck_assert_ptr_eq(strchr(text + at, '\n'), text + at + len - 1);
            at += len;
        }
        snprintf(text + at, sizeof(text) - at, "end %u\n", n);
        s.n = 0;
        ck_assert_int_eq(lbx_intent_parse(text, note, &s, &where), LBX_OK);
        ck_assert_uint_eq(s.n, n);
        for (unsigned k = 0; k < n; k++) {
            for (int c = 0; c < 6; c++) {
                ck_assert_str_eq(s.text[k][c], want[k][c]);
            }
            ck_assert_int_eq(s.has_member[k], want[k][2][0] != '\0');
            ck_assert_int_eq(s.added[k], added[k]);
        }
    }
}
END_TEST

/* The longest line fits exactly as far as is promised; beyond, 0 and no write
 * outside (the block has just the promised size). */
START_TEST(lines_have_a_limit)
{
    char *buf = lab_must(malloc(LBX_INTENT_LINE_MAX));
    char *key = lab_must(malloc(LBX_INTENT_LINE_MAX + 1));
    int fitted = 0, refused_some = 0;

    for (int escaped = 0; escaped < 2; escaped++) {
        for (size_t len = 1; len <= LBX_INTENT_LINE_MAX; len += len < 1000 ? 100 : 1) {
            struct lbx_intent i = {"", "b", key, "f", "", "", 0};
            size_t got;

            memset(key, escaped ? '%' : 'x', len);
            key[len] = '\0';
            got = lbx_intent_print(&i, buf);
            if (got) {
                ck_assert_uint_eq(got, len * (escaped ? 3 : 1) + strlen("member\t\tb\t\tf\t\t\n"));
                ck_assert_uint_eq(strlen(buf), got);
                fitted++;
            } else {
                ck_assert_uint_gt(len * (escaped ? 3 : 1) + 40, LBX_INTENT_LINE_MAX);
                refused_some++;
            }
        }
    }
    ck_assert_int_gt(fitted, 0);
    ck_assert_int_gt(refused_some, 0);
    free(key);
    free(buf);
}
END_TEST

TCase *case_intent(void)
{
    TCase *tc = tcase_create("intent");

    tcase_add_test(tc, worked_example);
    tcase_add_test(tc, nothing_decided);
    tcase_add_loop_test(tc, refused_as_a_whole, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tc, cut_anywhere);
    tcase_add_test(tc, damaged_anywhere);
    tcase_add_test(tc, round_trip);
    tcase_add_test(tc, lines_have_a_limit);
    return tc;
}
