/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of an attempt, and may the request be tried again?  The rules of
 * LBXRetryOn and its relatives, and the only place that decides by them.
 *
 * Not here: how the facts are found out (core_attempt), who is tried next
 * (core_choose).
 *
 * Pure.
 */
#ifndef LBX_RETRY_H
#define LBX_RETRY_H

#include "lbx_types.h"

/* For configuration, log lines and LBX_TRIES; never NULL. */
const char *lbx_outcome_name(enum lbx_outcome o);

enum { LBX_RETRY_STATUSES_MAX = 16, LBX_STALE_TRIES = 2 };

struct lbx_retry_rules {
    uint32_t classes;    /* bit (1 << outcome): try again */
    int non_idempotent;  /* also requests that are not safe to repeat */
    uint64_t try_us;     /* time to the head of an answer; 0: the socket's timeout */
    uint64_t body_max;   /* bytes of a body kept for another attempt */
    uint32_t budget;     /* percent of the active requests; 0: no limit */
    uint32_t budget_min; /* ... but at least so many */
    uint32_t status_n;
    uint16_t status[LBX_RETRY_STATUSES_MAX];
    uint64_t backoff_us;  /* before the same member is tried again: first and */
    uint64_t backoff_max; /* longest; 0: none */
};

/* connect-failure stale reset timeout; 64 KB; 50 %, at least 10; 25 to 250 ms. */
void lbx_retry_defaults(struct lbx_retry_rules *r);

/* Set classes and statuses from one word of LBXRetryOn.  0: not such a word. */
int lbx_retry_word(struct lbx_retry_rules *r, const char *word);

int lbx_retry_lists(const struct lbx_retry_rules *r, int status);

/* The facts of an attempt that has ended without an answer to be passed on. */
struct lbx_attempt {
    int rc;                 /* of the scheme handler: 0, or an HTTP status */
    uint8_t speaks_http;    /* http(s): the facts below are known */
    uint8_t connect_failed; /* the transport said so */
    uint8_t write_failed;   /* likewise, for sending the request */
    uint8_t pool_full;      /* no connection was free in this process */
    uint8_t sent;           /* the request went out as a whole */
    uint8_t fresh;          /* over a connection made for it */
    uint8_t got_bytes;      /* something of an answer came */
    uint8_t timed_out;
    uint8_t swallowed; /* a listed answer was held back */
    uint8_t answering; /* the client has got the beginning of an answer */
    uint8_t broke;     /* the member broke off */
    uint8_t client_gone;
    uint8_t unread; /* the member's end was closed with something left unread */
    uint8_t unsent; /* ... before anything of the request had arrived, or been read */
};

enum lbx_outcome lbx_attempt_outcome(const struct lbx_attempt *a);

/* Can the member have begun to work on the request? */
int lbx_attempt_taken(const struct lbx_attempt *a, enum lbx_outcome o);

/* What else decides. */
struct lbx_retry_ask {
    enum lbx_outcome outcome;
    int taken;            /* as above */
    int idempotent;       /* RFC 9110, 9.2.2 */
    int replayable;       /* the body is still there, or there is none */
    int pinned;           /* nofailover=On: the session must not be moved */
    unsigned stale_tries; /* how often a stale connection was the reason already */
    unsigned more;        /* attempts left, by maxattempts */
    int budget_left;
};

enum lbx_verdict {
    LBX_TRY_OTHER = 0, /* on another member */
    LBX_TRY_SAME,      /* on the same one, over another connection */
    LBX_NO_NEED,       /* the client has its answer, or has gone */
    LBX_NO_CLASS,      /* LBXRetryOn does not have it */
    LBX_NO_METHOD,     /* not safe to repeat */
    LBX_NO_BODY,       /* the body has been sent and is not there any more */
    LBX_NO_MOVE,       /* nofailover=On */
    LBX_NO_ATTEMPTS,   /* maxattempts */
    LBX_NO_BUDGET,     /* LBXRetryBudget */
    LBX_NO_MEMBER,     /* nobody else can be had */
    LBX_VERDICT_N
};

enum lbx_verdict lbx_retry_decide(const struct lbx_retry_rules *rules,
                                  const struct lbx_retry_ask *ask);

/* "trying another member", "not retried: POST may have been taken" ...; never NULL. */
const char *lbx_verdict_text(enum lbx_verdict v);

/* How long to wait before attempt <n> (1: the first repetition) at the same
 * member: full jitter, random in [0, min(max, base * (2^n - 1))].  <random> is
 * any 32 bits.  https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
uint64_t lbx_retry_backoff(const struct lbx_retry_rules *r, unsigned n, uint32_t random);

/* May one more of <active> requests be a repetition, when <retries> are already? */
int lbx_retry_budget_left(const struct lbx_retry_rules *r, uint64_t active, uint64_t retries);

#endif
