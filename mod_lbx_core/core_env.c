/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environment of a request.  See core_env.h.
 *
 * A table looks through all keys that begin alike before it sets one.  Nobody has
 * set ours before the first attempt: they are added.
 *
 * Bound.
 */
#include "core_env.h"

#include "apr_strings.h"
#include "http_config.h"
#include "httpd.h"
#include "lbx_hot.h"

/* LBX_* are made only if somebody may read them; post_config finds out. */
static int heard;

enum { ATTEMPTS, QUEUE_MS, TRIES, HEADER_MS };
static const char *const own[] = {
    [ATTEMPTS] = "LBX_ATTEMPTS",
    [QUEUE_MS] = "LBX_QUEUE_MS",
    [TRIES] = "LBX_TRIES",
    [HEADER_MS] = "LBX_HEADER_MS",
    NULL,
};

/* These read no variable that the configuration does not name. */
static const char *const usual_loggers[] = {
    "mod_log_config.c", "mod_log_debug.c", "mod_log_forensic.c", "mod_logio.c", NULL,
};

static int is_usual(const char *logger)
{
    const char *const *usual = usual_loggers;

    while (*usual && strcmp(*usual, logger)) {
        usual++;
    }
    return *usual != NULL;
}

/* mod_lua, or a stranger: no telling what they read.  mod_include: what documents name. */
static int has_other_reader(void)
{
    const apr_array_header_t *hooks = ap_hook_get_log_transaction();

    for (int i = 0; hooks && i < hooks->nelts; i++) {
        const char *logger = APR_ARRAY_IDX(hooks, i, ap_LINK_log_transaction_t).szName;

        if (!logger || !is_usual(logger)) {
            return 1;
        }
    }
    return ap_find_linked_module("mod_include.c") != NULL;
}

static int names_own(const char *args)
{
    const char *const *name = own;

    while (*name && !ap_strcasestr(args, *name)) {
        name++;
    }
    return *name != NULL;
}

/* In a log's format, in a condition, wherever. */
static int are_named(const ap_directive_t *d)
{
    for (; d; d = d->next) {
        if ((d->args && names_own(d->args)) || are_named(d->first_child)) {
            return 1;
        }
    }
    return 0;
}

void core_env_boot_listen(void)
{
    heard = has_other_reader() || are_named(ap_conftree);
}

int core_env_is_heard(void)
{
    return heard;
}

typedef void putter(apr_table_t *env, const char *key, const char *value);

/* <first>: nobody has put them. */
static putter *putter_of(const request_rec *r, int first)
{
    return first && !r->prev && !r->main ? apr_table_addn : apr_table_setn;
}

static void tell_session(request_rec *r, const struct lbx_hint *hint, putter *put)
{
    apr_table_setn(r->notes, "session-sticky", hint->from);
    apr_table_setn(r->notes, "session-route", hint->route);
    put(r->subprocess_env, "BALANCER_SESSION_STICKY", hint->from);
    put(r->subprocess_env, "BALANCER_SESSION_ROUTE", hint->route);
}

LBX_HOT void core_env_req_member(request_rec *r, const struct core_request *req)
{
    const struct core_choice *c = &req->choice;
    const struct lbx_hint *hint = &req->ask.hint;
    putter *put = putter_of(r, !req->ask.attempts);

    put(r->subprocess_env, "BALANCER_NAME", req->ask.set->name);
    put(r->subprocess_env, "BALANCER_WORKER_NAME", c->m->proxied + sizeof("proxy:") - 1);
    put(r->subprocess_env, "BALANCER_WORKER_ROUTE", c->route);
    if (c->why == LBX_WHY_REDIRECT || (c->sticky && c->why != LBX_WHY_ROUTE)) {
        put(r->subprocess_env, "BALANCER_ROUTE_CHANGED", "1");
    }
    if (hint->route && hint->from) {
        tell_session(r, hint, put);
    }
}

static LBX_HOT LBX_APART const char *number(request_rec *r, long n)
{
    static const char few[][2] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

    return n >= 0 && n < (long)(sizeof(few) / sizeof(few[0])) ? few[n] : apr_ltoa(r->pool, n);
}

static char *append(char *at, const char *text, apr_size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

/* "<before>,name:what:ms", or without the comma when it is the first. */
static const char *add_try(request_rec *r, const char *before, const struct core_member *m,
                           const char *what, const char *ms)
{
    apr_size_t before_len = before ? strlen(before) : 0, what_len = strlen(what);
    apr_size_t ms_len = strlen(ms);
    char *tries = apr_palloc(r->pool, before_len + m->name_len + what_len + ms_len + 4);
    char *at = tries;

    if (before) {
        at = append(at, before, before_len);
        *at++ = ',';
    }
    at = append(at, m->name, m->name_len);
    *at++ = ':';
    at = append(at, what, what_len);
    *at++ = ':';
    append(at, ms, ms_len + 1);
    return tries;
}

LBX_HOT void core_env_req_attempt(request_rec *r, struct core_request *req,
                                  enum lbx_outcome outcome, long ms)
{
    const char *what = lbx_outcome_name(outcome);

    if (outcome == LBX_OUT_STATUS || outcome == LBX_OUT_ANSWERED) {
        what = req->status == HTTP_OK ? "200" : apr_itoa(r->pool, req->status);
    }
    req->tries = add_try(r, req->tries, req->choice.m, what, number(r, ms));
}

LBX_HOT void core_env_req_result(request_rec *r, struct core_request *req)
{
    putter *put = putter_of(r, !req->told);

    req->told = 1;
    put(r->subprocess_env, own[ATTEMPTS], number(r, (long)req->ask.attempts));
    put(r->subprocess_env, own[QUEUE_MS], number(r, (long)(req->ask.waited_us / 1000)));
    if (req->tries) {
        put(r->subprocess_env, own[TRIES], req->tries);
    }
    if (req->attempt.head) {
        put(r->subprocess_env, own[HEADER_MS],
            number(r, (long)((req->attempt.head - req->attempt.started) / 1000)));
    }
}
