/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of fields.  See lbx_fields.h.
 *
 * Pure.
 */
#include "lbx_fields.h"

#include <stddef.h>
#include <string.h>

#define SWITCH LBX_JSON_SWITCH, "true or false"
#define NUMBER LBX_JSON_NUMBER, "a number"
#define TEXT   LBX_JSON_TEXT, "a text"

const struct lbx_json_field lbx_json_member_fields[] = {
    {"loadfactor", "loadfactor", LBX_JSON_FACTOR, "a number with at most two decimals"},
    {"lbset", "lbset", NUMBER},
    {"maxconn", "maxconn", NUMBER},
    {"route", "route", TEXT},
    {"redirect", "redirect", TEXT},
    {"ignore_errors", "ignore-errors", SWITCH},
    {"drain", "drain", SWITCH},
    {"shutdown", "shutdown", SWITCH},
    {"disabled", "disabled", SWITCH},
    {"stopped", "stopped", SWITCH},
    {"standby", "standby", SWITCH},
    {"spare", "spare", SWITCH},
    {"hcmethod", "hcmethod", TEXT},
    {"hcinterval", "hcinterval", LBX_JSON_TIME, "a number of seconds, or a text: \"500ms\""},
    {"hcpasses", "hcpasses", NUMBER},
    {"hcfails", "hcfails", NUMBER},
    {"hcuri", "hcuri", TEXT},
    {"hcexpr", "hcexpr", TEXT},
};
const unsigned lbx_json_member_fields_n =
    sizeof(lbx_json_member_fields) / sizeof(lbx_json_member_fields[0]);

const struct lbx_json_field lbx_json_set_fields[] = {
    {"lbmethod", "lbmethod", TEXT},           {"timeout", "timeout", NUMBER},
    {"maxattempts", "maxattempts", NUMBER},   {"nofailover", "nofailover", SWITCH},
    {"stickysession", "stickysession", TEXT}, {"stickysession_path", "stickysession-path", TEXT},
};
const unsigned lbx_json_set_fields_n = sizeof(lbx_json_set_fields) / sizeof(lbx_json_set_fields[0]);

const struct lbx_json_field *lbx_json_field_find(int of_member, const char *key)
{
    const struct lbx_json_field *table = of_member ? lbx_json_member_fields : lbx_json_set_fields;
    unsigned n = of_member ? lbx_json_member_fields_n : lbx_json_set_fields_n;

    for (unsigned i = 0; i < n; i++) {
        if (!strcmp(table[i].key, key)) {
            return &table[i];
        }
    }
    return NULL;
}
