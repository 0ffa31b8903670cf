/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms.  See lbx_form.h.
 *
 * Pure.
 */
#include "lbx_form.h"

#include <string.h>

enum decoded { FINE, BAD_PERCENT, BAD_BYTE };

static int digit(char ch)
{
    return ch >= '0' && ch <= '9'   ? ch - '0'
           : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                    : -1;
}

/* <out> has room for <len> + 1 bytes. */
static enum decoded decode(const char *text, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)text[i];

        if (byte == '%') {
            int high = len - i > 2 ? digit(text[i + 1]) : -1;
            int low = len - i > 2 ? digit(text[i + 2]) : -1;

            if (high < 0 || low < 0) {
                return BAD_PERCENT;
            }
            byte = high * 16 + low;
            i += 2;
        }
        if (byte < ' ' || byte == 0x7f) {
            return BAD_BYTE;
        }
        *out++ = (char)byte;
    }
    *out = '\0';
    return FINE;
}

/* Decode into the form's memory; what does not fit has been refused before. */
static enum decoded keep(struct lbx_form *f, const char *text, size_t len, const char **kept)
{
    char *out = f->room + f->used;
    enum decoded rc = decode(text, len, out);

    if (rc == FINE) {
        *kept = out;
        f->used += strlen(out) + 1;
    }
    return rc;
}

static int find(const struct lbx_form *f, const char *key)
{
    for (unsigned i = 0; i < f->n; i++) {
        if (!strcmp(f->pair[i].key, key)) {
            return (int)i;
        }
    }
    return -1;
}

static const char *read_pair(struct lbx_form *f, const char *text, size_t len)
{
    static const char *const wrong[] = {
        NULL,
        "a '%' without two hexadecimal digits behind it",
        "a control character",
    };
    const char *equals = memchr(text, '=', len);
    size_t key_len = equals ? (size_t)(equals - text) : len;
    const char *rest = equals ? equals + 1 : text + len;
    const char *key, *value, *twice;
    enum decoded rc;
    int same;

    if ((rc = keep(f, text, key_len, &key)) != FINE
        || (rc = keep(f, rest, (size_t)(text + len - rest), &value)) != FINE) {
        return wrong[rc];
    }
    rc = strchr(value, '%') ? keep(f, value, strlen(value), &twice) : BAD_PERCENT;
    if (rc == BAD_BYTE) {
        return wrong[rc];
    }
    same = find(f, key);
    if (same >= 0) {
        return strcmp(f->pair[same].value, value) ? "a key that comes twice" : NULL;
    }
    if (f->n == LBX_FORM_PAIRS) {
        return "too many values";
    }
    f->pair[f->n].key = key;
    f->pair[f->n].value = value;
    f->pair[f->n].twice = rc == FINE ? twice : value;
    f->n++;
    return NULL;
}

const char *lbx_form_read(struct lbx_form *f, const char *text, size_t len)
{
    const char *wrong = NULL;
    unsigned pieces = 0;

    f->n = 0;
    f->used = 0;
    if (len > LBX_FORM_BYTES) {
        return "too long";
    }
    while (len && !wrong) {
        const char *end = memchr(text, '&', len);
        size_t piece = end ? (size_t)(end - text) : len;

        if (piece) {
            wrong = ++pieces > LBX_FORM_PAIRS ? "too many values" : read_pair(f, text, piece);
        }
        piece += end != NULL;
        text += piece;
        len -= piece;
    }
    if (wrong) {
        f->n = 0;
    }
    return wrong;
}

const char *lbx_form_get(const struct lbx_form *f, const char *key)
{
    int i = find(f, key);

    return i < 0 ? NULL : f->pair[i].value;
}

const char *lbx_form_get_twice(const struct lbx_form *f, const char *key)
{
    int i = find(f, key);

    return i < 0 ? NULL : f->pair[i].twice;
}

int lbx_form_same_secret(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    volatile unsigned char differ = a_len != b_len;

    for (size_t i = 0; i < b_len; i++) { /* b: what was sent; its length is no secret */
        differ |= (unsigned char)((a_len ? a[i % a_len] : 0) ^ b[i]);
    }
    return !differ;
}
