/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys.  See sticky_key.h.
 *
 * A secret is any text.  Each use has a key of its own, the beginning of SHA-1 over
 * the use's name and the secret: from a cookie nobody gets back to the secret but by
 * trying, which is why a secret has a least length.
 *
 * Bound.
 */
#include "sticky_key.h"

#include <string.h>

#include "apr_file_io.h"
#include "apr_general.h"
#include "apr_sha1.h"
#include "apr_siphash.h"

APLOG_USE_MODULE(lbx_sticky);

#define OWN_FILE     "lbx-sticky.key"
#define RETAINED_KEY "mod_lbx_sticky secret 1"

enum { SECRET_BYTES = 32, SECRET_TEXT = 2 * SECRET_BYTES };

uint64_t sticky_key_hash(const void *data, size_t len, const unsigned char *key)
{
    return apr_siphash24(data, len, key);
}

uint64_t sticky_key_public(const char *text)
{
    static const unsigned char key[LBX_KEY_SIZE] = "mod_lbx_sticky 1";

    return apr_siphash24(text, strlen(text), key);
}

static void derive(unsigned char key[LBX_KEY_SIZE], const char *use, const char *secret)
{
    unsigned char digest[APR_SHA1_DIGESTSIZE];
    apr_sha1_ctx_t ctx;

    apr_sha1_init(&ctx);
    apr_sha1_update(&ctx, use, (unsigned)strlen(use) + 1);
    apr_sha1_update(&ctx, secret, (unsigned)strlen(secret));
    apr_sha1_final(digest, &ctx);
    memcpy(key, digest, LBX_KEY_SIZE);
}

/* ------------------------------------------------------------------ */
/* A secret of our own                                                  */

static int good(const char *text)
{
    return strspn(text, "0123456789abcdef") == SECRET_TEXT && !text[SECRET_TEXT];
}

static int read_own(apr_pool_t *p, const char *path, char *text)
{
    apr_size_t len = SECRET_TEXT;
    apr_file_t *file;

    if (apr_file_open(&file, path, APR_READ, APR_FPROT_OS_DEFAULT, p) != APR_SUCCESS) {
        return 0;
    }
    apr_file_read_full(file, text, SECRET_TEXT, &len);
    apr_file_close(file);
    text[len] = '\0';
    return good(text);
}

static void make_secret(char *text)
{
    unsigned char bytes[SECRET_BYTES];

    if (apr_generate_random_bytes(bytes, sizeof(bytes)) != APR_SUCCESS) {
        ap_random_insecure_bytes(bytes, sizeof(bytes));
    }
    ap_bin2hex(bytes, sizeof(bytes), text);
}

/* Written under another name first: a file that is there is whole. */
static apr_status_t write_own(apr_pool_t *p, const char *path, const char *text)
{
    const char *fresh = apr_pstrcat(p, path, ".new", NULL);
    apr_file_t *file;
    apr_status_t rv;

    apr_file_remove(fresh, p);
    rv = apr_file_open(&file, fresh, APR_WRITE | APR_CREATE | APR_EXCL,
                       APR_FPROT_UREAD | APR_FPROT_UWRITE, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_file_write_full(file, text, SECRET_TEXT, NULL);
    apr_file_close(file);
    return rv == APR_SUCCESS ? apr_file_rename(fresh, path, p) : rv;
}

/* The same over graceful restarts in any case, over others by the file. */
static const char *own_secret(apr_pool_t *p, server_rec *s)
{
    char *kept = ap_retained_data_get(RETAINED_KEY);
    const char *path = ap_runtime_dir_relative(p, OWN_FILE);
    apr_status_t rv;

    if (kept) {
        return kept;
    }
    kept = ap_retained_data_create(RETAINED_KEY, SECRET_TEXT + 1);
    if (path && read_own(p, path, kept)) {
        return kept;
    }
    make_secret(kept);
    rv = path ? write_own(p, path, kept) : APR_EBADPATH;
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_INFO, rv, s,
                     LBXNO(0320) "the secret for session cookies cannot be kept in %s: they will "
                                 "be worth nothing after the next full restart",
                     path ? path : OWN_FILE);
    }
    return kept;
}

void sticky_key_boot_make(apr_pool_t *p, server_rec *s, struct sticky_set *set)
{
    const apr_array_header_t *secrets = set->rules.keys;
    unsigned n = secrets ? (unsigned)secrets->nelts : 1;
    struct lbx_token_key *key = apr_pcalloc(p, n * sizeof(*key));

    for (unsigned i = 0; i < n; i++) {
        const char *secret =
            secrets ? APR_ARRAY_IDX(secrets, (int)i, const char *) : own_secret(p, s);

        key[i].hash = sticky_key_hash;
        derive(key[i].check, "check", secret);
        derive(key[i].id, "id", secret);
        derive(key[i].learn, "learn", secret);
    }
    set->keys_n = n;
    set->key = key;
}
