/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_words: a list holds what was put last for each key, whatever the order; what does not
 * fit or would break a line is refused and changes nothing; damaged text ends the list.
 */
#include "unit.h"

#include <stdio.h>

#include "lbx_vals.h"
#include "lbx_words.h"

/* The value of <key>, copied; NULL: there is none. */
static const char *get(const char *text, const char *key, uint32_t *base)
{
    static char value[LBX_WORDS_MAX];
    struct lbx_word w;

    for (const char *at = text; (at = lbx_words_next(at, &w));) {
        if (w.key_len == strlen(key) && !memcmp(w.key, key, w.key_len)) {
            snprintf(value, sizeof(value), "%.*s", (int)w.value_len, w.value);
            *base = w.base;
            return value;
        }
    }
    return NULL;
}

START_TEST(worked_example)
{
    char text[LBX_WORDS_MAX] = "";
    uint32_t base;

    ck_assert_int_eq(lbx_words_set(text, "hcmethod", "GET", 0x12ab), LBX_OK);
    ck_assert_int_eq(lbx_words_set(text, "hcuri", "", 7), LBX_OK);
    ck_assert_str_eq(text, "hcmethod=GET\t000012ab\nhcuri=\t00000007\n");
    ck_assert_int_eq(lbx_words_set(text, "hcmethod", "a=b c", UINT32_MAX), LBX_OK);
    ck_assert_str_eq(get(text, "hcmethod", &base), "a=b c");
    ck_assert_uint_eq(base, UINT32_MAX);
    ck_assert_str_eq(get(text, "hcuri", &base), "");
    ck_assert_int_eq(lbx_words_set(text, "hcmethod", NULL, 0), LBX_OK);
    ck_assert_int_eq(lbx_words_set(text, "nothing", NULL, 0), LBX_OK);
    ck_assert_str_eq(text, "hcuri=\t00000007\n");
    ck_assert_ptr_null(get(text, "hc", &base));
}
END_TEST

START_TEST(refused)
{
    static const char *const bad[] = {"a\tb", "a\nb", "\x7f", "\x01"};
    char text[LBX_WORDS_MAX] = "", before[LBX_WORDS_MAX], much[LBX_WORDS_MAX];

    ck_assert_int_eq(lbx_words_set(text, "key", "value", 1), LBX_OK);
    memcpy(before, text, sizeof(text));
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(lbx_words_set(text, "key", bad[i], 1), LBX_EVALUE);
        ck_assert_int_eq(lbx_words_set(text, bad[i], "value", 1), LBX_EVALUE);
    }
    ck_assert_int_eq(lbx_words_set(text, "", "value", 1), LBX_EVALUE);
    ck_assert_int_eq(lbx_words_set(text, "k=y", "value", 1), LBX_EVALUE);
    memset(much, 'x', sizeof(much));
    for (unsigned n = 1; n < sizeof(much); n++) { /* "key=" + n + tab + 8 + line feed + NUL */
        much[n] = '\0';
        memcpy(text, before, sizeof(text));
        ck_assert_int_eq(lbx_words_set(text, "key", much, 1),
                         n + 15 > LBX_WORDS_MAX ? LBX_ESIZE : LBX_OK);
        if (n + 15 > LBX_WORDS_MAX) {
            ck_assert_mem_eq(text, before, sizeof(text));
        }
        much[n] = 'x';
    }
}
END_TEST

START_TEST(damaged)
{
    static const char *const bad[] = {"=v\t00000001\n",
                                      "k\t00000001\n",
                                      "k=v\n",
                                      "k=v\t0000001\n",
                                      "k=v\t0000000g\n",
                                      "k=v\t000000001\n",
                                      "k=v\t00000001",
                                      "k=v",
                                      "\n"};
    struct lbx_word w;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!lbx_words_next(bad[i], &w), "%s", bad[i]);
    }
    ck_assert_ptr_nonnull(lbx_words_next("k=v\t0000000f\n", &w));
    ck_assert_uint_eq(w.base, 15);
}
END_TEST

/* Against a table of the last values. */
START_TEST(random_operations)
{
    char text[LBX_WORDS_MAX] = "", last[4][16] = {"", "", "", ""};
    int there[4] = {0};
    struct unit_rng g = UNIT_RNG();
    uint32_t base;

    for (int i = 0; i < 20000; i++) {
        unsigned k = (unsigned)(unit_rand(&g) % 4);
        char key[8], value[16];

        snprintf(key, sizeof(key), "key%u", k);
        snprintf(value, sizeof(value), "%u", (unsigned)(unit_rand(&g) % 1000));
        there[k] = unit_rand(&g) % 3 != 0;
        ck_assert_int_eq(lbx_words_set(text, key, there[k] ? value : NULL, lbx_words_base(value)),
                         LBX_OK);
        memcpy(last[k], value, sizeof(value));
        for (k = 0; k < 4; k++) {
            const char *found;

            snprintf(key, sizeof(key), "key%u", k);
            found = get(text, key, &base);
            ck_assert_int_eq(found != NULL, there[k]);
            if (found) {
                ck_assert_str_eq(found, last[k]);
                ck_assert_uint_eq(base, lbx_words_base(last[k]));
            }
        }
    }
}
END_TEST

START_TEST(in_a_record)
{
    static struct lbx_seg_member m;
    struct lbx_member_notes n = {.decided_us = 5, .decided_by = "alice"}, out;

    lbx_member_notes_read(&m, &out);
    ck_assert(!*out.words && !out.decided_us);
    ck_assert_int_eq(lbx_words_set(n.words, "k", "v", 0), LBX_OK);
    lbx_member_notes_write(&m, &n);
    lbx_member_notes_read(&m, &out);
    ck_assert_mem_eq(&n, &out, sizeof(n));
}
END_TEST

TCase *case_words(void)
{
    TCase *tc = tcase_create("words");

    tcase_add_test(tc, worked_example);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, damaged);
    tcase_add_test(tc, random_operations);
    tcase_add_test(tc, in_a_record);
    return tc;
}
