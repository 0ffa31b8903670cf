/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to members.  See core_remote.h.
 *
 * Bound.
 */
#include "core_remote.h"
#include "lbx_hot.h"

/* NoProxy: looks at the host that the client asked for. */
static int is_direct(request_rec *r, const proxy_server_conf *conf)
{
    struct dirconn_entry *entry = (struct dirconn_entry *)conf->dirconn->elts;

    for (int i = 0; i < conf->dirconn->nelts; i++) {
        if (entry[i].matcher(&entry[i], r)) {
            return 1;
        }
    }
    return 0;
}

/* A pattern, "*", the beginning of a URL, or a scheme.  That is compared with the
 * balancer's, as mod_proxy does. */
static int is_meant(const struct proxy_remote *e, const char *url)
{
    if (e->use_regex) {
        return ap_regexec(e->regexp, url, 0, NULL, 0) == 0;
    }
    if (!strcmp(e->scheme, "*")) {
        return 1;
    }
    return ap_strchr_c(e->scheme, ':') ? !ap_cstr_casecmpn(url, e->scheme, strlen(e->scheme))
                                       : !ap_cstr_casecmp(e->scheme, "balancer");
}

LBX_APART void core_remote_req_way(request_rec *r, const proxy_server_conf *conf, const char *url,
                                   struct core_remote *way)
{
    const struct proxy_remote *e = (const struct proxy_remote *)conf->proxies->elts;
    int n = conf->proxies->nelts, i = 0;

    *way = (struct core_remote){.name = NULL};
    if (!n || is_direct(r, conf)) {
        return;
    }
    while (i < n && !is_meant(&e[i], url)) {
        i++;
    }
    if (i < n) {
        *way = (struct core_remote){e[i].hostname, e[i].port};
    }
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 131)
    if (i < n && e[i].creds) {
        apr_table_setn(r->notes, "proxy-basic-creds", e[i].creds);
    } else {
        apr_table_unset(r->notes, "proxy-basic-creds"); /* of another member's proxy */
    }
#endif
}
