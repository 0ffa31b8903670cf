/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_legacy: every combination of flags against the list of the contract, every kind of value.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "lbx_legacy.h"

/* As the contract lists them, by letter. */
static const struct {
    uint32_t bit;
    const char *text;
} order[] = {
    {0x001, "Init "}, {0x002, "Ign "},  {0x004, "Drn "},  {0x008, "Gen "},
    {0x010, "Shut "}, {0x020, "Dis "},  {0x040, "Stop "}, {0x080, "Err "},
    {0x100, "Stby "}, {0x800, "Spar "}, {0x200, "Free "}, {0x400, "HcFl "},
};

START_TEST(flags)
{
    for (uint32_t status = 0; status < 0x1000; status++) {
        char text[LBX_STATUS_TEXT], want[LBX_STATUS_TEXT] = "";
        int usable = (status & 0x001) && !(status & (0x010 | 0x020 | 0x040 | 0x080 | 0x400));

        for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
            if (status & order[i].bit) {
                memcpy(want + strlen(want), order[i].text, strlen(order[i].text) + 1);
            }
        }
        if (usable || !*want) {
            snprintf(want + strlen(want), 5, "%s", usable ? "Ok " : "??? ");
        }
        lbx_legacy_status_text(status, text);
        ck_assert_str_eq(text, want);
    }
}
END_TEST

START_TEST(word_of_a_member)
{
    struct lbx_member_view v = {.run = {.admin = LBX_ADMIN_ALL}, .health = LBX_HEALTH_FAILED};

    ck_assert_uint_eq(lbx_legacy_status(&v, 0), 0x976 | 0x401);
    v.error_at_us = 1;
    ck_assert_uint_eq(lbx_legacy_status(&v, 0xfff), 0x976 | 0x481 | 0x208);
    v = (struct lbx_member_view){0};
    ck_assert_uint_eq(lbx_legacy_status(&v, 0), 1);
}
END_TEST

static const struct lbx_legacy_param *param(const char *key)
{
    for (unsigned i = 0; i < LBX_LEGACY_MEMBER_N; i++) {
        if (!strcmp(lbx_legacy_member[i].key, key)) {
            return &lbx_legacy_member[i];
        }
    }
    for (unsigned i = 0; i < LBX_LEGACY_SET_N; i++) {
        if (!strcmp(lbx_legacy_set[i].key, key)) {
            return &lbx_legacy_set[i];
        }
    }
    for (unsigned i = 0; i < LBX_LEGACY_CHECK_N; i++) {
        if (!strcmp(lbx_legacy_check[i].key, key)) {
            return &lbx_legacy_check[i];
        }
    }
    ck_abort_msg("%s", key);
    return NULL;
}

START_TEST(values)
{
    static const struct {
        const char *key, *text, *value, *second; /* value NULL: nothing is asked for */
    } rows[] = {
        {"w_lf", "2.5", "2.5", ""},
        {"w_lf", " 2 ", "2", ""},
        {"w_lf", "", NULL, NULL},
        {"w_lf", "  ", NULL, NULL},
        {"w_wr", "", "", ""},
        {"w_wr", " a ", " a ", ""},
        {"w_status_D", "1", "on", ""},
        {"w_status_D", "0", "off", ""},
        {"w_status_D", "00", "off", ""},
        {"w_status_D", "-1", "on", ""},
        {"w_status_D", "+0", "off", ""},
        {"w_status_D", "", "off", ""},
        {"w_status_D", "yes", "neither on nor off", ""},
        {"w_status_D", "-", "neither on nor off", ""},
        {"w_status_D", "1x", "neither on nor off", ""},
        {"w_hi", "5000", "5000ms", ""},
        {"w_hi", " 5s ", "5s", ""},
        {"w_hi", "-1", "-1", ""},
        {"w_hi", "", NULL, NULL},
        {"w_hm", "", NULL, NULL},
        {"w_hp", " 3", "3", ""},
        {"w_hu", "", "", ""},
        {"w_he", "", "", ""},
        {"b_sforce", "1", "on", ""},
        {"b_lbm", "bytraffic", "bytraffic", ""},
        {"b_ss", "A|b", "A", "b"},
        {"b_ss", "A", "A", "A"},
        {"b_ss", "-", "", ""},
        {"b_ss", "", NULL, NULL},
        {"b_ss", "|", NULL, NULL},
        {"b_ss", "|b", NULL, NULL},
        {"b_ss", "A|", NULL, NULL},
        {"b_ss", "A|b|c", "A", "b|c"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char value[LBX_LEGACY_VALUE], second[LBX_LEGACY_VALUE];
        int asked = lbx_legacy_value(param(rows[i].key), rows[i].text, value, second);

        ck_assert_int_eq(asked, rows[i].value != NULL);
        if (asked) {
            ck_assert_str_eq(value, rows[i].value);
            ck_assert_str_eq(second, rows[i].second);
        }
    }
}
END_TEST

START_TEST(long_values)
{
    static char text[5000];
    char value[LBX_LEGACY_VALUE], second[LBX_LEGACY_VALUE];

    memset(text, 'x', sizeof(text) - 1);
    for (unsigned i = 0; i < LBX_LEGACY_SET_N; i++) {
        ck_assert(lbx_legacy_value(&lbx_legacy_set[i], text, value, second));
        ck_assert(lbx_legacy_set[i].kind == LBX_LEGACY_SWITCH
                  || strlen(value) == LBX_LEGACY_VALUE - 1);
    }
    ck_assert(lbx_legacy_value(param("w_wr"), text, value, second));
    ck_assert_uint_eq(strlen(value), LBX_LEGACY_VALUE - 1);
}
END_TEST

TCase *case_legacy(void)
{
    TCase *tc = tcase_create("legacy");

    tcase_add_test(tc, flags);
    tcase_add_test(tc, word_of_a_member);
    tcase_add_test(tc, values);
    tcase_add_test(tc, long_values);
    return tc;
}
