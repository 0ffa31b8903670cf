/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt at one member: runs the real scheme handler, finds out what became
 * of it, and can put the request back as it was before.
 *
 * Not here: whether there is another attempt (lbx_retry, core_request), what
 * passes through (core_response), the request's body (core_replay).
 *
 * Bound.  Request threads.  An attempt runs in one thread from begin to end.
 */
#ifndef CORE_ATTEMPT_H
#define CORE_ATTEMPT_H

#include "mod_proxy.h"

#include "core_conf.h"
#include "lbx_retry.h"

struct core_peer; /* core_attempt.c */

struct core_attempt {
    request_rec *r;
    struct lbx_attempt facts;
    apr_time_t started;
    apr_time_t head;   /* when the head of the answer was complete; 0: it was not */
    apr_time_t end;    /* when its last byte came; 0: it did not */
    const char *cause; /* the transport's words for what went wrong, or NULL; of the request */

    /* kept by core_attempt.c */
    uint64_t try_us;
    int tls;                   /* https, wss */
    int limited;               /* the socket has another timeout than usual, for the handshake */
    apr_interval_time_t usual; /* ... the one it had */
    /* Stands for the answer, from the moment on when the request was sent (HTTP/1); NULL again
     * when the end of it has come, for mod_proxy_http frees it before it passes that on. */
    request_rec *answer;
    int proof;
    int fd;                       /* of the member's connection, to ask the kernel afterwards; -1 */
    uint64_t before;              /* bytes sent over it before this request ... */
    int weighed;                  /* ... if they are known */
    int ended;                    /* the member closed its end in order */
    int small;                    /* the request is read in one go, or not at all */
    const struct core_peer *peer; /* whom it was sent to, on this host; or NULL */
};

/* What an attempt may change of a request. */
struct core_attempt_saved {
    apr_table_t *headers_out;
    apr_table_t *err_headers_out;
    apr_table_t *notes;
    const char *status_line;
    const char *content_type;
    const char *content_encoding;
    int status;
    int no_cache;
    int no_local_copy;
    apr_int64_t sent_bodyct;
};

/* Hooks that listen to what transports do.  In register_hooks and pre_config. */
void core_attempt_register(void);
void core_attempt_register_optional(void);

/* Run the scheme handler of <m>'s transport and fill <a>, of which all but <started> is zero;
 * returns the handler's word.
 * <proof>: find out whether the member had read a request that went unanswered. */
int core_attempt_req_run(struct core_attempt *a, request_rec *r, const struct core_member *m,
                         proxy_server_conf *conf, char *url, const char *proxyname,
                         apr_port_t proxyport, uint64_t try_us, int proof);

void core_attempt_req_save(request_rec *r, struct core_attempt_saved *saved);
void core_attempt_req_restore(request_rec *r, const struct core_attempt_saved *saved);

#endif
