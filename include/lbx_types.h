/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enums, limits, handles and values that pass between the pure and the bound
 * world, and between the modules of the suite.  No behaviour lives here.
 *
 * Units: times are microseconds since the epoch or plain microseconds
 * (suffix _us), weights are hundredths (loadfactor=1.15 is 115).
 *
 * Pure: libc only.
 */
#ifndef LBX_TYPES_H
#define LBX_TYPES_H

#include <stdint.h>

/* Sizes include the terminating NUL. */
enum {
    LBX_SCOPE_MAX = 352,   /* who owns a balancer: the main server or one virtual host */
    LBX_BALANCER_MAX = 96, /* mod_proxy's limit for "balancer://name" */
    LBX_MEMBER_MAX = 512,  /* "unix:/path|" (96) and the URL (384) */
    LBX_ROUTE_MAX = 64,    /* mod_proxy's limit for route= and redirect= */
    LBX_STICKY_MAX = 64,   /* mod_proxy's limit for stickysession= */
    LBX_METHOD_MAX = 16,   /* mod_proxy's limit for lbmethod= */
    LBX_NONCE_MAX = 40,    /* a formatted UUID */
    LBX_PARAMS_MAX = 512   /* "key=value ..." of a member that was added at run time */
};

enum {
    LBX_WEIGHT_MIN = 100,
    LBX_WEIGHT_ONE = 100,
    LBX_WEIGHT_MAX = 10000,
    LBX_RAMP_FULL = 10000, /* a member's share while it starts slowly: 1 to this */
    LBX_MAXCONN_MAX = 1000000,
    LBX_LBSET_MAX = 99,
    LBX_MEMBERS_MAX = 65535 /* of one balancer: the schedule stores 16-bit indices */
};

enum lbx_rc {
    LBX_OK = 0,
    LBX_EMAGIC,    /* not one of our segments */
    LBX_EVERSION,  /* another layout than this code's */
    LBX_ESIZE,     /* the block is smaller than its own header says, or than asked for */
    LBX_EFULL,     /* no free slot */
    LBX_ESTALE,    /* the handle's slot belongs to somebody else by now */
    LBX_ENOTFOUND, /* no such balancer or member */
    LBX_EFIELD,    /* no such field */
    LBX_EVALUE,    /* not a value that the field takes */
    LBX_ECONFLICT, /* changed since the revision the change was based on */
    LBX_EFORMAT,   /* the text is not one of ours, or damaged */
    LBX_ELOCK,     /* the admin mutex cannot be had */
    LBX_RC_N
};

/* Bytes that core keeps in its records for the siblings: see lbx_space in mod_lbx.h. */
enum { LBX_SPACE_SET = 256, LBX_SPACE_STICKY_MEMBER = 128, LBX_SPACE_HCHECK_MEMBER = 1024 };

/* A handle on a record of the segment, never a pointer: slots are reused, and
 * the revision tells a newcomer from the one the handle was made for. */
struct lbx_ref {
    uint32_t slot;
    uint32_t revision;
};

/* What the operator decides of a member, one bit each.  The bits are mod_proxy's
 * own (PROXY_WORKER_*), so that a status word reads the same everywhere. */
enum lbx_admin {
    LBX_ADMIN_IGNORE_ERRORS = 0x002,
    LBX_ADMIN_DRAIN = 0x004,
    LBX_ADMIN_SHUTDOWN = 0x010,
    LBX_ADMIN_DISABLED = 0x020,
    LBX_ADMIN_STOPPED = 0x040,
    LBX_ADMIN_STANDBY = 0x100,
    LBX_ADMIN_SPARE = 0x800,
    LBX_ADMIN_ALL = 0x976
};

/* What the health checker decides. */
enum lbx_health { LBX_HEALTH_FAILED = 0x400 };

/* Why a member may not take a request, in the order in which an administrator
 * would want to hear it.  0: it may. */
enum lbx_inelig {
    LBX_ELIGIBLE = 0,
    LBX_IN_RETIRED,  /* no longer in the configuration */
    LBX_IN_STOPPED,  /* status S */
    LBX_IN_DISABLED, /* status D */
    LBX_IN_SHUTDOWN, /* status U */
    LBX_IN_HCFAILED, /* a health check failed */
    LBX_IN_ERROR,    /* a request failed, retry= has not passed */
    LBX_IN_DRAIN,    /* status N: only its own sessions */
    LBX_IN_TRIED,    /* this request has been there */
    LBX_IN_FULL,     /* has maxconn= requests */
    LBX_INELIG_N
};

/* How a member came to a request; for log lines and the manager. */
enum lbx_why {
    LBX_WHY_NONE = 0, /* nobody could be chosen */
    LBX_WHY_METHOD,   /* the lbmethod's choice */
    LBX_WHY_ROUTE,    /* its session's route */
    LBX_WHY_REDIRECT, /* the redirect= of its session's member */
    LBX_WHY_FAILOVER, /* another one failed first */
    LBX_WHY_N
};

/* What can be changed at run time, with the values of the configuration file as
 * the starting point.  Fixed size: these structs live in the segment. */
struct lbx_member_vals {
    _Alignas(8) uint32_t weight; /* hundredths */
    uint32_t lbset;
    uint32_t admin;   /* enum lbx_admin */
    uint32_t maxconn; /* requests at once over all processes; 0: no limit */
    char route[LBX_ROUTE_MAX];
    char redirect[LBX_ROUTE_MAX];
};

struct lbx_set_vals {
    uint64_t timeout_us; /* wait for a free member; 0: do not wait */
    uint32_t nofailover;
    int32_t maxattempts; /* -1: not set, members - 1 (1 for a single member) */
    char method[LBX_METHOD_MAX];
    char sticky[LBX_STICKY_MAX];      /* cookie name, "" for none */
    char sticky_path[LBX_STICKY_MAX]; /* name of the URL parameter */
};

/* What became of an attempt.  The order is that of LBXRetryOn's words. */
enum lbx_outcome {
    LBX_OUT_ANSWERED = 0, /* an answer that the client gets */
    LBX_OUT_CONNECT,      /* no connection: refused, unreachable, TLS */
    LBX_OUT_STALE,        /* a reused connection was closed before any byte came */
    LBX_OUT_RESET,        /* closed before the head of the answer was complete */
    LBX_OUT_TIMEOUT,      /* no head in time */
    LBX_OUT_STATUS,       /* an answer with a listed status, of which nothing was sent */
    LBX_OUT_FAILED,       /* the transport gave up for reasons of its own */
    LBX_OUT_CUT,          /* broke off after the client had got the beginning */
    LBX_OUT_CLIENT,       /* the client has gone */
    LBX_OUTCOME_N
};

/* What a member has done since its record was made.  Counters that only grow. */
enum { LBX_LATENCY_N = 16, LBX_CLASS_N = 6 };

struct lbx_tally {
    uint64_t outcome[LBX_OUTCOME_N]; /* attempts, by what became of them */
    uint64_t retried[LBX_OUTCOME_N]; /* ... of those: tried again */
    uint64_t status[LBX_CLASS_N];    /* answers: [1] 1xx to [5] 5xx, [0] others */
    uint64_t latency[LBX_LATENCY_N]; /* answers whose head came within lbx_latency_us[i] */
    uint64_t latency_us;             /* sum of the times to the head */
};

/* Upper bounds of the buckets of lbx_tally.latency, microseconds; the last one
 * has none. */
static inline uint64_t lbx_latency_bound(unsigned bucket)
{
    static const uint32_t ms[LBX_LATENCY_N - 1] = {1,   2,    5,    10,   25,    50,    100,  250,
                                                   500, 1000, 2500, 5000, 10000, 30000, 60000};

    return bucket < LBX_LATENCY_N - 1 ? ms[bucket] * 1000ull : UINT64_MAX;
}

/* One member by value: what rules, manager and tests see. */
struct lbx_member_view {
    struct lbx_ref ref;
    struct lbx_member_vals run;  /* in force */
    struct lbx_member_vals conf; /* as the file has it */
    uint32_t health;             /* enum lbx_health bits */
    uint32_t retired;
    uint32_t ramp;        /* share of its weight that it gets: 1 to LBX_RAMP_FULL */
    uint32_t trial;       /* one request at a time finds out whether it is back */
    uint32_t held;        /* the error ends by a good health check only */
    uint32_t panic;       /* too few are left: error and health keep nobody away */
    uint64_t error_at_us; /* 0: no failed request since the last good one */
    uint64_t retry_us;    /* how long an error lasts */
    uint64_t drain_at_us; /* when draining began; 0: it does not drain */
    uint64_t drain_us;    /* how long its sessions are kept then; 0: as long as they last */
    uint32_t retries;
    uint32_t in_flight;
    uint64_t elected;
    uint64_t sent;     /* bytes to the member */
    uint64_t received; /* bytes from it */
    uint64_t failures; /* attempts that failed */
    int64_t load;      /* the method's own figure: how far it is ahead of its share */
};

/* One event, for people and programs: a transition, a change, a finding. */
struct lbx_event {
    uint64_t seq;   /* 1, 2, 3 ...; set by core */
    uint64_t at_us; /* set by core when 0 */
    char kind[16];  /* "down", "up", "ejected", "drain", "change", "finding" ... */
    char who[32];   /* "health", "requests", "sticky", or a user */
    char balancer[LBX_BALANCER_MAX];
    char member[128]; /* shortened at the end if need be; "" for the balancer's own */
    char text[160];   /* one sentence */
};

enum { LBX_EVENTS_MAX = 256 };

#endif
