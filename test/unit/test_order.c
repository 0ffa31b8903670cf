/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_order: the worked orders, exact counts in every period, how evenly the
 * turns are spread, and how weights are brought down.
 *
 * Not here: who takes the turns (test_method_*.c).
 */
#include "unit.h"

/* An order in a block of exactly its size, so that ASan sees a step outside. */
struct made {
    uint32_t period;
    uint16_t *order;
};

static struct made make(const uint32_t *weights, uint32_t n)
{
    struct made m = {0, NULL};
    uint16_t *by_weight = lab_must(malloc(n * sizeof(*by_weight)));
    struct lbx_order_stream *streams = lab_must(malloc(n * sizeof(*streams)));

    for (uint32_t i = 0; i < n; i++) {
        m.period += weights[i];
    }
    m.order = lab_must(malloc(m.period * sizeof(*m.order)));
    lbx_order_fill(weights, n, m.order, m.period, by_weight, streams);
    free(streams);
    free(by_weight);
    return m;
}

static const struct {
    uint32_t weights[8]; /* 0 at the end */
    const char *order;
} worked[] = {
    {{3, 1, 1}, "ABACA"}, {{5, 1, 1}, "ABAAACA"}, {{2, 2, 1}, "ABCAB"}, {{1, 1, 1}, "ABC"},
    {{1}, "A"},           {{1, 3}, "BBAB"}, /* due 1/6 1/2 1/2 5/6: at 1/2 the faster stream is first */
};

START_TEST(worked_orders)
{
    uint32_t n = 0;
    struct made m;
    char got[16] = "";

    while (worked[_i].weights[n]) {
        n++;
    }
    m = make(worked[_i].weights, n);
    for (uint32_t i = 0; i < m.period; i++) {
        got[i] = (char)('A' + m.order[i]);
    }
    free(m.order);
    ck_assert_str_eq(got, worked[_i].order);
}
END_TEST

/* Random weights of several temperaments. */
static uint32_t random_weights(struct unit_rng *g, uint32_t *w, uint32_t most)
{
    uint32_t n = unit_between(g, 1, most);
    uint32_t kind = unit_below(g, 4);

    for (uint32_t i = 0; i < n; i++) {
        switch (kind) {
        case 0:
            w[i] = unit_between(g, 1, 3);
            break;
        case 1:
            w[i] = 1 + (i ? 0 : unit_below(g, 100));
            break;
        case 2:
            w[i] = unit_between(g, 1, 200);
            break;
        default:
            w[i] = 1u << unit_below(g, 8);
            break;
        }
    }
    return n;
}

START_TEST(every_window_is_exact)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 100; round++) {
        uint32_t w[24], count[24] = {0};
        uint32_t n = random_weights(&g, w, 24);
        struct made m = make(w, n);

        for (uint32_t i = 0; i < m.period; i++) {
            ck_assert_uint_lt(m.order[i], n);
            count[m.order[i]]++;
        }
        for (uint32_t i = 0; i < n; i++) {
            ck_assert_uint_eq(count[i], w[i]);
        }
        /* one step on: one place leaves the window and comes back at its end */
        for (uint32_t at = 0; at < m.period; at++) {
            uint32_t again[24] = {0};

            if (m.period > 200) {
                at += m.period / 8; /* long ones: a few shifts */
            }
            for (uint32_t i = 0; i < m.period; i++) {
                again[m.order[(at + i) % m.period]]++;
            }
            ck_assert(!memcmp(again, count, sizeof(count)));
        }
        free(m.order);
    }
}
END_TEST

/* The header's definition, taken literally: all turns with their due times, put
 * in order.  Streams are numbered by weight, heaviest first. */
struct turn {
    uint64_t due; /* numerator over 2 * rate, scaled to a common denominator below */
    uint64_t rate;
    uint32_t weight;
    uint32_t member;
};

static int by_due(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    unsigned __int128 dx = (unsigned __int128)x->due * y->rate;
    unsigned __int128 dy = (unsigned __int128)y->due * x->rate;

    if (dx != dy) {
        return dx < dy ? -1 : 1;
    }
    if (x->rate != y->rate) {
        return x->rate > y->rate ? -1 : 1;
    }
    if (x->weight != y->weight) { /* the heavier stream stands first */
        return x->weight > y->weight ? -1 : 1;
    }
    return 0;
}

static void naive_order(const uint32_t *w, uint32_t n, uint16_t *out)
{
    uint32_t period = 0, at = 0;
    struct turn *t;

    for (uint32_t i = 0; i < n; i++) {
        period += w[i];
    }
    t = lab_must(calloc(period, sizeof(*t)));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t alike = 0, mine = 0; /* members of this weight; my place among them */

        for (uint32_t j = 0; j < n; j++) {
            mine += j < i && w[j] == w[i];
            alike += w[j] == w[i];
        }
        for (uint32_t k = 0; k < w[i]; k++) {
            uint64_t of_stream = (uint64_t)k * alike + mine;

            t[at++] = (struct turn){2 * of_stream + 1, (uint64_t)w[i] * alike, w[i], i};
        }
    }
    qsort(t, period, sizeof(*t), by_due);
    for (uint32_t i = 0; i < period; i++) {
        out[i] = (uint16_t)t[i].member;
    }
    free(t);
}

START_TEST(as_the_definition_says)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 50; round++) {
        uint32_t w[24];
        uint32_t n = random_weights(&g, w, 24);
        struct made m = make(w, n);
        uint16_t *naive = lab_must(malloc(m.period * sizeof(*naive)));

        naive_order(w, n, naive);
        for (uint32_t i = 0; i < m.period; i++) {
            ck_assert_msg(naive[i] == m.order[i], "round %d, place %u of %u: %u, not %u", round, i,
                          m.period, m.order[i], naive[i]);
        }
        free(naive);
        free(m.order);
    }
}
END_TEST

/*
 * In every prefix a member's count is near its ideal.  With s streams, of which
 * the member's own has m members and the share f of all turns:
 *
 *     at the moment T each stream has had floor(rate * T + 1/2) turns: within
 *     1/2 of rate * T.  Together they are within s/2 of period * T, so a stream
 *     is within 1/2 + f * s/2 of f * turns, plus 1 while a tie is worked off;
 *     each of its m members within 1/m of that, and 1 for the rotation.
 */
START_TEST(spread_is_bounded)
{
    struct unit_rng g = UNIT_RNG();

    for (int round = 0; round < 15; round++) {
        uint32_t w[24], count[24] = {0};
        uint32_t n = random_weights(&g, w, 24);
        struct made m = make(w, n);
        uint32_t streams = 0, alike[24] = {0};

        for (uint32_t i = 0; i < n; i++) {
            uint32_t first = i;

            for (uint32_t j = 0; j < n; j++) {
                alike[i] += w[j] == w[i];
                first = w[j] == w[i] && j < first ? j : first;
            }
            streams += first == i;
        }
        for (uint32_t t = 1; t <= m.period; t++) {
            count[m.order[t - 1]]++;
            for (uint32_t i = 0; i < n; i++) {
                double ideal = (double)w[i] * t / m.period;
                double share = (double)w[i] * alike[i] / m.period;
                double bound = (0.5 + share * streams / 2) / alike[i] + (alike[i] > 1);
                double off = count[i] > ideal ? count[i] - ideal : ideal - count[i];

                ck_assert_msg(off <= bound + 1e-9, "round %d, %u turns: %u of %u, ideal %.3f",
                              round, t, count[i], i, ideal);
            }
        }
        free(m.order);
    }
}
END_TEST

/* Two streams, the usual configuration: nobody is ever a whole turn off. */
START_TEST(two_weights_are_spread_evenly)
{
    for (uint32_t a = 1; a <= 20; a++) {
        for (uint32_t b = 1; b <= 20; b++) {
            uint32_t w[2] = {a, b};
            struct made m = make(w, 2);
            uint32_t count = 0;

            for (uint32_t t = 1; t <= m.period; t++) {
                int64_t off; /* in 1/period */

                count += m.order[t - 1] == 0;
                off = (int64_t)count * m.period - (int64_t)a * t;
                ck_assert_int_lt(off, m.period);
                ck_assert_int_gt(off, -(int64_t)m.period);
            }
            free(m.order);
        }
    }
}
END_TEST

START_TEST(equals_take_turns)
{
    enum { N = 65535 };
    uint32_t *w = lab_must(malloc(N * sizeof(*w)));
    struct made m;

    for (uint32_t i = 0; i < N; i++) {
        w[i] = 250;
    }
    ck_assert_uint_eq(lbx_order_reduce(w, N), N);
    m = make(w, N);
    for (uint32_t i = 0; i < N; i++) {
        ck_assert_uint_eq(m.order[i], i);
    }
    free(m.order);
    free(w);
}
END_TEST

static const struct {
    uint32_t in[4];
    uint32_t out[4];
} reductions[] = {
    {{300, 100, 100}, {3, 1, 1}},
    {{115, 100}, {23, 20}},
    {{100}, {1}},
    {{10000, 10000}, {1, 1}},
    {{150, 200, 250}, {3, 4, 5}},
    {{101, 103}, {101, 103}},
    {{7, 0}, {1, 0}},
};

START_TEST(reduces_to_the_smallest_ratio)
{
    uint32_t w[4], n = 0, sum = 0;

    memcpy(w, reductions[_i].in, sizeof(w));
    for (; reductions[_i].in[n]; n++) {
        sum += reductions[_i].out[n];
    }
    ck_assert_uint_eq(lbx_order_reduce(w, n), sum);
    ck_assert(!memcmp(w, reductions[_i].out, sizeof(w)));
}
END_TEST

/* Whatever comes: nobody gets nothing, the order stays short, and who is
 * rounded is off by no more than half a place of it (or raised to 1). */
START_TEST(reduces_within_its_limits)
{
    struct unit_rng g = UNIT_RNG();
    uint32_t *w = lab_must(malloc(3000 * sizeof(*w)));
    uint32_t *was = lab_must(malloc(3000 * sizeof(*was)));
    int capped = 0;

    for (int round = 0; round < 60; round++) {
        uint32_t n = unit_between(&g, 1, round % 3 ? 40 : 3000);
        uint64_t cap = (uint64_t)n * LBX_ORDER_CAP_EACH, whole = 0, sum = 0, measure = 0;
        uint32_t period;
        int rounded;

        cap = cap < LBX_ORDER_MIN_CAP ? LBX_ORDER_MIN_CAP : cap;
        for (uint32_t i = 0; i < n; i++) {
            w[i] = unit_between(&g, LBX_WEIGHT_MIN, LBX_WEIGHT_MAX);
            w[i] = unit_below(&g, 50) ? w[i] : unit_between(&g, 1, 1u << 30);
            was[i] = w[i];
            whole += w[i];
        }
        for (uint32_t i = 0; i < n; i++) { /* Euclid once more, by subtraction of multiples */
            for (uint64_t rest = was[i], t; rest; rest = t) {
                t = measure % rest;
                measure = rest;
            }
        }
        rounded = whole / measure > cap;
        capped += rounded;
        period = lbx_order_reduce(w, n);
        ck_assert_uint_le(period, cap + n);
        for (uint32_t i = 0; i < n; i++) {
            double ideal = (double)was[i] * (double)(rounded ? cap : period) / (double)whole;

            ck_assert_uint_ge(w[i], 1);
            sum += w[i];
            if (!rounded) { /* the very ratio, by cross-multiplication */
                ck_assert_uint_eq((uint64_t)w[i] * was[0], (uint64_t)was[i] * w[0]);
            } else {
                ck_assert_msg((w[i] <= ideal + 0.501 || w[i] == 1) && w[i] >= ideal - 0.501,
                              "%u of %u: %u for %.3f", i, n, w[i], ideal);
            }
        }
        ck_assert_uint_eq(sum, period);
    }
    ck_assert_int_gt(capped, 0);
    free(was);
    free(w);
}
END_TEST

START_TEST(reduction_of_nobody)
{
    uint32_t w[1] = {0};

    ck_assert_uint_eq(lbx_order_reduce(w, 0), 0);
}
END_TEST

TCase *case_order(void)
{
    TCase *tc = tcase_create("order");

    tcase_add_loop_test(tc, worked_orders, 0, sizeof(worked) / sizeof(worked[0]));
    tcase_add_test(tc, every_window_is_exact);
    tcase_add_test(tc, as_the_definition_says);
    tcase_add_test(tc, spread_is_bounded);
    tcase_add_test(tc, two_weights_are_spread_evenly);
    tcase_add_test(tc, equals_take_turns);
    tcase_add_loop_test(tc, reduces_to_the_smallest_ratio, 0,
                        sizeof(reductions) / sizeof(reductions[0]));
    tcase_add_test(tc, reduces_within_its_limits);
    tcase_add_test(tc, reduction_of_nobody);
    return tc;
}
