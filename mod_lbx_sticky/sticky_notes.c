/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts and findings.  See sticky_notes.h.
 *
 * Bound.
 */
#include "sticky_notes.h"

APLOG_USE_MODULE(lbx_sticky);

_Static_assert(sizeof(struct sticky_member_counts) <= LBX_SPACE_STICKY_MEMBER, "space");
_Static_assert(sizeof(struct sticky_set_counts) <= LBX_SPACE_SET, "space");

static APR_OPTIONAL_FN_TYPE(lbx_space_of_member) * space_of_member;
static APR_OPTIONAL_FN_TYPE(lbx_space_of_set) * space_of_set;
static APR_OPTIONAL_FN_TYPE(lbx_event_add) * event_add;

void sticky_notes_boot_bind(void)
{
    space_of_member = APR_RETRIEVE_OPTIONAL_FN(lbx_space_of_member);
    space_of_set = APR_RETRIEVE_OPTIONAL_FN(lbx_space_of_set);
    event_add = APR_RETRIEVE_OPTIONAL_FN(lbx_event_add);
}

struct sticky_member_counts *sticky_notes_member(struct lbx_ref member)
{
    return space_of_member ? space_of_member(member, LBX_SPACE_STICKY) : NULL;
}

struct sticky_set_counts *sticky_notes_set(struct lbx_ref set)
{
    return space_of_set ? space_of_set(set, LBX_SPACE_STICKY) : NULL;
}

int sticky_notes_find(request_rec *r, struct lbx_ref set, const char *balancer,
                      enum sticky_finding what, const char *text)
{
    struct sticky_set_counts *counts = sticky_notes_set(set);
    struct lbx_event event = {.kind = "finding", .who = "sticky"};
    uint32_t bit = 1u << what;

    if (!counts || atomic_load_explicit(&counts->said, memory_order_relaxed) & bit
        || atomic_fetch_or(&counts->said, bit) & bit) {
        return 0;
    }
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, LBXNO(0312) "%s: %s", balancer, text);
    if (event_add) {
        apr_cpystrn(event.balancer, balancer, sizeof(event.balancer));
        apr_cpystrn(event.text, text, sizeof(event.text));
        event_add(&event);
    }
    return 1;
}

static void push(apr_array_header_t *figures, const char *name, const char *help, const char *label,
                 const char *value, uint64_t number)
{
    APR_ARRAY_PUSH(figures, struct lbx_figure) =
        (struct lbx_figure){name, help, 1, label, value, (double)number};
}

int sticky_notes_figures(apr_pool_t *p, const struct lbx_set_info *set,
                         const struct lbx_member_info *member, apr_array_header_t *figures)
{
    static const char members[] = "lbx_member_sticky_total", sets[] = "lbx_balancer_sticky_total";
    static const char of_member[] = "Requests with a session, by what became of the session.";
    static const char of_set[] = "Requests without a usable session, by reason.";
    struct sticky_member_counts *m = member ? sticky_notes_member(member->view.ref) : NULL;
    struct sticky_set_counts *s = member ? NULL : sticky_notes_set(set->ref);

    (void)p;
    if (m) {
        push(figures, members, of_member, "result", "hit", m->hits);
        push(figures, members, of_member, "result", "taken", m->taken);
        push(figures, members, of_member, "result", "created", m->created);
    }
    if (s) {
        push(figures, sets, of_set, "reason", "new", s->fresh);
        push(figures, sets, of_set, "reason", "unknown", s->unknown);
        push(figures, sets, of_set, "reason", "forged", s->forged);
        push(figures, sets, of_set, "reason", "expired", s->expired);
    }
    return DECLINED;
}
