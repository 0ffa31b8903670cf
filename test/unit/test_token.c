/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_token: what is written is read again, with the same key for the same cookie, and
 * nothing else is.
 *
 * Not here: the hash itself, which is apr-util's; a weak one stands in for it.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "lbx_token.h"

/* FNV-1a with the key in front: mixes enough to notice every changed bit here. */
static uint64_t weak(const void *data, size_t len, const unsigned char *key)
{
    const unsigned char *p = data;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < LBX_KEY_SIZE + len; i++) {
        h = (h ^ (i < LBX_KEY_SIZE ? key[i] : p[i - LBX_KEY_SIZE])) * 1099511628211u;
    }
    return h ^ h >> 32;
}

static const struct lbx_token_key one = {weak, "check", "id", "learn"};
static const struct lbx_token_key two = {weak, "chec2", "i2", "lear2"};

enum { CONTEXT = 77 };

static void assert_same(const struct lbx_token *a, const struct lbx_token *b)
{
    ck_assert_uint_eq(a->id, b->id);
    ck_assert_uint_eq(a->issued, b->issued);
    ck_assert_uint_eq(a->seen, b->seen);
    ck_assert_uint_eq(a->expires, b->expires);
    ck_assert_str_eq(a->domain, b->domain);
    ck_assert_str_eq(a->path, b->path);
    ck_assert_uint_eq(a->flags & 0xf0, b->flags & 0xf0);
}

START_TEST(what_is_written_is_read)
{
    struct lbx_token t = {.id = 0x0123456789abcdef, .issued = 1700000000}, got;
    char text[LBX_TOKEN_TEXT_MAX];

    lbx_token_write(&t, &one, CONTEXT, text);
    ck_assert_uint_eq(strlen(text), 28); /* the usual one is short */
    ck_assert(lbx_token_read(&got, text, strlen(text), &one, CONTEXT));
    assert_same(&t, &got);
    ck_assert(!lbx_token_read(&got, text, strlen(text), &two, CONTEXT));
    ck_assert(!lbx_token_read(&got, text, strlen(text), &one, CONTEXT + 1));
    ck_assert(lbx_token_id(&one, "a") != lbx_token_id(&two, "a"));
    ck_assert(lbx_token_id(&one, "a") != lbx_token_id(&one, "b"));
}
END_TEST

static void fill(struct unit_rng *g, char *text)
{
    unsigned len = unit_below(g, 3) ? unit_below(g, 20) : unit_below(g, LBX_TOKEN_ATTR_MAX + 1);

    for (unsigned i = 0; i < len; i++) {
        text[i] = (char)('!' + unit_below(g, 90));
    }
    text[len] = '\0';
}

START_TEST(random_values_and_every_changed_bit)
{
    struct unit_rng g = UNIT_RNG();
    struct lbx_token t, got;
    char text[LBX_TOKEN_TEXT_MAX];

    for (int round = 0; round < 300; round++) {
        size_t len;

        memset(&t, 0, sizeof(t));
        t.id = unit_rand(&g);
        t.issued = (uint32_t)unit_rand(&g);
        t.seen = unit_below(&g, 2) ? (uint32_t)unit_rand(&g) : 0;
        t.expires = unit_below(&g, 2) ? (uint32_t)unit_rand(&g) : 0;
        t.flags = (uint8_t)(unit_below(&g, 16) << 4);
        fill(&g, t.domain);
        fill(&g, t.path);
        if (!strcmp(t.path, "/")) {
            *t.path = '\0'; /* what the root is read as */
        }
        lbx_token_write(&t, &one, CONTEXT, text);
        len = strlen(text);
        ck_assert_uint_lt(len, sizeof(text));
        ck_assert(lbx_token_read(&got, text, len, &one, CONTEXT));
        assert_same(&t, &got);
        for (int i = 0; i < 40; i++) {
            size_t at = unit_below(&g, (unsigned)len);
            char was = text[at];

            text[at] ^= (char)(1 << unit_below(&g, 8));
            ck_assert_msg(!lbx_token_read(&got, text, len, &one, CONTEXT), "%s", text);
            text[at] = was;
        }
        ck_assert(!lbx_token_read(&got, text, unit_below(&g, (unsigned)len), &one, CONTEXT));
    }
}
END_TEST

/* The root path is not written, and read as none. */
START_TEST(the_root_is_the_usual_path)
{
    struct lbx_token t = {.id = 1, .path = "/"}, got;
    char text[LBX_TOKEN_TEXT_MAX];

    lbx_token_write(&t, &one, CONTEXT, text);
    ck_assert(lbx_token_read(&got, text, strlen(text), &one, CONTEXT));
    ck_assert_str_eq(got.path, "");
}
END_TEST

START_TEST(noise_is_no_value)
{
    struct unit_rng g = UNIT_RNG();
    struct lbx_token got;
    char text[LBX_TOKEN_TEXT_MAX + 40];

    for (int round = 0; round < 20000; round++) {
        unsigned len = unit_below(&g, round % 10 ? 60 : sizeof(text));

        for (unsigned i = 0; i < len; i++) {
            text[i] = (char)(round % 2 ? unit_below(&g, 256) : 'A' + unit_below(&g, 26));
        }
        ck_assert(!lbx_token_read(&got, text, len, &one, CONTEXT));
    }
    ck_assert(!lbx_token_read(&got, "", 0, &one, CONTEXT));
}
END_TEST

static const struct {
    const char *text;
    int good;
    const char *name;
    uint32_t issued, seen;
} plain[] = {
    {"r1", 1, "r1", 0, 0},
    {"r1~10~ff", 1, "r1", 0x10, 0xff},
    {"r~1~10~ff", 1, "r~1", 0x10, 0xff},
    {"r1~ff", 1, "r1~ff", 0, 0}, /* a name that looks a little like it */
    {"r1~~ff", 1, "r1~~ff", 0, 0},
    {"r1~10~FF", 1, "r1~10~FF", 0, 0},
    {"r1~123456789~1", 1, "r1~123456789~1", 0, 0},
    {"~10~ff", 0, "", 0x10, 0xff},
    {"", 0, "", 0, 0},
};

START_TEST(plain_values)
{
    uint32_t issued, seen;
    size_t len;
    const char *text = plain[_i].text;

    ck_assert_int_eq(lbx_token_read_plain(text, strlen(text), &len, &issued, &seen),
                     plain[_i].good);
    ck_assert_uint_eq(len, strlen(plain[_i].name));
    ck_assert(!memcmp(text, plain[_i].name, len));
    ck_assert_uint_eq(issued, plain[_i].issued);
    ck_assert_uint_eq(seen, plain[_i].seen);
}
END_TEST

static const struct {
    uint32_t issued, seen, maxidle, maxlife, now;
    int alive, tired;
} lives[] = {
    {1000, 0, 0, 0, 4000000000u, 1, 0}, /* no limits */
    {1000, 1000, 80, 0, 1080, 1, 1},
    {1000, 1000, 80, 0, 1081, 0, 1},
    {1000, 1000, 80, 0, 1010, 1, 0},
    {1000, 1000, 80, 0, 1011, 1, 1},
    {1000, 0, 80, 0, 1081, 1, 1}, /* without a time: once, and gets one */
    {1000, 2000, 0, 500, 1500, 1, 0},
    {1000, 2000, 0, 500, 1501, 0, 0},
    {100000, 0, 0, 500, 100000 - 86400, 1, 0}, /* clocks differ */
    {100000, 0, 0, 500, 100000 - 86401, 0, 0},
};

START_TEST(lives_end)
{
    struct lbx_token_life life = {lives[_i].maxidle, lives[_i].maxlife};

    ck_assert_int_eq(lbx_token_alive(lives[_i].issued, lives[_i].seen, &life, lives[_i].now),
                     lives[_i].alive);
    ck_assert_int_eq(lbx_token_tired(lives[_i].seen, &life, lives[_i].now), lives[_i].tired);
}
END_TEST

TCase *case_token(void)
{
    TCase *tc = tcase_create("token");

    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, random_values_and_every_changed_bit);
    tcase_add_test(tc, the_root_is_the_usual_path);
    tcase_add_test(tc, noise_is_no_value);
    tcase_add_loop_test(tc, plain_values, 0, sizeof(plain) / sizeof(plain[0]));
    tcase_add_loop_test(tc, lives_end, 0, sizeof(lives) / sizeof(lives[0]));
    return tc;
}
