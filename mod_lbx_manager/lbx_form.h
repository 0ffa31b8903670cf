/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads "key=value&key=value", as forms post it and links carry it, and is strict:
 * what could be read in two ways is refused as a whole.
 *
 * A value is decoded once, and kept a second time decoded twice: httpd's own manager
 * decodes twice, and there are clients that encode twice.  '+' is no blank.
 *
 * Not here: what a key means (lbx_legacy).
 *
 * Pure.  Works in the caller's memory.
 */
#ifndef LBX_FORM_H
#define LBX_FORM_H

#include <stddef.h>

enum { LBX_FORM_PAIRS = 64, LBX_FORM_BYTES = 16384 };

struct lbx_form {
    unsigned n;
    struct {
        const char *key;
        const char *value;
        const char *twice; /* decoded once more; the same as <value> where that is no encoding */
    } pair[LBX_FORM_PAIRS];
    size_t used;
    char room[2 * LBX_FORM_BYTES + 4 * LBX_FORM_PAIRS]; /* where the pairs point to */
};

/*
 * Read <len> bytes.  NULL: all is well; else a constant that says what is wrong: a byte
 * below ' ' (also encoded, also encoded twice), a '%' without two digits behind it, a key
 * that comes twice with different values, too many bytes or pairs.  Then there are no pairs.
 */
const char *lbx_form_read(struct lbx_form *f, const char *text, size_t len);

/* The value of a key, decoded once; NULL: there is none. */
const char *lbx_form_get(const struct lbx_form *f, const char *key);
const char *lbx_form_get_twice(const struct lbx_form *f, const char *key);

/* Compares in a time that does not tell where the texts differ. */
int lbx_form_same_secret(const char *a, const char *b);

#endif
