/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The families and their samples.  See mgr_metrics.h.
 *
 * One row a family, with the function that writes its samples for one balancer or one
 * member: all samples of a family have to stand together.  What siblings count comes as
 * rows (lbx_figures), and is sorted by family here.
 *
 * Bound: httpd, APR.
 */
#include "mgr_metrics.h"

#include "apr_hash.h"
#include "apr_strings.h"
#include "http_protocol.h"

#include "lbx_prom.h"
#include "lbx_state.h"
#include "mgr_api.h"

/* What the samples of one balancer or member begin with. */
struct subject {
    const struct lbx_set_info *set;
    const struct lbx_member_info *m; /* NULL: the balancer */
    struct lbx_prom_who who;
};

struct family {
    const char *name;
    const char *type;
    const char *help;
    void (*write)(struct lbx_prom *p, const char *name, const struct subject *s);
};

/* ------------------------------------------------------------------ */
/* Samples                                                              */

#define SET_COUNT(fn, expression)                                                                  \
    static void fn(struct lbx_prom *p, const char *name, const struct subject *s)                  \
    {                                                                                              \
        const struct lbx_set_info *b = s->set;                                                     \
                                                                                                   \
        lbx_prom_count(p, name, NULL, &s->who, NULL, NULL, (expression));                          \
    }

#define MEMBER_COUNT(fn, expression)                                                               \
    static void fn(struct lbx_prom *p, const char *name, const struct subject *s)                  \
    {                                                                                              \
        const struct lbx_member_view *v = &s->m->view;                                             \
                                                                                                   \
        lbx_prom_count(p, name, NULL, &s->who, NULL, NULL, (expression));                          \
    }

SET_COUNT(set_members, b->n)
SET_COUNT(set_requests, b->requests)
SET_COUNT(set_failovers, b->failovers)
SET_COUNT(set_refused, b->refused)
SET_COUNT(set_recoveries, b->recoveries)
SET_COUNT(set_waiting, b->waiting)
SET_COUNT(set_queued, b->queued)
SET_COUNT(set_overdue, b->overdue)
MEMBER_COUNT(member_in_flight, v->in_flight)
MEMBER_COUNT(member_elected, v->elected)
MEMBER_COUNT(member_failures, v->failures)
MEMBER_COUNT(member_sent, v->sent)
MEMBER_COUNT(member_received, v->received)
MEMBER_COUNT(member_maxconn, v->run.maxconn)

static void set_queue_seconds(struct lbx_prom *p, const char *name, const struct subject *s)
{
    lbx_prom_seconds(p, name, NULL, &s->who, s->set->queue_us);
}

static void set_info(struct lbx_prom *p, const char *name, const struct subject *s)
{
    lbx_prom_count(p, name, NULL, &s->who, "lbmethod", s->set->run.method, 1);
}

static void member_state(struct lbx_prom *p, const char *name, const struct subject *s)
{
    enum lbx_state state = lbx_state_of(&s->m->view, s->m->inelig);

    for (int i = 0; i < LBX_STATE_N; i++) {
        lbx_prom_count(p, name, NULL, &s->who, "state", lbx_state_name(i), i == (int)state);
    }
}

static void member_weight(struct lbx_prom *p, const char *name, const struct subject *s)
{
    lbx_prom_number(p, name, &s->who, NULL, NULL, s->m->view.run.weight / 100.0);
}

static void member_responses(struct lbx_prom *p, const char *name, const struct subject *s)
{
    for (unsigned i = 0; i < LBX_CLASS_N; i++) {
        lbx_prom_count(p, name, NULL, &s->who, "class", lbx_class_name(i), s->m->tally.status[i]);
    }
}

static void member_attempts(struct lbx_prom *p, const char *name, const struct subject *s)
{
    for (int i = 0; i < LBX_OUTCOME_N; i++) {
        lbx_prom_count(p, name, NULL, &s->who, "outcome", lbx_attempt_name(i),
                       s->m->tally.outcome[i]);
    }
}

/* What the client has got, or has no use for, is never tried again. */
static void member_retries(struct lbx_prom *p, const char *name, const struct subject *s)
{
    for (int i = LBX_OUT_CONNECT; i < LBX_OUT_CUT; i++) {
        lbx_prom_count(p, name, NULL, &s->who, "outcome", lbx_attempt_name(i),
                       s->m->tally.retried[i]);
    }
}

/* The texts of lbx_latency_bound(). */
static void member_latency(struct lbx_prom *p, const char *name, const struct subject *s)
{
    static const char *const bounds[LBX_LATENCY_N - 1] = {
        "0.001", "0.002", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
        "0.5",   "1",     "2.5",   "5",    "10",    "30",   "60"};
    uint64_t sum = 0;

    for (unsigned i = 0; i < LBX_LATENCY_N; i++) {
        sum += s->m->tally.latency[i];
        lbx_prom_count(p, name, "_bucket", &s->who, "le",
                       i < LBX_LATENCY_N - 1 ? bounds[i] : "+Inf", sum);
    }
    lbx_prom_seconds(p, name, "_sum", &s->who, s->m->tally.latency_us);
    lbx_prom_count(p, name, "_count", &s->who, NULL, NULL, sum);
}

static const struct family of_sets[] = {
    {"lbx_balancer_info", "gauge", "Always 1; the method in force is a label", set_info},
    {"lbx_balancer_members", "gauge", "Members, usable or not", set_members},
    {"lbx_balancer_requests_total", "counter", "Requests that asked for a member", set_requests},
    {"lbx_balancer_failovers_total", "counter", "Requests that went on to another member",
     set_failovers},
    {"lbx_balancer_refused_total", "counter", "Requests that nobody could take", set_refused},
    {"lbx_balancer_recoveries_total", "counter",
     "Times that all members were in error and were tried at once", set_recoveries},
    {"lbx_balancer_queue_waiting", "gauge", "Requests that wait for a member now", set_waiting},
    {"lbx_balancer_queued_total", "counter", "Requests that had to wait", set_queued},
    {"lbx_balancer_queue_seconds_total", "counter", "Time that requests waited", set_queue_seconds},
    {"lbx_balancer_queue_overdue_total", "counter", "Requests that waited in vain", set_overdue},
};

static const struct family of_members[] = {
    {"lbx_member_state", "gauge", "1 for the state that the member is in, 0 for the others",
     member_state},
    {"lbx_member_weight", "gauge", "loadfactor in force", member_weight},
    {"lbx_member_maxconn", "gauge", "Requests that it may have at once, 0 for no limit",
     member_maxconn},
    {"lbx_member_in_flight", "gauge", "Requests at the member now", member_in_flight},
    {"lbx_member_elected_total", "counter", "Times that the member was chosen", member_elected},
    {"lbx_member_failures_total", "counter", "Attempts that failed", member_failures},
    {"lbx_member_responses_total", "counter", "Answers by the class of their status",
     member_responses},
    {"lbx_member_attempts_total", "counter", "Attempts by what became of them", member_attempts},
    {"lbx_member_retries_total", "counter", "Attempts after which another one was made",
     member_retries},
    {"lbx_member_sent_bytes_total", "counter", "Bytes sent to the member", member_sent},
    {"lbx_member_received_bytes_total", "counter", "Bytes received from the member",
     member_received},
    {"lbx_member_latency_seconds", "histogram",
     "Time from the start of an attempt to the head of its answer", member_latency},
};

/* ------------------------------------------------------------------ */
/* Figures of siblings                                                  */

struct figure_row {
    const struct subject *subject;
    struct lbx_figure figure;
};

struct figures {
    apr_array_header_t *names; /* in the order of their first row: const char * */
    apr_hash_t *rows;          /* name -> array of struct figure_row */
};

static void gather(apr_pool_t *p, struct figures *all, const struct subject *s,
                   apr_array_header_t *room)
{
    apr_array_clear(room);
    mgr_seam_figures(p, s->set, s->m, room);
    for (int i = 0; i < room->nelts; i++) {
        const struct lbx_figure *f = &APR_ARRAY_IDX(room, i, struct lbx_figure);
        apr_array_header_t *rows = apr_hash_get(all->rows, f->name, APR_HASH_KEY_STRING);
        struct figure_row *row;

        if (!rows) {
            rows = apr_array_make(p, 64, sizeof(struct figure_row));
            apr_hash_set(all->rows, f->name, APR_HASH_KEY_STRING, rows);
            APR_ARRAY_PUSH(all->names, const char *) = f->name;
        }
        row = apr_array_push(rows);
        row->subject = s;
        row->figure = *f;
    }
}

static void write_figures(struct lbx_prom *p, const struct figures *all)
{
    for (int i = 0; i < all->names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(all->names, i, const char *);
        const apr_array_header_t *rows = apr_hash_get(all->rows, name, APR_HASH_KEY_STRING);
        const struct figure_row *first = &APR_ARRAY_IDX(rows, 0, struct figure_row);

        lbx_prom_family(p, name, first->figure.counter ? "counter" : "gauge", first->figure.help);
        for (int k = 0; k < rows->nelts; k++) {
            const struct figure_row *row = &APR_ARRAY_IDX(rows, k, struct figure_row);

            lbx_prom_number(p, name, &row->subject->who, row->figure.label, row->figure.value,
                            row->figure.number);
        }
    }
}

/* ------------------------------------------------------------------ */

static void sink(void *baton, const char *text, size_t len)
{
    ap_rwrite(text, (int)len, baton);
}

static void name_subject(struct subject *s)
{
    lbx_prom_who_clear(&s->who);
    lbx_prom_who_add(&s->who, "balancer", s->set->name + 11); /* behind "balancer://" */
    lbx_prom_who_add(&s->who, "scope", s->set->scope);
    if (s->m) {
        lbx_prom_who_add(&s->who, "member", s->m->name);
    }
}

/* Balancers first, then all members. */
static apr_array_header_t *subjects_of(apr_pool_t *p, const apr_array_header_t *sets, int *n_sets)
{
    apr_array_header_t *all;
    int n = sets->nelts;

    for (int i = 0; i < sets->nelts; i++) {
        n += (int)APR_ARRAY_IDX(sets, i, struct lbx_set_info).n;
    }
    all = apr_array_make(p, n ? n : 1, sizeof(struct subject));
    for (int i = 0; i < sets->nelts; i++) {
        struct subject *s = apr_array_push(all);

        s->set = &APR_ARRAY_IDX(sets, i, struct lbx_set_info);
        s->m = NULL;
        name_subject(s);
    }
    *n_sets = sets->nelts;
    for (int i = 0; i < sets->nelts; i++) {
        const struct lbx_set_info *set = &APR_ARRAY_IDX(sets, i, struct lbx_set_info);

        for (uint32_t k = 0; k < set->n; k++) {
            struct subject *s = apr_array_push(all);

            s->set = set;
            s->m = &set->member[k];
            name_subject(s);
        }
    }
    return all;
}

static void write_families(struct lbx_prom *p, const struct family *family, size_t n,
                           const struct subject *s, int subjects)
{
    for (size_t i = 0; i < n && subjects; i++) {
        lbx_prom_family(p, family[i].name, family[i].type, family[i].help);
        for (int k = 0; k < subjects; k++) {
            family[i].write(p, family[i].name, &s[k]);
        }
    }
}

int mgr_metrics_handle(request_rec *r, int all)
{
    const apr_array_header_t *sets;
    const struct subject *s;
    apr_array_header_t *subjects, *room;
    struct lbx_prom *p;
    struct figures figures;
    int n_sets;

    if (r->method_number != M_GET) {
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return HTTP_METHOD_NOT_ALLOWED;
    }
    if (!mgr_seam()->snapshot) {
        return HTTP_NOT_IMPLEMENTED;
    }
    sets = mgr_seam()->snapshot(r->pool, all ? NULL : r->server);
    subjects = subjects_of(r->pool, sets, &n_sets);
    s = (const struct subject *)subjects->elts;
    figures.names = apr_array_make(r->pool, 16, sizeof(const char *));
    figures.rows = apr_hash_make(r->pool);
    room = apr_array_make(r->pool, 16, sizeof(struct lbx_figure));
    for (int i = 0; i < subjects->nelts; i++) {
        gather(r->pool, &figures, &s[i], room);
    }
    ap_set_content_type(r, "text/plain; version=0.0.4; charset=utf-8");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    p = apr_palloc(r->pool, sizeof(*p));
    lbx_prom_start(p, sink, r);
    write_families(p, of_sets, sizeof(of_sets) / sizeof(of_sets[0]), s, n_sets);
    write_families(p, of_members, sizeof(of_members) / sizeof(of_members[0]), s + n_sets,
                   subjects->nelts - n_sets);
    write_figures(p, &figures);
    lbx_prom_end(p);
    return OK;
}
