/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cookies in answers.  See sticky_response.h.
 *
 * A companion is set when the application sets its own cookie, with that one's
 * attributes, and when somebody else than the cookie's member has answered: then with
 * the attributes that the value itself carries.
 *
 * Bound.
 */
#include "sticky_response.h"

#include <string.h>

#include "apr_date.h"

#include "sticky_key.h"
#include "sticky_learn.h"
#include "sticky_notes.h"

APLOG_USE_MODULE(lbx_sticky);

APR_DECLARE_OPTIONAL_FN(int, ssl_is_https, (conn_rec *));

enum { LONGEST = 400 * 86400 }; /* what browsers keep at most, seconds */

/* ------------------------------------------------------------------ */
/* What the member set                                                  */

/* The last cookie of a name that the member sets, and the last that it takes back. */
struct found {
    request_rec *r;
    const char *name;
    struct lbx_setcookie set, gone;
    const char *other_case; /* a name that differs by case only */
};

static uint32_t expiry(const request_rec *r, const struct lbx_setcookie *c)
{
    long age = lbx_setcookie_maxage(c, LONGEST);
    apr_time_t when;

    if (age >= 0) {
        return (uint32_t)(apr_time_sec(r->request_time) + age);
    }
    if (!c->expires.at) {
        return 0;
    }
    when = apr_date_parse_http(apr_pstrmemdup(r->pool, c->expires.at, c->expires.len));
    /* 0 is what the library says of no date, and of 1970, which is in the past */
    return when > 0 ? (uint32_t)apr_time_sec(when)
           : c->expires.len && memmem(c->expires.at, c->expires.len, "1970", 4) ? 1
                                                                                : 0;
}

int sticky_req_taken_back(const request_rec *r, const struct lbx_setcookie *c)
{
    uint32_t ends = expiry(r, c);

    return !c->value.len || (ends && ends <= apr_time_sec(r->request_time))
           || lbx_setcookie_maxage(c, LONGEST) == 0;
}

static int look(void *baton, const char *key, const char *value)
{
    struct found *f = baton;
    struct lbx_setcookie c;

    (void)key;
    if (!lbx_setcookie_read(&c, value)) {
        return 1;
    }
    if (lbx_span_is(&c.name, f->name)) {
        *(sticky_req_taken_back(f->r, &c) ? &f->gone : &f->set) = c;
    } else if (lbx_span_is_nocase(&c.name, f->name)) {
        f->other_case = apr_pstrmemdup(f->r->pool, c.name.at, c.name.len);
    }
    return 1;
}

static void find(request_rec *r, const char *name, struct found *f)
{
    *f = (struct found){.r = r, .name = name};
    apr_table_do(look, f, r->headers_out, "Set-Cookie", NULL);
    apr_table_do(look, f, r->err_headers_out, "Set-Cookie", NULL);
}

static const char *text(apr_pool_t *p, const struct lbx_span *s)
{
    return s->at ? apr_pstrmemdup(p, s->at, s->len) : "";
}

/* Set-Cookie lines being gone through, and what becomes of them. */
struct lines {
    request_rec *r;
    const struct sticky_session *q;
    const char *route;
    apr_table_t *to;
};

static int add_line(void *headers, const char *key, const char *value)
{
    apr_table_addn(headers, key, value);
    return 1;
}

/* <fn> puts into w->to what each line is to become. */
static void each_line(struct lines *w, apr_table_t *headers,
                      int (*fn)(void *w, const char *key, const char *value))
{
    if (apr_table_get(headers, "Set-Cookie")) {
        w->to = apr_table_make(w->r->pool, 4);
        apr_table_do(fn, w, headers, "Set-Cookie", NULL);
        apr_table_unset(headers, "Set-Cookie");
        apr_table_do(add_line, headers, w->to, NULL);
    }
}

/* ------------------------------------------------------------------ */
/* What we set                                                          */

/* Did the client come by TLS?  Where that ends before us, ServerName says so. */
static int is_https(const request_rec *r)
{
    APR_OPTIONAL_FN_TYPE(ssl_is_https) *fn = APR_RETRIEVE_OPTIONAL_FN(ssl_is_https);
    const char *scheme = r->server->server_scheme;

    return (fn && fn(r->connection)) || (scheme && !strcmp(scheme, "https"));
}

static const char *attributes(const request_rec *r, const struct lbx_token *t, const char *name,
                              int httponly)
{
    int secure = t->flags & LBX_TOKEN_SECURE || lbx_setcookie_promise(name);
    const char *same = !(t->flags & (LBX_TOKEN_LAX | LBX_TOKEN_STRICT)) ? ""
                       : !(t->flags & LBX_TOKEN_STRICT)                 ? "; SameSite=Lax"
                       : !(t->flags & LBX_TOKEN_LAX)                    ? "; SameSite=Strict"
                                                                        : "; SameSite=None";
    uint32_t now = (uint32_t)apr_time_sec(r->request_time);

    return apr_pstrcat(
        r->pool, "; Path=", *t->path ? t->path : "/", *t->domain ? "; Domain=" : "", t->domain,
        t->expires ? apr_psprintf(r->pool, "; Max-Age=%u", t->expires > now ? t->expires - now : 0)
                   : "",
        httponly ? "; HttpOnly" : "", secure ? "; Secure" : "", same,
        t->flags & LBX_TOKEN_PARTITIONED ? "; Partitioned" : "", NULL);
}

static const char *plain_value(request_rec *r, const struct lbx_decision *d,
                               const struct lbx_token *t)
{
    char room[STICKY_ROUTE_TEXT];
    const char *route = sticky_members_route(d->route, d->name, room);

    return t->seen ? apr_psprintf(r->pool, "%s~%x~%x", route, t->issued, t->seen)
                   : apr_pstrdup(r->pool, route);
}

static void add_cookie(request_rec *r, const char *line)
{
    apr_table_addn(r->headers_out, "Set-Cookie", line);
}

/* Tell the client to come back to the member that answered. */
static void pin(request_rec *r, const struct sticky_session *q, const struct lbx_decision *d,
                struct lbx_token *t, int plain, int httponly)
{
    const struct lbx_token_key *key = &q->set->key[0];
    struct sticky_member_counts *counts = sticky_notes_member(d->member);
    char value[LBX_TOKEN_TEXT_MAX];

    t->id = lbx_token_id(key, sticky_members_identity(d->route, d->name, r->pool));
    add_cookie(r, apr_pstrcat(r->pool, q->own, "=",
                              plain ? plain_value(r, d, t)
                                    : lbx_token_write(t, key, sticky_req_context(q), value),
                              attributes(r, t, q->own, httponly), NULL));
    if (counts) {
        sticky_count(&counts->created);
    }
}

/* A cookie for one client must not be handed to others by a cache. */
static void not_for_caches(request_rec *r)
{
    const char *now = apr_table_get(r->headers_out, "Cache-Control");

    if (!now || (!ap_strcasestr(now, "private") && !ap_strcasestr(now, "no-store"))) {
        apr_table_merge(r->headers_out, "Cache-Control", "private");
    }
}

/* ------------------------------------------------------------------ */
/* Companion                                                            */

static uint8_t flags_of(const struct lbx_setcookie *c)
{
    static const uint8_t same[] = {
        [LBX_SAMESITE_NONE_GIVEN] = 0,
        [LBX_SAMESITE_LAX] = LBX_TOKEN_LAX,
        [LBX_SAMESITE_STRICT] = LBX_TOKEN_STRICT,
        [LBX_SAMESITE_NONE] = LBX_TOKEN_LAX | LBX_TOKEN_STRICT,
    };

    return (uint8_t)(same[c->samesite] | (c->secure ? LBX_TOKEN_SECURE : 0)
                     | (c->partitioned ? LBX_TOKEN_PARTITIONED : 0));
}

/* The path of a cookie without one: that of the URL, up to its last slash. */
static const char *default_path(const request_rec *r)
{
    const char *end = strrchr(r->uri, '/');

    return end && end > r->uri ? apr_pstrmemdup(r->pool, r->uri, (apr_size_t)(end - r->uri)) : "/";
}

static const char *path_of(const request_rec *r, const struct lbx_setcookie *c)
{
    return c->path.len && *c->path.at == '/' ? text(r->pool, &c->path) : default_path(r);
}

/* Those of the application's cookie, as far as the name <own> allows them. */
static void copy_attributes(const request_rec *r, const char *own, const struct lbx_setcookie *c,
                            struct lbx_token *t)
{
    const char *path = path_of(r, c);

    t->flags = flags_of(c);
    if (lbx_setcookie_promise(own) == LBX_PROMISE_HOST) {
        return;
    }
    if (c->domain.len <= LBX_TOKEN_ATTR_MAX && strlen(path) <= LBX_TOKEN_ATTR_MAX) {
        apr_cpystrn(t->domain, text(r->pool, &c->domain), sizeof(t->domain));
        apr_cpystrn(t->path, strcmp(path, "/") ? path : "", sizeof(t->path));
    }
}

/* Does the application say itself where its session lives? */
static int has_route(const struct sticky_session *q, const struct lbx_decision *d,
                     const struct lbx_setcookie *c)
{
    size_t len = strlen(d->route);

    return len && c->value.len > len && c->value.at[c->value.len - len - 1] == q->separator
           && !memcmp(c->value.at + c->value.len - len, d->route, len);
}

/* The application ends its session: so do we, unless it is another one's path. */
static void let_go(request_rec *r, const struct sticky_session *q, const struct lbx_setcookie *c)
{
    struct lbx_token t = {0};

    copy_attributes(r, q->own, c, &t);
    if (q->token && (strcmp(q->token->path, t.path) || strcmp(q->token->domain, t.domain))) {
        return;
    }
    add_cookie(r, apr_pstrcat(r->pool, q->own, "=; Max-Age=0", attributes(r, &t, q->own, 1), NULL));
}

static void check_path(request_rec *r, const struct sticky_session *q,
                       const struct lbx_setcookie *c)
{
    const char *path = text(r->pool, &c->path);

    if (*path == '/' && !lbx_attrs_covers(path, r->uri)) {
        sticky_notes_find(r, q->set->ref, q->set->balancer, STICKY_FOUND_PATH,
                          apr_psprintf(r->pool,
                                       "the cookie %s is set with Path=%s, so that it does "
                                       "not come back with %s: see ProxyPassReverseCookiePath",
                                       q->app, path, r->uri));
    }
}

static void accompany(request_rec *r, const struct sticky_session *q, const struct lbx_decision *d)
{
    struct lbx_token t = {.issued = (uint32_t)apr_time_sec(r->request_time)};
    struct found f;

    find(r, q->app, &f);
    if (f.other_case && !f.set.name.at) {
        sticky_notes_find(r, q->set->ref, q->set->balancer, STICKY_FOUND_CASE,
                          apr_psprintf(r->pool,
                                       "the member sets the cookie %s, but stickysession "
                                       "names %s: case matters",
                                       f.other_case, q->app));
    }
    if (f.set.name.at) {
        check_path(r, q, &f.set);
        if (!has_route(q, d, &f.set)) {
            copy_attributes(r, q->own, &f.set, &t);
            t.expires = expiry(r, &f.set);
            pin(r, q, d, &t, q->set->rules.auto_plain, 1);
        } else if (q->had_own) {
            let_go(r, q, &f.set);
        }
    } else if (f.gone.name.at) {
        if (q->had_own) {
            let_go(r, q, &f.gone);
        }
    } else if (q->ours && q->token && q->member != d->index) {
        struct lbx_token again = *q->token;

        again.issued = t.issued > again.issued ? t.issued : again.issued + 1;
        pin(r, q, d, &again, q->set->rules.auto_plain, 1);
        not_for_caches(r);
    }
}

/* ------------------------------------------------------------------ */
/* Inserted                                                             */

/* All but our own. */
static int keep_others(void *baton, const char *key, const char *value)
{
    const struct lines *w = baton;
    struct lbx_setcookie c;

    if (!lbx_setcookie_read(&c, value) || !lbx_span_is(&c.name, w->q->own)) {
        apr_table_addn(w->to, key, value);
    }
    return 1;
}

static int wanted(request_rec *r, const struct sticky_session *q)
{
    const struct sticky_cookie *c = &q->set->rules.cookie;
    const char *error = NULL;
    int is;

    if (!c->cond) {
        return 1;
    }
    is = ap_expr_exec(r, c->cond, &error);
    if (error || is < 0) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      LBXNO(0313) "%s: if= of LBXStickyCookie %s cannot be evaluated: %s",
                      q->set->balancer, c->name, error ? error : "unknown error");
        return 0;
    }
    return is;
}

static void describe(const request_rec *r, const struct sticky_cookie *c, struct lbx_token *t)
{
    struct lbx_setcookie as = {.samesite = c->samesite};

    as.secure =
        c->secure == 1 || (c->secure < 0 && is_https(r)) || c->samesite == LBX_SAMESITE_NONE;
    t->flags = flags_of(&as);
    apr_cpystrn(t->domain, c->domain ? c->domain : "", sizeof(t->domain));
    apr_cpystrn(t->path, c->path && strcmp(c->path, "/") ? c->path : "", sizeof(t->path));
    t->expires = c->maxage ? (uint32_t)apr_time_sec(r->request_time) + c->maxage : 0;
}

static void insert(request_rec *r, const struct sticky_session *q, const struct lbx_decision *d)
{
    const struct sticky_cookie *c = &q->set->rules.cookie;
    uint32_t now = (uint32_t)apr_time_sec(r->request_time);
    int same = q->ours && q->member == d->index;
    struct lines w = {.r = r, .q = q};
    struct lbx_token t = {0};
    struct found f;

    find(r, q->own, &f);
    if (f.set.name.at || f.gone.name.at) {
        sticky_notes_find(r, q->set->ref, q->set->balancer, STICKY_FOUND_OWN,
                          apr_psprintf(r->pool,
                                       "the member sets the cookie %s itself, which "
                                       "LBXStickyCookie is to set: %s",
                                       q->own,
                                       c->preserve ? "it is left alone" : "it is taken away"));
        if (c->preserve) {
            return;
        }
        each_line(&w, r->headers_out, keep_others);
        each_line(&w, r->err_headers_out, keep_others);
    }
    if (!wanted(r, q) || (same && c->indirect && !lbx_token_tired(q->seen, &c->life, now))) {
        return;
    }
    describe(r, c, &t);
    t.issued = same ? q->issued : now;
    t.seen = c->life.maxidle || (c->plain && c->life.maxlife) ? now : 0;
    pin(r, q, d, &t, c->plain, c->httponly);
    if (c->nocache) {
        not_for_caches(r);
    }
}

/* ------------------------------------------------------------------ */
/* Rewritten                                                            */

/* Also behind a route that the application itself has put there: what goes on the way
 * back is ours, always. */
static int rewrite_line(void *baton, const char *key, const char *value)
{
    const struct lines *w = baton;
    struct lbx_setcookie c;

    if (lbx_setcookie_read(&c, value) && lbx_span_is(&c.name, w->q->app)
        && !sticky_req_taken_back(w->r, &c)) {
        const char *end = c.value.at + c.value.len;

        value = apr_psprintf(w->r->pool, "%.*s%c%s%s", (int)(end - value), value, w->q->separator,
                             w->route, end);
    }
    apr_table_addn(w->to, key, value);
    return 1;
}

/* So that repin() knows.  What has no room is not kept. */
static void keep_attributes(const request_rec *r, const struct sticky_session *q,
                            const struct lbx_setcookie *c)
{
    struct sticky_set_counts *shared = sticky_notes_set(q->set->ref);
    struct lbx_attrs a = {
        .flags = flags_of(c), .httponly = (uint8_t)c->httponly, .tls = (uint8_t)is_https(r)};
    const char *path = path_of(r, c);

    if (shared && strlen(path) <= LBX_ATTRS_PATH && c->domain.len <= LBX_ATTRS_DOMAIN) {
        apr_cpystrn(a.domain, text(r->pool, &c->domain), sizeof(a.domain));
        apr_cpystrn(a.path, path, sizeof(a.path));
        lbx_attrs_keep(&shared->app_attrs, &a);
    }
}

/* Is it a value as applications set them?  It is the client's word, and goes into an
 * answer. */
static int presentable(const char *value)
{
    const char *c = value;

    while (*c > ' ' && *c < 0x7f && !strchr("\",;\\<>", *c)) {
        c++;
    }
    return c > value && !*c;
}

/* Another member has answered, and the application sees no reason to set its cookie
 * again: as it did so the last time, for whomever.  Where that is not known, or a browser
 * would not take it here: for the whole site, and as careful as can be.  Always until the
 * browser ends: how long the client's own was to last is not known. */
static void repin(request_rec *r, const struct sticky_session *q, const char *route)
{
    struct sticky_set_counts *shared = sticky_notes_set(q->set->ref);
    struct lbx_token t = {.flags = is_https(r) ? LBX_TOKEN_SECURE : 0};
    const char *quote = q->app_quoted ? "\"" : "";
    struct lbx_attrs a = {.httponly = 1};

    if (shared && lbx_attrs_recall(&shared->app_attrs, &a)
        && lbx_attrs_fit(&a, r->hostname, r->uri, is_https(r))) {
        t.flags = a.flags;
        apr_cpystrn(t.domain, a.domain, sizeof(t.domain));
        apr_cpystrn(t.path, a.path, sizeof(t.path));
    } else {
        a.httponly = 1;
    }
    add_cookie(r, apr_pstrcat(r->pool, q->app, "=", quote, q->app_value,
                              apr_psprintf(r->pool, "%c", q->separator), route, quote,
                              attributes(r, &t, q->app, a.httponly), NULL));
    not_for_caches(r);
}

static void rewrite(request_rec *r, const struct sticky_session *q, const struct lbx_decision *d)
{
    char room[STICKY_ROUTE_TEXT];
    struct lines w = {.r = r, .q = q, .route = sticky_members_route(d->route, d->name, room)};
    struct found f;

    find(r, q->app, &f);
    if (f.set.name.at) {
        keep_attributes(r, q, &f.set);
        each_line(&w, r->headers_out, rewrite_line);
        each_line(&w, r->err_headers_out, rewrite_line);
    } else if (!f.gone.name.at && q->app_value && q->member != d->index
               && presentable(q->app_value)) {
        repin(r, q, w.route);
    }
}

/* ------------------------------------------------------------------ */

static void count(const struct sticky_session *q, const struct lbx_decision *d)
{
    struct sticky_member_counts *m = sticky_notes_member(d->member);

    if (m && q->result == STICKY_MATCH) {
        sticky_count(d->why == LBX_WHY_ROUTE ? &m->hits : &m->taken);
    }
}

static void tell(request_rec *r, const struct sticky_session *q, const struct lbx_decision *d)
{
    static const char *const result[] = {
        [STICKY_NONE] = "new",      [STICKY_MATCH] = "match",     [STICKY_UNKNOWN] = "unknown",
        [STICKY_FORGED] = "forged", [STICKY_EXPIRED] = "expired",
    };
    const char *word = result[q->result];

    if (q->result == STICKY_MATCH && d->why != LBX_WHY_ROUTE) {
        word = d->why == LBX_WHY_REDIRECT ? "redirect" : "failover";
    }
    apr_table_setn(r->subprocess_env, "LBX_STICKY", word);
}

int sticky_req_response(request_rec *r, const struct lbx_decision *d)
{
    struct sticky_session *q = sticky_req_session(r);

    if (!q) {
        return DECLINED;
    }
    count(q, d);
    tell(r, q, d);
    switch (q->mode) {
    case STICKY_ACCOMPANIES:
        accompany(r, q, d);
        break;
    case STICKY_INSERTS:
        insert(r, q, d);
        break;
    case STICKY_LEARNS:
        sticky_learn_req_answer(r, q, d);
        break;
    case STICKY_REWRITES:
        rewrite(r, q, d);
        break;
    default:
        break;
    }
    return DECLINED;
}
