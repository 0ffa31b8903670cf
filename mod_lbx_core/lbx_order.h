/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A smooth weighted order: in one period each member has as many places as its
 * weight says, spread as evenly as whole places allow.
 *
 *     weights 3 1 1    A B A C A
 *     weights 5 1 1    A B A A A C A
 *     weights 2 2 1    A B C A B
 *     weights 1 1 1    A B C
 *
 * Members of one weight form a stream; m members of weight w make a stream of
 * rate m * w, whose k-th turn is due at (k + 1/2) / (m * w) of the period, and
 * its members take the stream's turns in rotation.  The order is the streams'
 * turns by due time (stride scheduling: Waldspurger and Weihl, MIT/LCS/TM-528,
 * 1995), at a cost of O(period * log(streams)).
 *
 * Pure.
 */
#ifndef LBX_ORDER_H
#define LBX_ORDER_H

#include <stdint.h>

/* Weights without a common measure are rounded to an order of about this length. */
enum { LBX_ORDER_MIN_CAP = 65536, LBX_ORDER_CAP_EACH = 64 };

/* Bring <n> weights (each > 0) down to their smallest whole ratio, in place.
 * Returns the period, their sum.  Rounds, to no less than 1 each, when the
 * period would exceed max(LBX_ORDER_MIN_CAP, n * LBX_ORDER_CAP_EACH). */
uint32_t lbx_order_reduce(uint32_t *weights, uint32_t n);

/* Scratch of lbx_order_fill: one for each member. */
struct lbx_order_stream {
    uint32_t weight;
    uint32_t members;
    uint32_t turn;  /* turns taken */
    uint32_t first; /* where its members start in <by_weight> */
};

/* Fill order[0..period) with indices of members.  <weights> as reduced; at most
 * 65,536 members.  <by_weight> and <streams> are scratch for n elements. */
void lbx_order_fill(const uint32_t *weights, uint32_t n, uint16_t *order, uint32_t period,
                    uint16_t *by_weight, struct lbx_order_stream *streams);

#endif
