/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of words.  See lbx_words.h.
 *
 * A line each: key, "=", value, tab, base in hexadecimal, line feed.
 *
 * Pure.
 */
#include "lbx_words.h"

#include <stdio.h>
#include <string.h>

enum { BASE_LEN = 8 };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *lbx_words_next(const char *at, struct lbx_word *w)
{
    const char *equals = at + strcspn(at, "=\t\n"), *tab = equals + strcspn(equals, "\t\n");

    if (equals == at || *equals != '=' || *tab != '\t') {
        return NULL;
    }
    w->key = at;
    w->key_len = (unsigned)(equals - at);
    w->value = equals + 1;
    w->value_len = (unsigned)(tab - equals - 1);
    w->base = 0;
    at = tab + 1;
    for (int i = 0; i < BASE_LEN; i++, at++) {
        int digit = hex_value(*at);

        if (digit < 0) {
            return NULL;
        }
        w->base = w->base << 4 | (uint32_t)digit;
    }
    return *at == '\n' ? at + 1 : NULL;
}

static int has_control(const char *t)
{
    for (; *t; t++) {
        if ((unsigned char)*t < ' ' || *t == 0x7f) {
            return 1;
        }
    }
    return 0;
}

enum lbx_rc lbx_words_set(char text[LBX_WORDS_MAX], const char *key, const char *value,
                          uint32_t base)
{
    char made[LBX_WORDS_MAX];
    struct lbx_word w;
    size_t used = 0;
    int n;

    if (!*key || strchr(key, '=') || has_control(key) || (value && has_control(value))) {
        return LBX_EVALUE;
    }
    for (const char *at = text, *next; (next = lbx_words_next(at, &w)); at = next) {
        if (w.key_len != strlen(key) || memcmp(w.key, key, w.key_len) != 0) {
            memcpy(made + used, at, (size_t)(next - at));
            used += (size_t)(next - at);
        }
    }
    made[used] = '\0';
    if (value) {
        n = snprintf(made + used, sizeof(made) - used, "%s=%s\t%08x\n", key, value, base);
        if (n < 0 || (size_t)n >= sizeof(made) - used) {
            return LBX_ESIZE;
        }
        used += (size_t)n;
    }
    memset(text, 0, LBX_WORDS_MAX);
    memcpy(text, made, used);
    return LBX_OK;
}

/* FNV-1a. */
uint32_t lbx_words_base(const char *value)
{
    uint32_t h = 2166136261u;

    while (*value) {
        h = (h ^ (unsigned char)*value++) * 16777619u;
    }
    return h;
}
