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
    LBX_NONCE_MAX = 40     /* a formatted UUID */
};

enum {
    LBX_WEIGHT_MIN = 100,
    LBX_WEIGHT_ONE = 100,
    LBX_WEIGHT_MAX = 10000,
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
    uint32_t admin;  /* enum lbx_admin */
    uint32_t spare_; /* keeps the strings aligned; always 0 */
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

/* One member by value: what rules, manager and tests see. */
struct lbx_member_view {
    struct lbx_ref ref;
    struct lbx_member_vals run;  /* in force */
    struct lbx_member_vals conf; /* as the file has it */
    uint32_t health;             /* enum lbx_health bits */
    uint32_t retired;
    uint64_t error_at_us; /* 0: no failed request since the last good one */
    uint64_t retry_us;    /* how long an error lasts */
    uint32_t retries;
    uint32_t in_flight;
    uint64_t elected;
    uint64_t sent;     /* bytes to the member */
    uint64_t received; /* bytes from it */
    uint64_t failures; /* attempts that failed */
    int64_t load;      /* the method's own figure: how far it is ahead of its share */
};

#endif
