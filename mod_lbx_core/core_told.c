/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads along with mod_proxy.  See core_told.h.
 *
 * Bound.
 */
#include "core_told.h"

#include "apr_strings.h"

#include "core_conf.h"

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

/* "1.15" -> 115, where mod_proxy makes 114 of it. */
static uint32_t hundredths(const char *value)
{
    double factor = strtod(value, NULL);

    return factor >= 1 && factor <= 100 ? (uint32_t)(factor * 100 + 0.5) : 0;
}

const char *core_told_balancer(apr_pool_t *p, const char *text)
{
    const char *start = ap_strcasestr(text, "balancer://");
    char *name;

    if (!start) {
        return NULL;
    }
    name = apr_pstrndup(p, start, 11 + strcspn(start + 11, "/ \t>\"'"));
    ap_str_tolower(name);
    return name;
}

/* ------------------------------------------------------------------ */
/* Hiding                                                               */

/* Only while a configuration is read, between one directive and the next. */
static struct {
    proxy_balancer *balancer;
    apr_array_header_t *visible; /* the real array of workers */
} hidden;

void core_told_reset(void)
{
    hidden.balancer = NULL;
}

/* mod_proxy has added a member, if any, to the array that it could see. */
void core_told_restore(void)
{
    proxy_balancer *b = hidden.balancer;

    if (b) {
        apr_array_header_t *seen = b->workers;

        b->workers = hidden.visible;
        for (int i = 0; i < seen->nelts; i++) {
            proxy_worker *w = APR_ARRAY_IDX(seen, i, proxy_worker *);
            int known = 0;

            for (int k = 0; k < b->workers->nelts; k++) {
                known |= APR_ARRAY_IDX(b->workers, k, proxy_worker *) == w;
            }
            if (!known) {
                APR_ARRAY_PUSH(b->workers, proxy_worker *) = w;
            }
        }
    }
    hidden.balancer = NULL;
}

/* Leave visible only the member that the directive really names. */
static void hide_others(cmd_parms *cmd, const char *balancer, const char *member)
{
    proxy_server_conf *conf = ap_get_module_config(cmd->server->module_config, &proxy_module);
    proxy_balancer *b = ap_proxy_get_balancer(cmd->temp_pool, conf, balancer, 0);

    if (!b || apr_is_empty_array(b->workers)) {
        return;
    }
    hidden.balancer = b;
    hidden.visible = b->workers;
    b->workers = apr_array_make(cmd->pool, 2, sizeof(proxy_worker *));
    for (int i = 0; i < hidden.visible->nelts; i++) {
        proxy_worker *w = APR_ARRAY_IDX(hidden.visible, i, proxy_worker *);

        if (!strcmp(ap_proxy_worker_name(cmd->temp_pool, w), member)) {
            APR_ARRAY_PUSH(b->workers, proxy_worker *) = w;
        }
    }
}

/* ------------------------------------------------------------------ */
/* Remembering                                                          */

void core_told_member(cmd_parms *cmd, const char *args)
{
    struct core_told told = {cmd->path, NULL, 0};

    core_told_restore();
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
    told.balancer = told.balancer ? core_told_balancer(cmd->pool, told.balancer) : NULL;
    if (told.balancer && told.member) {
        APR_ARRAY_PUSH(core_conf_told(cmd->server), struct core_told) = told;
        hide_others(cmd, told.balancer, told.member);
    }
}

void core_told_method(cmd_parms *cmd, const char *balancer)
{
    struct core_told told = {balancer, NULL, 0};

    APR_ARRAY_PUSH(core_conf_told(cmd->server), struct core_told) = told;
}

apr_table_t *core_told_params(apr_pool_t *p, server_rec *s, const char *balancer,
                              const char *member)
{
    apr_hash_t *all = core_conf_params(s);
    const char *key = apr_pstrcat(p, balancer, "\n", member, NULL);
    apr_table_t *params = apr_hash_get(all, key, APR_HASH_KEY_STRING);

    if (!params) {
        params = apr_table_make(p, 4);
        apr_hash_set(all, key, APR_HASH_KEY_STRING, params);
    }
    return params;
}

int core_told_weight(server_rec *s, const char *balancer, const char *member)
{
    const apr_array_header_t *told = core_conf_told(s);

    for (int i = 0; i < told->nelts; i++) {
        const struct core_told *t = &APR_ARRAY_IDX(told, i, struct core_told);

        /* of several the first counts: mod_proxy ignores what the others say */
        if (t->member && !strcmp(t->member, member) && !strcmp(t->balancer, balancer)) {
            return (int)t->weight;
        }
    }
    return -1;
}

int core_told_has_method(server_rec *s, const char *balancer)
{
    const apr_array_header_t *told = core_conf_told(s);

    for (int i = 0; i < told->nelts; i++) {
        const struct core_told *t = &APR_ARRAY_IDX(told, i, struct core_told);

        if (!t->member && !strcmp(t->balancer, balancer)) {
            return 1;
        }
    }
    return 0;
}
