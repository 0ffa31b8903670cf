/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the health checker keeps in core's records of balancers and members
 * (mod_lbx.h, LBX_SPACE_HCHECK): shared by all processes, kept over graceful
 * restarts, zeroed when a record is new.
 *
 * A file format like the segment: fixed widths, no pointers.  Fields stand in
 * groups, one writer rule each.  A process may be killed between any two writes.
 *
 * Not here: what the words mean (lbx_hc_fsm, lbx_hc_eject, lbx_hc_retry).
 *
 * Pure.
 */
#ifndef LBX_HC_SPACE_H
#define LBX_HC_SPACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "lbx_assert.h"
#include "lbx_types.h"

enum { LBX_HC_SPACE_VERSION = 1, LBX_HC_BUCKETS = 11, LBX_HC_TEXT_MAX = 120 };

/* The verdicts of active checks and probes. */
struct lbx_hc_checked {
    /* The process that checks alone.  Readers of <text> look at <turn> before and
     * after: odd, or another: read again. */
    _Atomic uint32_t turn;
    uint32_t cause;              /* enum lbx_hc_cause of the last check */
    _Atomic uint64_t at_us;      /* when it ended; 0: never */
    _Atomic uint64_t latency_us; /* how long it took */
    _Atomic uint64_t changed_us; /* when checks last changed the state */
    _Atomic uint64_t due_us;     /* when the next one is; 0: none */
    _Atomic uint64_t checks;     /* since the record was made */
    _Atomic uint64_t failed;     /* ... of those */
    _Atomic uint32_t passes;     /* in a row */
    _Atomic uint32_t fails;      /* in a row */
    _Atomic uint32_t status;     /* of the last answer, 0 without */
    _Atomic uint32_t passed;     /* the last one */
    _Atomic uint32_t asked_done; /* value of <asked> that was obeyed last */
    _Atomic uint32_t plan;       /* hash of the check by schedule; 0: there is none */
    _Atomic uint32_t reserved_[4];
    char text[LBX_HC_TEXT_MAX]; /* "connection refused" */

    /* Managers, any process, by atomic operations. */
    _Atomic uint32_t asked;  /* check now: one more each time */
    _Atomic uint32_t paused; /* no checks: the last verdict stays */
};

/* A member; 1,024 bytes. */
struct lbx_hc_member {
    /* Anybody, by compare-and-swap: enum lbx_hc_state in the low 8 bits, above
     * them a count of the changes.  Who changes it draws the consequences; what a
     * killed one left undone is made up for by the process that checks. */
    _Atomic uint32_t state;
    _Atomic uint32_t cause; /* low 8 bits enum lbx_hc_cause, above them a status; for display */
    _Atomic uint64_t since_us;
    _Atomic uint64_t ejected; /* how often, since the record was made */

    /* What the configuration says of it: the parent at a (re)start, later the
     * process that checks. */
    _Atomic uint64_t retry;           /* retry= in microseconds and 1 more; 0: not said */
    _Atomic uint64_t slow_window_us;  /* slowstart=; 0: none */
    _Atomic uint32_t slow_aggression; /* hundredths */
    _Atomic uint32_t slow_minimum;    /* of LBX_RAMP_FULL */
    uint64_t reserved1_[2];

    /* Requests, by atomic operations: failures in a row, a ring of buckets. */
    _Atomic uint32_t streak;
    uint32_t reserved2_;
    _Atomic uint64_t bucket[LBX_HC_BUCKETS]; /* lbx_hc_eject.h */
    uint64_t reserved3_[4];

    /* The process that checks alone: schedule of probes, slow start, outliers. */
    _Atomic uint32_t known;            /* LBX_HC_SPACE_VERSION: was seen */
    _Atomic uint32_t tries;            /* probes in a row that failed */
    _Atomic uint64_t probe_us;         /* when the next probe is due; 0: none is needed */
    _Atomic uint64_t slow_us;          /* when slow start began */
    _Atomic uint64_t back_us;          /* when it was let in last */
    _Atomic uint32_t ramp;             /* as last told to core */
    _Atomic uint32_t was_off;          /* the operator had it out of service */
    _Atomic uint32_t outlier_n;        /* ejections as an outlier, less good intervals */
    _Atomic uint32_t owes;             /* is down, and went out with requests unanswered */
    _Atomic uint64_t outlier_until_us; /* no probe before */
    _Atomic uint64_t seen_requests;    /* counts at the start of the interval */
    _Atomic uint64_t seen_failed;
    _Atomic uint64_t seen_heads;
    _Atomic uint64_t seen_latency_us;
    uint64_t reserved5_[13];

    struct lbx_hc_checked checked;
    uint8_t rest_[416];
};

/* A balancer; 256 bytes. */
struct lbx_hc_set {
    /* The parent at a (re)start. */
    _Atomic uint32_t known; /* LBX_HC_SPACE_VERSION: was met, with its members */

    /* The process that checks alone. */
    _Atomic uint32_t panic;      /* verdicts are ignored now */
    _Atomic uint64_t panic_us;   /* since when */
    _Atomic uint64_t outlier_us; /* when the interval began */
    _Atomic uint64_t looked_us;  /* when its members were looked at last */
    uint64_t reserved_[28];
};

LBX_STATIC(offsetof(struct lbx_hc_member, streak) == 64, "layout: requests");
LBX_STATIC(offsetof(struct lbx_hc_member, known) == 192, "layout: schedule");
LBX_STATIC(offsetof(struct lbx_hc_member, checked) == 384, "layout: checks");
LBX_STATIC(sizeof(struct lbx_hc_member) == LBX_SPACE_HCHECK_MEMBER, "layout: member");
LBX_STATIC(sizeof(struct lbx_hc_set) == LBX_SPACE_SET, "layout: set");

#endif
