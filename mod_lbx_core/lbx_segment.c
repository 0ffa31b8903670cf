/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a block of memory a segment, and recognises one.  See lbx_segment.h.
 *
 * Pure.
 */
#include "lbx_segment.h"

#include <string.h>

static uint64_t line_up(uint64_t n)
{
    return (n + LBX_LINE - 1) / LBX_LINE * LBX_LINE;
}

/* Where each part begins; fills everything of the head that is not a lock. */
static void lay_out(struct lbx_seg_head *h, const struct lbx_seg_plan *plan)
{
    uint64_t at = line_up(sizeof(*h));

    h->major = LBX_SEG_MAJOR;
    h->minor = LBX_SEG_MINOR;
    h->set_size = sizeof(struct lbx_seg_set);
    h->member_size = sizeof(struct lbx_seg_member);
    h->set_cap = plan->set_cap;
    h->member_cap = plan->member_cap;
    h->child_cap = plan->child_cap;
    h->place_cap = plan->place_cap;

    h->sets_at = at;
    at += (uint64_t)plan->set_cap * sizeof(struct lbx_seg_set);
    h->members_at = at;
    at += (uint64_t)plan->member_cap * sizeof(struct lbx_seg_member);
    h->children_at = at;
    at = line_up(at + (uint64_t)plan->child_cap * sizeof(struct lbx_seg_child));
    h->has_events = plan->events ? 1 : 0;
    h->events_at = at;
    at += h->has_events * sizeof(struct lbx_ring);
    h->columns_at = at;
    h->column_stride = line_up((uint64_t)plan->member_cap * sizeof(uint32_t));
    at += plan->child_cap * h->column_stride;
    h->places_at = at;
    h->total =
        line_up(at + (uint64_t)plan->child_cap * plan->place_cap * sizeof(struct lbx_seg_place));
}

uint64_t lbx_seg_size(const struct lbx_seg_plan *plan)
{
    struct lbx_seg_head h;

    lay_out(&h, plan);
    return h.total;
}

static enum lbx_rc make_mutex(pthread_mutex_t *m)
{
    pthread_mutexattr_t attr;
    int bad;

    if (pthread_mutexattr_init(&attr)) {
        return LBX_ELOCK;
    }
    bad = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED)
          || pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST)
          || pthread_mutex_init(m, &attr);
    pthread_mutexattr_destroy(&attr);
    return bad ? LBX_ELOCK : LBX_OK;
}

enum lbx_rc lbx_seg_format(void *mem, uint64_t len, const struct lbx_seg_plan *plan)
{
    struct lbx_seg_head *h = mem;

    if (len < lbx_seg_size(plan)) {
        return LBX_ESIZE;
    }
    lay_out(h, plan);
    if (make_mutex(&h->admin_mutex)) {
        return LBX_ELOCK;
    }
    h->admin_mutex_ready = 1;
    h->magic = LBX_SEG_MAGIC; /* last: a half-made segment is not one */
    return LBX_OK;
}

enum lbx_rc lbx_seg_check(const void *mem, uint64_t len)
{
    const struct lbx_seg_head *h = mem;
    struct lbx_seg_plan plan;
    struct lbx_seg_head want;

    if (len < sizeof(*h)) {
        return LBX_ESIZE;
    }
    if (h->magic != LBX_SEG_MAGIC || !h->admin_mutex_ready) {
        return LBX_EMAGIC;
    }
    if (h->major != LBX_SEG_MAJOR || h->set_size != sizeof(struct lbx_seg_set)
        || h->member_size != sizeof(struct lbx_seg_member)) {
        return LBX_EVERSION;
    }
    plan.set_cap = h->set_cap;
    plan.member_cap = h->member_cap;
    plan.child_cap = h->child_cap;
    plan.events = h->has_events;
    plan.place_cap = h->place_cap;
    lay_out(&want, &plan);
    if (h->sets_at != want.sets_at || h->members_at != want.members_at
        || h->children_at != want.children_at || h->events_at != want.events_at
        || h->columns_at != want.columns_at || h->column_stride != want.column_stride
        || h->places_at != want.places_at || h->total != want.total || len < h->total) {
        return LBX_ESIZE;
    }
    return LBX_OK;
}
