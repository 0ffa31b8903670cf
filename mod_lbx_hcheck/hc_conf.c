/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directives and words of active checks.  See hc_conf.h.
 *
 * Bound.
 */
#include "hc_conf.h"

#include "apr_lib.h"
#include "http_core.h"

#include "hc_expr.h"
#include "hc_plan.h"

APLOG_USE_MODULE(lbx_hcheck);

/* The main server's record is made first, anew each time the configuration is read. */
static server_rec *main_server;

void *hc_conf_create_server(apr_pool_t *p, server_rec *s)
{
    struct hc_server *own = apr_pcalloc(p, sizeof(*own));

    if (!s->is_virtual) {
        main_server = s;
    }
    own->templates = apr_hash_make(p);
    own->exprs = apr_hash_make(p);
    own->named = apr_array_make(p, 4, sizeof(const struct hc_expr *));
    own->tls = apr_hash_make(p);
    own->rules = apr_hash_make(p);
    own->told = apr_hash_make(p);
    own->spread = -1;
    return own;
}

struct hc_server *hc_conf_server(server_rec *s)
{
    struct hc_server *own = ap_get_module_config(s->module_config, &lbx_hcheck_module);

    /* while the file is read, a virtual host without a directive of ours has none */
    return own ? own : ap_get_module_config(main_server->module_config, &lbx_hcheck_module);
}

server_rec *hc_conf_main(void)
{
    return main_server;
}

const struct hc_expr *hc_conf_expr(server_rec *s, const char *name)
{
    const struct hc_expr *e = apr_hash_get(hc_conf_server(s)->exprs, name, APR_HASH_KEY_STRING);

    return e ? e : apr_hash_get(hc_conf_server(main_server)->exprs, name, APR_HASH_KEY_STRING);
}

static const apr_table_t *find_template(server_rec *s, const char *name)
{
    const apr_table_t *t = apr_hash_get(hc_conf_server(s)->templates, name, APR_HASH_KEY_STRING);

    return t ? t : apr_hash_get(hc_conf_server(main_server)->templates, name, APR_HASH_KEY_STRING);
}

/* ------------------------------------------------------------------ */
/* Words                                                                */

/* Is what the word names declared? */
static const char *check_name(apr_pool_t *p, server_rec *s, const char *key, const char *value)
{
    int is_expr = !ap_cstr_casecmp(key, "hcexpr");

    if (is_expr ? hc_conf_expr(s, value) != NULL : find_template(s, value) != NULL) {
        return NULL;
    }
    return apr_psprintf(p,
                        "%s=%s: must be the name of a %s that stands above, here or in the main "
                        "server",
                        key, value, is_expr ? "ProxyHCExpr" : "ProxyHCTemplate");
}

/* DECLINED: not one of ours. */
static int check_word(apr_pool_t *p, server_rec *s, const char *key, const char *value,
                      const char **error)
{
    struct lbx_hc_spec scratch;
    const char *allowed = NULL;

    lbx_hc_spec_defaults(&scratch);
    switch (lbx_hc_spec_set(&scratch, key, value, &allowed)) {
    case LBX_HC_WORD_UNKNOWN:
        return DECLINED;
    case LBX_HC_WORD_BAD:
        *error = apr_psprintf(p, "%s=%s: must be %s", key, value, allowed);
        break;
    case LBX_HC_WORD_OK:
        *error = lbx_hc_spec_is_name(key) ? check_name(p, s, key, value) : NULL;
        break;
    }
    return DONE;
}

/* The words of one member, for hc_conf_check. */
struct hc_told {
    server_rec *server;
    const char *balancer;
    const char *member;
    apr_table_t *words;
};

static void remember(apr_pool_t *p, server_rec *s, const struct lbx_param *param)
{
    apr_hash_t *all = hc_conf_server(s)->told;
    const char *key = apr_psprintf(p, "%pp %s\n%s", s, param->balancer, param->member);
    struct hc_told *t = apr_hash_get(all, key, APR_HASH_KEY_STRING);

    if (!t) {
        t = apr_pcalloc(p, sizeof(*t));
        t->server = s;
        t->balancer = apr_pstrdup(p, param->balancer);
        t->member = apr_pstrdup(p, param->member);
        t->words = apr_table_make(p, 8);
        apr_hash_set(all, key, APR_HASH_KEY_STRING, t);
    }
    apr_table_set(t->words, param->key, param->value);
}

int hc_conf_param(apr_pool_t *p, server_rec *s, const struct lbx_param *param, const char **error)
{
    int answer = check_word(p, s, param->key, param->value, error);
    int state = ap_state_query(AP_SQ_MAIN_STATE);

    if (answer == DECLINED && !ap_cstr_casecmpn(param->key, "hc", 2)) {
        *error = apr_psprintf(p, "%s=%s: unknown parameter of checks", param->key, param->value);
        return DONE;
    }
    if (answer == DONE && !*error && param->balancer
        && (state == AP_SQ_MS_CREATE_CONFIG || state == AP_SQ_MS_CREATE_PRE_CONFIG)) {
        remember(p, s, param);
    }
    return answer;
}

static int check_told(apr_pool_t *p, const struct hc_told *t)
{
    const char *bar = strchr(t->member, '|'), *url = bar ? bar + 1 : t->member;
    const char *scheme = apr_pstrndup(p, url, strcspn(url, ":"));
    struct lbx_hc_spec spec;
    const char *error = hc_conf_spec(p, t->server, t->words, &spec);

    if (!error) {
        error = hc_plan_error(p, scheme, &spec);
    }
    if (error) {
        ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, t->server,
                     LBXNO(0450) "BalancerMember %s of %s: %s", t->member, t->balancer, error);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (spec.method != LBX_HC_NONE && hc_plan_is_tls(scheme)
        && !hc_tls_for(p, t->server, t->balancer)->on[HC_TLS_ENGINE]) {
        ap_log_error(
            APLOG_MARK, APLOG_WARNING | APLOG_STARTUP, 0, t->server,
            LBXNO(0451) "BalancerMember %s of %s: SSLProxyEngine is not On there, requests "
                        "and checks will fail",
            t->member, t->balancer);
    }
    return OK;
}

int hc_conf_check(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    apr_hash_t *done = NULL;
    int rv = OK;

    (void)p, (void)plog;
    for (; s && rv == OK; s = s->next) {
        apr_hash_t *all = hc_conf_server(s)->told;

        if (all == done) {
            continue; /* a virtual host without words of its own */
        }
        done = done ? done : all;
        for (apr_hash_index_t *h = apr_hash_first(ptemp, all); h && rv == OK;
             h = apr_hash_next(h)) {
            rv = check_told(ptemp, apr_hash_this_val(h));
        }
    }
    return rv;
}

/* All of the stock's values, those that the template does not name too, and the
 * others that it names. */
static void use_template(struct lbx_hc_spec *spec, const apr_table_t *words)
{
    const apr_array_header_t *all = apr_table_elts(words);
    struct lbx_hc_spec fresh;
    const char *allowed;

    lbx_hc_spec_defaults(&fresh);
    spec->method = LBX_HC_TCP;
    spec->method_version = fresh.method_version;
    spec->interval_us = fresh.interval_us;
    spec->passes = fresh.passes;
    spec->fails = fresh.fails;
    spec->uri = spec->expr = NULL;
    for (int i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        lbx_hc_spec_set(spec, e->key, e->val, &allowed);
    }
}

/* Taken back at run time: files have no empty values. */
static int clear_word(struct lbx_hc_spec *spec, const char *key)
{
    int uri = !ap_cstr_casecmp(key, "hcuri"), expr = !ap_cstr_casecmp(key, "hcexpr");

    spec->uri = uri ? NULL : spec->uri;
    spec->expr = expr ? NULL : spec->expr;
    return uri || expr;
}

const char *hc_conf_spec(apr_pool_t *p, server_rec *s, const apr_table_t *words,
                         struct lbx_hc_spec *spec)
{
    const apr_array_header_t *all = apr_table_elts(words);
    int spread = hc_conf_server(s)->spread;

    lbx_hc_spec_defaults(spec);
    for (int i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);
        const char *error = NULL;

        if (!*e->val && clear_word(spec, e->key)) {
            continue;
        }
        if (check_word(p, s, e->key, e->val, &error) == DECLINED) {
            continue;
        }
        if (error) {
            return error;
        }
        if (!ap_cstr_casecmp(e->key, "hctemplate")) {
            use_template(spec, find_template(s, e->val));
        } else {
            lbx_hc_spec_set(spec, e->key, e->val, &error);
        }
    }
    if (spread < 0) {
        spread = hc_conf_server(main_server)->spread;
    }
    if (!spec->spread_set && spread >= 0) {
        spec->spread = (unsigned)spread;
    }
    return NULL;
}

/* ------------------------------------------------------------------ */
/* At run time                                                          */

const char *hc_conf_method(const struct lbx_hc_spec *spec)
{
    static const char *const eleven[LBX_HC_METHOD_N] = {
        [LBX_HC_OPTIONS] = "OPTIONS11", [LBX_HC_HEAD] = "HEAD11", [LBX_HC_GET] = "GET11"};
    const char *word = spec->method_version == 11 ? eleven[spec->method] : NULL;

    return word ? word : lbx_hc_method_name(spec->method);
}

/* "5" seconds, or "2500ms". */
static const char *print_time(apr_pool_t *p, uint64_t us)
{
    return us % APR_USEC_PER_SEC ? apr_psprintf(p, "%" APR_UINT64_T_FMT "ms", us / 1000)
                                 : apr_psprintf(p, "%" APR_UINT64_T_FMT, us / APR_USEC_PER_SEC);
}

static const char *print_method(apr_pool_t *p, const struct lbx_hc_spec *spec)
{
    (void)p;
    return hc_conf_method(spec);
}

static const char *print_interval(apr_pool_t *p, const struct lbx_hc_spec *spec)
{
    return print_time(p, spec->interval_us);
}

static const char *print_passes(apr_pool_t *p, const struct lbx_hc_spec *spec)
{
    return apr_itoa(p, (int)spec->passes);
}

static const char *print_fails(apr_pool_t *p, const struct lbx_hc_spec *spec)
{
    return apr_itoa(p, (int)spec->fails);
}

static const char *print_uri(apr_pool_t *p, const struct lbx_hc_spec *spec)
{
    return spec->uri ? apr_pstrdup(p, spec->uri) : "";
}

static const char *print_expr(apr_pool_t *p, const struct lbx_hc_spec *spec)
{
    return spec->expr ? apr_pstrdup(p, spec->expr) : "";
}

enum { RUN_URI_MAX = 64 }; /* as httpd's manager has it, with the terminating NUL */

static int is_count(const char *value)
{
    return *value >= '1'; /* no 0: that is the file's way to say 1 */
}

static int is_short(const char *value)
{
    return strlen(value) < RUN_URI_MAX;
}

/* What can be changed, and what is narrower than in a file. */
static const struct setting_row {
    const char *key;
    const char *(*print)(apr_pool_t *p, const struct lbx_hc_spec *spec);
    int (*narrow)(const char *value);
    const char *allowed;
    int clears; /* "" takes it back */
} setting_rows[] = {
    {"hcmethod", print_method, NULL, NULL, 0},
    {"hcinterval", print_interval, NULL, NULL, 0},
    {"hcpasses", print_passes, is_count, "a whole number from 1 to 1000", 0},
    {"hcfails", print_fails, is_count, "a whole number from 1 to 1000", 0},
    {"hcuri", print_uri, is_short, "a path of up to 63 characters without blanks", 1},
    {"hcexpr", print_expr, NULL, NULL, 1},
};

/* Put setting->value in its place.  NULL, or what is wrong; a member whose words go
 * together must not become one whose words do not. */
static const char *try_setting(apr_pool_t *p, server_rec *s, const struct setting_row *row,
                               struct lbx_setting *setting)
{
    apr_table_t *words = apr_table_copy(p, setting->params);
    const char *error = NULL;
    struct lbx_hc_spec spec;

    if (!*setting->value && row->clears) {
        error = NULL;
    } else if (check_word(p, s, row->key, setting->value, &error) != DONE || error
               || (row->narrow && !row->narrow(setting->value))) {
        return row->allowed
                   ? apr_psprintf(p, "%s=%s: must be %s", row->key, setting->value, row->allowed)
                   : error;
    }
    apr_table_unset(words, row->key);
    apr_table_add(words, row->key, setting->value);
    error = hc_conf_spec(p, s, words, &spec);
    if (!error) {
        setting->value = row->print(p, &spec);
        error = hc_plan_error(p, setting->scheme, &spec);
    }
    return error;
}

int hc_conf_setting(apr_pool_t *p, server_rec *s, struct lbx_setting *setting, const char **error)
{
    struct lbx_hc_spec spec;

    for (unsigned i = 0; i < sizeof(setting_rows) / sizeof(setting_rows[0]); i++) {
        const struct setting_row *row = &setting_rows[i];

        if (ap_cstr_casecmp(row->key, setting->key)) {
            continue;
        }
        if (hc_conf_spec(p, s, setting->params, &spec)) {
            lbx_hc_spec_defaults(&spec);
        }
        setting->now = row->print(p, &spec);
        if (setting->value) {
            *error = try_setting(p, s, row, setting);
        }
        return DONE;
    }
    return DECLINED;
}

/* ------------------------------------------------------------------ */
/* Directives                                                           */

static const char *declare_name(cmd_parms *cmd, const char **args, const char **name)
{
    *name = ap_getword_conf(cmd->pool, args);
    if (!**name || strlen(*name) >= LBX_HC_NAME_MAX) {
        return apr_psprintf(cmd->pool, "%s %s: must begin with a name of up to %d characters",
                            cmd->cmd->name, *name, LBX_HC_NAME_MAX - 1);
    }
    return ap_check_cmd_context(cmd, NOT_IN_HTACCESS);
}

/* A second one of the name takes the place of the first. */
static void declare_expr(struct hc_server *own, const struct hc_expr *e)
{
    int i = 0;

    while (i < own->named->nelts
           && strcmp(APR_ARRAY_IDX(own->named, i, const struct hc_expr *)->name, e->name) != 0) {
        i++;
    }
    if (i == own->named->nelts) {
        apr_array_push(own->named);
    }
    APR_ARRAY_IDX(own->named, i, const struct hc_expr *) = e;
    apr_hash_set(own->exprs, e->name, APR_HASH_KEY_STRING, e);
}

const char *hc_conf_expr_command(cmd_parms *cmd, void *dconf, const char *args)
{
    struct hc_expr *e = apr_pcalloc(cmd->pool, sizeof(*e));
    const char *error = declare_name(cmd, &args, &e->name);
    apr_size_t n;

    (void)dconf;
    if (error) {
        return error;
    }
    n = strlen(args);
    while (n && apr_isspace(args[n - 1])) {
        n--;
    }
    if (n < 2 || *args != '{' || args[n - 1] != '}') {
        return apr_psprintf(cmd->pool, "%s %s: must have an expression in braces: {...}",
                            cmd->cmd->name, e->name);
    }
    e->text = apr_pstrndup(cmd->pool, args + 1, n - 2);
    e->parsed = hc_expr_parse(cmd, e->text, &error);
    if (error) {
        return apr_psprintf(cmd->pool, "%s %s: cannot parse the expression '%s': %s",
                            cmd->cmd->name, e->name, e->text, error);
    }
    declare_expr(hc_conf_server(cmd->server), e);
    return NULL;
}

const char *hc_conf_template_command(cmd_parms *cmd, void *dconf, const char *args)
{
    apr_table_t *words = apr_table_make(cmd->pool, 8);
    const char *name, *error = declare_name(cmd, &args, &name);

    (void)dconf;
    while (!error && *args) {
        char *word = ap_getword_conf(cmd->pool, &args), *value = strchr(word, '=');

        if (!value) {
            return apr_psprintf(cmd->pool, "%s %s: '%s' must be key=value", cmd->cmd->name, name,
                                word);
        }
        *value++ = '\0';
        if (!ap_cstr_casecmp(word, "hctemplate")
            || check_word(cmd->pool, cmd->server, word, value, &error) == DECLINED) {
            error = apr_psprintf(cmd->pool, "%s=%s: unknown parameter of checks", word, value);
        }
        apr_table_set(words, word, value);
    }
    if (error) {
        return apr_psprintf(cmd->pool, "%s %s: %s", cmd->cmd->name, name, error);
    }
    apr_hash_set(hc_conf_server(cmd->server)->templates, name, APR_HASH_KEY_STRING, words);
    return NULL;
}

const char *hc_conf_threads_command(cmd_parms *cmd, void *dconf, const char *arg)
{
    char *end;
    apr_int64_t n = apr_strtoi64(arg, &end, 10);

    (void)dconf;
    if (end == arg || *end || n < 0) {
        return apr_psprintf(cmd->pool, "%s %s: must be a whole number, 0 or more", cmd->cmd->name,
                            arg);
    }
    if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, cmd->server,
                     LBXNO(0440) "%s %s is not needed: one thread does all checks", cmd->cmd->name,
                     arg);
    }
    return NULL;
}

const char *hc_conf_spread_command(cmd_parms *cmd, void *dconf, const char *arg)
{
    struct lbx_hc_spec scratch;
    const char *allowed;

    (void)dconf;
    if (lbx_hc_spec_set(&scratch, "hcspread", arg, &allowed) != LBX_HC_WORD_OK) {
        return apr_psprintf(cmd->pool, "%s %s: must be %s", cmd->cmd->name, arg, allowed);
    }
    hc_conf_server(cmd->server)->spread = (int)scratch.spread;
    return NULL;
}
