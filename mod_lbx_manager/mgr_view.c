/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to the page.  See mgr_view.h.
 *
 * Bound: httpd, APR, mod_proxy.
 */
#include "mgr_view.h"

#include <stdarg.h>

#include "http_core.h"

#include "lbx_legacy.h"

#define SCHEME "balancer://"
enum { SCHEME_LEN = 11 };

static const struct lbx_set_info *find_set(const apr_array_header_t *sets, const char *name)
{
    for (int i = 0; i < sets->nelts; i++) {
        const struct lbx_set_info *set = &APR_ARRAY_IDX(sets, i, struct lbx_set_info);

        if (!strcmp(set->name, name)) {
            return set;
        }
    }
    return NULL;
}

static const char *full_name(apr_pool_t *p, const char *name)
{
    char *full = apr_pstrcat(p, SCHEME, name, NULL);

    ap_str_tolower(full);
    return full;
}

/* The last of at least two segments may name a balancer. */
static void read_address(struct mgr_view *v, const apr_array_header_t *all)
{
    request_rec *r = v->r;
    char *base = apr_pstrcat(r->pool, "/", r->uri + strspn(r->uri, "/"), NULL);
    size_t len;
    char *slash;

    v->uri = apr_pstrdup(r->pool, base);
    for (len = strlen(base); len > 1 && base[len - 1] == '/'; len--) {
        base[len - 1] = '\0';
    }
    slash = strrchr(base, '/');
    if (slash > base && find_set(all, full_name(r->pool, slash + 1))) {
        v->only = full_name(r->pool, slash + 1);
        *slash = '\0';
    }
    v->base = strcmp(base, "/") ? base : "";
}

static void load(struct mgr_view *v)
{
    request_rec *r = v->r;
    const apr_array_header_t *all = mgr_seam()->snapshot
                                        ? mgr_seam()->snapshot(r->pool, r->server)
                                        : apr_array_make(r->pool, 1, sizeof(struct lbx_set_info));
    apr_array_header_t *one;

    if (!v->uri) {
        read_address(v, all);
    }
    v->sets = all;
    if (v->only) {
        one = apr_array_make(r->pool, 1, sizeof(struct lbx_set_info));
        if (find_set(all, v->only)) {
            *(struct lbx_set_info *)apr_array_push(one) = *find_set(all, v->only);
        }
        v->sets = one;
    }
}

static void start(struct mgr_view *v, request_rec *r, const char *uri)
{
    memset(v, 0, sizeof(*v));
    v->r = r;
    v->uri = v->base = uri;
    v->right = r->per_dir_config ? mgr_conf_right(r) : MGR_ADMIN;
    v->hcheck = mgr_seam()->check_info != NULL;
    v->notes = apr_array_make(r->pool, 4, sizeof(const char *));
    load(v);
}

void mgr_view_start(struct mgr_view *v, request_rec *r)
{
    start(v, r, NULL);
}

void mgr_view_start_all(struct mgr_view *v, request_rec *r)
{
    start(v, r, "");
}

static const struct lbx_member_info *find_member(const struct lbx_set_info *set, const char *name)
{
    const struct lbx_member_info *best = NULL;
    size_t best_len = 0;

    for (uint32_t i = 0; i < set->n; i++) {
        const struct lbx_member_info *m = &set->member[i];
        const char *bare = m->uds ? strchr(m->name, '|') : NULL;
        size_t len;

        if (!strcmp(m->name, name)) {
            return m;
        }
        bare = bare ? bare + 1 : m->name;
        len = strlen(bare);
        if (len > best_len && !strncmp(bare, name, len)
            && (!name[len] || name[len] == '/' || bare[len - 1] == '/')) {
            best = m;
            best_len = len;
        }
    }
    return best;
}

void mgr_view_select(struct mgr_view *v, const char *b, const char *w)
{
    v->set = b ? find_set(v->sets, full_name(v->r->pool, b)) : NULL;
    v->member = v->set && w ? find_member(v->set, w) : NULL;
}

void mgr_view_again(struct mgr_view *v)
{
    const char *member = v->member ? v->member->name : NULL;
    const char *set = v->set ? mgr_view_short(v->set) : NULL;

    load(v);
    mgr_view_select(v, set, member);
}

void mgr_view_note(struct mgr_view *v, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    *(const char **)apr_array_push(v->notes) = apr_pvsprintf(v->r->pool, format, args);
    va_end(args);
}

const char *mgr_view_nonce(const struct mgr_view *v, const struct lbx_set_info *set)
{
    return v->right == MGR_READ && *set->nonce ? "00000000-0000-0000-0000-000000000000"
                                               : set->nonce;
}

const proxy_balancer *mgr_view_balancer(const struct mgr_view *v, const struct lbx_set_info *set)
{
    const proxy_server_conf *conf =
        ap_get_module_config(v->r->server->module_config, &proxy_module);

    for (int i = 0; i < conf->balancers->nelts; i++) {
        const proxy_balancer *b = &APR_ARRAY_IDX(conf->balancers, i, proxy_balancer);

        if (!strcasecmp(b->s->name, set->name)) {
            return b;
        }
    }
    return set->balancer;
}

const char *mgr_view_short(const struct lbx_set_info *set)
{
    return set->name + SCHEME_LEN;
}

/* As httpd has it, without the socket; with it where this would name another one. */
const char *mgr_view_link(const struct lbx_set_info *set, const struct lbx_member_info *m)
{
    const char *bare = m->uds ? strchr(m->name, '|') : NULL;

    return bare && find_member(set, bare + 1) == m ? bare + 1 : m->name;
}

const apr_table_t *mgr_view_exprs(const struct mgr_view *v, server_rec *s)
{
    return mgr_seam()->check_exprs ? mgr_seam()->check_exprs(v->r->pool, s)
                                   : apr_table_make(v->r->pool, 1);
}

const char *mgr_view_sname(apr_pool_t *p, const struct lbx_set_info *set)
{
    uint32_t hash = 2166136261u;
    char *name = apr_pstrdup(p, mgr_view_short(set)), *to = name;

    for (const char *ch = set->scope; *ch; ch++) {
        hash = (hash ^ (unsigned char)*ch) * 16777619u;
    }
    for (const char *ch = name; *ch; ch++) {
        if (apr_isalnum(*ch)) {
            *to++ = *ch;
        }
    }
    *to = '\0';
    return apr_psprintf(p, "p%x_%s", hash, name);
}

int mgr_view_attempts(const struct lbx_set_info *set, int *is_set)
{
    *is_set = set->run.maxattempts >= 0 || set->n > 1;
    return set->run.maxattempts >= 0 ? set->run.maxattempts : set->n > 1 ? (int)set->n - 1 : 0;
}

int64_t mgr_view_load(const struct lbx_set_info *set, const struct lbx_member_info *m)
{
    const proxy_worker *worker = m->worker;

    return set->known_method ? m->view.load * LBX_WEIGHT_ONE : worker->s->lbstatus;
}

uint32_t mgr_view_status(const struct lbx_member_info *m)
{
    return lbx_legacy_status(&m->view, ((const proxy_worker *)m->worker)->s->status);
}
