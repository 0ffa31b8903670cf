/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Computes the smooth weighted order of lbx_order.h.
 *
 * Pure.
 */
#include "lbx_order.h"

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t t = a % b;

        a = b;
        b = t;
    }
    return a;
}

uint32_t lbx_order_reduce(uint32_t *weights, uint32_t n)
{
    uint64_t cap = (uint64_t)n * LBX_ORDER_CAP_EACH;
    uint64_t sum = 0;
    uint32_t measure = 0;

    if (cap < LBX_ORDER_MIN_CAP) {
        cap = LBX_ORDER_MIN_CAP;
    }
    for (uint32_t i = 0; i < n; i++) {
        measure = gcd(weights[i], measure);
    }
    for (uint32_t i = 0; i < n; i++) {
        weights[i] /= measure;
        sum += weights[i];
    }
    if (sum > cap) {
        uint64_t whole = sum;

        sum = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint64_t w = (weights[i] * cap + whole / 2) / whole;

            weights[i] = w ? (uint32_t)w : 1;
            sum += weights[i];
        }
    }
    return (uint32_t)sum;
}

/* Merge sort by weight, heaviest first, equal weights in the order of the file.
 * Bottom-up, between <a> and the scratch <b>; the result is in <a>. */
static void sort_by_weight(const uint32_t *weights, uint16_t *a, uint16_t *b, uint32_t n)
{
    for (uint32_t width = 1; width < n; width *= 2) {
        for (uint32_t lo = 0; lo < n; lo += 2 * width) {
            uint32_t mid = lo + width < n ? lo + width : n;
            uint32_t hi = lo + 2 * width < n ? lo + 2 * width : n;
            uint32_t i = lo, j = mid;

            for (uint32_t k = lo; k < hi; k++) {
                b[k] = i < mid && (j == hi || weights[a[i]] >= weights[a[j]]) ? a[i++] : a[j++];
            }
        }
        for (uint32_t k = 0; k < n; k++) {
            a[k] = b[k];
        }
    }
}

static uint32_t make_streams(const uint32_t *weights, uint32_t n, const uint16_t *by_weight,
                             struct lbx_order_stream *streams)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (!count || streams[count - 1].weight != weights[by_weight[i]]) {
            streams[count].weight = weights[by_weight[i]];
            streams[count].members = 0;
            streams[count].turn = 0;
            streams[count].first = i;
            count++;
        }
        streams[count - 1].members++;
    }
    return count;
}

/* Is a's next turn due before b's?  At the same moment the faster one is first. */
static int before(const struct lbx_order_stream *a, const struct lbx_order_stream *b)
{
    uint64_t ra = (uint64_t)a->weight * a->members;
    uint64_t rb = (uint64_t)b->weight * b->members;
    uint64_t da = (2 * (uint64_t)a->turn + 1) * rb;
    uint64_t db = (2 * (uint64_t)b->turn + 1) * ra;

    if (da != db) {
        return da < db;
    }
    return ra != rb ? ra > rb : a->first < b->first;
}

/* Restore the heap of streams below <i>. */
static void sink(struct lbx_order_stream *h, uint32_t count, uint32_t i)
{
    struct lbx_order_stream moving = h[i];

    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child >= count) {
            break;
        }
        if (child + 1 < count && before(&h[child + 1], &h[child])) {
            child++;
        }
        if (!before(&h[child], &moving)) {
            break;
        }
        h[i] = h[child];
        i = child;
    }
    h[i] = moving;
}

void lbx_order_fill(const uint32_t *weights, uint32_t n, uint16_t *order, uint32_t period,
                    uint16_t *by_weight, struct lbx_order_stream *streams)
{
    uint32_t count;

    for (uint32_t i = 0; i < n; i++) {
        by_weight[i] = (uint16_t)i;
    }
    sort_by_weight(weights, by_weight, order, n); /* period >= n: <order> is room enough */
    count = make_streams(weights, n, by_weight, streams);
    for (uint32_t i = count / 2; i-- > 0;) {
        sink(streams, count, i);
    }
    for (uint32_t at = 0; at < period; at++) {
        struct lbx_order_stream *s = &streams[0];

        order[at] = by_weight[s->first + s->turn % s->members];
        s->turn++;
        sink(streams, count, 0);
    }
}
