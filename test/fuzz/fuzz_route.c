/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: routes in any URL and Cookie header, with any separator.  The answer is a
 * part of a text that was searched, and questions are bounded.
 *
 * Not here: opaque values (fuzz_token).
 */
#include "lbx_route.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds) {
        abort();
    }
}

struct asked {
    unsigned n;
};

static int known(const void *baton, const char *route)
{
    ((struct asked *)(uintptr_t)baton)->n++;
    must(strlen(route) < LBX_ROUTE_MAX);
    return !strcmp(route, "r1") || !strcmp(route, "b");
}

static int lies_in(const char *text, size_t len, const struct lbx_route_search *s)
{
    return s->route >= text && s->route + s->route_len <= text + len;
}

/* Two flags, then the URL up to the first NUL, then the header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char separators[] = {'.', 0, '!', ';'};
    struct asked asked = {0};
    struct lbx_route_search s = {.known = known, .baton = &asked};
    char *all, *url, *header, *room;
    size_t url_len;

    if (size < 2) {
        return 0;
    }
    s.separator = separators[data[0] % sizeof(separators)];
    all = calloc(1, size + 2);
    memcpy(all, data + 2, size - 2);
    url = all;
    header = all + strlen(all) + 1;
    url_len = strlen(url);
    room = malloc(url_len + 1);
    if (lbx_route_from_url(&s, url, "sid", data[1] & 1, room)) {
        must(s.route && s.is_known);
    }
    must(asked.n <= LBX_ROUTE_TRIES);
    must(!s.route || lies_in(room, url_len, &s));
    if (data[1] & 2) {
        int was_known = s.is_known;
        int found = lbx_route_from_cookies(&s, header, "sid");

        must(!was_known || found);
        must(asked.n <= 2 * LBX_ROUTE_TRIES);
        must(!s.route || lies_in(room, url_len, &s) || lies_in(header, strlen(header), &s));
    }
    free(room);
    free(all);
    return 0;
}
