/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks on the configuration.  See core_param.h.
 *
 * mod_proxy reads numbers with atoi(): "retry=thirty" is 0, retried at once, and
 * nobody is told.  A value without any number stops the start; one with a
 * number and something behind it ("retry=30s") works as it always did, with a
 * warning, so that no configuration that runs today stops running.
 *
 * Bound.
 */
#include "core_param.h"

#include "apr_strings.h"

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

int core_param_check_modules(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)p;
    (void)plog;
    (void)ptemp;
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
    const char *allowed;
};

/* What mod_proxy reads with atoi, atol or atof.  Times with units are parsed
 * properly by mod_proxy itself and are not here. */
static const struct number member_numbers[] = {
    {"loadfactor", "a number from 1 to 100"},
    {"retry", "seconds, a whole number, 0 or more"},
    {"ttl", "seconds, a whole number, 1 or more"},
    {"min", "a whole number, 0 or more"},
    {"max", "a whole number, 0 or more"},
    {"smax", "a whole number, 0 or more"},
    {"timeout", "seconds, a whole number, 1 or more"},
    {"iobuffersize", "bytes, 0 or at least 512"},
    {"receivebuffersize", "bytes, 0 or at least 512"},
    {"flushwait", "milliseconds, 0 to 1000"},
    {"lbset", "a whole number from 0 to 99"},
    {"responsefieldsize", "bytes, 0 or more"},
    {NULL, NULL},
};

static const struct number balancer_numbers[] = {
    {"timeout", "seconds, a whole number, 1 or more"},
    {"maxattempts", "a whole number, 0 or more"},
    {"growth", "a whole number from 1 to 100"},
    {NULL, NULL},
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

static const char *check_number(cmd_parms *cmd, const struct number *table, const char *key,
                                const char *value)
{
    for (; table->key; table++) {
        const char *rest = behind_number(value);

        if (ap_cstr_casecmp(table->key, key)) {
            continue;
        }
        if (rest == value) {
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

/* stickysession= is cut by mod_proxy without a word. */
static const char *check_sticky(cmd_parms *cmd, const char *key, const char *value)
{
    if (!ap_cstr_casecmp(key, "stickysession") && strlen(value) >= LBX_STICKY_MAX) {
        return apr_psprintf(cmd->pool, "%s %s=%s: must be shorter than %d characters",
                            cmd->directive->directive, key, value, LBX_STICKY_MAX);
    }
    return NULL;
}

/* Check the key=value words of <args>; others are none of our business. */
static const char *check_words(cmd_parms *cmd, const char *args, int balancer)
{
    const char *err = NULL;

    while (*args && !err) {
        char *word = ap_getword_conf(cmd->temp_pool, &args);
        char *value = strchr(word, '=');

        if (!value) {
            continue;
        }
        *value++ = '\0';
        err = check_number(cmd, balancer ? balancer_numbers : member_numbers, word, value);
        if (!err && balancer) {
            err = check_sticky(cmd, word, value);
        }
    }
    return err;
}

/* Does the directive speak of a balancer?  ProxySet in <Proxy> means the section's. */
static int about_balancer(cmd_parms *cmd, const char *args)
{
    const ap_directive_t *parent = cmd->directive->parent;
    const char *in = cmd->info ? args : parent ? parent->args : args;

    return ap_strcasestr(in, "balancer://") != NULL;
}

/* The name that mod_proxy gives a worker: scheme and host in lower case, no
 * default port; NULL: it will complain itself. */
static const char *worker_name(apr_pool_t *p, const char *url)
{
    const char *bar = ap_cstr_casecmpn(url, "unix:", 5) ? NULL : ap_strchr_c(url, '|');
    const char *path = "";
    apr_uri_t uri;

    if (bar) {
        path = apr_pstrcat(
            p, "unix:", ap_runtime_dir_relative(p, apr_pstrmemdup(p, url + 5, bar - url - 5)), "|",
            NULL);
        url = bar + 1;
    }
    if (apr_uri_parse(p, url, &uri) != APR_SUCCESS || !uri.scheme) {
        return NULL;
    }
    if (!uri.hostname || !*uri.hostname) {
        uri.hostname = "localhost";
    }
    ap_str_tolower(uri.hostname);
    ap_str_tolower(uri.scheme);
    if (uri.port == ap_proxy_port_of_scheme(uri.scheme)) {
        uri.port = 0;
    }
    return apr_pstrcat(p, path, apr_uri_unparse(p, &uri, APR_URI_UNP_REVEALPASSWORD), NULL);
}

/* "1.15" -> 115, rounded; what is out of range is mod_proxy's to refuse. */
static uint32_t hundredths(const char *value)
{
    double factor = strtod(value, NULL);

    return factor >= 1 && factor <= 100 ? (uint32_t)(factor * 100 + 0.5) : 0;
}

static const char *without_path(apr_pool_t *p, const char *balancer)
{
    char *name = apr_pstrdup(p, balancer);
    char *slash = strlen(name) > 11 ? strchr(name + 11, '/') : NULL;

    if (slash) {
        *slash = '\0';
    }
    ap_str_tolower(name);
    return name;
}

/* Write down what the directive says: [balancer] URL key=value... */
static void remember_member(cmd_parms *cmd, const char *args)
{
    struct core_told told = {cmd->path, NULL, 0};

    while (*args) {
        const char *word = ap_getword_conf(cmd->pool, &args);

        if (!ap_strchr_c(word, '=')) {
            if (!told.balancer) {
                told.balancer = word;
            } else if (!told.member) {
                told.member = worker_name(cmd->pool, word);
            }
        } else if (!ap_cstr_casecmpn(word, "loadfactor=", 11)) {
            told.weight = hundredths(word + 11);
        }
    }
    if (told.balancer && told.member) {
        told.balancer = without_path(cmd->pool, told.balancer);
        APR_ARRAY_PUSH(core_conf_told(cmd->server), struct core_told) = told;
    }
}

static const char *see_member(cmd_parms *cmd, void *dconf, const char *args)
{
    (void)dconf;
    remember_member(cmd, args);
    return check_words(cmd, args, 0);
}

static const char *see_params(cmd_parms *cmd, void *dconf, const char *args)
{
    (void)dconf;
    return check_words(cmd, args, about_balancer(cmd, args));
}

/* Our handlers only look; mod_proxy's do the work.  cmd_data: the target is
 * named in the directive itself. */
const command_rec core_param_commands[] = {
    AP_INIT_RAW_ARGS("BalancerMember", see_member, NULL, RSRC_CONF | ACCESS_CONF,
                     "A balancer name and scheme://server with its parameters"),
    AP_INIT_RAW_ARGS("ProxySet", see_params, NULL, RSRC_CONF | ACCESS_CONF,
                     "A balancer or worker name with parameters"),
    AP_INIT_RAW_ARGS("ProxyPass", see_params, (void *)1, RSRC_CONF | ACCESS_CONF,
                     "A virtual path and a URL with parameters"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

/* ------------------------------------------------------------------ */
/* Parameters of members that mod_proxy does not know                   */

static const char *set_worker_hc_param(apr_pool_t *p, server_rec *s, proxy_worker *worker,
                                       const char *key, const char *val, void *ctx)
{
    (void)s;
    (void)worker;
    (void)ctx;
    if (!ap_cstr_casecmpn(key, "hc", 2)) {
        return apr_psprintf(p, "%s=%s: health checks need mod_lbx_hcheck, which is not loaded", key,
                            val);
    }
    return apr_psprintf(p, "unknown Worker parameter %s=%s", key, val);
}

void core_param_register(void)
{
    APR_REGISTER_OPTIONAL_FN(set_worker_hc_param);
}
