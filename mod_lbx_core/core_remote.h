/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ProxyRemote, ProxyRemoteMatch and NoProxy for members: by which other proxies is
 * a member reached, and is it reached directly?
 *
 * mod_proxy asks this once for a request, for the URL of the first member.  A
 * request that turns to another member needs that one's own.
 *
 * There is one way to a member: a worker of mod_proxy keeps the first address that it was
 * used with, so that what mod_proxy tries after a proxy that failed (the next proxy,
 * then directly) would go to that proxy again.  Another member is tried instead.
 *
 * Bound.  Request threads.
 */
#ifndef CORE_REMOTE_H
#define CORE_REMOTE_H

#include "mod_proxy.h"

/* The way to a member. */
struct core_remote {
    const char *name; /* of the proxy; NULL: directly */
    apr_port_t port;
};

/* The way to <url>: by the first proxy of the configuration that is meant for it, or
 * directly.  Leaves the note with which mod_proxy_http says to the proxy who it is. */
void core_remote_req_way(request_rec *r, const proxy_server_conf *conf, const char *url,
                         struct core_remote *way);

#endif
