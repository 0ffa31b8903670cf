/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides about repetitions.  See lbx_retry.h.
 *
 * Pure.
 */
#include "lbx_retry.h"

#include <string.h>

#include "lbx_hot.h"

static const char *const outcome_names[LBX_OUTCOME_N] = {
    [LBX_OUT_ANSWERED] = "answered",  [LBX_OUT_CONNECT] = "connect-failure",
    [LBX_OUT_STALE] = "stale",        [LBX_OUT_RESET] = "reset",
    [LBX_OUT_TIMEOUT] = "timeout",    [LBX_OUT_STATUS] = "status",
    [LBX_OUT_FAILED] = "failed",      [LBX_OUT_CUT] = "cut",
    [LBX_OUT_CLIENT] = "client-gone",
};

static const char *const verdict_texts[LBX_VERDICT_N] = {
    [LBX_TRY_OTHER] = "trying another member",
    [LBX_TRY_SAME] = "trying again over another connection",
    [LBX_NO_NEED] = "not retried: nothing left to answer",
    [LBX_NO_CLASS] = "not retried: not in LBXRetryOn",
    [LBX_NO_METHOD] = ("not retried: the member may have taken the request, and its method is not "
                       "safe to repeat"),
    [LBX_NO_BODY] = "not retried: the request's body has been sent",
    [LBX_NO_MOVE] = "not retried: nofailover=On",
    [LBX_NO_ATTEMPTS] = "not retried: maxattempts is used up",
    [LBX_NO_MEMBER] = "not retried: no other member can be had",
    [LBX_NO_BUDGET] = "not retried: LBXRetryBudget is used up",
};

/* Outcomes that LBXRetryOn can name by a word. */
static const enum lbx_outcome words[] = {LBX_OUT_CONNECT, LBX_OUT_STALE, LBX_OUT_RESET,
                                         LBX_OUT_TIMEOUT};

const char *lbx_outcome_name(enum lbx_outcome o)
{
    return (unsigned)o < LBX_OUTCOME_N && outcome_names[o] ? outcome_names[o] : "unknown";
}

const char *lbx_verdict_text(enum lbx_verdict v)
{
    return (unsigned)v < LBX_VERDICT_N && verdict_texts[v] ? verdict_texts[v] : "unknown";
}

void lbx_retry_defaults(struct lbx_retry_rules *r)
{
    memset(r, 0, sizeof(*r));
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        r->classes |= 1u << words[i];
    }
    r->body_max = 64 * 1024;
    r->budget = 50;
    r->budget_min = 10;
    r->backoff_us = 25 * 1000;
    r->backoff_max = 250 * 1000;
}

static int status_word(const char *w)
{
    int status = 0;

    for (int i = 0; i < 3; i++) {
        if (w[i] < '0' || w[i] > '9') {
            return 0;
        }
        status = status * 10 + (w[i] - '0');
    }
    return !w[3] && status >= 400 && status <= 599 ? status : 0;
}

int lbx_retry_word(struct lbx_retry_rules *r, const char *word)
{
    int status = status_word(word);

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!strcmp(word, outcome_names[words[i]])) {
            r->classes |= 1u << words[i];
            return 1;
        }
    }
    if (!status || (r->status_n == LBX_RETRY_STATUSES_MAX && !lbx_retry_lists(r, status))) {
        return 0;
    }
    if (!lbx_retry_lists(r, status)) {
        r->status[r->status_n++] = (uint16_t)status;
    }
    r->classes |= 1u << LBX_OUT_STATUS;
    return 1;
}

int lbx_retry_lists(const struct lbx_retry_rules *r, int status)
{
    for (uint32_t i = 0; i < r->status_n; i++) {
        if (r->status[i] == status) {
            return 1;
        }
    }
    return 0;
}

/* Statuses by which transports report that they got no answer. */
static int gave_up(int rc)
{
    return rc == 500 || rc == 502 || rc == 503 || rc == 504;
}

/* A transport of which we know only what it returns: AJP, FastCGI, ... */
static enum lbx_outcome outcome_of_other(const struct lbx_attempt *a)
{
    if (a->rc == 502 || a->rc == 503) {
        return LBX_OUT_RESET;
    }
    return gave_up(a->rc) || a->broke ? LBX_OUT_FAILED : LBX_OUT_ANSWERED;
}

/* The client has got nothing of an answer by way of the filter. */
static LBX_COLD enum lbx_outcome outcome_unanswered(const struct lbx_attempt *a)
{
    if (a->swallowed) {
        return LBX_OUT_STATUS;
    }
    if (!gave_up(a->rc) && !a->broke) {
        return LBX_OUT_ANSWERED;
    }
    if (a->timed_out || a->rc == 504) {
        return LBX_OUT_TIMEOUT;
    }
    if (a->connect_failed || (a->pool_full && !a->sent)) {
        return LBX_OUT_CONNECT;
    }
    if (!a->speaks_http) {
        return outcome_of_other(a);
    }
    if (!a->sent && !a->write_failed && (a->rc == 500 || a->rc == 503)) {
        return LBX_OUT_CONNECT; /* a name without address, a TLS handshake, a full pool */
    }
    return a->fresh || a->got_bytes ? LBX_OUT_RESET : LBX_OUT_STALE;
}

enum lbx_outcome lbx_attempt_outcome(const struct lbx_attempt *a)
{
    if (LBX_RARE(a->client_gone)) {
        return LBX_OUT_CLIENT;
    }
    if (LBX_RARE(!a->answering)) {
        return outcome_unanswered(a);
    }
    return LBX_RARE(a->broke) ? LBX_OUT_CUT : LBX_OUT_ANSWERED;
}

int lbx_attempt_taken(const struct lbx_attempt *a, enum lbx_outcome o)
{
    int closed = o == LBX_OUT_STALE || o == LBX_OUT_RESET;

    return o != LBX_OUT_CONNECT && !(o == LBX_OUT_STALE && a->unread) && !(closed && a->unsent);
}

enum lbx_verdict lbx_retry_decide(const struct lbx_retry_rules *rules,
                                  const struct lbx_retry_ask *ask)
{
    int same = ask->outcome == LBX_OUT_STALE && ask->stale_tries < LBX_STALE_TRIES;
    int free_of_charge = ask->outcome == LBX_OUT_CONNECT || ask->outcome == LBX_OUT_STALE;

    if (ask->outcome == LBX_OUT_ANSWERED || ask->outcome == LBX_OUT_CUT
        || ask->outcome == LBX_OUT_CLIENT) {
        return LBX_NO_NEED;
    }
    if (!(rules->classes >> ask->outcome & 1)) {
        return LBX_NO_CLASS;
    }
    if (ask->taken && !ask->idempotent && !rules->non_idempotent) {
        return LBX_NO_METHOD;
    }
    if (!ask->replayable) {
        return LBX_NO_BODY;
    }
    if (same) {
        return LBX_TRY_SAME;
    }
    if (ask->pinned) {
        return LBX_NO_MOVE;
    }
    if (!ask->more) {
        return LBX_NO_ATTEMPTS;
    }
    return free_of_charge || ask->budget_left ? LBX_TRY_OTHER : LBX_NO_BUDGET;
}

uint64_t lbx_retry_backoff(const struct lbx_retry_rules *r, unsigned n, uint32_t random)
{
    uint64_t most = !r->backoff_us ? 0
                    : n < 20       ? r->backoff_us * ((1ull << n) - 1)
                                   : r->backoff_max;

    if (most > r->backoff_max) {
        most = r->backoff_max;
    }
    return most ? random % (most + 1) : 0;
}

int lbx_retry_budget_left(const struct lbx_retry_rules *r, uint64_t active, uint64_t retries)
{
    uint64_t most = active * r->budget / 100;

    if (!r->budget) {
        return 1;
    }
    return retries < (most > r->budget_min ? most : r->budget_min);
}
