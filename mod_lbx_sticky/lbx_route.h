/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The route that an application's session carries: in which parameter or cookie
 * it stands, and which part of the value it is.
 *
 * Not here: which member has the route (core), cookies of our own.
 *
 * Pure.  Reads nothing outside the texts it is given, allocates nothing, does
 * not recurse; time is linear in their length.  The texts come from strangers.
 */
#ifndef LBX_ROUTE_H
#define LBX_ROUTE_H

#include <stddef.h>

#include "lbx_types.h"

/* ------------------------------------------------------------------ */
/* Parameters of a URL                                                  */

struct lbx_param_cursor {
    const char *at;
    int in_query;
    int semicolon;
};

/*
 * Begin with <url>, "scheme://authority/path;name=value?name=value&...".
 * Parameters stand behind ';' in any segment of the path and behind '?' and '&'
 * in the query.  In the path ';' always counts, for that is how servlet containers
 * write a session; what <semicolon> (scolonpathdelim=) still changes is that ';'
 * is a delimiter of the query as well.
 */
void lbx_param_start(struct lbx_param_cursor *c, const char *url, int semicolon);

/* Is there another parameter <name>?  Its value, a part of the URL, is still
 * encoded; names are compared decoded, whole and with case. */
int lbx_param_next(struct lbx_param_cursor *c, const char *name, const char **value, size_t *len);

/*
 * Decode %XX into <to>, which has room for <len> + 1 bytes, and terminate it;
 * returns the length.  Left as they are: '+', what is no escape, and escapes of
 * control characters; no route has one, and routes are written to logs and
 * headers.
 */
size_t lbx_percent_decode(char *to, const char *from, size_t len);

/* ------------------------------------------------------------------ */
/* The route of a session                                               */

/* How often one source (the URL; the cookies) may ask whether a route is known.
 * Asking may cost a look at every member, and a header has room for a lot of
 * questions; honest clients need one to three. */
enum { LBX_ROUTE_TRIES = 64 };

struct lbx_route_search {
    /* The caller's. */
    char separator; /* between session and route; 0: the whole value is the route */
    int (*known)(const void *baton, const char *route); /* does a member have it? */
    const void *baton;

    /* The answer: the first known route, else the first route of all.  A part of
     * the text that was searched, not terminated; NULL: no session has one. */
    const char *route;
    size_t route_len;
    const char *from; /* the name under which it was found */
    int is_known;
    const char *routeless; /* name of a session without a route; NULL: none was seen */

    unsigned tries; /* our own */
};

/*
 * Search the parameters <name> of the URL, then go on or not with the cookies
 * <name> of a Cookie header.  The answer of the first search stands unless it is
 * not known and the second one has a known one.  Both return s->is_known.
 *
 * <room> has room for strlen(url) + 1 bytes: the decoded values, of which the
 * answer is a part.  All texts, names included, live as long as the answer.
 *
 * A value "id.route" is cut at the separator.  An id with separators of its own
 * ("node0.abc.r1") leaves several ways to cut; asked for, in this order, is what
 * stands behind the first separator, behind the last, and behind those between.
 */
int lbx_route_from_url(struct lbx_route_search *s, const char *url, const char *name, int semicolon,
                       char *room);
int lbx_route_from_cookies(struct lbx_route_search *s, const char *header, const char *name);

#endif
