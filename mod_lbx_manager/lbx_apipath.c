/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses, ids, parameters.  See lbx_apipath.h.
 *
 * Pure.
 */
#include "lbx_apipath.h"

#include <string.h>

void lbx_member_id(const char *name, char id[LBX_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t h = 14695981039346656037ull; /* FNV-1a: the same everywhere, for ever */

    for (; *name; name++) {
        h = (h ^ (unsigned char)*name) * 1099511628211ull;
    }
    for (int i = 0; i < LBX_ID_SIZE - 1; i++) {
        id[i] = digits[h >> 60];
        h <<= 4;
    }
    id[LBX_ID_SIZE - 1] = '\0';
}

/* The next segment of a path: its length, and *at moves behind it and its slash. */
static size_t segment(const char **at, const char **start)
{
    size_t len = strcspn(*at, "/");

    *start = *at;
    *at += len;
    *at += **at == '/';
    return len;
}

static int is(const char *start, size_t len, const char *word)
{
    return strlen(word) == len && !memcmp(start, word, len);
}

static int take_balancer(char *to, const char *start, size_t len)
{
    static const char scheme[] = "balancer://";
    size_t n = sizeof(scheme) - 1;

    if (!len || n + len >= LBX_BALANCER_MAX) {
        return 0;
    }
    memcpy(to, scheme, n);
    for (size_t i = 0; i < len; i++) {
        to[n + i] = start[i] >= 'A' && start[i] <= 'Z' ? (char)(start[i] | 0x20) : start[i];
    }
    to[n + len] = '\0';
    return 1;
}

static int take_id(char *to, const char *start, size_t len)
{
    if (len != LBX_ID_SIZE - 1 || strspn(start, "0123456789abcdef") < len) {
        return 0;
    }
    memcpy(to, start, len);
    to[len] = '\0';
    return 1;
}

/* What follows "balancers/". */
static enum lbx_resource under_balancers(const char *at, struct lbx_apipath *out)
{
    const char *start;
    size_t len = segment(&at, &start);

    if (!len) {
        return *at ? LBX_RES_NONE : LBX_RES_BALANCERS;
    }
    if (!take_balancer(out->balancer, start, len)) {
        return LBX_RES_NONE;
    }
    if (!(len = segment(&at, &start))) {
        return *at ? LBX_RES_NONE : LBX_RES_BALANCER;
    }
    if (!is(start, len, "members")) {
        return LBX_RES_NONE;
    }
    if (!(len = segment(&at, &start))) {
        return *at ? LBX_RES_NONE : LBX_RES_MEMBERS;
    }
    if (!take_id(out->id, start, len)) {
        return LBX_RES_NONE;
    }
    if (!(len = segment(&at, &start))) {
        return *at ? LBX_RES_NONE : LBX_RES_MEMBER;
    }
    return is(start, len, "check") && !*at ? LBX_RES_CHECK : LBX_RES_NONE;
}

void lbx_apipath_parse(const char *path, struct lbx_apipath *out)
{
    const char *start;
    size_t len;

    memset(out, 0, sizeof(*out));
    path += *path == '/';
    len = segment(&path, &start);
    if (!len) {
        out->what = *path ? LBX_RES_NONE : LBX_RES_ROOT;
    } else if (is(start, len, "balancers")) {
        out->what = under_balancers(path, out);
    } else if (is(start, len, "events") && !*path) {
        out->what = LBX_RES_EVENTS;
    } else if (is(start, len, "schema") && !*path) {
        out->what = LBX_RES_SCHEMA;
    }
}

/* A whole number up to <max>, nothing behind it. */
static int number(const char *at, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (!len || len > 19) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return 0;
        }
        v = v * 10 + (uint64_t)(at[i] - '0');
    }
    *out = v;
    return v <= max;
}

static const char *take(struct lbx_apiquery *q, const char *name, size_t name_len,
                        const char *value, size_t len, unsigned allowed, unsigned *seen)
{
    static const char *const names[] = {"dry-run", "wait", "timeout", "after"};
    uint64_t v = 0;
    unsigned i = 0;

    while (i < 4 && !is(name, name_len, names[i])) {
        i++;
    }
    if (i == 4) {
        return "no such parameter; there are dry-run, wait, timeout and after";
    }
    if (!(allowed & 1u << i)) {
        return "has no meaning here";
    }
    if (*seen & 1u << i) {
        return "given twice";
    }
    *seen |= 1u << i;
    switch (i) {
    case 0:
        if (!number(value, len, 1, &v)) {
            return "must be 1 or 0";
        }
        q->dry_run = (int)v;
        return NULL;
    case 1:
        q->wait = is(value, len, "drained");
        return q->wait ? NULL : "must be drained";
    case 2:
        if (!number(value, len, LBX_WAIT_MAX, &v)) {
            return "must be 0..600 seconds";
        }
        q->timeout = (uint32_t)v;
        return NULL;
    default:
        return number(value, len, INT64_MAX, &q->after) ? NULL : "must be the number of an event";
    }
}

const char *lbx_apiquery_parse(const char *args, unsigned allowed, struct lbx_apiquery *out,
                               char *key, size_t size)
{
    unsigned seen = 0;

    memset(out, 0, sizeof(*out));
    out->timeout = LBX_WAIT_DEFAULT;
    *key = '\0';
    while (args && *args) {
        size_t len = strcspn(args, "&");
        size_t name = strcspn(args, "=&");
        const char *value = args + name + (name < len);
        const char *wrong =
            len ? take(out, args, name, value, len - (size_t)(value - args), allowed, &seen) : NULL;

        if (wrong) {
            size_t n = name < size - 1 ? name : size - 1;

            memcpy(key, args, n);
            key[n] = '\0';
            return wrong;
        }
        args += len;
        args += *args == '&';
    }
    return NULL;
}

int lbx_etag_parse(const char *header, uint64_t *revision)
{
    size_t len;

    if (!header || !strcmp(header, "*")) {
        return 0;
    }
    header += strspn(header, " \t");
    len = strlen(header);
    while (len && (header[len - 1] == ' ' || header[len - 1] == '\t')) {
        len--;
    }
    if (len < 3 || header[0] != '"' || header[len - 1] != '"') {
        return -1;
    }
    return number(header + 1, len - 2, UINT64_MAX, revision) ? 1 : -1;
}
