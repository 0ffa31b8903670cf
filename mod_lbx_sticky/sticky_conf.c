/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses LBXSticky... directives.  See sticky_conf.h.
 *
 * Bound.  Parent, while the configuration is read.
 */
#include "sticky_conf.h"

#include <string.h>

#include "apr_hash.h"
#include "apr_lib.h"

#include "sticky_learn.h"

/* What browsers keep at most, seconds. */
enum { LONGEST = 400 * 86400 };

/* Entry of what is said of every balancer of a server. */
#define EVERY ""

void *sticky_conf_create_server(apr_pool_t *p, server_rec *s)
{
    (void)s;
    return apr_hash_make(p); /* balancer -> struct sticky_rules */
}

static apr_hash_t *rules_of(server_rec *s)
{
    return ap_get_module_config(s->module_config, &lbx_sticky_module);
}

/* ------------------------------------------------------------------ */
/* Words                                                                */

static const char *next_word(cmd_parms *cmd, const char **args)
{
    return ap_getword_conf(cmd->pool, args);
}

static int is(const char *word, const char *what)
{
    return !ap_cstr_casecmp(word, what);
}

/* A cookie's name: a token of RFC 9110. */
static int cookie_name(const char *t)
{
    const char *c = t;

    while (*c && (apr_isalnum(*c) || strchr("!#$%&'*+-.^_`|~", *c))) {
        c++;
    }
    return c > t && !*c && strlen(t) < LBX_STICKY_MAX;
}

/* What may stand in an attribute of a cookie. */
static int attribute(const char *t)
{
    const char *c = t;

    while (*c > ' ' && *c < 0x7f && *c != ';' && *c != ',') {
        c++;
    }
    return c > t && !*c && strlen(t) <= LBX_TOKEN_ATTR_MAX;
}

/* "30m": seconds, minutes, hours or days; lives of cookies are long. */
static int seconds(const char *t, uint32_t *out)
{
    static const struct {
        const char *name;
        apr_int64_t in_seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"mi", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    apr_int64_t n = apr_isdigit(*t) ? apr_strtoi64(t, &end, 10) : 0;

    for (unsigned i = 0; n > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (is(end, units[i].name) && n <= LONGEST / units[i].in_seconds) {
            *out = (uint32_t)(n * units[i].in_seconds);
            return 1;
        }
    }
    return 0;
}

static int on_off(const char *t, int *out)
{
    *out = is(t, "on");
    return *out || is(t, "off");
}

/* ------------------------------------------------------------------ */
/* Options of a cookie: each takes its value, or says no                */

static int opt_domain(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    c->domain = v;
    return attribute(v);
}

static int opt_path(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    c->path = v;
    return *v == '/' && attribute(v);
}

static int opt_secure(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    c->secure = -1;
    return is(v, "auto") || on_off(v, &c->secure);
}

static int opt_httponly(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    return on_off(v, &c->httponly);
}

static int opt_samesite(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    c->samesite = is(v, "lax")      ? LBX_SAMESITE_LAX
                  : is(v, "strict") ? LBX_SAMESITE_STRICT
                  : is(v, "none")   ? LBX_SAMESITE_NONE
                                    : LBX_SAMESITE_NONE_GIVEN;
    return c->samesite != LBX_SAMESITE_NONE_GIVEN;
}

static int opt_maxage(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    return seconds(v, &c->maxage);
}

static int opt_maxidle(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    return seconds(v, &c->life.maxidle);
}

static int opt_maxlife(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    return seconds(v, &c->life.maxlife);
}

static int opt_indirect(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    return on_off(v, &c->indirect);
}

static int opt_preserve(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    return on_off(v, &c->preserve);
}

static int opt_nocache(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    return on_off(v, &c->nocache);
}

static int opt_plain(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    (void)cmd;
    return on_off(v, &c->plain);
}

static int opt_if(cmd_parms *cmd, struct sticky_cookie *c, const char *v)
{
    const char *error = NULL;

    c->cond = ap_expr_parse_cmd(cmd, v, AP_EXPR_FLAG_DONT_VARY, &error, NULL);
    return c->cond != NULL && !error;
}

static const struct option {
    const char *name;
    int (*take)(cmd_parms *cmd, struct sticky_cookie *c, const char *value);
    int bare; /* the name alone says On */
    const char *allowed;
} options[] = {
    {"path", opt_path, 0, "a path that begins with /"},
    {"domain", opt_domain, 0, "a domain"},
    {"secure", opt_secure, 1, "On, Off or Auto"},
    {"httponly", opt_httponly, 1, "On or Off"},
    {"samesite", opt_samesite, 0, "Lax, Strict or None"},
    {"maxage", opt_maxage, 0, "a time from 1s to 400d, as 30m or 8h"},
    {"maxidle", opt_maxidle, 0, "a time from 1s to 400d, as 30m or 8h"},
    {"maxlife", opt_maxlife, 0, "a time from 1s to 400d, as 30m or 8h"},
    {"indirect", opt_indirect, 1, "On or Off"},
    {"preserve", opt_preserve, 1, "On or Off"},
    {"nocache", opt_nocache, 1, "On or Off"},
    {"plain", opt_plain, 1, "On or Off"},
    {"if", opt_if, 0, "an expression"},
    {NULL, NULL, 0, NULL},
};

/* "name=value", or a name alone.  NULL, or what is wrong. */
static const char *take_option(cmd_parms *cmd, struct sticky_cookie *c, const char *word)
{
    const char *equals = ap_strchr_c(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);

    for (const struct option *o = options; o->name; o++) {
        if (strlen(o->name) != len || ap_cstr_casecmpn(o->name, word, len)) {
            continue;
        }
        if (equals ? o->take(cmd, c, equals + 1) : o->bare && o->take(cmd, c, "on")) {
            return NULL;
        }
        return apr_psprintf(cmd->pool, "%s %s: %s must be %s", cmd->cmd->name, word, o->name,
                            o->allowed);
    }
    return apr_psprintf(cmd->pool,
                        "%s %s: must be path=, domain=, secure, httponly, samesite=, maxage=, "
                        "maxidle=, maxlife=, indirect, preserve, nocache, plain or if=",
                        cmd->cmd->name, word);
}

/* Browsers throw a cookie away that does not keep what its name promises. */
static const char *check_cookie(cmd_parms *cmd, struct sticky_cookie *c)
{
    enum lbx_promise promise = lbx_setcookie_promise(c->name);

    if (promise) {
        if (c->secure == 0) {
            return apr_psprintf(cmd->pool, "%s %s: secure must not be Off with this name",
                                cmd->cmd->name, c->name);
        }
        c->secure = 1;
    }
    if (promise == LBX_PROMISE_HOST && (c->domain || (c->path && strcmp(c->path, "/")))) {
        return apr_psprintf(cmd->pool, "%s %s: this name allows no domain= and no path= but /",
                            cmd->cmd->name, c->name);
    }
    if (c->samesite == LBX_SAMESITE_NONE && c->secure == 0) {
        return apr_psprintf(cmd->pool, "%s %s: samesite=None must not have secure=Off",
                            cmd->cmd->name, c->name);
    }
    return NULL;
}

/* ------------------------------------------------------------------ */
/* Directives                                                           */

static const char *must_be(cmd_parms *cmd, const char *word, const char *allowed)
{
    return apr_psprintf(cmd->pool, "%s %s: must be %s", cmd->cmd->name, word, allowed);
}

static const char *parse_auto(cmd_parms *cmd, struct sticky_rules *r, const char *args)
{
    static const char allowed[] = "On, optionally with name=COOKIE and plain, or Off";
    const char *all = args, *word = next_word(cmd, &args);

    r->auto_name = NULL;
    r->auto_plain = 0;
    if (!on_off(word, &r->auto_on) || (!r->auto_on && *args)) {
        return must_be(cmd, all, allowed);
    }
    while (*(word = next_word(cmd, &args))) {
        if (!ap_cstr_casecmpn(word, "name=", 5) && cookie_name(word + 5)) {
            r->auto_name = word + 5;
        } else if (is(word, "plain")) {
            r->auto_plain = 1;
        } else {
            return must_be(cmd, all, allowed);
        }
    }
    return NULL;
}

static const char *parse_cookie(cmd_parms *cmd, struct sticky_rules *r, const char *args)
{
    struct sticky_cookie c = {.secure = -1, .httponly = 1, .indirect = 1, .nocache = 1};
    const char *name = next_word(cmd, &args), *error = NULL;

    memset(&r->cookie, 0, sizeof(r->cookie));
    if (is(name, "off") && !*args) {
        return NULL;
    }
    if (!cookie_name(name)) {
        return must_be(cmd, name, "the name of a cookie, shorter than 64 characters, or Off");
    }
    c.name = name;
    while (*args && !error) {
        error = take_option(cmd, &c, next_word(cmd, &args));
    }
    error = error ? error : check_cookie(cmd, &c);
    r->cookie = c;
    return error;
}

static const char *parse_rewrite(cmd_parms *cmd, struct sticky_rules *r, const char *args)
{
    const char *word = next_word(cmd, &args);

    return on_off(word, &r->rewrite) && !*args ? NULL : must_be(cmd, word, "On or Off");
}

/* The first line of a file without the blanks around it. */
static const char *read_secret(cmd_parms *cmd, const char *name, const char **secret)
{
    const char *path = ap_server_root_relative(cmd->pool, name);
    ap_configfile_t *file;
    char line[1024];

    *secret = "";
    if (!path || ap_pcfg_openfile(&file, cmd->temp_pool, path) != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "%s file:%s: must be a file that can be read",
                            cmd->cmd->name, name);
    }
    if (ap_cfg_getline(line, sizeof(line), file) == APR_SUCCESS) {
        *secret = apr_pstrdup(cmd->pool, line);
    }
    ap_cfg_closefile(file);
    return NULL;
}

static const char *parse_key(cmd_parms *cmd, struct sticky_rules *r, const char *args)
{
    apr_array_header_t *keys = apr_array_make(cmd->pool, 2, sizeof(const char *));

    while (*args) {
        const char *word = next_word(cmd, &args), *secret = word, *error = NULL;
        int previous = !ap_cstr_casecmpn(word, "previous=", 9);

        secret += previous ? 9 : 0;
        if (previous == !keys->nelts) {
            return must_be(cmd, previous ? "previous=..." : "...",
                           "one secret first, then previous= for each older one");
        }
        if (!strncmp(secret, "file:", 5)) {
            error = read_secret(cmd, secret + 5, &secret);
        }
        if (error) {
            return error;
        }
        if (strlen(secret) < 16) { /* the secret itself is not for the log */
            return must_be(cmd, previous ? "previous=..." : "...",
                           "a secret of at least 16 characters, or file:PATH of a file with one");
        }
        APR_ARRAY_PUSH(keys, const char *) = secret;
    }
    r->keys = keys;
    return keys->nelts ? NULL : must_be(cmd, "", "a secret, or file:PATH");
}

static const char *parse_learn(cmd_parms *cmd, struct sticky_rules *r, const char *args)
{
    return sticky_learn_parse(cmd, args, &r->learn);
}

static const char *(*const parsers[STICKY_RULES])(cmd_parms *cmd, struct sticky_rules *r,
                                                  const char *args) = {
    [STICKY_AUTO] = parse_auto,   [STICKY_COOKIE] = parse_cookie, [STICKY_REWRITE] = parse_rewrite,
    [STICKY_LEARN] = parse_learn, [STICKY_KEY] = parse_key,
};

const char *sticky_conf_command(cmd_parms *cmd, void *dconf, const char *args)
{
    enum sticky_rule row = (enum sticky_rule)(uintptr_t)cmd->info;
    const char *balancer = lbx_directive_balancer(cmd, &args);
    apr_hash_t *all = rules_of(cmd->server);
    struct sticky_rules *r;

    (void)dconf;
    balancer = balancer ? balancer : EVERY;
    r = apr_hash_get(all, balancer, APR_HASH_KEY_STRING);
    if (!r) {
        r = apr_pcalloc(cmd->pool, sizeof(*r));
        apr_hash_set(all, balancer, APR_HASH_KEY_STRING, r);
    }
    r->given |= 1u << row;
    return parsers[row](cmd, r, args);
}

/* ------------------------------------------------------------------ */
/* In force                                                             */

const apr_array_header_t *sticky_conf_names(apr_pool_t *p, server_rec *s)
{
    apr_array_header_t *names = apr_array_make(p, 4, sizeof(const char *));

    for (apr_hash_index_t *i = apr_hash_first(p, rules_of(s)); i; i = apr_hash_next(i)) {
        const char *name = apr_hash_this_key(i);

        if (strcmp(name, EVERY)) {
            APR_ARRAY_PUSH(names, const char *) = name;
        }
    }
    return names;
}

static void overlay(struct sticky_rules *to, const struct sticky_rules *from)
{
    if (!from) {
        return;
    }
    if (from->given & 1u << STICKY_AUTO) {
        to->auto_on = from->auto_on;
        to->auto_plain = from->auto_plain;
        to->auto_name = from->auto_name;
    }
    if (from->given & 1u << STICKY_COOKIE) {
        to->cookie = from->cookie;
    }
    if (from->given & 1u << STICKY_REWRITE) {
        to->rewrite = from->rewrite;
    }
    if (from->given & 1u << STICKY_LEARN) {
        to->learn = from->learn;
    }
    if (from->given & 1u << STICKY_KEY) {
        to->keys = from->keys;
    }
    to->given |= from->given;
}

struct sticky_rules sticky_conf_rules(apr_pool_t *p, server_rec *s, server_rec *main,
                                      const char *balancer)
{
    struct sticky_rules out = {.auto_on = 1};
    server_rec *from[] = {main, s};

    (void)p;
    for (unsigned i = 0; i < 2; i++) {
        overlay(&out, apr_hash_get(rules_of(from[i]), EVERY, APR_HASH_KEY_STRING));
        overlay(&out, apr_hash_get(rules_of(from[i]), balancer, APR_HASH_KEY_STRING));
    }
    return out;
}
