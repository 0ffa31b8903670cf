/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an active check does and expects, as the words hc...= of a member say it.
 *
 * Not here: where the words come from (hc_conf), how a check is run (hc_probe),
 * what a result means for the member (lbx_hc_fsm).
 *
 * Pure.  Texts are pointers to the caller's.
 */
#ifndef LBX_HC_SPEC_H
#define LBX_HC_SPEC_H

#include <stdint.h>

enum lbx_hc_method {
    LBX_HC_NONE = 0,
    LBX_HC_TCP,
    LBX_HC_OPTIONS,
    LBX_HC_HEAD,
    LBX_HC_GET,
    LBX_HC_CPING,
    LBX_HC_METHOD_N
};

/* How a member begins. */
enum lbx_hc_init {
    LBX_HC_INIT_UP = 0,
    LBX_HC_INIT_DOWN, /* until the first check has passed, after every start */
    LBX_HC_INIT_KEEP  /* likewise, but a reload keeps the last verdict */
};

enum {
    LBX_HC_URI_MAX = 1024, /* with the terminating NUL */
    LBX_HC_HOST_MAX = 256,
    LBX_HC_WORD_MAX = 1024, /* a header, a piece of the body */
    LBX_HC_NAME_MAX = 64,   /* of an expression or a template */
    LBX_HC_HEADERS = 10,
    LBX_HC_STATUSES = 600
};

struct lbx_hc_spec {
    enum lbx_hc_method method;
    enum lbx_hc_init init;
    unsigned method_version; /* 10 or 11: GET, GET11 */
    unsigned version;        /* hcversion=: 10, 11, 20; 0: the method's */
    unsigned passes;         /* in a row that let a member in */
    unsigned fails;          /* in a row that take it out */
    unsigned spread;         /* percent of the interval by which a check may be early */
    int spread_set;
    int port; /* 0: the member's */
    uint64_t interval_us;
    uint64_t fast_us;    /* while a verdict is changing; 0: interval */
    uint64_t down_us;    /* while it is down; 0: interval */
    uint64_t timeout_us; /* 0: not given */
    const char *uri;
    const char *host;
    const char *addr;
    const char *sni;
    const char *body;
    const char *expr;
    const char *header[LBX_HC_HEADERS]; /* "Name: value" */
    int has_status;
    uint32_t status[(LBX_HC_STATUSES + 31) / 32];
};

/* The stock's values: no check, every 30 s, one result decides. */
void lbx_hc_spec_defaults(struct lbx_hc_spec *spec);

enum lbx_hc_word {
    LBX_HC_WORD_OK = 0,
    LBX_HC_WORD_UNKNOWN, /* not a word of active checks */
    LBX_HC_WORD_BAD      /* *allowed says what it takes */
};

/* Put one word in force.  Keys in any case. */
enum lbx_hc_word lbx_hc_spec_set(struct lbx_hc_spec *spec, const char *key, const char *value,
                                 const char **allowed);

/* Is it a word that names something declared elsewhere (hctemplate=, hcexpr=)? */
int lbx_hc_spec_is_name(const char *key);

/* Is this status of an answer a good one?  Without hcstatus=: 200 to 399. */
int lbx_hc_spec_status(const struct lbx_hc_spec *spec, unsigned status);

/* How long a check may take; <member_us>: timeout= of the member, 0 without. */
uint64_t lbx_hc_spec_timeout(const struct lbx_hc_spec *spec, uint64_t member_us);

/* Do so many results of a kind in a row decide? */
static inline int lbx_hc_spec_decides(const struct lbx_hc_spec *spec, int passed, uint32_t in_a_row)
{
    return in_a_row >= (passed ? spec->passes : spec->fails);
}

/* How long until the next check of a member that is <out> or not, after so many
 * results of either kind in a row. */
uint64_t lbx_hc_spec_interval(const struct lbx_hc_spec *spec, int out, uint32_t passes,
                              uint32_t fails);

/* "10s", "100ms", "2mi", "1h", "10": seconds.  0: not a time. */
int lbx_hc_spec_time(const char *text, uint64_t *us);

/* "GET", for people. */
const char *lbx_hc_method_name(enum lbx_hc_method method);

#endif
