/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes metrics in Prometheus' text format, version 0.0.4, escaped by construction.
 *
 *     # HELP lbx_member_in_flight Requests at the member now
 *     # TYPE lbx_member_in_flight gauge
 *     lbx_member_in_flight{balancer="app",member="http://a:80"} 3
 *
 * What all samples of a member have in common is escaped once, into a lbx_prom_who:
 * a thousand members are tens of thousands of lines.
 *
 * Not here: which metrics there are (mgr_metrics).
 *
 * Pure.  Buffers in the struct and hands full buffers to the sink.
 */
#ifndef LBX_PROM_H
#define LBX_PROM_H

#include <stddef.h>
#include <stdint.h>

enum { LBX_PROM_ROOM = 16384, LBX_PROM_WHO = 2048 };

struct lbx_prom {
    void (*sink)(void *baton, const char *text, size_t len);
    void *baton;
    size_t used;
    char room[LBX_PROM_ROOM];
};

/* Labels that come first, escaped: balancer="app",member="http://a:80" */
struct lbx_prom_who {
    size_t len;
    char text[LBX_PROM_WHO];
};

void lbx_prom_start(struct lbx_prom *p, void (*sink)(void *baton, const char *text, size_t len),
                    void *baton);
void lbx_prom_end(struct lbx_prom *p);

/* Opens a family.  <type>: "counter", "gauge" or "histogram". */
void lbx_prom_family(struct lbx_prom *p, const char *name, const char *type, const char *help);

/* Starts over with no labels; adds one.  A value that is too long is cut. */
void lbx_prom_who_clear(struct lbx_prom_who *who);
void lbx_prom_who_add(struct lbx_prom_who *who, const char *label, const char *value);

/* One sample of the family <name><suffix>; <label> NULL: none but those of <who>. */
void lbx_prom_count(struct lbx_prom *p, const char *name, const char *suffix,
                    const struct lbx_prom_who *who, const char *label, const char *value,
                    uint64_t v);
void lbx_prom_seconds(struct lbx_prom *p, const char *name, const char *suffix,
                      const struct lbx_prom_who *who, uint64_t us);
void lbx_prom_number(struct lbx_prom *p, const char *name, const struct lbx_prom_who *who,
                     const char *label, const char *value, double v);

#endif
