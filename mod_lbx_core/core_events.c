/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events.  See core_events.h.
 *
 * Bound.
 */
#include "core_events.h"

#include <stdarg.h>

#include "apr_strings.h"

#include "core_store.h"

static struct lbx_ring *ring(void)
{
    struct lbx_store *st = core_store();

    return st && st->n ? lbx_seg_events(st->seg[0]) : NULL;
}

static void lbx_event_add(const struct lbx_event *event)
{
    struct lbx_event dated = *event;

    if (!dated.at_us) {
        dated.at_us = (uint64_t)apr_time_now();
    }
    if (ring()) {
        lbx_events_add(ring(), &dated);
    }
}

static const apr_array_header_t *lbx_events(apr_pool_t *p, uint64_t seq)
{
    apr_array_header_t *all = apr_array_make(p, LBX_EVENTS_MAX, sizeof(struct lbx_event));

    if (ring()) {
        all->nelts = (int)lbx_events_read(ring(), seq, (struct lbx_event *)all->elts);
    }
    return all;
}

void core_events_note(const char *kind, const char *who, const char *balancer, const char *member,
                      const char *fmt, ...)
{
    struct lbx_event e = {.seq = 0};
    va_list args;

    apr_cpystrn(e.kind, kind, sizeof(e.kind));
    apr_cpystrn(e.who, who ? who : "a module", sizeof(e.who));
    apr_cpystrn(e.balancer, balancer, sizeof(e.balancer));
    apr_cpystrn(e.member, member ? member : "", sizeof(e.member));
    va_start(args, fmt);
    apr_vsnprintf(e.text, sizeof(e.text), fmt, args);
    va_end(args);
    lbx_event_add(&e);
}

void core_events_register(void)
{
    APR_REGISTER_OPTIONAL_FN(lbx_event_add);
    APR_REGISTER_OPTIONAL_FN(lbx_events);
}
