/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any Cookie header.  What is told lies inside the header and in order, and
 * what is taken out is gone while the rest keeps its bytes.
 *
 * Not here: what values mean (fuzz_route, fuzz_token).
 */
#include "lbx_cookie.h"

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

static int is_short(const void *baton, const struct lbx_cookie *cookie)
{
    return cookie->name_len <= *(const size_t *)baton;
}

/* How many cookies there are, and how many of them have a name of at most <limit> bytes. */
static size_t walk(const char *text, size_t len, size_t limit, size_t *shorts)
{
    struct lbx_cookie_cursor cursor = {text, text + len};
    struct lbx_cookie cookie;
    const char *before = text;
    size_t n = 0;

    *shorts = 0;
    while (lbx_cookie_next(&cursor, &cookie)) {
        must(cookie.name_len > 0 && cookie.name >= before);
        must(cookie.value >= cookie.name + cookie.name_len);
        must(cookie.value + cookie.value_len <= cookie.end && cookie.end <= text + len);
        before = cookie.end;
        *shorts += is_short(&limit, &cookie) ? 1 : 0;
        n++;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t limit = size ? data[0] % 8 : 0;
    char *text = malloc(size + 1), *rest = malloc(size + 1);
    size_t all, shorts, left, len, none;

    memcpy(text, data, size);
    text[size] = '\0';
    walk(text, size, limit, &shorts); /* with NUL bytes inside */
    all = walk(text, strlen(text), limit, &shorts);
    len = lbx_cookie_without(rest, text, is_short, &limit);
    must(len == strlen(rest) && len <= strlen(text));
    left = walk(rest, len, limit, &none);
    /* an open quote ends at the next ';', and that may go with the cookie before it */
    must(strchr(text, '"') || (none == 0 && left == all - shorts));
    free(text);
    free(rest);
    return 0;
}
