/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of the shared segment: state that many processes and two
 * generations of code share.  It is a file format: magic, version, sizes; no
 * pointer, no function address, fixed-width fields.  Any change of a struct
 * below changes the mapping: raise LBX_SEG_MAJOR in the same commit.
 *
 * Not here: who finds or creates records (lbx_store), what the values mean
 * (lbx_eligible, the methods), where the memory comes from (core_store).
 *
 * Fields stand in groups, one writer rule each.  What all requests write has cache
 * lines of its own, apart from what they only read.
 *
 * Pure: works on any block of zeroed memory that is aligned to LBX_LINE.
 */
#ifndef LBX_SEGMENT_H
#define LBX_SEGMENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "lbx_assert.h"
#include "lbx_events.h"
#include "lbx_types.h"

enum {
    LBX_SEG_MAGIC = 0x4c42586d,
    LBX_SEG_MAJOR = 6, /* another major is never adopted */
    LBX_SEG_MINOR = 0, /* fields taken from reserved space */
    LBX_LINE = 64
};

#define LBX_ALIGNED _Alignas(LBX_LINE)

/* Written once when the segment is made, except where a field says otherwise. */
struct lbx_seg_head {
    uint32_t magic;
    uint16_t major;
    uint16_t minor;
    uint32_t set_size;
    uint32_t member_size;
    uint32_t set_cap;
    uint32_t member_cap;
    uint32_t child_cap;
    uint32_t has_events; /* the first of a chain has them */
    uint32_t place_cap;
    uint32_t reserved_;
    uint64_t sets_at; /* offsets from the head */
    uint64_t members_at;
    uint64_t children_at;
    uint64_t events_at;
    uint64_t columns_at;
    uint64_t column_stride; /* bytes between two children's columns */
    uint64_t places_at;
    uint64_t total; /* bytes */

    /* Structural changes: the parent at a (re)start, a child that runs a
     * manager action.  Robust: a holder that dies leaves it usable.  Never
     * taken in the request path. */
    LBX_ALIGNED pthread_mutex_t admin_mutex;
    uint32_t admin_mutex_ready;

    /* Children claim and the parent clears a slot by compare-and-swap. */
    LBX_ALIGNED _Atomic uint32_t children_high; /* slots above were never used */
    uint32_t reserved2_;
    _Atomic uint64_t look_us; /* when those who wait look again who is gone: one for all */
};

/* MAKING: to be filled before others may see it; debris if its maker died. */
enum lbx_life { LBX_FREE = 0, LBX_LIVE, LBX_RETIRED, LBX_MAKING };

/* A balancer. */
struct lbx_seg_set {
    /* Identity: whoever holds the admin mutex, before <life> becomes LIVE. */
    LBX_ALIGNED _Atomic uint32_t revision;
    _Atomic uint32_t life;
    uint64_t hash;
    char scope[LBX_SCOPE_MAX];
    char name[LBX_BALANCER_MAX];
    char nonce[LBX_NONCE_MAX];

    /* Configuration: whoever holds the admin mutex.  Readers take
     * vals[vals_gen & 1] and look again (lbx_vals.h). */
    LBX_ALIGNED _Atomic uint32_t vals_gen;
    uint32_t persist; /* BalancerPersist On */
    struct lbx_set_vals vals[2];
    struct lbx_set_vals conf;

    /* All requests read this line; it changes seldom.
     *
     * Anybody who changed what a choice depends on adds one. */
    LBX_ALIGNED _Atomic uint32_t epoch;
    _Atomic uint32_t panic; /* the health checker alone: verdicts keep nobody away */

    /* Requests that wait (lbx_queue); 0: surely nobody does. */
    _Atomic uint32_t queue_hint;

    /* Whoever holds the admin mutex: moved when a member came or went at run time,
     * and before and after every change of the configuration. */
    _Atomic uint32_t structure;
    _Atomic uint64_t config;
    _Atomic uint32_t boots; /* configurations so far that have it: the parent */
    _Atomic uint32_t adds;  /* members added at run time so far */

    /* All requests write this line, by atomic addition; no two fields need to agree. */
    LBX_ALIGNED _Atomic uint64_t requests;
    _Atomic uint64_t ticket;   /* byrequests, bytraffic: next place in the order */
    _Atomic uint64_t vtime;    /* bytraffic, bybusyness: see lbx_fair.h */
    _Atomic uint64_t estimate; /* bytraffic: bytes of a usual answer */
    _Atomic uint64_t busy_seq; /* bybusyness: counts changes of in-flight */

    /* Requests in trouble, likewise. */
    LBX_ALIGNED _Atomic uint64_t queue_ticket; /* the last one given out */
    _Atomic uint32_t queue_bell;               /* the word that waiting requests sleep on */
    uint32_t reserved_;
    _Atomic uint64_t failovers;
    _Atomic uint64_t refused; /* nobody could be chosen */
    _Atomic uint64_t recoveries;
    _Atomic uint64_t queued;   /* requests that waited for a member */
    _Atomic uint64_t queue_us; /* ... how long, together */
    _Atomic uint64_t overdue;  /* ... in vain: the queue was full, or their time was up */

    /* Kept for the siblings, each writes its own (mod_lbx.h, lbx_space). */
    LBX_ALIGNED uint8_t sticky[LBX_SPACE_SET];
    uint8_t hcheck[LBX_SPACE_SET];
};

enum { LBX_WORDS_MAX = 464, LBX_WHO_MAX = 32 };

/* What was said of a member at run time, besides its values. */
struct lbx_member_notes {
    _Alignas(8) char words[LBX_WORDS_MAX]; /* parameters of siblings (lbx_words.h) */
    /* since when an operator keeps it out of service (lbx_admin_out), or has removed it; 0:
     * it is in service, or the file keeps it out */
    uint64_t decided_us;
    char decided_by[LBX_WHO_MAX]; /* ... and who */
};

/* A member of a balancer. */
struct lbx_seg_member {
    /* Identity: whoever holds the admin mutex, before <life> becomes LIVE. */
    LBX_ALIGNED _Atomic uint32_t revision;
    _Atomic uint32_t life;
    struct lbx_ref set;
    uint64_t hash;
    char name[LBX_MEMBER_MAX];
    uint32_t added; /* at run time: the how many-th of its balancer; 0: it is in the file */
    _Atomic uint32_t retired_s;  /* when it was removed at run time, seconds since the epoch */
    char params[LBX_PARAMS_MAX]; /* ... its "key=value ..." as it was added */

    /* Configuration: as in lbx_seg_set. */
    LBX_ALIGNED _Atomic uint32_t vals_gen;
    uint32_t reserved_;
    struct lbx_member_vals vals[2];
    struct lbx_member_vals conf;
    _Atomic uint64_t drain_at_us; /* when the drain bit was set; 0: it is not */

    /* All requests read this line; it changes seldom.
     *
     * The health checker alone. */
    LBX_ALIGNED _Atomic uint32_t health;
    _Atomic uint32_t ramp; /* 0 and LBX_RAMP_FULL: its whole weight */

    /* Requests, by compare-and-swap: the time of the failure that took the
     * member out, 0 when it is in. */
    _Atomic uint64_t error_at_us;
    _Atomic uint32_t retries;
    _Atomic uint32_t held;     /* the error ends by a good health check only */
    _Atomic uint64_t trial_us; /* it is on trial: when the next request may try; 0: it is not */
    _Atomic uint32_t slow_ms;  /* how long that failure took; 0: no time (lbx_trial) */

    /* The parent, when a child is gone: requests of it that the member may still
     * be working at, and until when (lbx_limit). */
    _Atomic uint32_t ghosts;
    _Atomic uint64_t ghosts_until_us;

    /* Requests, by atomic addition; no two fields need to agree.  struct lbx_member_view
     * and struct lbx_tally tell what they count.  What a request with a good and fast
     * answer writes is on two lines: a line that two processors write costs them far more
     * than one word more on it. */
    LBX_ALIGNED _Atomic uint64_t failures;
    _Atomic uint64_t retried[LBX_OUTCOME_N];

    /* The balancer's method, on a line that is quiet otherwise. */
    _Atomic int64_t credit; /* byrequests: turns owed to it (> 0) or by it */
    _Atomic uint64_t vtime; /* bytraffic, bybusyness: see lbx_fair.h */

    /* As above. */
    uint64_t reserved3_[2];
    _Atomic uint64_t status[LBX_CLASS_N]; /* 2xx begins a line */
    _Atomic uint64_t latency_us;
    _Atomic uint64_t elected;
    _Atomic uint64_t outcome[LBX_OUTCOME_N]; /* answers are on that line, too */
    uint64_t reserved4_;
    _Atomic uint64_t sent; /* begins a line */
    _Atomic uint64_t received;
    _Atomic uint64_t latency[LBX_LATENCY_N];

    /* Kept for the siblings, each writes its own (mod_lbx.h, lbx_space). */
    LBX_ALIGNED uint8_t sticky[LBX_SPACE_STICKY_MEMBER];
    LBX_ALIGNED uint8_t hcheck[LBX_SPACE_HCHECK_MEMBER];

    /* Configuration: as <vals>. */
    LBX_ALIGNED _Atomic uint32_t notes_gen;
    uint32_t reserved2_;
    struct lbx_member_notes notes[2];
};

/* A place in a balancer's queue: one request that waits (lbx_queue.h).  A thread of
 * the child takes it by compare-and-swap on <taken> and alone writes the rest; the
 * parent clears the places of a child that is gone. */
struct lbx_seg_place {
    _Atomic uint32_t taken;
    _Atomic uint32_t target; /* the member it must have: slot + 1; 0: any */
    _Atomic uint64_t set;    /* whose queue: slot and revision */
    _Atomic uint64_t ticket; /* written last: 0, the place does not count yet */
};

/* One process that serves requests. */
struct lbx_seg_child {
    /* The child sets its pid by compare-and-swap on 0; the parent clears the
     * child's column and then the pid when the child is gone.  Until then whoever
     * finds that out first says so in <gone>: its pid. */
    _Atomic uint32_t pid;
    _Atomic uint32_t gone;
};

/* The layout is a contract between generations. */
LBX_STATIC(sizeof(struct lbx_member_vals) == 144, "layout: member values");
LBX_STATIC(sizeof(struct lbx_set_vals) == 160, "layout: set values");
LBX_STATIC(offsetof(struct lbx_seg_set, vals_gen) == 512, "layout: set configuration");
LBX_STATIC(offsetof(struct lbx_seg_set, epoch) == 1024, "layout: set epoch");
LBX_STATIC(sizeof(struct lbx_seg_set) == 1728, "layout: set");
LBX_STATIC(offsetof(struct lbx_seg_member, vals_gen) == 1088, "layout: member configuration");
LBX_STATIC(offsetof(struct lbx_seg_member, health) == 1536, "layout: member health");
LBX_STATIC(sizeof(struct lbx_member_notes) == 504, "layout: member notes");
LBX_STATIC(offsetof(struct lbx_seg_member, failures) == 1600, "layout: member counters");
LBX_STATIC(offsetof(struct lbx_seg_member, status[2]) % LBX_LINE == 0, "layout: good answers");
LBX_STATIC(offsetof(struct lbx_seg_member, sent) % LBX_LINE == 0, "layout: fast answers");
LBX_STATIC(sizeof(struct lbx_seg_member) == 4224, "layout: member");
LBX_STATIC(offsetof(struct lbx_seg_member, hcheck) % LBX_LINE == 0, "layout: spaces");
LBX_STATIC(sizeof(struct lbx_seg_child) == 8, "layout: child");
LBX_STATIC(sizeof(struct lbx_seg_place) == 24, "layout: place");

struct lbx_seg_plan {
    uint32_t set_cap;
    uint32_t member_cap;
    uint32_t child_cap;
    uint32_t events;    /* 1: with room for the last events */
    uint32_t place_cap; /* requests of one child that can wait at once; first segment only */
};

/* Bytes that a segment for <plan> takes. */
uint64_t lbx_seg_size(const struct lbx_seg_plan *plan);

/* Make <mem> (<len> zeroed bytes, aligned to LBX_LINE) a segment.  Boot only.
 * LBX_ESIZE: too small; LBX_ELOCK: the system has no robust shared mutexes. */
enum lbx_rc lbx_seg_format(void *mem, uint64_t len, const struct lbx_seg_plan *plan);

/* May this code use the segment that starts at <mem>?  LBX_EMAGIC, LBX_EVERSION, LBX_ESIZE. */
enum lbx_rc lbx_seg_check(const void *mem, uint64_t len);

/* Addresses inside a segment.  The caller has checked the index against the head. */
static inline struct lbx_seg_set *lbx_seg_set_at(struct lbx_seg_head *h, uint32_t i)
{
    return (struct lbx_seg_set *)((char *)h + h->sets_at) + i;
}

static inline struct lbx_seg_member *lbx_seg_member_at(struct lbx_seg_head *h, uint32_t i)
{
    return (struct lbx_seg_member *)((char *)h + h->members_at) + i;
}

static inline struct lbx_seg_child *lbx_seg_child_at(struct lbx_seg_head *h, uint32_t i)
{
    return (struct lbx_seg_child *)((char *)h + h->children_at) + i;
}

/* NULL: this segment has none. */
static inline struct lbx_ring *lbx_seg_events(struct lbx_seg_head *h)
{
    return h->has_events ? (struct lbx_ring *)((char *)h + h->events_at) : NULL;
}

/* In-flight requests of one child, a word for each member.  Written by the
 * threads of that child only, by atomic addition; cleared by the parent when
 * the child is gone.  A member's in-flight count is the sum over the children. */
static inline _Atomic uint32_t *lbx_seg_column(struct lbx_seg_head *h, uint32_t child)
{
    return (_Atomic uint32_t *)((char *)h + h->columns_at + child * h->column_stride);
}

/* The places of one child. */
static inline struct lbx_seg_place *lbx_seg_places(struct lbx_seg_head *h, uint32_t child)
{
    return (struct lbx_seg_place *)((char *)h + h->places_at) + (uint64_t)child * h->place_cap;
}

#endif
