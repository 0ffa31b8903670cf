/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses the suite's own directives.  See core_rules.h.
 *
 * Bound.
 */
#include "core_rules.h"

#include "apr_strings.h"

#include "core_conf.h"

/* One argument after the other; "" at the end. */
static const char *next_word(cmd_parms *cmd, const char **args)
{
    return ap_getword_conf(cmd->pool, args);
}

static int is_off(const char *word)
{
    return !ap_cstr_casecmp(word, "off");
}

/* "64k", "1m", "1000" */
static int parse_bytes(const char *t, uint64_t *out)
{
    char *end;
    apr_int64_t n = apr_strtoi64(t, &end, 10);
    unsigned shift = 0;

    if (end == t || n < 0 || n > APR_INT32_MAX) {
        return 0;
    }
    if (*end) {
        shift = (*end | 32) == 'k' ? 10 : (*end | 32) == 'm' ? 20 : 0;
        end += shift ? 1 : 0;
    }
    *out = (uint64_t)n << shift;
    return !*end;
}

static int parse_time(const char *t, const char *unit, uint64_t *us)
{
    apr_interval_time_t time;

    if (!apr_isdigit(*t) || ap_timeout_parameter_parse(t, &time, unit) != APR_SUCCESS || time < 0) {
        return 0;
    }
    *us = (uint64_t)time;
    return 1;
}

static int parse_retry_on(struct core_rules *all, cmd_parms *cmd, const char *args)
{
    struct lbx_retry_rules *r = &all->retry;
    const char *word = next_word(cmd, &args);

    r->classes = 0;
    r->status_n = 0;
    if (!ap_cstr_casecmp(word, "none") && !*args) {
        return 1;
    }
    for (; *word; word = next_word(cmd, &args)) {
        if (!lbx_retry_word(r, word)) {
            return 0;
        }
    }
    return r->classes != 0;
}

static int parse_non_idempotent(struct core_rules *all, cmd_parms *cmd, const char *args)
{
    struct lbx_retry_rules *r = &all->retry;
    const char *word = next_word(cmd, &args);

    r->non_idempotent = !ap_cstr_casecmp(word, "on");
    return (r->non_idempotent || is_off(word)) && !*args;
}

static int parse_body(struct core_rules *all, cmd_parms *cmd, const char *args)
{
    struct lbx_retry_rules *r = &all->retry;
    return parse_bytes(next_word(cmd, &args), &r->body_max) && !*args;
}

static int parse_budget(struct core_rules *all, cmd_parms *cmd, const char *args)
{
    struct lbx_retry_rules *r = &all->retry;
    const char *word = next_word(cmd, &args);
    apr_int64_t n;
    char *end;

    r->budget = 0;
    if (is_off(word)) {
        return !*args;
    }
    n = apr_strtoi64(word, &end, 10);
    if (end == word || strcmp(end, "%") || n < 1 || n > 100) {
        return 0;
    }
    r->budget = (uint32_t)n;
    word = next_word(cmd, &args);
    if (!ap_cstr_casecmpn(word, "min=", 4)) {
        n = apr_strtoi64(word + 4, &end, 10);
        if (end == word + 4 || *end || n < 0 || n > APR_INT32_MAX) {
            return 0;
        }
        r->budget_min = (uint32_t)n;
        word = next_word(cmd, &args);
    }
    return !*word;
}

static int parse_backoff(struct core_rules *all, cmd_parms *cmd, const char *args)
{
    struct lbx_retry_rules *r = &all->retry;
    const char *word = next_word(cmd, &args);

    if (is_off(word)) {
        r->backoff_us = r->backoff_max = 0;
        return !*args;
    }
    if (!parse_time(word, "ms", &r->backoff_us)) {
        return 0;
    }
    r->backoff_max = 10 * r->backoff_us;
    word = next_word(cmd, &args);
    if (!ap_cstr_casecmpn(word, "max=", 4) && parse_time(word + 4, "ms", &r->backoff_max)) {
        word = next_word(cmd, &args);
    }
    return !*word && r->backoff_max >= r->backoff_us && r->backoff_max <= APR_USEC_PER_SEC;
}

static int parse_try_timeout(struct core_rules *all, cmd_parms *cmd, const char *args)
{
    struct lbx_retry_rules *r = &all->retry;
    const char *word = next_word(cmd, &args);

    if (is_off(word)) {
        r->try_us = 0;
        return !*args;
    }
    return parse_time(word, "s", &r->try_us) && r->try_us >= 1000 && !*args;
}

/* "max=100 timeout=5s" in any order, each once at least one of them; or Off. */
static int parse_queue(struct core_rules *r, cmd_parms *cmd, const char *args)
{
    const char *word = next_word(cmd, &args);
    int max = 0, timeout = 0;

    r->queue_max = is_off(word) ? 0 : CORE_QUEUE_MAX;
    r->queue_us = 0;
    r->queue_timed = is_off(word);
    if (is_off(word)) {
        return !*args;
    }
    for (; *word; word = next_word(cmd, &args)) {
        char *end = NULL;

        if (!ap_cstr_casecmpn(word, "max=", 4) && !max++) {
            apr_int64_t n = apr_strtoi64(word + 4, &end, 10);

            if (end == word + 4 || *end || n < 1 || n > APR_INT32_MAX) {
                return 0;
            }
            r->queue_max = (uint32_t)n;
        } else if (ap_cstr_casecmpn(word, "timeout=", 8) || timeout++
                   || !parse_time(word + 8, "s", &r->queue_us) || r->queue_us < 1000
                   || r->queue_us > 7200ull * APR_USEC_PER_SEC) {
            return 0;
        }
    }
    r->queue_timed = timeout;
    return max || timeout;
}

struct rule {
    int (*parse)(struct core_rules *r, cmd_parms *cmd, const char *args);
    const char *allowed;
};

static const struct rule rules[CORE_RULE_N] = {
    [CORE_RULE_RETRY_ON] = {parse_retry_on, "one or more of connect-failure, stale, reset, timeout "
                                            "and statuses from 400 to 599, or none"},
    [CORE_RULE_NON_IDEMPOTENT] = {parse_non_idempotent, "On or Off"},
    [CORE_RULE_BODY] = {parse_body, "a number of bytes, as 64k or 1m"},
    [CORE_RULE_BUDGET] = {parse_budget, "a percentage from 1% to 100%, optionally min=N, or Off"},
    [CORE_RULE_BACKOFF] = {parse_backoff, "a time, optionally max=TIME up to 1s, or Off"},
    [CORE_RULE_TRY_TIMEOUT] = {parse_try_timeout, "a time of at least 1ms, or Off"},
    [CORE_RULE_QUEUE] = {parse_queue,
                         "max=N (1 or more) and timeout=TIME (1ms to 2h), one or both, "
                         "or Off"},
};

/* The fields of one rule. */
static void copy_rule(enum core_rule row, struct core_rules *into, const struct core_rules *source)
{
    struct lbx_retry_rules *to = &into->retry;
    const struct lbx_retry_rules *from = &source->retry;

    switch (row) {
    case CORE_RULE_RETRY_ON:
        to->classes = from->classes;
        to->status_n = from->status_n;
        memcpy(to->status, from->status, sizeof(to->status));
        break;
    case CORE_RULE_NON_IDEMPOTENT:
        to->non_idempotent = from->non_idempotent;
        break;
    case CORE_RULE_BODY:
        to->body_max = from->body_max;
        break;
    case CORE_RULE_BUDGET:
        to->budget = from->budget;
        to->budget_min = from->budget_min;
        break;
    case CORE_RULE_BACKOFF:
        to->backoff_us = from->backoff_us;
        to->backoff_max = from->backoff_max;
        break;
    case CORE_RULE_TRY_TIMEOUT:
        to->try_us = from->try_us;
        break;
    default:
        into->queue_max = source->queue_max;
        into->queue_us = source->queue_us;
        into->queue_timed = source->queue_timed;
        break;
    }
}

const char *core_rules_command(cmd_parms *cmd, void *dconf, const char *args)
{
    enum core_rule row = (enum core_rule)(uintptr_t)cmd->info;
    const char *balancer = lbx_directive_balancer(cmd, &args);
    apr_hash_t *all = core_conf_rules(cmd->server);
    struct core_rules *r;

    (void)dconf;
    if (!balancer) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           " must stand in <Proxy balancer://name> or have balancer://name as its "
                           "first argument",
                           NULL);
    }
    r = apr_hash_get(all, balancer, APR_HASH_KEY_STRING);
    if (!r) {
        r = apr_pcalloc(cmd->pool, sizeof(*r));
        lbx_retry_defaults(&r->retry);
        apr_hash_set(all, balancer, APR_HASH_KEY_STRING, r);
    }
    if (!rules[row].parse(r, cmd, args)) {
        return apr_psprintf(cmd->pool, "%s %s: must be %s", cmd->cmd->name, args,
                            rules[row].allowed);
    }
    r->given |= 1u << row;
    return NULL;
}

const struct core_rules *core_rules_for(apr_pool_t *p, server_rec *s, server_rec *main,
                                        const char *balancer)
{
    struct core_rules *out = apr_pcalloc(p, sizeof(*out));
    server_rec *from[] = {main, s}; /* the last word wins */

    lbx_retry_defaults(&out->retry);
    for (unsigned k = 0; k < 2; k++) {
        const struct core_rules *r =
            apr_hash_get(core_conf_rules(from[k]), balancer, APR_HASH_KEY_STRING);

        for (int row = 0; r && row < CORE_RULE_N; row++) {
            if (r->given >> row & 1) {
                copy_rule(row, out, r);
                out->given |= 1u << row;
            }
        }
    }
    return out;
}
