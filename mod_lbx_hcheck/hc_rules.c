/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses the rules about members that fail and come back.  See hc_rules.h.
 *
 * Bound.
 */
#include "hc_rules.h"

#include "mod_proxy.h"

#include "hc_conf.h"
#include "hc_state.h"

APLOG_USE_MODULE(lbx_hcheck);

/* Of this generation. */
static apr_array_header_t *all; /* struct hc_rules * */
static struct hc_rules **by_slot;
static uint32_t slots;

/* ------------------------------------------------------------------ */
/* Values                                                               */

static int is_off(const char *word)
{
    return !ap_cstr_casecmp(word, "off");
}

static int parse_time(const char *t, uint64_t least, uint64_t most, uint64_t *us)
{
    apr_interval_time_t time;

    if (!apr_isdigit(*t) || ap_timeout_parameter_parse(t, &time, "s") != APR_SUCCESS || time < 0
        || (uint64_t)time < least || (uint64_t)time > most) {
        return 0;
    }
    *us = (uint64_t)time;
    return 1;
}

/* "1.9" as 190, with up to two decimals. */
static int parse_hundredths(const char *t, uint32_t least, uint32_t most, uint32_t *out)
{
    char *end;
    double d;

    if (!apr_isdigit(*t) || strlen(t) > 9 || t[strspn(t, "0123456789.")]) {
        return 0;
    }
    d = strtod(t, &end) * 100;
    if (*end || d + 0.5 < least || d > most) {
        return 0;
    }
    *out = (uint32_t)(d + 0.5);
    return 1;
}

/* "10" or "10%". */
static int parse_percent(const char *t, uint32_t *out)
{
    char *end;
    apr_int64_t n;

    if (!apr_isdigit(*t)) {
        return 0;
    }
    n = apr_strtoi64(t, &end, 10);
    if ((*end && strcmp(end, "%")) || n < 1 || n > 100) {
        return 0;
    }
    *out = (uint32_t)n;
    return 1;
}

static int parse_number(const char *t, uint32_t most, uint32_t *out)
{
    char *end;
    apr_int64_t n;

    if (!apr_isdigit(*t)) {
        return 0;
    }
    n = apr_strtoi64(t, &end, 10);
    if (*end || n < 1 || n > most) {
        return 0;
    }
    *out = (uint32_t)n;
    return 1;
}

#define DAY_US (86400ull * APR_USEC_PER_SEC)

/* One word of slow start; the names are those of a member's parameters. */
static int slow_word(struct lbx_slowstart *s, const char *key, const char *value)
{
    uint32_t percent;

    if (!ap_cstr_casecmp(key, "slowstart")) {
        return parse_time(value, 0, DAY_US, &s->window_us);
    }
    if (!ap_cstr_casecmp(key, "aggression")) {
        return parse_hundredths(value, 10, 1000, &s->aggression);
    }
    if (!ap_cstr_casecmp(key, "minimum") && parse_percent(value, &percent)) {
        s->minimum = percent * LBX_RAMP_FULL / 100;
        return 1;
    }
    return 0;
}

/* Divides "key=value". */
static const char *value_of(char *word)
{
    char *value = strchr(word, '=');

    if (value) {
        *value++ = '\0';
    }
    return value;
}

/* ------------------------------------------------------------------ */
/* Directives                                                           */

static int parse_eject(struct hc_rules *r, cmd_parms *cmd, const char *args)
{
    r->eject = (struct lbx_hc_eject){.window_us = 0};
    while (*args) {
        if (!lbx_hc_eject_word(&r->eject, ap_getword_conf(cmd->temp_pool, &args))) {
            return 0;
        }
    }
    if (!lbx_hc_eject_whole(&r->eject)) {
        return 0;
    }
    if (r->eject.form == LBX_HC_EJECT_RATIO) {
        r->eject.min = r->eject.min ? r->eject.min : 20;
        r->eject.window_us = r->eject.window_us ? r->eject.window_us : 10 * APR_USEC_PER_SEC;
    }
    return 1;
}

static int parse_max_ejected(struct hc_rules *r, cmd_parms *cmd, const char *args)
{
    return parse_percent(ap_getword_conf(cmd->temp_pool, &args), &r->max_ejected) && !*args;
}

static int parse_panic(struct hc_rules *r, cmd_parms *cmd, const char *args)
{
    const char *word = ap_getword_conf(cmd->temp_pool, &args);

    r->panic = 0;
    return (is_off(word) || parse_percent(word, &r->panic)) && !*args;
}

static void slow_defaults(struct lbx_slowstart *s)
{
    *s = (struct lbx_slowstart){.aggression = 100, .minimum = LBX_RAMP_FULL / 10};
}

static int parse_slow_start(struct hc_rules *r, cmd_parms *cmd, const char *args)
{
    char *word = ap_getword_conf(cmd->temp_pool, &args);

    slow_defaults(&r->slow);
    if (is_off(word)) {
        return !*args;
    }
    if (!slow_word(&r->slow, "slowstart", word) || !r->slow.window_us) {
        return 0;
    }
    while (*args) {
        const char *value;

        word = ap_getword_conf(cmd->temp_pool, &args);
        value = value_of(word);
        if (!value || !ap_cstr_casecmp(word, "slowstart") || !slow_word(&r->slow, word, value)) {
            return 0;
        }
    }
    return 1;
}

static int outlier_word(struct lbx_outlier *o, const char *key, const char *value)
{
    if (!ap_cstr_casecmp(key, "success-rate")) {
        return value ? parse_hundredths(value, 1, 10000, &o->rate) : (o->rate = 190) != 0;
    }
    if (!value) {
        return 0;
    }
    if (!ap_cstr_casecmp(key, "failure-percentage")) {
        return parse_percent(value, &o->percentage);
    }
    if (!ap_cstr_casecmp(key, "latency")) {
        return parse_hundredths(value, 101, 10000, &o->latency);
    }
    if (!ap_cstr_casecmp(key, "hosts")) {
        return parse_number(value, LBX_MEMBERS_MAX, &o->hosts);
    }
    if (!ap_cstr_casecmp(key, "volume")) {
        return parse_number(value, LBX_HC_EJECT_COUNT_MAX, &o->volume);
    }
    if (!ap_cstr_casecmp(key, "interval")) {
        return parse_time(value, APR_USEC_PER_SEC, DAY_US, &o->interval_us);
    }
    if (!ap_cstr_casecmp(key, "base")) {
        return parse_time(value, APR_USEC_PER_SEC, DAY_US, &o->base_us);
    }
    return !ap_cstr_casecmp(key, "max") && parse_time(value, APR_USEC_PER_SEC, DAY_US, &o->max_us);
}

static int parse_outlier(struct hc_rules *r, cmd_parms *cmd, const char *args)
{
    lbx_outlier_defaults(&r->outlier);
    if (is_off(args)) {
        return 1;
    }
    while (*args) {
        char *word = ap_getword_conf(cmd->temp_pool, &args);
        const char *value = value_of(word);

        if (!outlier_word(&r->outlier, word, value)) {
            return 0;
        }
    }
    return lbx_outlier_on(&r->outlier) && r->outlier.max_us >= r->outlier.base_us;
}

static const struct {
    int (*parse)(struct hc_rules *r, cmd_parms *cmd, const char *args);
    const char *allowed;
} rows[HC_RULE_N] = {
    [HC_RULE_EJECT] = {parse_eject, "one of consecutive=N, failures=N/TIME, ratio=P% [min=N] "
                                    "[window=TIME], optionally status=CODE,... from 400 to 599, "
                                    "or Off"},
    [HC_RULE_MAX_EJECTED] = {parse_max_ejected, "a percentage from 1% to 100%"},
    [HC_RULE_PANIC] = {parse_panic, "a percentage from 1% to 100%, or Off"},
    [HC_RULE_SLOW_START] = {parse_slow_start, "a time up to a day, optionally aggression=N from "
                                              "0.1 to 10 and minimum=P% from 1% to 100%, or Off"},
    [HC_RULE_OUTLIER] = {parse_outlier, "one or more of success-rate[=N], failure-percentage=P, "
                                        "latency=N above 1, optionally hosts=N, volume=N, "
                                        "interval=TIME, base=TIME, max=TIME (not below base), or "
                                        "Off"},
};

static void defaults(struct hc_rules *r)
{
    r->max_ejected = 100;
    slow_defaults(&r->slow);
    lbx_outlier_defaults(&r->outlier);
}

const char *hc_rules_command(cmd_parms *cmd, void *dconf, const char *args)
{
    enum hc_rule row = (enum hc_rule)(uintptr_t)cmd->info;
    const char *balancer = lbx_directive_balancer(cmd, &args);
    apr_hash_t *said = hc_conf_server(cmd->server)->rules;
    struct hc_rules *r;

    (void)dconf;
    if (!balancer) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           " must stand in <Proxy balancer://name> or have balancer://name as its "
                           "first argument",
                           NULL);
    }
    r = apr_hash_get(said, balancer, APR_HASH_KEY_STRING);
    if (!r) {
        r = apr_pcalloc(cmd->pool, sizeof(*r));
        defaults(r);
        apr_hash_set(said, balancer, APR_HASH_KEY_STRING, r);
    }
    if (!rows[row].parse(r, cmd, args)) {
        return apr_psprintf(cmd->pool, "%s %s: must be %s", cmd->cmd->name, args,
                            rows[row].allowed);
    }
    r->given |= 1u << row;
    return NULL;
}

/* ------------------------------------------------------------------ */
/* Parameters of members                                                */

int hc_rules_param(apr_pool_t *p, server_rec *s, const struct lbx_param *param, const char **error)
{
    static const struct {
        const char *key;
        const char *allowed;
    } params[] = {
        {"slowstart", "a time up to a day, or 0 for none"},
        {"aggression", "a number from 0.1 to 10"},
        {"minimum", "a percentage from 1% to 100%"},
    };
    struct lbx_slowstart unused;

    (void)s;
    for (unsigned i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        if (ap_cstr_casecmp(param->key, params[i].key)) {
            continue;
        }
        if (!slow_word(&unused, param->key, param->value)) {
            *error =
                apr_psprintf(p, "%s=%s: must be %s", param->key, param->value, params[i].allowed);
        }
        return DONE;
    }
    return DECLINED;
}

void hc_rules_settle(const struct hc_rules *rules, const struct lbx_member_info *info)
{
    static const char *const keys[] = {"slowstart", "aggression", "minimum"};
    struct lbx_hc_member *space = hc_state_space(info->view.ref);
    const proxy_worker *worker = info->worker;
    struct lbx_slowstart slow = rules->slow;

    if (!space) {
        return;
    }
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *value = apr_table_get(info->params, keys[i]);

        if (value) {
            slow_word(&slow, keys[i], value);
        }
    }
    atomic_store(&space->retry, worker && worker->s->retry_set ? info->view.retry_us + 1 : 0);
    atomic_store(&space->slow_window_us, slow.window_us);
    atomic_store(&space->slow_aggression, slow.aggression);
    atomic_store(&space->slow_minimum, slow.minimum);
}

/* ------------------------------------------------------------------ */
/* In force                                                             */

/* The fields of one directive. */
static void take(struct hc_rules *to, const struct hc_rules *from, int row)
{
    switch (row) {
    case HC_RULE_EJECT:
        to->eject = from->eject;
        break;
    case HC_RULE_MAX_EJECTED:
        to->max_ejected = from->max_ejected;
        break;
    case HC_RULE_PANIC:
        to->panic = from->panic;
        break;
    case HC_RULE_SLOW_START:
        to->slow = from->slow;
        break;
    default:
        to->outlier = from->outlier;
        break;
    }
    to->given |= 1u << row;
}

static struct hc_rules *rules_for(apr_pool_t *p, server_rec *main, const struct lbx_set_info *info)
{
    server_rec *from[] = {main, info->server}; /* the last word wins */
    struct hc_rules *r = apr_pcalloc(p, sizeof(*r));

    defaults(r);
    for (unsigned k = 0; k < 2; k++) {
        const struct hc_rules *said =
            apr_hash_get(hc_conf_server(from[k])->rules, info->name, APR_HASH_KEY_STRING);

        for (int row = 0; said && row < HC_RULE_N; row++) {
            if (said->given >> row & 1) {
                take(r, said, row);
            }
        }
    }
    r->set = info->ref;
    r->balancer = info->name;
    r->server = info->server;
    r->forcerecovery = info->forcerecovery;
    r->n = info->n;
    return r;
}

/* Those that come with their balancer are no newcomers. */
static void meet(const struct lbx_set_info *info)
{
    struct lbx_hc_set *set = hc_state_set_space(info->ref);

    if (!set || atomic_exchange(&set->known, LBX_HC_SPACE_VERSION) == LBX_HC_SPACE_VERSION) {
        return;
    }
    for (uint32_t i = 0; i < info->n; i++) {
        struct lbx_hc_member *space = hc_state_space(info->member[i].view.ref);

        if (space) {
            atomic_store(&space->known, LBX_HC_SPACE_VERSION);
        }
    }
}

void hc_rules_boot_build(apr_pool_t *p, server_rec *main)
{
    APR_OPTIONAL_FN_TYPE(lbx_snapshot) *snapshot = APR_RETRIEVE_OPTIONAL_FN(lbx_snapshot);
    const apr_array_header_t *sets = snapshot ? snapshot(p, NULL) : NULL;

    all = apr_array_make(p, sets ? sets->nelts : 1, sizeof(struct hc_rules *));
    slots = 0;
    for (int i = 0; sets && i < sets->nelts; i++) {
        const struct lbx_set_info *info = &APR_ARRAY_IDX(sets, i, struct lbx_set_info);
        struct hc_rules *r = rules_for(p, main, info);

        APR_ARRAY_PUSH(all, struct hc_rules *) = r;
        meet(info);
        slots = info->ref.slot >= slots ? info->ref.slot + 1 : slots;
        for (uint32_t k = 0; k < info->n; k++) {
            hc_rules_settle(r, &info->member[k]);
        }
    }
    by_slot = apr_pcalloc(p, (slots ? slots : 1) * sizeof(*by_slot));
    for (int i = 0; i < all->nelts; i++) {
        struct hc_rules *r = APR_ARRAY_IDX(all, i, struct hc_rules *);

        by_slot[r->set.slot] = r;
    }
}

const struct hc_rules *hc_rules_of(struct lbx_ref set)
{
    const struct hc_rules *r = set.slot < slots ? by_slot[set.slot] : NULL;

    return r && r->set.revision == set.revision ? r : NULL;
}

unsigned hc_rules_count(void)
{
    return all ? (unsigned)all->nelts : 0;
}

const struct hc_rules *hc_rules_at(unsigned i)
{
    return APR_ARRAY_IDX(all, (int)i, struct hc_rules *);
}
