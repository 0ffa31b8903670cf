/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager's form reader, and what its values become on a page: no pair points out of the
 * form, nothing has a control character, no text becomes markup.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lbx_form.h"
#include "lbx_legacy.h"
#include "lbx_markup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct lbx_form *f, const char *text)
{
    if (text < f->room || text + strlen(text) >= f->room + sizeof(f->room)) {
        abort();
    }
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            abort();
        }
    }
}

static void sink(void *baton, const char *text, size_t len)
{
    (void)baton;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] >= 0x7f || strchr("<>\"'", text[i])) {
            abort();
        }
    }
}

static void try_values(const struct lbx_legacy_param *table, unsigned n, const char *text)
{
    char value[LBX_LEGACY_VALUE], second[LBX_LEGACY_VALUE];

    for (unsigned i = 0; i < n; i++) {
        if (lbx_legacy_value(&table[i], text, value, second)
            && (strlen(value) >= sizeof(value) || strlen(second) >= sizeof(second))) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lbx_form f;
    static struct lbx_markup m;

    if (lbx_form_read(&f, (const char *)data, size)) {
        return 0;
    }
    lbx_markup_start(&m, sink, NULL);
    for (unsigned i = 0; i < f.n; i++) {
        check_text(&f, f.pair[i].key);
        check_text(&f, f.pair[i].value);
        check_text(&f, f.pair[i].twice);
        lbx_markup_text(&m, f.pair[i].value);
        lbx_markup_query(&m, f.pair[i].twice);
        lbx_markup_path(&m, f.pair[i].key);
        try_values(lbx_legacy_member, LBX_LEGACY_MEMBER_N, f.pair[i].twice);
        try_values(lbx_legacy_set, LBX_LEGACY_SET_N, f.pair[i].twice);
    }
    lbx_markup_end(&m);
    return 0;
}
