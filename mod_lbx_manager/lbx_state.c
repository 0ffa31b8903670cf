/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of states.  See lbx_state.h.
 *
 * Pure.
 */
#include "lbx_state.h"

#include <string.h>

enum lbx_state lbx_state_of(const struct lbx_member_view *v, enum lbx_inelig inelig)
{
    static const enum lbx_state of[LBX_INELIG_N] = {
        [LBX_ELIGIBLE] = LBX_STATE_UP,          [LBX_IN_RETIRED] = LBX_STATE_RETIRED,
        [LBX_IN_STOPPED] = LBX_STATE_STOPPED,   [LBX_IN_DISABLED] = LBX_STATE_DISABLED,
        [LBX_IN_SHUTDOWN] = LBX_STATE_SHUTDOWN, [LBX_IN_HCFAILED] = LBX_STATE_UNHEALTHY,
        [LBX_IN_ERROR] = LBX_STATE_ERROR,       [LBX_IN_DRAIN] = LBX_STATE_DRAINING,
        [LBX_IN_TRIED] = LBX_STATE_UP,          [LBX_IN_FULL] = LBX_STATE_FULL,
    };
    enum lbx_state state = inelig < LBX_INELIG_N ? of[inelig] : LBX_STATE_UP;

    return state == LBX_STATE_UP && v->ramp && v->ramp < LBX_RAMP_FULL ? LBX_STATE_SLOWSTART
                                                                       : state;
}

const char *lbx_state_name(enum lbx_state state)
{
    static const char *const names[LBX_STATE_N] = {
        [LBX_STATE_UP] = "up",
        [LBX_STATE_SLOWSTART] = "slowstart",
        [LBX_STATE_FULL] = "full",
        [LBX_STATE_DRAINING] = "draining",
        [LBX_STATE_ERROR] = "error",
        [LBX_STATE_UNHEALTHY] = "unhealthy",
        [LBX_STATE_DISABLED] = "disabled",
        [LBX_STATE_STOPPED] = "stopped",
        [LBX_STATE_SHUTDOWN] = "shutdown",
        [LBX_STATE_RETIRED] = "retired",
    };

    return state < LBX_STATE_N ? names[state] : "unknown";
}

int lbx_state_is_admin(enum lbx_state state)
{
    return state == LBX_STATE_DRAINING || state == LBX_STATE_DISABLED || state == LBX_STATE_STOPPED
           || state == LBX_STATE_SHUTDOWN || state == LBX_STATE_RETIRED;
}

enum lbx_state lbx_state_of_event(const char *kind, const char *text)
{
    static const struct {
        const char *begins;
        enum lbx_state state;
    } of[] = {
        {"drain: ", LBX_STATE_DRAINING},
        {"disabled: ", LBX_STATE_DISABLED},
        {"stopped: ", LBX_STATE_STOPPED},
        {"shutdown: ", LBX_STATE_SHUTDOWN},
    };

    if (!strcmp(kind, "removed")) {
        return LBX_STATE_RETIRED;
    }
    for (unsigned i = 0; !strcmp(kind, "change") && i < sizeof(of) / sizeof(of[0]); i++) {
        if (!strncmp(text, of[i].begins, strlen(of[i].begins))) {
            return of[i].state;
        }
    }
    return LBX_STATE_N;
}

const char *lbx_role_name(uint32_t admin)
{
    return admin & LBX_ADMIN_SPARE ? "spare" : admin & LBX_ADMIN_STANDBY ? "standby" : "active";
}

const char *lbx_attempt_name(enum lbx_outcome outcome)
{
    static const char *const names[LBX_OUTCOME_N] = {
        [LBX_OUT_ANSWERED] = "answered",  [LBX_OUT_CONNECT] = "connect-failure",
        [LBX_OUT_STALE] = "stale",        [LBX_OUT_RESET] = "reset",
        [LBX_OUT_TIMEOUT] = "timeout",    [LBX_OUT_STATUS] = "status",
        [LBX_OUT_FAILED] = "failed",      [LBX_OUT_CUT] = "cut",
        [LBX_OUT_CLIENT] = "client-gone",
    };

    return outcome < LBX_OUTCOME_N ? names[outcome] : "unknown";
}

const char *lbx_class_name(unsigned i)
{
    static const char *const names[LBX_CLASS_N] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};

    return i < LBX_CLASS_N ? names[i] : "other";
}
