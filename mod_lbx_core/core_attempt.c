/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs attempts and listens.  See core_attempt.h.
 *
 * A scheme handler returns one number.  What lies behind it is found out from
 * the side, while it runs in this thread:
 *
 *   pre_connection      a new connection to the member was made
 *   create_req          mod_proxy_http has sent the request and waits for the head
 *   error log           mod_proxy says that it could not connect, or write
 *   a filter on the     the first line of the answer came, or what kept it from coming;
 *   member's connection and a limit on the time to the end of its head
 *   the kernel          whether the other end had taken the bytes of a request that
 *                       was never answered; whether anybody listens there any more
 *
 * Bound.
 */
#include "core_attempt.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/tcp.h>
#endif

#include "apr_portable.h"
#include "apr_strings.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "util_filter.h"
#include "lbx_hot.h"

APLOG_USE_MODULE(lbx_core);

/* Looking a filter up by its name costs as much as adding it. */
static ap_filter_rec_t *head_filter, *listener, *handshake_filter;

/* glibc keeps room in each thread for modules that are loaded later: a place there is found
 * without a call, and without the two lines of memory that such a call looks at. */
#ifdef __GLIBC__
#define OF_THREAD __thread __attribute__((tls_model("initial-exec")))
#else
#define OF_THREAD __thread
#endif

/* The attempt that this thread is running. */
static OF_THREAD struct core_attempt *current;

/* mod_proxy_http's, for its log level; -1: it is not loaded. */
static int http_module_index;

/* ------------------------------------------------------------------ */
/* The kernel's view                                                    */

/* Bytes sent over a TCP connection, and how many of them were acknowledged;
 * 0: the system does not say (not TCP, not Linux, an old kernel). */
#ifdef __linux__
static int tcp_bytes(int fd, uint64_t *sent, uint64_t *acked)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    memset(&info, 0, sizeof(info));
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)
        || len < offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(info.tcpi_bytes_retrans)) {
        return 0;
    }
    *sent = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
    *acked = info.tcpi_bytes_acked ? info.tcpi_bytes_acked - 1 : 0; /* the SYN counts as one */
    return 1;
}
#else
static int tcp_bytes(int fd, uint64_t *sent, uint64_t *acked)
{
    (void)fd;
    (void)sent;
    (void)acked;
    return 0;
}
#endif

static int fd_of(conn_rec *c)
{
    apr_socket_t *sock = ap_get_conn_socket(c);
    apr_os_sock_t fd = -1;

    if (sock) {
        apr_os_sock_get(&fd, sock);
    }
    return fd;
}

/* Was the connection closed before any byte of this request had been taken?  The
 * end of an orderly close acknowledges what came before it. */
static LBX_COLD int none_taken(const struct core_attempt *a)
{
    uint64_t sent, acked;

    return a->ended && a->weighed && tcp_bytes(a->fd, &sent, &acked) && acked <= a->before;
}

struct core_peer {
    struct sockaddr_storage address;
    socklen_t len;
};

/* Do both ends have one address?  A Unix socket's always do. */
static int is_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    switch (a->ss_family) {
    case AF_INET:
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr
               == ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    case AF_INET6:
        return !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                       &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr));
    default:
        return a->ss_family == AF_UNIX;
    }
}

/* The other end, if it is a process of this host: NULL else.  What a reset says of another
 * system's processes is not known here: some reset what has been read as well. */
static const struct core_peer *peer_here(apr_pool_t *p, int fd)
{
    struct core_peer *peer = apr_pcalloc(p, sizeof(*peer));
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);

    peer->len = sizeof(peer->address);
    if (getpeername(fd, (struct sockaddr *)&peer->address, &peer->len)
        || getsockname(fd, (struct sockaddr *)&own, &len)) {
        return NULL;
    }
    return is_same_host(&peer->address, &own) ? peer : NULL;
}

/* Is there nobody any more who accepts connections? */
static int is_deserted(const struct core_peer *peer)
{
    enum { LONGEST_MS = 100 };
    int fd = socket(peer->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0) {
        return 0;
    }
    if (connect(fd, (const struct sockaddr *)&peer->address, peer->len)) {
        struct pollfd pfd = {.fd = fd, .events = POLLOUT};
        socklen_t len = sizeof(error);

        error = errno;
        if (error == EINPROGRESS && poll(&pfd, 1, LONGEST_MS) == 1) {
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
        }
    }
    close(fd);
    return error == ECONNREFUSED;
}

/* Has the process gone with the request unread?  The end of a process resets those of
 * its connections where something is left to read, and closes the others.  A reset by
 * one that lives may be on purpose. */
static LBX_COLD int died_unread(const struct core_attempt *a)
{
    return a->facts.unread && a->peer && is_deserted(a->peer);
}

static int add_length(void *sum, const char *key, const char *value)
{
    *(apr_off_t *)sum += (apr_off_t)(strlen(key) + strlen(value) + 4);
    return 1;
}

/* Head and body together: what any server reads at once. */
static int is_small(const request_rec *r)
{
    enum { SMALL = 4096 };
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t sum = (apr_off_t)strlen(r->the_request) + (length ? apr_atoi64(length) : 0);

    apr_table_do(add_length, &sum, r->headers_in, NULL);
    return sum >= 0 && sum <= SMALL && !apr_table_get(r->headers_in, "Transfer-Encoding");
}

/* ------------------------------------------------------------------ */
/* Listening                                                            */

/* mod_proxy looks whether a connection is still open before it is used again: the
 * moment to ask what it has carried so far.  Asking costs a system call, which
 * only those pay who may need the answer. */
static void weigh(struct core_attempt *a, conn_rec *origin)
{
    uint64_t acked;

    a->weighed = tcp_bytes(fd_of(origin), &a->before, &acked);
}

static const char *in_words(const struct core_attempt *a, apr_status_t status)
{
    char meaning[96];

    apr_strerror(status, meaning, sizeof(meaning));
    return apr_psprintf(a->r->pool, "(%d)%s", status, meaning);
}

/* The head of the answer does not go on; <bb>: what had come of the present line. */
static LBX_COLD void take_end(struct core_attempt *a, apr_status_t rv, const apr_bucket_brigade *bb)
{
    if (APR_STATUS_IS_EAGAIN(rv)) {
        return;
    }
    a->facts.got_bytes |= !APR_BRIGADE_EMPTY(bb);
    a->facts.timed_out |= APR_STATUS_IS_TIMEUP(rv);
    a->cause = in_words(a, rv);
    if (!a->facts.got_bytes) {
        a->ended = APR_STATUS_IS_EOF(rv);
        a->cause = a->ended ? "closed without an answer" : a->cause;
        /* what a system sends when a connection is closed with something unread: of a
         * request that is read in one go, all of it */
        a->facts.unread = APR_STATUS_IS_ECONNRESET(rv) && a->small;
    }
}

/* LBXTryTimeout for transports of which less is known than of mod_proxy_http, until the
 * beginning of an answer has been passed on.  Theirs wait in steps of their own (HTTP/2):
 * that the time is over is an error of the connection to them. */
static apr_status_t read_in_time(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                                 apr_read_type_e block, apr_off_t readbytes, struct core_attempt *a)
{
    apr_time_t deadline = a->started + (apr_time_t)a->try_us;
    apr_interval_time_t left = deadline - apr_time_now(), usual = -1;
    apr_socket_t *sock = ap_get_conn_socket(f->c);
    apr_status_t rv = APR_TIMEUP;

    if (left > 0) {
        apr_socket_timeout_get(sock, &usual);
        if (usual < 0 || left < usual) {
            apr_socket_timeout_set(sock, left > 1000 ? left : 1000);
        }
        rv = ap_get_brigade(f->next, bb, mode, block, readbytes);
        apr_socket_timeout_set(sock, usual);
    }
    if (rv != APR_SUCCESS && !a->head && apr_time_now() >= deadline) {
        a->facts.timed_out = 1;
        return APR_ECONNABORTED;
    }
    return rv;
}

/* Before a request is sent, and what transports read of which less is known. */
static LBX_HOT LBX_APART apr_status_t overhear_start(ap_filter_t *f, apr_bucket_brigade *bb,
                                                     ap_input_mode_t mode, apr_read_type_e block,
                                                     apr_off_t readbytes)
{
    struct core_attempt *a = current;

    if (a && a->proof && !a->facts.sent && mode == AP_MODE_SPECULATIVE) {
        weigh(a, f->c);
    }
    if (a && a->try_us && !a->facts.speaks_http && !a->head) {
        return read_in_time(f, bb, mode, block, readbytes, a);
    }
    return ap_get_brigade(f->next, bb, mode, block, readbytes);
}

/* The rest of the answer passes by without us: of a head that breaks off after its first line
 * mod_proxy_http says so in the log, if it may; mod_proxy_uwsgi does not.  (Not
 * pr->input_filters: that these are still the connection's tells httpd that it has no others
 * yet.) */
static void step_aside(const ap_filter_t *f, const struct core_attempt *a)
{
    if (a->answer->proto_input_filters == f && a->facts.speaks_http && http_module_index >= 0
        && ap_get_request_module_loglevel(a->r, http_module_index) >= APLOG_WARNING) {
        a->answer->proto_input_filters = f->next;
    }
}

/* On each connection to a member as long as it lives: to come and go with each
 * request would cost more than to stand by. */
static LBX_HOT apr_status_t overhear(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                                     apr_read_type_e block, apr_off_t readbytes)
{
    struct core_attempt *a = current;
    apr_status_t rv;

    if (!a || !a->answer || a->answer->connection != f->c) {
        return overhear_start(f, bb, mode, block, readbytes);
    }
    rv = ap_get_brigade(f->next, bb, mode, block, readbytes);
    if (mode != AP_MODE_GETLINE && mode != AP_MODE_SPECULATIVE) {
        return rv;
    }
    if (LBX_RARE(rv != APR_SUCCESS)) {
        take_end(a, rv, bb);
    } else if (LBX_RARE(APR_BRIGADE_EMPTY(bb))) {
        /* httpd's way to say that there is no more, if it was to wait for more */
        take_end(a, block == APR_BLOCK_READ ? APR_EOF : APR_EAGAIN, bb);
    } else if (APR_BRIGADE_FIRST(bb)->length > 0) {
        a->facts.got_bytes = 1;
        step_aside(f, a);
    }
    return rv;
}

/* Below the TLS of a connection being made: its handshake is to end in time as well.
 * Set when it begins to read, for mod_proxy has its own idea of the timeout until then. */
static apr_status_t limit_handshake(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                                    apr_read_type_e block, apr_off_t readbytes)
{
    struct core_attempt *a = current;
    ap_filter_t *next = f->next;
    apr_socket_t *sock = ap_get_conn_socket(f->c);

    if (!a || a->facts.sent) {
        ap_remove_input_filter(f);
    } else if (!a->limited && apr_socket_timeout_get(sock, &a->usual) == APR_SUCCESS) {
        apr_interval_time_t left = a->started + (apr_time_t)a->try_us - apr_time_now();

        if (a->usual < 0 || left < a->usual) {
            a->limited = 1;
            apr_socket_timeout_set(sock, left > 1000 ? left : 1000);
        }
    }
    return ap_get_brigade(next, bb, mode, block, readbytes);
}

static int see_connection(conn_rec *c, void *csd)
{
    (void)csd;
    if (current && c != current->r->connection) {
        current->facts.fresh = 1;
        if (current->tls && current->try_us) {
            ap_add_input_filter_handle(handshake_filter, NULL, NULL, c);
        }
        current->weighed = 1;
        current->before = 0;
        ap_add_input_filter_handle(listener, NULL, NULL, c);
    }
    return OK;
}

/* The limit on the time to the head, and what the socket had before. */
struct head_watch {
    struct core_attempt *a;
    apr_time_t deadline;
    apr_interval_time_t usual;
    int interim;   /* the head being read is of a 1xx answer */
    int first;     /* its first line is */
    int whole;     /* the present line has its end */
    apr_size_t at; /* bytes of the present line */
    char line[12]; /* the beginning of it */
};

/* A piece of the present line of the head. */
static void follow_piece(struct head_watch *w, const char *piece, apr_size_t len)
{
    if (w->at < sizeof(w->line)) {
        apr_size_t room = sizeof(w->line) - w->at;

        memcpy(w->line + w->at, piece, len < room ? len : room);
    }
    w->at += len;
    w->whole = len && piece[len - 1] == '\n';
}

/* mod_proxy_http reads a head line by line: follow it to the empty line. */
static void follow_head(ap_filter_t *f, apr_bucket_brigade *bb, struct head_watch *w)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        const char *piece;
        apr_size_t len;

        if (APR_BUCKET_IS_METADATA(b)
            || apr_bucket_read(b, &piece, &len, APR_BLOCK_READ) != APR_SUCCESS) {
            continue;
        }
        follow_piece(w, piece, len);
        w->a->facts.got_bytes |= len > 0;
    }
    if (!w->whole) {
        return;
    }
    if (w->first) {
        w->first = 0;
        w->interim = w->at > 9 && !strncmp(w->line, "HTTP/1.", 7) && w->line[9] == '1';
    } else if (w->at <= 2) { /* nothing but the line's end */
        w->first = w->interim;
        if (!w->interim) {
            ap_remove_input_filter(f);
        }
    }
    w->at = 0;
    w->whole = 0;
}

/* Over TLS more may have come than the socket shows: the library has read it already.
 * So it is asked again after a while, too. */
enum { TLS_SLICE_MS = 10 };

/* Wait until the member has sent more, or it is worth another look.  1: it has, or may
 * have; 0: neither; -1: the time is over. */
static int more_to_read(const ap_filter_t *f, const struct head_watch *w, apr_time_t silent_since)
{
    apr_time_t now = apr_time_now();
    apr_interval_time_t left = w->deadline - now;
    struct pollfd pfd = {.fd = fd_of(f->c), .events = POLLIN};
    int ms;

    if (w->usual >= 0 && silent_since + w->usual - now < left) {
        left = silent_since + w->usual - now;
    }
    if (left <= 0) {
        return -1;
    }
    ms = left > apr_time_from_sec(3600) ? 3600000 : (int)(left / 1000) + 1;
    return poll(&pfd, 1, w->a->tls && ms > TLS_SLICE_MS ? TLS_SLICE_MS : ms) > 0;
}

/* A blocking read that ends at the deadline, however slowly a line comes in: in
 * pieces, which mod_proxy_http's reader of lines puts together. */
static apr_status_t read_until(ap_filter_t *f, apr_bucket_brigade *bb, const struct head_watch *w,
                               ap_input_mode_t mode, apr_off_t readbytes)
{
    enum { FRUITLESS = 3 }; /* readable, and nothing comes: the end, or an error */
    apr_time_t start = apr_time_now();
    int fruitless = 0;

    while (fruitless < FRUITLESS || w->a->tls) {
        apr_status_t rv = ap_get_brigade(f->next, bb, mode, APR_NONBLOCK_READ, readbytes);
        int more;

        if (!APR_STATUS_IS_EAGAIN(rv) && (rv != APR_SUCCESS || !APR_BRIGADE_EMPTY(bb))) {
            return rv;
        }
        more = more_to_read(f, w, start);
        if (more < 0) {
            return APR_TIMEUP;
        }
        fruitless += more;
    }
    return ap_get_brigade(f->next, bb, mode, APR_BLOCK_READ, readbytes);
}

/* On the way of an answer whose head has to come in time, until it is complete. */
static apr_status_t watch_head(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                               apr_read_type_e block, apr_off_t readbytes)
{
    struct head_watch *w = f->ctx;
    apr_status_t rv = block == APR_BLOCK_READ ? read_until(f, bb, w, mode, readbytes)
                                              : ap_get_brigade(f->next, bb, mode, block, readbytes);

    if (rv == APR_SUCCESS && mode == AP_MODE_GETLINE) {
        follow_head(f, bb, w);
    }
    if (rv != APR_SUCCESS) {
        take_end(w->a, rv, bb);
    }
    return rv;
}

/* The head of the answer has to be there in time. */
static void limit_head(struct core_attempt *a, request_rec *pr)
{
    conn_rec *origin = pr->connection;
    struct head_watch *w = apr_pcalloc(a->r->pool, sizeof(*w));
    apr_socket_t *sock = ap_get_conn_socket(origin);

    if (a->limited) {
        apr_socket_timeout_set(sock, a->usual);
    }
    w->a = a;
    w->first = 1;
    w->deadline = a->started + (apr_time_t)a->try_us;
    apr_socket_timeout_get(sock, &w->usual);
    /* of the request for the answer, not of the connection: ends with it */
    ap_add_input_filter_handle(head_filter, w, pr, origin);
}

/* The answer has hardly come by now: the next read waits for it first, rather than to find
 * nothing.  (Over TLS it is not the socket alone that knows, and with LBXTryTimeout the next
 * read does not wait.) */
static void expect_nothing_yet(const struct core_attempt *a, conn_rec *origin)
{
    apr_socket_t *sock = ap_get_conn_socket(origin);

    if (sock && !a->tls && !a->try_us) {
        apr_socket_opt_set(sock, APR_INCOMPLETE_READ, 1);
    }
}

/* mod_proxy_http has sent the request <r>; <pr> stands for the answer. */
static LBX_HOT int see_request_sent(request_rec *r, request_rec *pr)
{
    struct core_attempt *a = current;

    if (!a || a->r != r) {
        return OK;
    }
    a->facts.sent = 1;
    a->answer = pr;
    expect_nothing_yet(a, pr->connection);
    if (a->proof && a->fd < 0) {
        a->fd = dup(fd_of(pr->connection));
        a->small = is_small(r);
        a->peer = peer_here(r->pool, a->fd);
    }
    if (a->try_us) {
        limit_head(a, pr);
    }
    return OK;
}

/* mod_proxy's numbers for what a handler's return code does not tell. */
enum word { CONNECT, WRITE, LINE, LINES, POOL, SSL };

static const struct {
    const char *number;
    enum word word;
} words[] = {
    {"AH00957", CONNECT}, /* attempt to connect to ... failed */
    {"AH02454", CONNECT}, /* ... to a Unix domain socket */
    {"AH00952", CONNECT}, /* error creating a socket */
    {"AH01084", WRITE},   /* pass request body failed */
    {"AH01102", LINE},    /* error reading status line */
    {"AH10404", LINES},   /* Error reading headers from backend */
    {"AH00941", POOL},    /* failed to acquire connection */
    {"AH00898", SSL},     /* Error during SSL Handshake, among others */
};

static void take_word(struct core_attempt *a, enum word word, apr_status_t status, const char *text)
{
    switch (word) {
    case CONNECT:
        a->facts.connect_failed = 1;
        break;
    case WRITE:
        a->facts.write_failed = 1;
        break;
    case LINE: /* known, but for what follows an interim answer */
        break;
    case LINES:
        a->facts.timed_out |= APR_STATUS_IS_TIMEUP(status);
        break;
    case SSL:
        a->facts.connect_failed |= strstr(text, "SSL Handshake") != NULL;
        break;
    case POOL:
        a->facts.pool_full = 1;
        break;
    }
    if (status && (word != LINE || !a->cause)) {
        a->cause = in_words(a, status);
    }
}

static void hear(const ap_errorlog_info *info, const char *text)
{
    for (unsigned i = 0; current && i < sizeof(words) / sizeof(words[0]); i++) {
        if (!strncmp(text, words[i].number, 7)) {
            take_word(current, words[i].word, info->status, text);
        }
    }
}

void core_attempt_register(void)
{
    listener = ap_register_input_filter("LBX_LISTEN", overhear, NULL, AP_FTYPE_CONNECTION);
    handshake_filter =
        ap_register_input_filter("LBX_HANDSHAKE", limit_handshake, NULL, AP_FTYPE_NETWORK - 1);
    head_filter = ap_register_input_filter("LBX_HEAD", watch_head, NULL, AP_FTYPE_PROTOCOL);
    ap_hook_pre_connection(see_connection, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_error_log(hear, NULL, NULL, APR_HOOK_MIDDLE);
}

void core_attempt_register_optional(void)
{
    const module *http = ap_find_linked_module("mod_proxy_http.c");

    http_module_index = http ? http->module_index : -1;
    APR_OPTIONAL_HOOK(proxy, create_req, see_request_sent, NULL, NULL, APR_HOOK_MIDDLE);
}

/* ------------------------------------------------------------------ */
/* Running                                                              */

static LBX_COLD int miss_module(struct core_attempt *a, const struct core_member *m)
{
    a->facts.connect_failed = 1;
    a->cause =
        apr_psprintf(a->r->pool, "no module is loaded that speaks %s", m->transport->s->scheme);
    return HTTP_SERVICE_UNAVAILABLE;
}

static LBX_COLD void learn_what_was_taken(struct core_attempt *a)
{
    a->facts.unsent = none_taken(a) || died_unread(a);
    close(a->fd);
}

/* Is this process's pool of connections to the member used up?  mod_proxy says so in the log
 * if it may; if not, a look a moment later has to do, where it is known that nothing was sent. */
static LBX_COLD int lacks_connection(const struct core_attempt *a, const proxy_worker *w)
{
    return a->facts.rc == HTTP_SERVICE_UNAVAILABLE && a->facts.speaks_http && !a->facts.sent
           && w->cp && w->cp->res
           && ap_get_server_module_loglevel(a->r->server, proxy_module.module_index) < APLOG_ERR
           && apr_reslist_acquired_count(w->cp->res) >= (apr_uint32_t)w->s->hmax;
}

/* A whole answer has no note of a time-out.  Looking costs more than asking this. */
static int had_timeout(const request_rec *r, const struct lbx_attempt *facts)
{
    return LBX_RARE(facts->rc || facts->broke || !facts->answering) && !apr_is_empty_table(r->notes)
           && apr_table_get(r->notes, "proxy_timedout");
}

LBX_HOT int core_attempt_req_run(struct core_attempt *a, request_rec *r,
                                 const struct core_member *m, proxy_server_conf *conf, char *url,
                                 const char *proxyname, apr_port_t proxyport, uint64_t try_us,
                                 int proof)
{
    struct core_attempt *outer = current;
    int rc;

    a->r = r;
    a->try_us = try_us;
    a->proof = proof;
    a->fd = -1;
    a->facts.speaks_http = m->speaks_http != 0;
    a->tls = m->tls;

    current = a;
    rc = proxy_run_scheme_handler(r, m->transport, conf, url, proxyname, proxyport);
    current = outer;

    if (LBX_RARE(rc == DECLINED)) {
        rc = miss_module(a, m);
    }
    a->facts.rc = rc == DONE ? 0 : rc;
    if (LBX_RARE(rc)) {
        a->facts.pool_full |= lacks_connection(a, m->transport);
    }
    a->facts.timed_out |= had_timeout(r, &a->facts);
    a->facts.client_gone = r->connection->aborted;
    if (a->fd >= 0) {
        learn_what_was_taken(a);
    }
    return rc;
}

/* ------------------------------------------------------------------ */
/* Back to the start                                                    */

/* Most requests come without: then there is nothing to copy. */
static apr_table_t *copy(request_rec *r, const apr_table_t *t)
{
    return t && LBX_RARE(!apr_is_empty_table(t)) ? apr_table_copy(r->pool, t) : NULL;
}

static apr_table_t *copy_back(request_rec *r, const apr_table_t *saved)
{
    return saved ? apr_table_copy(r->pool, saved) : apr_table_make(r->pool, 4);
}

LBX_HOT void core_attempt_req_save(request_rec *r, struct core_attempt_saved *saved)
{
    saved->headers_out = copy(r, r->headers_out);
    saved->err_headers_out = copy(r, r->err_headers_out);
    saved->notes = copy(r, r->notes);
    saved->status_line = r->status_line;
    saved->content_type = r->content_type;
    saved->content_encoding = r->content_encoding;
    saved->status = r->status;
    saved->no_cache = r->no_cache;
    saved->no_local_copy = r->no_local_copy;
    saved->sent_bodyct = r->sent_bodyct;
}

LBX_COLD void core_attempt_req_restore(request_rec *r, const struct core_attempt_saved *saved)
{
    /* copies again: there may be a third attempt */
    r->headers_out = copy_back(r, saved->headers_out);
    r->err_headers_out = copy_back(r, saved->err_headers_out);
    r->notes = copy_back(r, saved->notes);
    r->status_line = saved->status_line;
    r->content_type = saved->content_type;
    r->content_encoding = saved->content_encoding;
    r->status = saved->status;
    r->no_cache = saved->no_cache;
    r->no_local_copy = saved->no_local_copy;
    r->sent_bodyct = saved->sent_bodyct;
}
