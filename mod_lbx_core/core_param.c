/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks on the configuration.  See core_param.h.
 *
 * mod_proxy reads numbers with atoi(): "retry=thirty" is 0, retried at once, and
 * nobody is told.  A value without any number stops the start; one with a
 * number and something behind it ("retry=30s") works as it always did, with a
 * warning.
 *
 * Bound.
 */
#include "core_param.h"

#include "ap_provider.h"
#include "apr_strings.h"

#include "core_seam.h"
#include "core_told.h"

APLOG_USE_MODULE(lbx_core);

/* ------------------------------------------------------------------ */
/* Modules                                                              */

struct rival {
    const char *file;   /* as httpd knows the module */
    const char *stock;  /* as its directory entry is called */
    const char *symbol; /* as LoadModule names it */
    const char *ours;
};

static const struct rival rivals[] = {
    {"mod_proxy_balancer.c", "mod_proxy_balancer", "proxy_balancer_module", "mod_lbx_core"},
    {"mod_lbmethod_byrequests.c", "mod_lbmethod_byrequests", "lbmethod_byrequests_module",
     "mod_lbx_core"},
    {"mod_lbmethod_bybusyness.c", "mod_lbmethod_bybusyness", "lbmethod_bybusyness_module",
     "mod_lbx_core"},
    {"mod_lbmethod_bytraffic.c", "mod_lbmethod_bytraffic", "lbmethod_bytraffic_module",
     "mod_lbx_core"},
    {"mod_proxy_hcheck.c", "mod_proxy_hcheck", "proxy_hcheck_module",
     "mod_lbx_core (health checks are mod_lbx_hcheck's)"},
};

/* Minor module magic numbers of 20120211 at which structs of mod_proxy that we make
 * or copy changed their size: name_ex, address, is_host_matchable. */
static const int layouts[] = {124, 130, 138};

static unsigned layout_of(int minor)
{
    unsigned n = 0;

    while (n < sizeof(layouts) / sizeof(layouts[0]) && layouts[n] <= minor) {
        n++;
    }
    return n;
}

/* Modules of another httpd would write behind the ends of shared structs. */
static int check_magic(void)
{
    const module *proxy = ap_find_linked_module("mod_proxy.c");

    if (!proxy || layout_of(proxy->minor_version) == layout_of(MODULE_MAGIC_NUMBER_MINOR)) {
        return OK;
    }
    ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, NULL,
                 LBXNO(0202) "mod_lbx_core was built for another httpd: module magic number "
                             "%d:%d, mod_proxy has %d:%d; build it again for this one",
                 MODULE_MAGIC_NUMBER_MAJOR, MODULE_MAGIC_NUMBER_MINOR, proxy->version,
                 proxy->minor_version);
    return HTTP_INTERNAL_SERVER_ERROR;
}

int core_param_check_modules(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)p;
    (void)plog;
    (void)ptemp;
    if (check_magic() != OK) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    for (unsigned i = 0; i < sizeof(rivals) / sizeof(rivals[0]); i++) {
        const struct rival *v = &rivals[i];

        if (ap_find_linked_module(v->file)) {
            ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, NULL,
                         LBXNO(0200) "%s replaces %s: remove the line \"LoadModule %s ...\"",
                         v->ours, v->stock, v->symbol);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

/* ------------------------------------------------------------------ */
/* Values                                                               */

struct number {
    const char *key;
    double min, max;
    int zero; /* 0 is allowed besides */
    const char *allowed;
};

#define ANY 1e15

/* What mod_proxy reads with atoi, atol or atof.  Times with units are parsed
 * properly by mod_proxy itself and are not here. */
static const struct number member_numbers[] = {
    {"loadfactor", 1, 100, 0, "a number from 1 to 100"},
    {"retry", 0, ANY, 0, "seconds, a whole number, 0 or more"},
    {"ttl", 1, ANY, 0, "seconds, a whole number, 1 or more"},
    {"min", 0, ANY, 0, "a whole number, 0 or more"},
    {"max", 0, ANY, 0, "a whole number, 0 or more"},
    {"smax", 0, ANY, 0, "a whole number, 0 or more"},
    {"timeout", 1, ANY, 0, "seconds, a whole number, 1 or more"},
    {"iobuffersize", 512, ANY, 1, "bytes, 0 or at least 512"},
    {"receivebuffersize", 512, ANY, 1, "bytes, 0 or at least 512"},
    {"flushwait", 0, 1000, 0, "milliseconds, 0 to 1000"},
    {"lbset", 0, LBX_LBSET_MAX, 0, "a whole number from 0 to 99"},
    {"responsefieldsize", 0, ANY, 0, "bytes, 0 or more"},
    {NULL, 0, 0, 0, NULL},
};

static const struct number balancer_numbers[] = {
    {"timeout", 1, ANY, 0, "seconds, a whole number, 1 or more"},
    {"maxattempts", 0, ANY, 0, "a whole number, 0 or more"},
    {"growth", 1, 100, 0, "a whole number from 1 to 100"},
    {NULL, 0, 0, 0, NULL},
};

/* The first character behind the number at <t>; <t> itself: there is none. */
static const char *behind_number(const char *t)
{
    const char *start = t;

    t += *t == '-' || *t == '+';
    if (!apr_isdigit(*t)) {
        return start;
    }
    while (apr_isdigit(*t) || *t == '.') {
        t++;
    }
    return t;
}

static int in_range(const struct number *n, double value)
{
    return (value >= n->min && value <= n->max) || (n->zero && value == 0);
}

static const char *check_number(cmd_parms *cmd, const struct number *table, const char *key,
                                const char *value, int strict)
{
    for (; table->key; table++) {
        const char *rest = behind_number(value);

        if (ap_cstr_casecmp(table->key, key)) {
            continue;
        }
        if (rest == value || !in_range(table, strtod(value, NULL)) || (*rest && strict)) {
            return apr_psprintf(cmd->pool, "%s %s=%s: must be %s", cmd->directive->directive, key,
                                value, table->allowed);
        }
        if (*rest) {
            ap_log_error(APLOG_MARK, APLOG_WARNING | APLOG_STARTUP, 0, cmd->server,
                         LBXNO(0201) "%s %s=%s: '%s' is ignored, the value must be %s",
                         cmd->directive->directive, key, value, rest, table->allowed);
        }
    }
    return NULL;
}

/* What mod_proxy refuses itself, without saying the value. */
struct choice {
    const char *key;
    const char *values[4];
    const char *allowed;
};

#define ON_OFF {"On", "Off"}, "On or Off"

static const struct choice member_choices[] = {
    {"keepalive", ON_OFF},   {"disablereuse", ON_OFF},
    {"enablereuse", ON_OFF}, {"flushpackets", {"on", "off", "auto"}, "on, off or auto"},
    {NULL, {NULL}, NULL},
};

static const struct choice balancer_choices[] = {
    {"nofailover", ON_OFF},      {"forcerecovery", ON_OFF}, {"failontimeout", ON_OFF},
    {"scolonpathdelim", ON_OFF}, {NULL, {NULL}, NULL},
};

static int is_choice(const struct choice *c, const char *value)
{
    for (unsigned i = 0; c->values[i]; i++) {
        if (!ap_cstr_casecmp(c->values[i], value)) {
            return 1;
        }
    }
    return 0;
}

/* Letters, + and -, and not one of these two at the end. */
static int is_status(const char *value)
{
    size_t n = strlen(value);

    return n && strspn(value, "+-OoIiNnGgUuDdSsEeHhFfCcRr") == n && !strchr("+-", value[n - 1]);
}

static int is_time(const char *value)
{
    apr_interval_time_t t;

    return ap_timeout_parameter_parse(value, &t, "s") == APR_SUCCESS && t >= 0;
}

/* Texts that mod_proxy refuses without saying which, or cuts. */
static const struct length {
    const char *key;
    int balancer;
    size_t most;
    const char *allowed;
} lengths[] = {
    {"route", 0, LBX_STICKY_MAX - 1, "up to 63 characters"},
    {"redirect", 0, LBX_STICKY_MAX - 1, "up to 63 characters"},
    {"upgrade", 0, PROXY_WORKER_MAX_SCHEME_SIZE - 1, "up to 15 characters"},
    {"stickysession", 1, LBX_STICKY_MAX - 1, "up to 63 characters"},
    {"nonce", 1, APR_UUID_FORMATTED_LENGTH, "None, or up to 36 characters"},
};

LBX_STATIC(LBX_STICKY_MAX == 64 && PROXY_WORKER_MAX_ROUTE_SIZE == 64, "the texts name it");
LBX_STATIC(PROXY_WORKER_MAX_SCHEME_SIZE == 16 && APR_UUID_FORMATTED_LENGTH == 36,
           "the texts name it");

static const char *wanted_length(const char *key, const char *value, int balancer)
{
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        const struct length *l = &lengths[i];

        if (l->balancer == balancer && !ap_cstr_casecmp(l->key, key) && strlen(value) > l->most) {
            return l->allowed;
        }
    }
    return NULL;
}

/* "503", "500,503" */
static int are_statuses(const char *value)
{
    do {
        char *end;
        apr_int64_t n = apr_isdigit(*value) ? apr_strtoi64(value, &end, 10) : 0;

        if (n < 100 || n > 599 || !strchr(", ", *end)) {
            return 0;
        }
        value = end + strspn(end, ", ");
    } while (*value);
    return 1;
}

/* NULL, or what the value must be. */
static const char *wanted_word(const char *key, const char *value, int balancer)
{
    const struct choice *c = balancer ? balancer_choices : member_choices;

    for (; c->key; c++) {
        if (!ap_cstr_casecmp(c->key, key)) {
            return is_choice(c, value) ? NULL : c->allowed;
        }
    }
    if (wanted_length(key, value, balancer)) {
        return wanted_length(key, value, balancer);
    }
    if (balancer && !ap_cstr_casecmp(key, "stickysessionsep")) {
        return strlen(value) == 1 || !ap_cstr_casecmp(value, "off") ? NULL
                                                                    : "one character, or Off";
    }
    if (balancer) {
        return !ap_cstr_casecmp(key, "failonstatus") && !are_statuses(value)
                   ? "statuses from 100 to 599 with commas between them"
                   : NULL;
    }
    if (!ap_cstr_casecmp(key, "status") && !is_status(value)) {
        return "letters with + or - before them: D, S, N, I, H, R, C";
    }
    if ((!ap_cstr_casecmp(key, "ping") || !ap_cstr_casecmp(key, "acquire")
         || !ap_cstr_casecmp(key, "connectiontimeout"))
        && !is_time(value)) {
        return "a time: 5, 5s, 500ms";
    }
    if (!ap_cstr_casecmp(key, "addressttl") && strcmp(value, "-1")
        && strspn(value, "0123456789") != strlen(value)) {
        return "seconds, a whole number, or -1";
    }
    return NULL;
}

/* What a balancer of mod_proxy has up to KNOWN_MINOR; `mapping` is ProxyPass's. */
static const char balancer_words[] =
    "lbmethod, maxattempts, timeout, forcerecovery, failonstatus, failontimeout, growth, nonce, "
    "stickysession, stickysessionsep, scolonpathdelim, nofailover";
#define KNOWN_MINOR 142

static int is_word_of(const char *list, const char *key)
{
    size_t len = strlen(key);

    for (; *list; list += strcspn(list, ","), list += strspn(list, ", ")) {
        if (strcspn(list, ",") == len && !ap_cstr_casecmpn(list, key, len)) {
            return 1;
        }
    }
    return 0;
}

/* A later mod_proxy may know more.  What is no word at all is left to it. */
static int is_unknown(const char *key)
{
    const module *proxy = ap_find_linked_module("mod_proxy.c");
    const char *c = key;

    while (apr_isalnum(*c) || *c == '_') {
        c++;
    }
    return c > key && !*c && proxy && proxy->minor_version <= KNOWN_MINOR
           && ap_cstr_casecmp(key, "mapping") && !is_word_of(balancer_words, key);
}

static const char *unknown(cmd_parms *cmd, const char *key, const char *value)
{
    return apr_psprintf(cmd->pool, "%s %s=%s: unknown Balancer parameter, must be one of %s",
                        cmd->directive->directive, key, value, balancer_words);
}

/* mod_proxy refuses these without their name, or what there is. */
static const char *check_text(cmd_parms *cmd, const char *key, const char *value)
{
    if (!ap_cstr_casecmp(key, "lbmethod") && !ap_lookup_provider(PROXY_LBMETHOD, value, "0")) {
        return apr_psprintf(cmd->pool,
                            "%s %s=%s: unknown lbmethod, must be the name of a loaded one",
                            cmd->directive->directive, key, value);
    }
    return NULL;
}

/* Check the key=value words of <args>; others are none of our business. */
static const char *check_words(cmd_parms *cmd, const char *args, int balancer, int strict)
{
    const char *err = NULL, *wanted;
    int named = !ap_strcasestr(args, "balancer://"); /* before it stand paths and patterns */

    while (*args && !err) {
        char *word = ap_getword_conf(cmd->temp_pool, &args);
        char *value = strchr(word, '=');

        if (!named || !value) {
            named = named || ap_strcasestr(word, "balancer://");
            continue;
        }
        *value++ = '\0';
        /* a section's arguments come with its bracket */
        if (*cmd->directive->directive == '<' && !*args) {
            value[strcspn(value, ">")] = '\0';
        }
        err = check_number(cmd, balancer ? balancer_numbers : member_numbers, word, value, strict);
        if (!err && balancer) {
            err = is_unknown(word) ? unknown(cmd, word, value) : check_text(cmd, word, value);
        }
        if (!err && (wanted = wanted_word(word, value, balancer))) {
            err = apr_psprintf(cmd->pool, "%s %s=%s: must be %s", cmd->directive->directive, word,
                               value, wanted);
        }
    }
    return err;
}

/* As mod_proxy's. */
enum { GROWTH_MAX = 1000 };

/* Where the directive says what it is about.  ProxySet in <Proxy> means the
 * section's. */
static const char *subject(cmd_parms *cmd, const char *args)
{
    const ap_directive_t *parent = cmd->directive->parent;
    int in_section = parent && !ap_cstr_casecmpn(parent->directive, "<Proxy", 6);

    return !cmd->info && in_section ? parent->args : args;
}

const char *core_param_member(cmd_parms *cmd, void *dconf, const char *args)
{
    (void)dconf;
    core_told_member(cmd, args);
    return check_words(cmd, args, 0, 0);
}

const char *core_param_server(cmd_parms *cmd, void *dconf, const char *args)
{
    const char *word = ap_getword_conf(cmd->temp_pool, &args), *allowed = "On or Off";
    int good = !ap_cstr_casecmp(word, "on") || !ap_cstr_casecmp(word, "off");

    (void)dconf;
    if (cmd->info) {
        char *end;
        apr_int64_t n = apr_isdigit(*word) ? apr_strtoi64(word, &end, 10) : -1;

        good = n >= 0 && n <= GROWTH_MAX;
        allowed = "a whole number from 0 to 1000";
    }
    return good ? NULL
                : apr_psprintf(cmd->pool, "%s %s: must be %s", cmd->cmd->name, word, allowed);
}

const char *core_param_check_words(cmd_parms *cmd, const char *args)
{
    return check_words(cmd, args, 0, 1);
}

const char *core_param_values(cmd_parms *cmd, void *dconf, const char *args)
{
    const char *balancer = core_told_balancer(cmd->pool, subject(cmd, args));

    (void)dconf;
    if (balancer && ap_strcasestr(args, "lbmethod=")) {
        core_told_method(cmd, balancer);
    }
    return check_words(cmd, args, balancer != NULL, 0);
}

/* ------------------------------------------------------------------ */
/* Parameters of members that mod_proxy does not know                   */

static int maxconn(const char *value)
{
    char *end;
    apr_int64_t n = apr_strtoi64(value, &end, 10);

    return end != value && !*end && n >= 0 && n <= LBX_MAXCONN_MAX;
}

enum { DRAIN_MAX = 86400 }; /* seconds */

uint64_t core_param_drain(const char *value)
{
    apr_interval_time_t time;

    return apr_isdigit(*value) && ap_timeout_parameter_parse(value, &time, "s") == APR_SUCCESS
                   && time > 0 && time <= apr_time_from_sec(DRAIN_MAX)
               ? (uint64_t)time
               : 0;
}

static int draintimeout(const char *value)
{
    return core_param_drain(value) != 0;
}

/* Core's own. */
static const struct {
    const char *key;
    int (*good)(const char *value);
    const char *allowed;
} own_params[] = {
    {"maxconn", maxconn, "a whole number from 0 (no limit) to 1000000"},
    {"draintimeout", draintimeout, "a time from 1ms to 24h, as 300 or 5min"},
};

LBX_STATIC(LBX_MAXCONN_MAX == 1000000, "the text names it");

static int own_param(const struct lbx_param *param, apr_pool_t *p, const char **error)
{
    for (unsigned i = 0; i < sizeof(own_params) / sizeof(own_params[0]); i++) {
        if (ap_cstr_casecmp(param->key, own_params[i].key)) {
            continue;
        }
        if (!own_params[i].good(param->value)) {
            *error = apr_psprintf(p, "%s=%s: must be %s", param->key, param->value,
                                  own_params[i].allowed);
        }
        return DONE;
    }
    return DECLINED;
}

const char *core_param_check(apr_pool_t *p, server_rec *s, const struct lbx_param *param)
{
    const char *error = NULL;

    if (own_param(param, p, &error) == DONE
        || core_seam_run_member_param(p, s, param, &error) == DONE) {
        return error;
    }
    if (!ap_cstr_casecmpn(param->key, "hc", 2)) {
        return apr_psprintf(p, "%s=%s: health checks need mod_lbx_hcheck, which is not loaded",
                            param->key, param->value);
    }
    return apr_psprintf(p,
                        "unknown Worker parameter %s=%s: must be one of mod_proxy's, as retry or "
                        "loadfactor, or maxconn, draintimeout, or with mod_lbx_hcheck hc..., "
                        "slowstart, aggression, minimum",
                        param->key, param->value);
}

/* mod_proxy asks for each parameter of a worker that it does not know. */
static const char *set_worker_hc_param(apr_pool_t *p, server_rec *s, proxy_worker *worker,
                                       const char *key, const char *val, void *ctx)
{
    struct lbx_param param = {
        .balancer = worker && worker->balancer ? worker->balancer->s->name : NULL,
        .member = worker ? ap_proxy_worker_name(p, worker) : NULL,
        .key = key,
        .value = val,
    };
    const char *error = core_param_check(p, s, &param);

    (void)ctx;
    if (!error && param.balancer) {
        apr_table_set(core_told_params(p, s, param.balancer, param.member), key, val);
    }
    return error;
}

void core_param_register(void)
{
    APR_REGISTER_OPTIONAL_FN(set_worker_hc_param);
}
