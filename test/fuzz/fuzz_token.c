/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: values of our own cookies, as strangers make them.  A value that is accepted
 * is one that we would write ourselves; what we write is read back; one flipped bit is not.
 *
 * Not here: the strength of the hash.  The one used is a toy, so that the fuzzer gets behind
 * the check often.
 */
#include "lbx_token.h"

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

/* Every byte and its place count. */
static uint64_t toy(const void *data, size_t len, const unsigned char *key)
{
    uint64_t h = 0xcbf29ce484222325u ^ key[0];

    for (size_t i = 0; i < len; i++) {
        h = (h ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
    }
    return h;
}

/* Nothing collides here: the fuzzer makes values that pass. */
static uint64_t constant(const void *data, size_t len, const unsigned char *key)
{
    (void)data, (void)len;
    return key[0] * 0x0101010101010101u;
}

/* What is read from a stranger's text is what we would write. */
static void read_any(const char *text, size_t len, lbx_hash_fn hash, uint64_t context)
{
    struct lbx_token_key key = {.hash = hash, .check = {0}, .id = {2}};
    struct lbx_token t, again;
    char out[LBX_TOKEN_TEXT_MAX];

    if (lbx_token_read(&t, text, len, &key, context)) {
        must(memchr(t.domain, 0, sizeof(t.domain)) && memchr(t.path, 0, sizeof(t.path)));
        lbx_token_write(&t, &key, context, out);
        must(lbx_token_read(&again, out, strlen(out), &key, context));
        must(t.id == again.id && t.issued == again.issued && !strcmp(t.path, again.path));
    }
}

static void write_and_break(const uint8_t *data, size_t size)
{
    struct lbx_token_key key = {.hash = toy, .check = {1}, .id = {2}};
    struct lbx_token t = {.flags = data[0] & 0xf0}, again;
    char out[LBX_TOKEN_TEXT_MAX];
    size_t len, at;

    memcpy(&t.id, data + 1, sizeof(t.id));
    memcpy(&t.issued, data + 9, sizeof(t.issued));
    memcpy(&t.seen, data + 13, sizeof(t.seen));
    len = strlen(lbx_token_write(&t, &key, 7, out));
    must(lbx_token_read(&again, out, len, &key, 7));
    must(again.id == t.id && again.issued == t.issued && again.seen == t.seen);
    must(!lbx_token_read(&again, out, len, &key, 8));
    at = data[size - 1] % len;
    out[at] = out[at] == 'A' ? 'B' : 'A';
    must(!lbx_token_read(&again, out, len, &key, 7));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1);
    uint32_t issued, seen;
    size_t name_len;

    memcpy(text, data, size);
    read_any(text, size, toy, 7);
    read_any(text, size, constant, 7);
    if (lbx_token_read_plain(text, size, &name_len, &issued, &seen)) {
        must(name_len <= size);
    }
    if (size > 17) {
        write_and_break(data, size);
    }
    free(text);
    return 0;
}
