/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what programs send to the JSON interface: bodies of the four kinds, addresses,
 * parameters, If-Match.  The first byte chooses.
 *
 * Beyond not crashing: what a body is read into must be texts that core can take, and a
 * refused one must say why.
 *
 * links: -ljansson
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lbx_apipath.h"
#include "mgr_json.c" /* the whole of the reader, which needs no httpd */

static void take(void *baton, const char *member, const char *field, const char *value)
{
    unsigned *n = baton;

    if ((!member && !*field) || strlen(value) >= MGR_JSON_VALUE) {
        abort();
    }
    ++*n;
}

static void read_body(enum mgr_json_body kind, const char *text, size_t len)
{
    struct mgr_json_error error;
    unsigned n = 0;
    int ok = mgr_json_read(kind, text, len, take, &n, &error);

    if (!ok && !*error.message) {
        abort();
    }
    if (ok && kind != MGR_JSON_OF_SET && !n) {
        abort();
    }
}

static void read_address(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    struct lbx_apipath path;
    struct lbx_apiquery query;
    uint64_t revision;
    char key[24], id[LBX_ID_SIZE];

    memcpy(copy, text, len);
    copy[len] = '\0';
    lbx_apipath_parse(copy, &path);
    if (path.what >= LBX_RES_N || !memchr(path.balancer, 0, sizeof(path.balancer))
        || !memchr(path.id, 0, sizeof(path.id))) {
        abort();
    }
    lbx_apiquery_parse(copy, ~0u, &query, key, sizeof(key));
    if (query.timeout > LBX_WAIT_MAX || !memchr(key, 0, sizeof(key))) {
        abort();
    }
    lbx_etag_parse(copy, &revision);
    lbx_member_id(copy, id);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }
    if (*data % 8 < 4) {
        read_body((enum mgr_json_body)(*data % 4), (const char *)data + 1, size - 1);
    } else {
        read_address((const char *)data + 1, size - 1);
    }
    return 0;
}
