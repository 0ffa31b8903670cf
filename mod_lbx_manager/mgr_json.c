/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of the JSON interface.  See mgr_json.h.
 *
 * A member that is added takes what BalancerMember takes, under the same names,
 * and the switches of PATCH as a shorter way to write status=.
 */
#include "mgr_json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "lbx_fields.h"

struct reading {
    mgr_json_pair *pair;
    void *baton;
    struct mgr_json_error *error;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct reading *in, const char *field,
                                                        const char *format, ...)
{
    va_list args;

    snprintf(in->error->field, sizeof(in->error->field), "%s", field);
    va_start(args, format);
    vsnprintf(in->error->message, sizeof(in->error->message), format, args);
    va_end(args);
    return 0;
}

/* Plain digits: core's own reader takes no exponent. */
static int print_number(const json_t *v, int factor, char *text, size_t size)
{
    double d;

    if (json_is_integer(v)) {
        snprintf(text, size, "%lld", (long long)json_integer_value(v));
        return 1;
    }
    d = json_real_value(v);
    if (!isfinite(d) || fabs(d) >= 1e9) {
        return 0;
    }
    if (factor && fabs(d * 100 - nearbyint(d * 100)) > 1e-6) {
        return 0;
    }
    if (d == nearbyint(d)) {
        snprintf(text, size, "%.0f", d);
    } else {
        snprintf(text, size, factor ? "%.2f" : "%.6f", d);
    }
    return 1;
}

/* The value as text; 0: it is not of that type. */
static int convert(const json_t *v, enum lbx_json_kind kind, char *text)
{
    switch (kind) {
    case LBX_JSON_SWITCH:
        snprintf(text, MGR_JSON_VALUE, "%s", json_is_true(v) ? "on" : "off");
        return json_is_boolean(v);
    case LBX_JSON_NUMBER:
    case LBX_JSON_FACTOR:
        return json_is_number(v) && print_number(v, kind == LBX_JSON_FACTOR, text, MGR_JSON_VALUE);
    case LBX_JSON_TIME:
        if (json_is_real(v)) { /* to the millisecond */
            double ms = json_real_value(v) * 1000;

            return ms >= 0 && ms <= 1e12 && snprintf(text, MGR_JSON_VALUE, "%.0fms", ms) > 0;
        }
        return json_is_integer(v) ? print_number(v, 0, text, MGR_JSON_VALUE)
                                  : !json_is_null(v) && convert(v, LBX_JSON_TEXT, text);
    default:
        if (json_is_null(v)) {
            text[0] = '\0';
            return 1;
        }
        return json_is_string(v) && json_string_length(v) < MGR_JSON_VALUE
               && snprintf(text, MGR_JSON_VALUE, "%s", json_string_value(v)) >= 0;
    }
}

static int read_fields(struct reading *in, json_t *object, const char *member, int of_member)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        const struct lbx_json_field *f = lbx_json_field_find(of_member, key);
        char text[MGR_JSON_VALUE];

        if (!of_member && !strcmp(key, "members")) {
            continue;
        }
        if (!f) {
            return refuse(in, key, "a %s has no field of this name that can be changed",
                          of_member ? "member" : "balancer");
        }
        if (!convert(value, f->kind, text)) {
            return refuse(in, key, "must be %s", f->type);
        }
        in->pair(in->baton, member, f->field, text);
    }
    return 1;
}

/* Of mod_lbx_hcheck, and no values of core's: nothing is kept with the others. */
static int read_check(struct reading *in, json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        int now = !strcmp(key, "now");

        if (!now && strcmp(key, "paused") != 0) {
            return refuse(in, key, "there are now and paused");
        }
        if (now ? !json_is_true(value) : !json_is_boolean(value)) {
            return refuse(in, key, now ? "must be true" : "must be true or false");
        }
        in->pair(in->baton, NULL, key, json_is_true(value) ? "on" : "off");
    }
    return 1;
}

static int read_set(struct reading *in, json_t *object)
{
    json_t *members = json_object_get(object, "members");
    const char *key;
    json_t *value;

    if (members && !json_is_object(members)) {
        return refuse(in, "members", "must be an object: {\"NAME or id\": {\"drain\": true}}");
    }
    if (!read_fields(in, object, NULL, 0)) {
        return 0;
    }
    json_object_foreach(members, key, value)
    {
        if (!json_is_object(value) || !json_object_size(value)) {
            return refuse(in, "members", "%.100s: must be an object with at least one field", key);
        }
        if (!read_fields(in, value, key, 1)) {
            return 0;
        }
    }
    return 1;
}

/* Would the text break out of key=value? */
static int is_word(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || *text == '"' || *text == '\'' || *text == '\\'
            || *text == 0x7f) {
            return 0;
        }
    }
    return 1;
}

/* The letter of status= for a switch, or 0. */
static char letter_of(const char *key)
{
    static const struct {
        const char *key;
        char letter;
    } letters[] = {{"disabled", 'D'}, {"drain", 'N'}, {"stopped", 'S'},
                   {"standby", 'H'},  {"spare", 'R'}, {"ignore_errors", 'I'}};

    for (unsigned i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (!strcmp(letters[i].key, key)) {
            return letters[i].letter;
        }
    }
    return 0;
}

static int add_field(struct reading *in, const char *key, const json_t *value, char *status)
{
    char letter = letter_of(key);
    char text[MGR_JSON_VALUE];
    int ok;

    if (letter) {
        size_t n = strlen(status);

        if (!json_is_boolean(value)) {
            return refuse(in, key, "must be true or false");
        }
        if (json_is_true(value)) {
            status[n] = letter;
            status[n + 1] = '\0';
        }
        return 1;
    }
    if (json_is_boolean(value)) {
        ok = convert(value, LBX_JSON_SWITCH, text);
    } else if (json_is_number(value)) {
        ok = convert(value, !strcmp(key, "loadfactor") ? LBX_JSON_FACTOR : LBX_JSON_NUMBER, text);
    } else {
        ok = convert(value, LBX_JSON_TEXT, text);
    }
    if (!ok || !is_word(key) || strchr(key, '=')) {
        return refuse(in, key, "must be a text, a number, true or false");
    }
    if (!is_word(text)) {
        return refuse(in, key, "must have no blanks, quotes, backslashes or control characters");
    }
    in->pair(in->baton, NULL, key, text);
    return 1;
}

/* The url first, then everything else as BalancerMember has it. */
static int read_add(struct reading *in, json_t *object)
{
    const json_t *url = json_object_get(object, "url");
    char status[16] = "+";
    const char *key;
    json_t *value;

    if (!json_is_string(url) || !json_string_length(url)
        || json_string_length(url) >= MGR_JSON_VALUE || !is_word(json_string_value(url))) {
        return refuse(in, "url", "must be the member's URL: \"http://10.0.0.7:8080\"");
    }
    in->pair(in->baton, NULL, "url", json_string_value(url));
    json_object_foreach(object, key, value)
    {
        if (strcmp(key, "url") != 0 && !add_field(in, key, value, status)) {
            return 0;
        }
    }
    if (status[1]) {
        in->pair(in->baton, NULL, "status", status);
    }
    return 1;
}

int mgr_json_read(enum mgr_json_body body, const char *text, size_t len, mgr_json_pair *pair,
                  void *baton, struct mgr_json_error *error)
{
    struct reading in = {pair, baton, error};
    json_error_t why;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    int ok;

    memset(error, 0, sizeof(*error));
    if (!root || !json_is_object(root)) {
        error->syntax = 1;
        ok = root ? refuse(&in, "", "the body must be a JSON object")
                  : refuse(&in, "", "the body is not JSON: %s (line %d, column %d)", why.text,
                           why.line, why.column);
    } else if (!json_object_size(root)) {
        ok = refuse(&in, "", "the body has no field");
    } else {
        ok = body == MGR_JSON_ADD      ? read_add(&in, root)
             : body == MGR_JSON_CHECK  ? read_check(&in, root)
             : body == MGR_JSON_OF_SET ? read_set(&in, root)
                                       : read_fields(&in, root, NULL, 1);
    }
    json_decref(root);
    return ok;
}
