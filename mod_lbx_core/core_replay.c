/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps bodies.  See core_replay.h.
 *
 * The filter stands above all others, so that it keeps what the handler gets:
 * filters below it, which may decode or check the body, run once.
 *
 * Bound.
 */
#include "core_replay.h"

#include "http_request.h"
#include "util_filter.h"
#include "lbx_hot.h"

#define FILTER_NAME "LBX_REPLAY"

/* mod_proxy_http's memory of a body that it has read and not sent yet. */
#define PREFETCHED "proxy-req-input"

static void lose(struct core_replay *replay)
{
    replay->lost = 1;
    apr_brigade_cleanup(replay->kept);
}

/* Count what goes by, and append copies as long as they fit. */
static apr_status_t keep(struct core_replay *replay, apr_bucket_brigade *bb)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(b)) {
            replay->ended = 1;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        replay->length += (apr_off_t)len;
        if (!replay->lost && replay->length > replay->most) {
            lose(replay);
        }
        if (!replay->lost) {
            rv = apr_brigade_write(replay->kept, NULL, NULL, data, len);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return APR_SUCCESS;
}

/* Give out up to <most> bytes of what is to be given out. */
static apr_status_t give(struct core_replay *replay, apr_bucket_brigade *bb, apr_off_t most)
{
    apr_bucket *end = APR_BRIGADE_SENTINEL(replay->next);
    apr_status_t rv = apr_brigade_partition(replay->next, most, &end);

    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
        return rv;
    }
    while (APR_BRIGADE_FIRST(replay->next) != end) {
        apr_bucket *b = APR_BRIGADE_FIRST(replay->next);

        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(bb, b);
    }
    if (APR_BRIGADE_EMPTY(replay->next) && replay->ended) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
    }
    return APR_SUCCESS;
}

static apr_status_t filter(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                           apr_read_type_e block, apr_off_t readbytes)
{
    struct core_replay *replay = f->ctx;
    apr_status_t rv;

    if (mode != AP_MODE_READBYTES && mode != AP_MODE_EXHAUSTIVE) {
        /* not the body: httpd reads trailers line by line, or looks ahead */
        return ap_get_brigade(f->next, bb, mode, block, readbytes);
    }
    if (replay->next && !APR_BRIGADE_EMPTY(replay->next)) {
        return give(replay, bb, mode == AP_MODE_READBYTES ? readbytes : replay->length);
    }
    if (replay->ended && !replay->lost && replay->next) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
        return APR_SUCCESS;
    }
    rv = ap_get_brigade(f->next, bb, mode, block, readbytes);
    return rv == APR_SUCCESS ? keep(replay, bb) : rv;
}

void core_replay_register(void)
{
    ap_register_input_filter(FILTER_NAME, filter, NULL, AP_FTYPE_RESOURCE - 1);
}

/* mod_proxy_http sees by <input_filters> == <proto_input_filters> that nobody
 * changes the body, and then streams it instead of spooling it to a file: a
 * filter that only looks must not make a difference. */
static void add_filter(request_rec *r, struct core_replay *replay)
{
    int unchanged = r->input_filters == r->proto_input_filters;
    ap_filter_t *f = ap_add_input_filter(FILTER_NAME, replay, r, r->connection);

    if (unchanged) {
        r->proto_input_filters = f;
    }
}

static LBX_APART struct core_replay *keep_body(request_rec *r, uint64_t most)
{
    struct core_replay *replay = apr_pcalloc(r->pool, sizeof(*replay));

    replay->kept = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    replay->most = (apr_off_t)most;
    add_filter(r, replay);
    return replay;
}

LBX_HOT struct core_replay *core_replay_req_start(request_rec *r, uint64_t most)
{
    return ap_request_has_body(r) ? keep_body(r, most) : NULL;
}

int core_replay_ready(const struct core_replay *replay)
{
    return !replay || !replay->lost;
}

void core_replay_req_rewind(request_rec *r, struct core_replay *replay)
{
    if (!replay || replay->lost) {
        return;
    }
    if (!replay->next) {
        replay->next = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    }
    apr_brigade_cleanup(replay->next);
    for (apr_bucket *b = APR_BRIGADE_FIRST(replay->kept); b != APR_BRIGADE_SENTINEL(replay->kept);
         b = APR_BUCKET_NEXT(b)) {
        apr_bucket *copy;

        apr_bucket_copy(b, &copy);
        APR_BRIGADE_INSERT_TAIL(replay->next, copy);
    }
    apr_pool_userdata_setn(NULL, PREFETCHED, NULL, r->pool);
}
