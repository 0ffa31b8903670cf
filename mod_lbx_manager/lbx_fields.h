/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields that can be changed through the JSON interface: one row a field, with
 * the type that JSON must have for it.
 *
 * Not here: what values are allowed (core's own table says no, with a reason).
 *
 * Pure.
 */
#ifndef LBX_FIELDS_H
#define LBX_FIELDS_H

enum lbx_json_kind {
    LBX_JSON_SWITCH,
    LBX_JSON_NUMBER,
    LBX_JSON_FACTOR,
    LBX_JSON_TEXT,
    LBX_JSON_TIME /* seconds, or a text with a unit */
};

struct lbx_json_field {
    const char *key;   /* in JSON: "ignore_errors" */
    const char *field; /* for lbx_apply: "ignore-errors" */
    enum lbx_json_kind kind;
    const char *type; /* for messages */
};

extern const struct lbx_json_field lbx_json_member_fields[];
extern const unsigned lbx_json_member_fields_n;
extern const struct lbx_json_field lbx_json_set_fields[];
extern const unsigned lbx_json_set_fields_n;

/* NULL: no such field. */
const struct lbx_json_field *lbx_json_field_find(int of_member, const char *key);

#endif
