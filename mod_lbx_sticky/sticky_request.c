/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hint for one request.  See sticky_request.h.
 *
 * First a route in the application's own session, as the stock balancer has it; then,
 * unless a member has it, a cookie of ours.  Of several the newest counts: a client that
 * was moved may still send the old one from another path.
 *
 * The texts of the first log lines are the stock balancer's, except that the session's
 * id is not written: whoever reads it can take the session over.
 *
 * Bound.
 */
#include "sticky_request.h"

#include <string.h>

#include "lbx_cookie.h"
#include "lbx_route.h"
#include "sticky_key.h"
#include "sticky_learn.h"
#include "sticky_notes.h"

APLOG_USE_MODULE(lbx_sticky);

struct sticky_session *sticky_req_session(request_rec *r)
{
    return ap_get_module_config(r->request_config, &lbx_sticky_module);
}

/* ------------------------------------------------------------------ */
/* The application's own                                                */

/* What the search for a route needs to know. */
struct knowledge {
    const struct lbx_hint_ask *ask;
    struct sticky_session *q;
};

static int known_route(const void *baton, const char *route)
{
    const struct knowledge *k = baton;

    return k->ask->known_route(k->ask, route)
           || (k->q->mode == STICKY_REWRITES
               && sticky_members_req_by_route(k->q->set, k->ask, route, strlen(route))
                      != STICKY_NOBODY);
}

/* The URL first, then the cookies unless the URL has a route that is known. */
static void search(request_rec *r, const struct lbx_hint_ask *ask, struct lbx_route_search *s)
{
    const char *cookies = apr_table_get(r->headers_in, "Cookie");

    if (ask->url && ask->sticky_path) {
        char *room = apr_palloc(r->pool, strlen(ask->url) + 1);

        if (lbx_route_from_url(s, ask->url, ask->sticky_path, ask->semicolon, room)) {
            return;
        }
    }
    if (cookies) {
        lbx_route_from_cookies(s, cookies, ask->sticky);
    }
}

/* A text that is too long to be a route, and nobody's, may well be a secret. */
static const char *printable(const struct lbx_hint *hint, int is_known)
{
    return is_known || strlen(hint->route) < LBX_ROUTE_MAX ? hint->route : "(too long for a route)";
}

static void tell_route(request_rec *r, const struct lbx_hint_ask *ask, const struct lbx_hint *hint,
                       int is_known)
{
    const char *route = printable(hint, is_known);

    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                  LBXNO(0301) "Found value %s%.1s%s for stickysession %s",
                  ask->separator ? "***" : "", &ask->separator, route, hint->from);
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, LBXNO(0302) "Found route %s%s", route,
                  is_known ? "" : ", which no member has");
}

/* 1: a member has the route. */
static int find_route(request_rec *r, const struct lbx_hint_ask *ask, struct sticky_session *q,
                      struct lbx_hint *hint)
{
    struct knowledge k = {ask, q};
    struct lbx_route_search s = {.separator = ask->separator, .known = known_route, .baton = &k};

    search(r, ask, &s);
    if (!s.is_known && q->mode == STICKY_REWRITES && !ask->separator) {
        /* the application's whole value would be a route; ours stands behind it */
        struct lbx_route_search behind = {
            .separator = q->separator, .known = known_route, .baton = &k};

        search(r, ask, &behind);
        s = behind.is_known ? behind : s;
    }
    q->has_app = s.route || s.routeless;
    if (!s.route) {
        if (s.routeless) {
            ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                          LBXNO(0303) "Found no route in the value for stickysession %s",
                          s.routeless);
        }
        return 0;
    }
    hint->route = apr_pstrmemdup(r->pool, s.route, s.route_len);
    hint->from = apr_pstrdup(r->pool, s.from);
    if (APLOGrdebug(r)) {
        tell_route(r, ask, hint, s.is_known);
    }
    if (s.is_known) {
        q->member = sticky_members_req_by_route(q->set, ask, hint->route, s.route_len);
        if (!ask->known_route(ask, hint->route)) {
            hint->has_member = 1;
            hint->member = q->member;
        }
    }
    return s.is_known;
}

/* ------------------------------------------------------------------ */
/* Ours                                                                 */

uint64_t sticky_req_context(const struct sticky_session *q)
{
    char text[LBX_BALANCER_MAX + LBX_STICKY_MAX + 16], *at = text;

    at = apr_cpystrn(at, q->set->balancer, sizeof(text) - 2);
    *at++ = ' ';
    apr_cpystrn(at, q->own, sizeof(text) - (apr_size_t)(at - text));
    return sticky_key_public(text);
}

/* Whose is this value?  STICKY_NOBODY: not one of ours. */
static uint32_t read_opaque(request_rec *r, const struct lbx_hint_ask *ask,
                            const struct sticky_session *q, const struct lbx_cookie *cookie,
                            uint64_t context, struct lbx_token **token)
{
    struct lbx_token t;

    for (unsigned k = 0; k < q->set->keys_n; k++) {
        if (lbx_token_read(&t, cookie->value, cookie->value_len, &q->set->key[k], context)) {
            *token = apr_pmemdup(r->pool, &t, sizeof(t));
            return sticky_members_req_by_id(q->set, ask, k, t.id);
        }
    }
    return STICKY_NOBODY;
}

static uint32_t read_plain(request_rec *r, const struct lbx_hint_ask *ask,
                           const struct sticky_session *q, const struct lbx_cookie *cookie,
                           struct lbx_token **token)
{
    struct lbx_token *t = apr_pcalloc(r->pool, sizeof(*t));
    size_t len;

    if (!lbx_token_read_plain(cookie->value, cookie->value_len, &len, &t->issued, &t->seen)) {
        return STICKY_NOBODY;
    }
    *token = t;
    return sticky_members_req_by_route(q->set, ask, cookie->value, len);
}

static const struct lbx_token_life *life_of(const struct sticky_session *q)
{
    static const struct lbx_token_life forever;

    return q->mode == STICKY_INSERTS ? &q->set->rules.cookie.life : &forever;
}

/* One cookie of ours. */
static void take_own(request_rec *r, const struct lbx_hint_ask *ask, struct sticky_session *q,
                     const struct lbx_cookie *cookie, uint64_t context)
{
    int plain = q->mode == STICKY_INSERTS ? q->set->rules.cookie.plain : q->set->rules.auto_plain;
    uint32_t now = (uint32_t)apr_time_sec(r->request_time);
    struct lbx_token *t = NULL;
    uint32_t who =
        plain ? read_plain(r, ask, q, cookie, &t) : read_opaque(r, ask, q, cookie, context, &t);

    q->had_own = 1;
    if (who == STICKY_NOBODY) {
        if (!q->ours) {
            q->result = t ? STICKY_UNKNOWN : STICKY_FORGED;
        }
        return;
    }
    if (!lbx_token_alive(t->issued, t->seen, life_of(q), now)
        || (t->expires && now >= t->expires)) {
        q->result = q->ours ? q->result : STICKY_EXPIRED;
        return;
    }
    if (!q->ours || t->issued > q->issued) {
        q->ours = 1;
        q->result = STICKY_MATCH;
        q->member = who;
        q->token = t;
        q->issued = t->issued;
        q->seen = t->seen;
    }
}

enum { OWN_TRIES = 16 }; /* honest clients send one or two */

static void find_own(request_rec *r, const struct lbx_hint_ask *ask, struct sticky_session *q,
                     const char *header)
{
    struct lbx_cookie_cursor c = {header, header + strlen(header)};
    uint64_t context = 0;
    struct lbx_cookie cookie;
    unsigned tries = OWN_TRIES;

    while (tries && lbx_cookie_next(&c, &cookie)) {
        if (lbx_cookie_is(&cookie, q->own)) {
            context = context ? context : sticky_req_context(q);
            take_own(r, ask, q, &cookie, context);
            tries--;
        }
    }
}

static int is_own(const void *baton, const struct lbx_cookie *cookie)
{
    return lbx_cookie_is(cookie, baton);
}

/* Members do not see our cookies. */
static void hide_own(request_rec *r, const struct sticky_session *q, const char *header)
{
    char *rest = apr_palloc(r->pool, strlen(header) + 1);

    if (lbx_cookie_without(rest, header, is_own, q->own)) {
        apr_table_setn(r->headers_in, "Cookie", rest);
    } else {
        apr_table_unset(r->headers_in, "Cookie");
    }
}

/* ------------------------------------------------------------------ */
/* Rewritten                                                            */

/* The length of a value without the route that we put behind it. */
static size_t without_route(const struct lbx_hint_ask *ask, const struct sticky_session *q,
                            const struct lbx_cookie *cookie)
{
    for (size_t at = cookie->value_len; at > 0; at--) {
        if (cookie->value[at - 1] == q->separator) {
            return sticky_members_req_by_route(q->set, ask, cookie->value + at,
                                               cookie->value_len - at)
                           == STICKY_NOBODY
                       ? cookie->value_len
                       : at - 1;
        }
    }
    return cookie->value_len;
}

/* Members see their own value. */
static void restore_values(request_rec *r, const struct lbx_hint_ask *ask, struct sticky_session *q,
                           const char *header)
{
    struct lbx_cookie_cursor c = {header, header + strlen(header)};
    char *to = apr_palloc(r->pool, strlen(header) + 1), *out = to;
    const char *kept = header;
    struct lbx_cookie cookie;
    unsigned tries = OWN_TRIES;

    while (tries && lbx_cookie_next(&c, &cookie)) {
        size_t len;

        if (!lbx_cookie_is(&cookie, q->app)) {
            continue;
        }
        tries--;
        len = without_route(ask, q, &cookie);
        if (len < cookie.value_len) {
            const char *upto = cookie.value + len;

            if (!q->app_value) {
                q->app_value = apr_pstrmemdup(r->pool, cookie.value, len);
                q->app_quoted = cookie.end > cookie.value + cookie.value_len;
            }
            memcpy(out, kept, (size_t)(upto - kept));
            out += upto - kept;
            kept = cookie.value + cookie.value_len;
        }
    }
    if (kept != header) {
        apr_cpystrn(out, kept, strlen(kept) + 1);
        apr_table_setn(r->headers_in, "Cookie", to);
    }
}

/* ------------------------------------------------------------------ */

static enum sticky_mode mode_of(const struct sticky_set *set, const struct lbx_hint_ask *ask)
{
    if (set->rules.cookie.name) {
        return STICKY_INSERTS;
    }
    if (set->rules.learn) {
        return STICKY_LEARNS;
    }
    if (!*ask->sticky) {
        return STICKY_READS;
    }
    return set->rules.rewrite   ? STICKY_REWRITES
           : set->rules.auto_on ? STICKY_ACCOMPANIES
                                : STICKY_READS;
}

static struct sticky_session *begin(request_rec *r, const struct lbx_hint_ask *ask,
                                    struct sticky_set *set)
{
    struct sticky_session *q = apr_pcalloc(r->pool, sizeof(*q));

    q->set = set;
    q->mode = mode_of(set, ask);
    q->app = apr_pstrdup(r->pool, ask->sticky);
    q->separator = ask->separator ? ask->separator : '.';
    q->member = STICKY_NOBODY;
    if (q->mode == STICKY_INSERTS) {
        q->own = set->rules.cookie.name;
    } else if (q->mode == STICKY_ACCOMPANIES) {
        q->own = set->rules.auto_name ? set->rules.auto_name
                                      : apr_pstrcat(r->pool, q->app, "-lbx", NULL);
    }
    ap_set_module_config(r->request_config, &lbx_sticky_module, q);
    return q;
}

/* A companion without the session that it accompanies says nothing. */
static int own_counts(const struct sticky_session *q)
{
    return q->mode == STICKY_INSERTS || q->has_app;
}

static void count_failure(const struct sticky_session *q, const struct lbx_hint *hint)
{
    struct sticky_set_counts *counts = sticky_notes_set(q->set->ref);

    if (!counts) {
        return;
    }
    if (q->result == STICKY_FORGED || q->result == STICKY_EXPIRED) {
        sticky_count(q->result == STICKY_FORGED ? &counts->forged : &counts->expired);
    } else if (hint->route || q->result == STICKY_UNKNOWN) {
        sticky_count(&counts->unknown);
    } else {
        sticky_count(&counts->fresh);
    }
}

/* Where no member has a route, what looks like one is a part of the session's id. */
static void report_unknown(request_rec *r, const struct lbx_hint_ask *ask,
                           const struct sticky_session *q, const struct lbx_hint *hint)
{
    uint32_t i = 0;

    while (i < ask->n && !*ask->member_route(ask, i)) {
        i++;
    }
    if (i < ask->n) {
        sticky_notes_find(r, q->set->ref, q->set->balancer, STICKY_FOUND_UNKNOWN,
                          apr_psprintf(r->pool,
                                       "a session (%s) has the route %s, which no member "
                                       "has",
                                       hint->from, printable(hint, 0)));
    }
}

static void look_at_cookies(request_rec *r, const struct lbx_hint_ask *ask,
                            struct sticky_session *q, struct lbx_hint *hint, int is_known)
{
    const char *header = apr_table_get(r->headers_in, "Cookie");

    if (!header) {
        return;
    }
    if (q->own) {
        find_own(r, ask, q, header);
        if (q->ours && (is_known || !own_counts(q))) {
            q->ours = 0;
            q->token = NULL;
        } else if (q->ours) {
            hint->has_member = 1;
            hint->member = q->member;
            hint->route = *ask->member_route(ask, q->member)
                              ? apr_pstrdup(r->pool, ask->member_route(ask, q->member))
                              : NULL;
            hint->from = q->own;
        }
        if (q->had_own && (q->mode == STICKY_ACCOMPANIES || q->set->rules.cookie.indirect)) {
            hide_own(r, q, header);
        }
    } else if (q->mode == STICKY_REWRITES) {
        restore_values(r, ask, q, header);
    }
}

/* What was learned counts unless the application says it itself. */
static void recall(request_rec *r, const struct lbx_hint_ask *ask, struct sticky_session *q,
                   struct lbx_hint *hint, int is_known)
{
    uint32_t member = q->member;

    sticky_learn_req_find(r, ask, q);
    if (is_known) {
        q->ours = 0;
        q->member = member;
    } else if (q->ours) {
        hint->has_member = 1;
        hint->member = q->member;
        hint->from = q->set->rules.learn->name;
        hint->route = *ask->member_route(ask, q->member)
                          ? apr_pstrdup(r->pool, ask->member_route(ask, q->member))
                          : NULL;
    }
}

int sticky_req_hint(request_rec *r, const struct lbx_hint_ask *ask, struct lbx_hint *hint)
{
    struct sticky_set *set = sticky_members_set(ask->set);
    struct sticky_session *q;
    int is_known;

    if (!set || (!*ask->sticky && !set->rules.cookie.name && !set->rules.learn)) {
        return DECLINED;
    }
    q = begin(r, ask, set);
    is_known = *ask->sticky && find_route(r, ask, q, hint);
    if (q->mode == STICKY_LEARNS) {
        recall(r, ask, q, hint, is_known);
    } else {
        look_at_cookies(r, ask, q, hint, is_known);
    }
    if (is_known || q->ours) {
        q->result = STICKY_MATCH;
        return DONE;
    }
    q->member = STICKY_NOBODY;
    count_failure(q, hint);
    if (hint->route) {
        q->result = STICKY_UNKNOWN;
        report_unknown(r, ask, q, hint);
        return DONE;
    }
    return DECLINED;
}
