/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hint for one request.  See sticky_request.h.
 *
 * The texts of the log lines are the stock balancer's, except that the session's
 * id is not written: whoever reads it can take the session over.
 *
 * Bound: httpd, APR.
 */
#include "sticky_request.h"

#include <string.h>

#include "apr_strings.h"
#include "apr_tables.h"

#include "lbx_route.h"

APLOG_USE_MODULE(lbx_sticky);

static int known_route(const void *baton, const char *route)
{
    const struct lbx_hint_ask *ask = baton;

    return ask->known_route(ask, route);
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

int sticky_req_hint(request_rec *r, const struct lbx_hint_ask *ask, struct lbx_hint *hint)
{
    struct lbx_route_search s = {.separator = ask->separator, .known = known_route, .baton = ask};

    search(r, ask, &s);
    if (!s.route) {
        if (s.routeless) {
            ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                          LBXNO(0303) "Found no route in the value for stickysession %s",
                          s.routeless);
        }
        return DECLINED;
    }
    hint->route = apr_pstrmemdup(r->pool, s.route, s.route_len);
    hint->from = apr_pstrdup(r->pool, s.from);
    if (APLOGrdebug(r)) {
        const char *route = printable(hint, s.is_known);

        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                      LBXNO(0301) "Found value %s%.1s%s for stickysession %s",
                      ask->separator ? "***" : "", &ask->separator, route, hint->from);
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, LBXNO(0302) "Found route %s%s", route,
                      s.is_known ? "" : ", which no member has");
    }
    return DONE;
}
