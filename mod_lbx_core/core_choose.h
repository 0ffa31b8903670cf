/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which member takes this request: its session's route, else the method's
 * choice among the eligible; and the end of that choice's reservation.
 *
 * Not here: what is done with the member (core_request).
 *
 * Bound.  Request threads.
 */
#ifndef CORE_CHOOSE_H
#define CORE_CHOOSE_H

#include "core_conf.h"
#include "lbx_queue.h"

/* Of one request; kept over its attempts. */
struct core_ask {
    request_rec *r;
    struct core_set *set;
    proxy_balancer *balancer; /* the virtual host's copy, for foreign providers */
    const char *url;          /* balancer://name/path, for the session's route */
    struct lbx_hint hint;     /* empty: no session */
    int hinted;               /* the hint was asked for */
    uint32_t *been;           /* bit i: has been at member i; NULL: nowhere yet */
    uint32_t *tried;          /* <been>, until only members are left where it has been */
    int only_new;             /* rather nobody than one where it has been */
    int no_wait;              /* rather nobody than wait, and without a word in the log */
    struct lbx_wait wait;     /* its place in the queue, if it waits */
    uint32_t target;          /* for whom it waits: see lbx_queue.h */
    int may_wait;             /* for a better choice than there is now */
    int patient;              /* there is time left to wait */
    uint64_t patience_us;     /* how long it may wait, by LBXQueue or timeout= */
    uint64_t waited_us;       /* so far */
    uint64_t now_us;          /* when the present choice began */
    int full;                 /* somebody could be chosen, but for maxconn= or the queue */
    int anyhow;               /* takes members on trial, too */
    int empty;                /* nobody was eligible, wherever the request has been */
    unsigned attempts;        /* made so far */
};

struct core_choice {
    struct core_member *m;
    enum lbx_why why;
    const struct lbx_method *method; /* NULL: a foreign provider's choice */
    struct lbx_charge charge;
    uint32_t admin;          /* enum lbx_admin of the member when it was chosen */
    const char *route;       /* of the member, in r->pool */
    const char *sticky_name; /* stickysession=, in r->pool; "" without */
    const char *sticky_path;
    unsigned more; /* attempts that may follow this one, by maxattempts */
    int sticky;    /* the balancer has stickysession= */
    int pinned;    /* nofailover: the session is not moved */
    int again;     /* the request has been at this member */
    int trial;     /* the member is on trial */
};

/* Choose and reserve.  OK, or HTTP_SERVICE_UNAVAILABLE after logging why.
 * Waits for a member, if the balancer has timeout= and nobody can be had. */
int core_choose_req(struct core_ask *ask, struct core_choice *out);

/* Let the byte counts of this child be complete when it ends.  child_init. */
void core_choose_child_init(apr_pool_t *p);

/* The attempt is over: give the reservation back, settle with the method.
 * <bytes> went through in both directions. */
void core_choose_req_done(struct core_choice *c, uint64_t bytes);

/* The same member once more: only the reservation is taken, nothing is charged.
 * 0: it is full. */
int core_choose_req_again(struct core_choice *c);

/* The member failed, after so long; it is out until retry= has passed.  Nothing happens to
 * one with status +I.  The caller logs why. Returns 1 if this took it out. */
int core_choose_req_failed(const struct core_choice *c, uint64_t now_us, uint64_t took_us);

/* A member on trial: it has answered; or its request is over, as <outcome> says, and it
 * had not. */
void core_choose_req_proved(struct core_choice *c);
void core_choose_req_unproved(struct core_choice *c, enum lbx_outcome outcome);

/* May one more repetition be made, by LBXRetryBudget? */
int core_choose_req_budget(const struct core_set *set);

/* The request has been at this member: others come first from now on. */
void core_choose_req_tried(struct core_ask *ask, const struct core_choice *c);

#endif
