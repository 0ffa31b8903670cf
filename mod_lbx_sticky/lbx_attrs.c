/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of a cookie in shared memory.  See lbx_attrs.h.
 *
 * Pure.
 */
#include "lbx_attrs.h"

#include <string.h>

_Static_assert(sizeof(struct lbx_attrs) == LBX_ATTRS_WORDS * sizeof(uint64_t), "copied in words");

/* Not 0, so that zeroed memory agrees with nothing. */
static uint64_t check_of(const uint64_t word[LBX_ATTRS_WORDS])
{
    uint64_t h = 0x9e3779b97f4a7c15u;

    for (int i = 0; i < LBX_ATTRS_WORDS; i++) {
        h = (h ^ word[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 33;
    }
    return h | 1;
}

/* Bytes behind the ends of texts count as well: equal attributes are equal words. */
static void words_of(const struct lbx_attrs *a, uint64_t word[LBX_ATTRS_WORDS])
{
    struct lbx_attrs clean;

    memset(&clean, 0, sizeof(clean));
    clean.life = a->life;
    clean.flags = a->flags;
    clean.httponly = a->httponly;
    memcpy(clean.domain, a->domain, strnlen(a->domain, LBX_ATTRS_DOMAIN));
    memcpy(clean.path, a->path, strnlen(a->path, LBX_ATTRS_PATH));
    memcpy(word, &clean, sizeof(clean));
}

static int read_words(const struct lbx_attrs_slot *slot, uint64_t word[LBX_ATTRS_WORDS])
{
    uint64_t check = atomic_load_explicit(&slot->check, memory_order_acquire);

    for (int i = 0; i < LBX_ATTRS_WORDS; i++) {
        word[i] = atomic_load_explicit(&slot->word[i], memory_order_relaxed);
    }
    return check == check_of(word);
}

void lbx_attrs_keep(struct lbx_attrs_slot *slot, const struct lbx_attrs *a)
{
    uint64_t want[LBX_ATTRS_WORDS], have[LBX_ATTRS_WORDS];

    words_of(a, want);
    if (read_words(slot, have) && !memcmp(want, have, sizeof(want))) {
        return;
    }
    for (int i = 0; i < LBX_ATTRS_WORDS; i++) {
        atomic_store_explicit(&slot->word[i], want[i], memory_order_relaxed);
    }
    atomic_store_explicit(&slot->check, check_of(want), memory_order_release);
}

int lbx_attrs_recall(const struct lbx_attrs_slot *slot, struct lbx_attrs *a)
{
    uint64_t word[LBX_ATTRS_WORDS];

    if (!read_words(slot, word)) {
        return 0;
    }
    memcpy(a, word, sizeof(*a));
    return 1;
}

int lbx_attrs_covers(const char *path, const char *uri)
{
    size_t len = strlen(path);

    return len && !strncmp(path, uri, len)
           && (path[len - 1] == '/' || !uri[len] || uri[len] == '/');
}
