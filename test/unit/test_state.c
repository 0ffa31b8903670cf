/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_state and lbx_fields: every reason has a word, every word is there once, and the
 * fields of the JSON interface are those that core can change.
 */
#include "unit.h"

#include <string.h>

#include "lbx_fields.h"
#include "lbx_retry.h"
#include "lbx_state.h"
#include "lbx_vals.h"

START_TEST(every_reason_has_a_state)
{
    struct lbx_member_view v = {.ramp = LBX_RAMP_FULL};

    for (int i = 0; i < LBX_INELIG_N; i++) {
        enum lbx_state s = lbx_state_of(&v, i);

        ck_assert_msg((s == LBX_STATE_UP) == (i == LBX_ELIGIBLE || i == LBX_IN_TRIED), "%d", i);
    }
    v.ramp = LBX_RAMP_FULL / 2;
    ck_assert_int_eq(lbx_state_of(&v, LBX_ELIGIBLE), LBX_STATE_SLOWSTART);
    ck_assert_int_eq(lbx_state_of(&v, LBX_IN_ERROR), LBX_STATE_ERROR);
    v.ramp = 0; /* a record that nobody has filled */
    ck_assert_int_eq(lbx_state_of(&v, LBX_ELIGIBLE), LBX_STATE_UP);
}
END_TEST

START_TEST(the_state_that_an_event_made)
{
    static const struct {
        const char *kind, *text;
        enum lbx_state state;
    } row[] = {
        {"change", "drain: off -> on", LBX_STATE_DRAINING},
        {"change", "disabled: off -> 1", LBX_STATE_DISABLED},
        {"change", "stopped: off -> on", LBX_STATE_STOPPED},
        {"change", "shutdown: off -> on", LBX_STATE_SHUTDOWN},
        {"removed", "it had been added at run time", LBX_STATE_RETIRED},
        {"change", "ignore-errors: off -> on", LBX_STATE_N},
        {"change", "health checks paused", LBX_STATE_N},
        {"change", "disabled", LBX_STATE_N},
        {"finding", "disabled: off -> on", LBX_STATE_N},
        {"down", "refused", LBX_STATE_N},
    };

    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        ck_assert_msg(lbx_state_of_event(row[i].kind, row[i].text) == row[i].state, "%s: %s",
                      row[i].kind, row[i].text);
    }
}
END_TEST

START_TEST(every_word_once)
{
    for (int i = 0; i < LBX_STATE_N; i++) {
        ck_assert_ptr_nonnull(lbx_state_name(i));
        for (int k = 0; k < i; k++) {
            ck_assert_str_ne(lbx_state_name(i), lbx_state_name(k));
        }
    }
    for (int i = 0; i < LBX_OUTCOME_N; i++) { /* the words of LBX_TRIES and of the log */
        ck_assert_str_eq(lbx_attempt_name(i), lbx_outcome_name(i));
    }
    ck_assert_str_eq(lbx_class_name(2), "2xx");
    ck_assert_str_eq(lbx_class_name(77), "other");
    ck_assert_str_eq(lbx_role_name(LBX_ADMIN_SPARE | LBX_ADMIN_STANDBY), "spare");
    ck_assert_str_eq(lbx_role_name(LBX_ADMIN_STANDBY), "standby");
    ck_assert_str_eq(lbx_role_name(LBX_ADMIN_DRAIN), "active");
}
END_TEST

/* Of mod_lbx_hcheck. */
static int is_a_siblings(const char *field)
{
    return !strncmp(field, "hc", 2);
}

START_TEST(fields_are_cores)
{
    for (unsigned i = 0; i < lbx_json_member_fields_n; i++) {
        const struct lbx_json_field *f = &lbx_json_member_fields[i];

        ck_assert(is_a_siblings(f->field)
                  || lbx_field_find(lbx_member_fields, lbx_member_fields_n, f->field));
        ck_assert_ptr_eq(lbx_json_field_find(1, f->key), f);
    }
    for (unsigned i = 0; i < lbx_json_set_fields_n; i++) {
        const struct lbx_json_field *f = &lbx_json_set_fields[i];

        ck_assert_ptr_nonnull(lbx_field_find(lbx_set_fields, lbx_set_fields_n, f->field));
        ck_assert_ptr_eq(lbx_json_field_find(0, f->key), f);
    }
    ck_assert_ptr_null(lbx_json_field_find(0, "drain"));
    ck_assert_ptr_null(lbx_json_field_find(1, "lbmethod"));
    ck_assert_ptr_null(lbx_json_field_find(1, "DRAIN"));
}
END_TEST

/* A field that core learns is to be seen and changed here, too. */
START_TEST(cores_fields_are_ours)
{
    for (unsigned i = 0; i < lbx_member_fields_n; i++) {
        int found = 0;

        for (unsigned k = 0; k < lbx_json_member_fields_n; k++) {
            found |= !strcmp(lbx_json_member_fields[k].field, lbx_member_fields[i].name);
        }
        ck_assert_msg(found, "%s is missing in lbx_fields.c", lbx_member_fields[i].name);
    }
    for (unsigned i = 0; i < lbx_set_fields_n; i++) {
        int found = 0;

        for (unsigned k = 0; k < lbx_json_set_fields_n; k++) {
            found |= !strcmp(lbx_json_set_fields[k].field, lbx_set_fields[i].name);
        }
        ck_assert_msg(found, "%s is missing in lbx_fields.c", lbx_set_fields[i].name);
    }
}
END_TEST

TCase *case_state(void)
{
    TCase *tc = tcase_create("state");

    tcase_add_test(tc, every_reason_has_a_state);
    tcase_add_test(tc, the_state_that_an_event_made);
    tcase_add_test(tc, every_word_once);
    tcase_add_test(tc, fields_are_cores);
    tcase_add_test(tc, cores_fields_are_ours);
    return tc;
}
