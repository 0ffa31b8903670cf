/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of a cookie in shared memory.  See lbx_attrs.h.
 *
 * Pure.
 */
#include "lbx_attrs.h"

#include <string.h>
#include <strings.h>

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
    clean.flags = a->flags;
    clean.httponly = a->httponly;
    clean.tls = a->tls;
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

/* RFC 6265, 5.1.3: the host itself, or one below it; addresses have none below. */
static int domain_covers(const char *domain, const char *host)
{
    size_t len, host_len = host ? strlen(host) : 0;
    const char *tail;

    domain += *domain == '.';
    len = strlen(domain);
    if (!len || host_len < len) {
        return 0;
    }
    tail = host + host_len - len;
    if (strcasecmp(tail, domain)) {
        return 0;
    }
    return tail == host
           || (tail[-1] == '.' && strspn(host, "0123456789.") < host_len && !strchr(host, ':'));
}

int lbx_attrs_fit(const struct lbx_attrs *a, const char *host, const char *uri, int tls)
{
    return lbx_attrs_covers(a->path, uri) && (!*a->domain || domain_covers(a->domain, host))
           && a->tls == (tls != 0);
}
