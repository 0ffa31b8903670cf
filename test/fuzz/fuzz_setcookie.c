/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any Set-Cookie line of a backend.  Every part that is told lies inside the
 * line; lifetimes stay within what was asked for.
 *
 * Not here: dates, which the module leaves to APR.
 */
#include "lbx_setcookie.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_lie_in(const char *text, const struct lbx_span *s)
{
    if (s->at && (s->at < text || s->at + s->len > text + strlen(text))) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lbx_setcookie c;
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    if (lbx_setcookie_read(&c, text)) {
        const struct lbx_span *const all[] = {&c.name, &c.value,   &c.raw,   &c.domain,
                                              &c.path, &c.expires, &c.maxage};
        long age = lbx_setcookie_maxage(&c, 86400);

        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
            must_lie_in(text, all[i]);
        }
        if (!c.name.at || !c.name.len || age < -1 || age > 86400) {
            abort();
        }
    }
    free(text);
    return 0;
}
