/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outliers.  See lbx_outlier.h.
 *
 * Pure.
 */
#include "lbx_outlier.h"

#include <math.h>
#include <stdlib.h>

void lbx_outlier_defaults(struct lbx_outlier *rules)
{
    *rules = (struct lbx_outlier){
        .hosts = 5,
        .volume = 100,
        .interval_us = 10000000,
        .base_us = 30000000,
        .max_us = 300000000,
    };
}

static double success(const struct lbx_outlier_in *in)
{
    uint64_t failed = in->failed < in->requests ? in->failed : in->requests;

    return 100.0 * (double)(in->requests - failed) / (double)in->requests;
}

static int has_volume(const struct lbx_outlier *rules, const struct lbx_outlier_in *in)
{
    return in->requests && in->requests >= rules->volume;
}

static void find_by_rate(const struct lbx_outlier *rules, const struct lbx_outlier_in *in,
                         uint32_t n, uint32_t hosts, enum lbx_outlier_why *why)
{
    double mean = 0, variance = 0, least;

    for (uint32_t i = 0; i < n; i++) {
        mean += has_volume(rules, &in[i]) ? success(&in[i]) / hosts : 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        double off = has_volume(rules, &in[i]) ? success(&in[i]) - mean : 0;

        variance += off * off / hosts;
    }
    least = mean - rules->rate / 100.0 * sqrt(variance);
    for (uint32_t i = 0; i < n; i++) {
        /* equal members differ by rounding only */
        if (has_volume(rules, &in[i]) && success(&in[i]) < least - 1e-9) {
            why[i] = LBX_OUTLIER_RATE;
        }
    }
}

static void find_by_percentage(const struct lbx_outlier *rules, const struct lbx_outlier_in *in,
                               uint32_t n, enum lbx_outlier_why *why)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!why[i] && has_volume(rules, &in[i])
            && in[i].failed * 100 >= in[i].requests * rules->percentage) {
            why[i] = LBX_OUTLIER_PERCENTAGE;
        }
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double mean_latency(const struct lbx_outlier_in *in)
{
    return (double)in->latency_us / (double)in->heads;
}

static void find_by_latency(const struct lbx_outlier *rules, const struct lbx_outlier_in *in,
                            uint32_t n, double *scratch, enum lbx_outlier_why *why)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (has_volume(rules, &in[i]) && in[i].heads) {
            scratch[k++] = mean_latency(&in[i]);
        }
    }
    if (!k || k < rules->hosts) {
        return;
    }
    qsort(scratch, k, sizeof(*scratch), ascending);
    for (uint32_t i = 0; i < n; i++) {
        if (!why[i] && has_volume(rules, &in[i]) && in[i].heads
            && mean_latency(&in[i]) > scratch[(k - 1) / 2] * rules->latency / 100.0) {
            why[i] = LBX_OUTLIER_LATENCY;
        }
    }
}

void lbx_outlier_find(const struct lbx_outlier *rules, const struct lbx_outlier_in *in, uint32_t n,
                      double *scratch, enum lbx_outlier_why *why)
{
    uint32_t hosts = 0;

    for (uint32_t i = 0; i < n; i++) {
        why[i] = LBX_OUTLIER_NO;
        hosts += (uint32_t)has_volume(rules, &in[i]);
    }
    if (!hosts || hosts < rules->hosts) {
        return;
    }
    if (rules->rate) {
        find_by_rate(rules, in, n, hosts, why);
    }
    if (rules->percentage) {
        find_by_percentage(rules, in, n, why);
    }
    if (rules->latency) {
        find_by_latency(rules, in, n, scratch, why);
    }
}

uint64_t lbx_outlier_time(const struct lbx_outlier *rules, uint32_t times)
{
    if (times && rules->base_us > rules->max_us / times) {
        return rules->max_us;
    }
    return rules->base_us * (times ? times : 1);
}
