/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state table.  See lbx_hc_fsm.h.
 *
 * Requests of other processes may be late with their news, so that most events
 * can meet any state.  Impossible are those of the one process that checks which
 * contradict what it did itself.
 *
 * Pure.
 */
#include "lbx_hc_fsm.h"

enum {
    UP = LBX_HC_UP,
    SUSP = LBX_HC_SUSPECT,
    EJEC = LBX_HC_EJECTED,
    PROB = LBX_HC_PROBING,
    SLOW = LBX_HC_SLOW,
    DOWN = LBX_HC_DOWN,
    FORC = LBX_HC_FORCED,
    ref_ = LBX_HC_REFUSED,
    imp_ = LBX_HC_IMPOSSIBLE
};

/* clang-format off */
static const uint8_t table[LBX_HC_STATE_N][LBX_HC_EVENT_N] = {
    /*                   OK    FAIL  EJECT NOBOD RECOV PROBE PFAIL PASS  CDOWN RAMPD NEWCO RESET */
    [LBX_HC_UP]      = { ref_, SUSP, EJEC, FORC, ref_, ref_, ref_, ref_, DOWN, ref_, SLOW, ref_ },
    [LBX_HC_SUSPECT] = { UP,   ref_, EJEC, FORC, ref_, ref_, ref_, ref_, DOWN, ref_, SLOW, UP   },
    [LBX_HC_EJECTED] = { ref_, ref_, ref_, FORC, FORC, PROB, ref_, SLOW, DOWN, ref_, ref_, UP   },
    [LBX_HC_PROBING] = { ref_, ref_, ref_, FORC, FORC, imp_, EJEC, SLOW, DOWN, ref_, ref_, UP   },
    [LBX_HC_SLOW]    = { ref_, ref_, EJEC, FORC, ref_, ref_, ref_, ref_, DOWN, UP,   ref_, UP   },
    [LBX_HC_DOWN]    = { ref_, ref_, ref_, ref_, ref_, imp_, ref_, SLOW, ref_, ref_, ref_, UP   },
    [LBX_HC_FORCED]  = { UP,   ref_, EJEC, ref_, ref_, ref_, ref_, SLOW, DOWN, ref_, ref_, UP   },
};
/* clang-format on */

unsigned lbx_hc_next(enum lbx_hc_state state, enum lbx_hc_event event)
{
    return state < LBX_HC_STATE_N && event < LBX_HC_EVENT_N ? table[state][event]
                                                            : (unsigned)LBX_HC_IMPOSSIBLE;
}

const char *lbx_hc_state_name(enum lbx_hc_state state)
{
    static const char *const name[LBX_HC_STATE_N] = {
        [LBX_HC_UP] = "up",           [LBX_HC_SUSPECT] = "suspect", [LBX_HC_EJECTED] = "ejected",
        [LBX_HC_PROBING] = "probing", [LBX_HC_SLOW] = "slow-start", [LBX_HC_DOWN] = "down",
        [LBX_HC_FORCED] = "forced",
    };

    return state < LBX_HC_STATE_N ? name[state] : "unknown";
}

const char *lbx_hc_event_name(enum lbx_hc_event event)
{
    static const char *const name[LBX_HC_EVENT_N] = {
        [LBX_HC_OK] = "request ok",
        [LBX_HC_FAIL] = "request failed",
        [LBX_HC_EJECT] = "request failed, eject",
        [LBX_HC_NOBODY] = "request failed, nobody else",
        [LBX_HC_RECOVERED] = "recovered by force",
        [LBX_HC_PROBE] = "probe",
        [LBX_HC_PROBE_FAIL] = "probe failed",
        [LBX_HC_PASS] = "passed",
        [LBX_HC_CHECK_DOWN] = "checks failed",
        [LBX_HC_RAMPED] = "ramp ended",
        [LBX_HC_NEWCOMER] = "newcomer",
        [LBX_HC_RESET] = "reset",
    };

    return event < LBX_HC_EVENT_N ? name[event] : "unknown";
}

const char *lbx_hc_cause_name(enum lbx_hc_cause cause)
{
    static const char *const name[LBX_HC_CAUSE_N] = {
        [LBX_HC_C_NONE] = "",
        [LBX_HC_C_CONNECT] = "no connection",
        [LBX_HC_C_RESET] = "connection closed",
        [LBX_HC_C_TIMEOUT] = "timeout",
        [LBX_HC_C_STATUS] = "status",
        [LBX_HC_C_TLS] = "TLS",
        [LBX_HC_C_BODY] = "body",
        [LBX_HC_C_FORCED] = "forced",
        [LBX_HC_C_OUTLIER_RATE] = "success rate",
        [LBX_HC_C_OUTLIER_LATENCY] = "latency",
        [LBX_HC_C_INITIAL] = "not checked yet",
        [LBX_HC_C_OPERATOR] = "operator",
        [LBX_HC_C_PASSED] = "passed",
        [LBX_HC_C_ANSWERED] = "answered a request",
        [LBX_HC_C_NOBODY] = "nobody else is left",
        [LBX_HC_C_OTHER] = "other",
    };

    return cause < LBX_HC_CAUSE_N ? name[cause] : "unknown";
}
