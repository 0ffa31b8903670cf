/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a member as the health checker sees it, and what may happen to
 * them: one table, [state][event].
 *
 *                 OK                         FAIL
 *      UP <------------ SUSPECT <------------------ UP, SLOW stays SLOW
 *      |  EJECT            | EJECT                  FORCED (nobody else is left)
 *      v                   v                          | OK, PASS
 *   EJECTED <---PROBE_FAIL--- PROBING                 v
 *      |  PROBE --------------->| PASS             UP, SLOW
 *      |                        v    RAMPED
 *      |                       SLOW --------> UP
 *      | CHECK_DOWN                ^
 *      +--------------> DOWN ------+ PASS
 *
 * Not here: when a failure becomes an EJECT (lbx_hc_eject), how many passes make a
 * PASS and how many failed checks a CHECK_DOWN (the engine's counters), when a
 * probe is due (lbx_hc_retry), what follows for core (hc_state).
 *
 * Pure.
 */
#ifndef LBX_HC_FSM_H
#define LBX_HC_FSM_H

#include <stdint.h>

/* 0 is what zeroed memory says: a new member is up. */
enum lbx_hc_state {
    LBX_HC_UP = 0,
    LBX_HC_SUSPECT, /* takes requests; the last ones failed */
    LBX_HC_EJECTED, /* out by passive rules; waits for a probe */
    LBX_HC_PROBING, /* ... and a probe is under way */
    LBX_HC_SLOW,    /* takes requests, at a share that rises */
    LBX_HC_DOWN,    /* out by active checks, or until the first one has passed */
    LBX_HC_FORCED,  /* would be out, but nobody else is left (forcerecovery=) */
    LBX_HC_STATE_N
};

enum lbx_hc_event {
    /* requests; any process */
    LBX_HC_OK,        /* went well */
    LBX_HC_FAIL,      /* failed, the rules wait for more of them */
    LBX_HC_EJECT,     /* failed, the rules take the member out */
    LBX_HC_NOBODY,    /* ... but nobody else is left */
    LBX_HC_RECOVERED, /* core has let it in by force */

    /* the process that checks */
    LBX_HC_PROBE,      /* a probe of an ejected member begins */
    LBX_HC_PROBE_FAIL, /* ... failed, or was lost with its process */
    LBX_HC_PASS,       /* a probe, or so many checks in a row as it takes */
    LBX_HC_CHECK_DOWN, /* so many checks failed in a row as it takes, or it begins as down;
                        * or the operator says so, in any process */
    LBX_HC_RAMPED,     /* slow start is over */
    LBX_HC_NEWCOMER,   /* was added, or let in by the operator: starts slowly */
    LBX_HC_RESET,      /* the operator's word, in any process: as if nothing had happened */
    LBX_HC_EVENT_N
};

/* What a cell says when it is not a state. */
enum {
    LBX_HC_REFUSED = 0x40,   /* may come, late or of no interest: nothing changes */
    LBX_HC_IMPOSSIBLE = 0x80 /* a defect of the caller: nothing changes, and it is said */
};

/* Why a member is where it is. */
enum lbx_hc_cause {
    LBX_HC_C_NONE = 0,
    LBX_HC_C_CONNECT, /* no connection */
    LBX_HC_C_RESET,   /* closed before an answer, or within it */
    LBX_HC_C_TIMEOUT,
    LBX_HC_C_STATUS, /* an answer with a status that counts */
    LBX_HC_C_TLS,
    LBX_HC_C_BODY,   /* not what the check expects */
    LBX_HC_C_FORCED, /* failonstatus=, failontimeout= */
    LBX_HC_C_OUTLIER_RATE,
    LBX_HC_C_OUTLIER_LATENCY,
    LBX_HC_C_INITIAL, /* not checked yet */
    LBX_HC_C_OPERATOR,
    LBX_HC_C_PASSED,
    LBX_HC_C_ANSWERED, /* a request went well */
    LBX_HC_C_NOBODY,   /* nobody else is left */
    LBX_HC_C_OTHER,
    LBX_HC_CAUSE_N
};

/* The cell: a state, LBX_HC_REFUSED or LBX_HC_IMPOSSIBLE. */
unsigned lbx_hc_next(enum lbx_hc_state state, enum lbx_hc_event event);

/* For people, lower case. */
const char *lbx_hc_state_name(enum lbx_hc_state state);
const char *lbx_hc_event_name(enum lbx_hc_event event);
const char *lbx_hc_cause_name(enum lbx_hc_cause cause);

/* Does the state keep requests away? */
static inline int lbx_hc_is_out(enum lbx_hc_state state)
{
    return state == LBX_HC_EJECTED || state == LBX_HC_PROBING || state == LBX_HC_DOWN;
}

/* Is the change from one state to the other worth a line in the log?  Suspicion
 * comes and goes with single requests, and probes with their schedule. */
static inline int lbx_hc_is_news(enum lbx_hc_state from, enum lbx_hc_state to)
{
    int usual_from = from == LBX_HC_UP || from == LBX_HC_SUSPECT;
    int usual_to = to == LBX_HC_UP || to == LBX_HC_SUSPECT;

    return from != to && !(usual_from && usual_to) && to != LBX_HC_PROBING
           && !(from == LBX_HC_PROBING && to == LBX_HC_EJECTED);
}

#endif
