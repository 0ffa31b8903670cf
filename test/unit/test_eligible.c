/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_eligible: every combination of states and asks gives the first reason in
 * the documented order; tiers follow stock mod_proxy's rules for lbset, spares
 * and standbys, restated here as sentences about each member.
 *
 * Not here: what is made of a tier (test_roster.c).
 */
#include "unit.h"

enum { AT = 1000, RETRY = 50 };

/* The reasons in the order in which they must be given. */
static enum lbx_inelig first_reason(const struct lbx_member_view *v, const struct lbx_ask *ask,
                                    int tried)
{
    const struct {
        int applies;
        enum lbx_inelig why;
    } reasons[] = {
        {v->retired != 0, LBX_IN_RETIRED},
        {(v->run.admin & 0x040) != 0, LBX_IN_STOPPED},
        {(v->run.admin & 0x020) != 0, LBX_IN_DISABLED},
        {(v->run.admin & 0x010) != 0, LBX_IN_SHUTDOWN},
        {(v->health & 0x400) != 0, LBX_IN_HCFAILED},
        {v->error_at_us && !(v->run.admin & 0x002) && ask->now_us <= v->error_at_us + v->retry_us,
         LBX_IN_ERROR},
        {(v->run.admin & 0x004)
             && (!ask->sticky || (v->drain_us && ask->now_us > v->drain_at_us + v->drain_us)),
         LBX_IN_DRAIN},
        {tried, LBX_IN_TRIED},
        {ask->count && v->run.maxconn && v->in_flight >= v->run.maxconn, LBX_IN_FULL},
    };

    for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].applies) {
            return reasons[i].why;
        }
    }
    return LBX_ELIGIBLE;
}

/* Each combination of the admin bits, of the other states, and of asks. */
START_TEST(every_cell)
{
    static const uint32_t bits[] = {0x002, 0x004, 0x010, 0x020, 0x040, 0x100, 0x800};
    static const uint64_t now[] = {AT - 1,          AT, AT + RETRY - 1, AT + RETRY, AT + RETRY + 1,
                                   AT + 100 * RETRY};
    unsigned cells[LBX_INELIG_N] = {0};

    for (unsigned word = 0; word < 1u << 7; word++) {
        struct lbx_member_view v = {.retry_us = RETRY, .ramp = LBX_RAMP_FULL};

        for (unsigned b = 0; b < 7; b++) {
            v.run.admin |= word >> b & 1 ? bits[b] : 0;
        }
        for (unsigned i = 0; i < 2 * 2 * 2 * 2 * 3 * 6 * 4; i++) {
            uint32_t tried[2] = {~(1u << 5), ~(1u << 7)}; /* everybody else was tried */
            uint32_t index = i & 1 ? 5 : 32 + 7;
            unsigned tried_case = i / 16 % 3;
            struct lbx_ask ask = {.now_us = now[i / 48 % 6], .sticky = i >> 3 & 1, .count = 1};
            enum lbx_inelig want, got;

            v.run.maxconn = i / 288 % 4 ? 2 : 0;
            v.in_flight = i / 288 % 4;
            v.retired = i >> 1 & 1;
            v.health = i >> 2 & 1 ? LBX_HEALTH_FAILED : 0;
            v.error_at_us = index == 5 ? AT : 0;
            v.drain_at_us = AT;
            v.drain_us = tried_case ? RETRY : 0;
            if (tried_case) {
                ask.tried = tried;
                tried[index / 32] |= tried_case == 2 ? 1u << index % 32 : 0;
            }
            want = first_reason(&v, &ask, tried_case == 2);
            got = lbx_eligible(&v, index, &ask);
            ck_assert_msg(got == want, "admin %03x, combination %u: %s, not %s", v.run.admin, i,
                          lbx_inelig_text(got), lbx_inelig_text(want));
            cells[got]++;
        }
    }
    for (unsigned why = 0; why < LBX_INELIG_N; why++) {
        ck_assert_msg(cells[why] > 0, "no combination gives reason %u", why);
    }
}
END_TEST

START_TEST(error_times)
{
    struct lbx_member_view v = {.retry_us = RETRY};

    ck_assert_int_eq(lbx_error_over(&v, AT), 0); /* none, none over */
    ck_assert_uint_eq(lbx_error_ends(&v), 0);
    v.error_at_us = AT;
    ck_assert_int_eq(lbx_error_over(&v, AT), 0);
    ck_assert_int_eq(lbx_error_over(&v, AT + RETRY), 0);
    ck_assert_int_ne(lbx_error_over(&v, AT + RETRY + 1), 0);
    ck_assert_uint_eq(lbx_error_ends(&v), AT + RETRY);
    v.run.admin = LBX_ADMIN_IGNORE_ERRORS;
    ck_assert_int_ne(lbx_error_over(&v, AT), 0);
    v.run.admin = LBX_ADMIN_IGNORE_ERRORS | LBX_ADMIN_STOPPED;
    ck_assert_int_eq(lbx_error_over(&v, AT + RETRY + 1), 0);
    ck_assert_uint_eq(lbx_error_ends(&v), UINT64_MAX);
    v.run.admin = 0;
    v.retry_us = 0; /* retry=0: over with the next tick of the clock */
    ck_assert_int_eq(lbx_error_over(&v, AT), 0);
    ck_assert_int_ne(lbx_error_over(&v, AT + 1), 0);
}
END_TEST

START_TEST(every_reason_has_its_text)
{
    for (unsigned i = 0; i < LBX_INELIG_N; i++) {
        ck_assert_str_ne(lbx_inelig_text((enum lbx_inelig)i), "unknown");
        for (unsigned j = 0; j < i; j++) {
            ck_assert_str_ne(lbx_inelig_text((enum lbx_inelig)i),
                             lbx_inelig_text((enum lbx_inelig)j));
        }
    }
    ck_assert_ptr_nonnull(lbx_inelig_text(LBX_INELIG_N));
}
END_TEST

/* The bit that is told is the one for which the member is not chosen. */
START_TEST(what_keeps_it_out)
{
    static const uint32_t bit[LBX_INELIG_N] = {
        [LBX_IN_STOPPED] = LBX_ADMIN_STOPPED,
        [LBX_IN_DISABLED] = LBX_ADMIN_DISABLED,
        [LBX_IN_SHUTDOWN] = LBX_ADMIN_SHUTDOWN,
        [LBX_IN_DRAIN] = LBX_ADMIN_DRAIN,
    };
    struct lbx_member_view v = {.ramp = LBX_RAMP_FULL};
    struct lbx_ask ask = {.now_us = AT};

    for (uint32_t admin = 0; admin <= LBX_ADMIN_ALL; admin++) {
        v.run.admin = admin & LBX_ADMIN_ALL;
        ck_assert_uint_eq(lbx_admin_out(v.run.admin), bit[lbx_eligible(&v, 0, &ask)]);
    }
}
END_TEST

/* Tiers as a picture: one column a member, "lbset role state".
 * Role: m member, p spare, b standby, x both.  State: + usable, - disabled,
 * n draining, e in error, h failed its check. */
static const struct {
    const char *members; /* three letters each, blank between */
    const char *chosen;  /* indices as letters */
} pictures[] = {
    {"0m+ 0m+ 0m+", "012"},
    {"0m+ 0m- 0m+", "02"},
    {"0m- 0m+ 1m+", "1"},
    {"0m- 0m- 1m+", "2"},
    {"1m+ 0m-", "0"},
    {"3m+ 2m+ 2m-", "1"},
    {"0m+ 0m+ 0p+", "01"},         /* nobody to replace */
    {"0m- 0m+ 0p+ 0p+", "12"},     /* one spare for one */
    {"0m- 0m- 0p+ 0p+ 0p+", "23"}, /* the first two */
    {"0m- 0m- 0p- 0p+ 0p+", "34"}, /* a spare that cannot is passed over */
    {"0m- 0p+ 0m-", "1"},
    {"0p+ 0m- 0m+", "20"}, /* members first, then spares */
    {"0mn 0m+ 0p+", "12"}, /* draining counts as unusable */
    {"0me 0m+ 0p+", "12"},
    {"0mh 0m+ 0p+", "12"},
    {"0p+", ""}, /* a spare of nobody */
    {"0p+ 1m+", "1"},
    {"0m- 1p+ 1m+", "2"}, /* not across sets */
    {"0m+ 0b+", "0"},
    {"0m- 0b+", "1"},
    {"0m- 0b+ 0b+", "12"}, /* all standbys at once */
    {"0m- 0p+ 0b+", "1"},  /* a spare is somebody */
    {"0m- 0p- 0b+", "2"},
    {"0m- 0b+ 1m+", "1"}, /* standby of set 0 before set 1 */
    {"0m- 0b- 1m+", "2"},
    {"0b+ 1m+", "0"},
    {"0m- 0x+ 0b+", "1"}, /* both: a spare */
    {"0m+ 0x+", "0"},
    {"0x+ 0b+", "1"},
    {"0m- 1m- 2m-", ""},
    {"", ""},
};

static void draw(const char *picture, struct lbx_member_view *v, uint32_t *n)
{
    for (*n = 0; *picture; (*n)++) {
        struct lbx_member_view *m = &v[*n];

        memset(m, 0, sizeof(*m));
        m->retry_us = RETRY;
        m->run.lbset = (uint32_t)(picture[0] - '0');
        m->run.admin |= picture[1] == 'p' || picture[1] == 'x' ? LBX_ADMIN_SPARE : 0;
        m->run.admin |= picture[1] == 'b' || picture[1] == 'x' ? LBX_ADMIN_STANDBY : 0;
        m->run.admin |= picture[2] == '-' ? LBX_ADMIN_DISABLED : 0;
        m->run.admin |= picture[2] == 'n' ? LBX_ADMIN_DRAIN : 0;
        m->error_at_us = picture[2] == 'e' ? AT : 0;
        m->health = picture[2] == 'h' ? LBX_HEALTH_FAILED : 0;
        picture += picture[3] ? 4 : 3;
    }
}

START_TEST(tier_pictures)
{
    struct lbx_member_view v[8];
    uint16_t chosen[8];
    char got[9] = "";
    uint32_t n;
    struct lbx_tier tier;
    struct lbx_ask ask = {.now_us = AT};

    draw(pictures[_i].members, v, &n);
    lbx_tier_select(v, n, &ask, chosen, &tier);
    for (uint32_t i = 0; i < tier.n; i++) {
        got[i] = (char)('0' + chosen[i]);
    }
    ck_assert_msg(!strcmp(got, pictures[_i].chosen), "%s: \"%s\", not \"%s\"", pictures[_i].members,
                  got, pictures[_i].chosen);
}
END_TEST

START_TEST(tier_looks_again_when_an_error_ends)
{
    struct lbx_member_view v[4];
    uint16_t chosen[4];
    uint32_t n;
    struct lbx_tier tier;
    struct lbx_ask ask = {.now_us = AT};

    draw("0m+ 0me 0me 0m-", v, &n);
    v[2].retry_us = RETRY / 2;
    lbx_tier_select(v, n, &ask, chosen, &tier);
    ck_assert_uint_eq(tier.valid_until_us, AT + RETRY / 2);
    ck_assert_uint_eq(tier.errors, 2);
    ask.now_us = tier.valid_until_us + 1; /* and then it really is over */
    lbx_tier_select(v, n, &ask, chosen, &tier);
    ck_assert_uint_eq(tier.n, 2);
    ck_assert_uint_eq(tier.valid_until_us, AT + RETRY);
    ck_assert_uint_eq(tier.errors, 1);
    ask.now_us = tier.valid_until_us + 1;
    lbx_tier_select(v, n, &ask, chosen, &tier);
    ck_assert_uint_eq(tier.n, 3);
    ck_assert_uint_eq(tier.valid_until_us, UINT64_MAX);
    ck_assert_uint_eq(tier.errors, 0);
}
END_TEST

static int is_spare(const struct lbx_member_view *v)
{
    return (v->run.admin & LBX_ADMIN_SPARE) != 0;
}

static int is_plain(const struct lbx_member_view *v)
{
    return !(v->run.admin & (LBX_ADMIN_SPARE | LBX_ADMIN_STANDBY));
}

/* Does member <i> compete, if its lbset's turn comes?  One sentence a role. */
static int competes(const struct lbx_member_view *v, uint32_t n, const struct lbx_ask *ask,
                    uint32_t i)
{
    uint32_t out = 0, spares_before = 0;

    if (lbx_eligible(&v[i], i, ask)) {
        return 0;
    }
    if (is_plain(&v[i])) {
        return 1;
    }
    for (uint32_t j = 0; j < n; j++) {
        if (v[j].run.lbset != v[i].run.lbset) {
            continue;
        }
        out += is_plain(&v[j]) && lbx_eligible(&v[j], j, ask) != LBX_ELIGIBLE;
        spares_before += j < i && is_spare(&v[j]) && lbx_eligible(&v[j], j, ask) == LBX_ELIGIBLE;
        if (!is_spare(&v[i]) && (is_plain(&v[j]) || is_spare(&v[j])) && competes(v, n, ask, j)) {
            return 0; /* a standby stands back */
        }
    }
    return is_spare(&v[i]) ? spares_before < out : 1;
}

static void random_members(struct unit_rng *g, struct lbx_member_view *v, uint32_t n)
{
    static const uint32_t state[] = {0, 0, 0, 0, 0x004, 0x010, 0x020, 0x040};
    static const uint32_t role[] = {
        0, 0, 0, LBX_ADMIN_SPARE, LBX_ADMIN_STANDBY, LBX_ADMIN_SPARE | LBX_ADMIN_STANDBY};
    static const uint32_t lbset[] = {0, 0, 0, 1, 1, 2, 98, 99};

    for (uint32_t i = 0; i < n; i++) {
        memset(&v[i], 0, sizeof(v[i]));
        v[i].run.lbset = lbset[unit_below(g, 8)];
        v[i].run.admin = state[unit_below(g, 8)] | role[unit_below(g, 6)];
        v[i].run.admin |= unit_below(g, 5) ? 0 : LBX_ADMIN_IGNORE_ERRORS;
        v[i].health = unit_below(g, 5) ? 0 : LBX_HEALTH_FAILED;
        v[i].error_at_us = unit_below(g, 4) ? 0 : AT + unit_below(g, 100);
        v[i].retry_us = unit_below(g, 100);
    }
}

START_TEST(tier_against_naive)
{
    struct unit_rng g = UNIT_RNG();
    unsigned nobody = 0;

    for (int round = 0; round < 4000; round++) {
        struct lbx_member_view v[12];
        uint16_t chosen[12];
        uint32_t n = unit_between(&g, 1, 12);
        uint32_t tried[1] = {(uint32_t)unit_rand(&g) & (uint32_t)unit_rand(&g)};
        struct lbx_ask ask = {.now_us = AT + unit_below(&g, 200),
                              .tried = unit_below(&g, 2) ? tried : NULL};
        uint32_t lbset = UINT32_MAX, count = 0, errors = 0;
        uint64_t until = UINT64_MAX;
        struct lbx_tier tier;

        random_members(&g, v, n);
        lbx_tier_select(v, n, &ask, chosen, &tier);
        for (uint32_t i = 0; i < n; i++) {
            if (competes(v, n, &ask, i) && v[i].run.lbset < lbset) {
                lbset = v[i].run.lbset;
            }
            if (lbx_eligible(&v[i], i, &ask) == LBX_IN_ERROR) {
                errors += !(v[i].run.admin & LBX_ADMIN_DRAIN);
                until = v[i].error_at_us + v[i].retry_us < until ? v[i].error_at_us + v[i].retry_us
                                                                 : until;
            }
        }
        for (uint32_t i = 0; i < n; i++) {
            int in = 0;

            for (uint32_t k = 0; k < tier.n; k++) {
                in += chosen[k] == i;
            }
            ck_assert_int_eq(in, v[i].run.lbset == lbset && competes(v, n, &ask, i));
            count += (uint32_t)in;
        }
        ck_assert_uint_eq(tier.n, count);
        ck_assert_uint_eq(tier.errors, errors);
        ck_assert_uint_eq(tier.valid_until_us, until);
        if (count) {
            ck_assert_uint_eq(tier.lbset, lbset);
        }
        nobody += !count;
    }
    ck_assert_uint_gt(nobody, 0);
    ck_assert_uint_lt(nobody, 3000);
}
END_TEST

TCase *case_eligible(void)
{
    TCase *tc = tcase_create("eligible");

    tcase_add_test(tc, every_cell);
    tcase_add_test(tc, error_times);
    tcase_add_test(tc, what_keeps_it_out);
    tcase_add_test(tc, every_reason_has_its_text);
    tcase_add_loop_test(tc, tier_pictures, 0, sizeof(pictures) / sizeof(pictures[0]));
    tcase_add_test(tc, tier_looks_again_when_an_error_ends);
    tcase_add_test(tc, tier_against_naive);
    return tc;
}
