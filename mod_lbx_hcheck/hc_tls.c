/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSLProxy settings, and what mod_ssl would say of a member's certificate.  See
 * hc_tls.h.
 *
 * Bound.
 */
#include "hc_tls.h"

#include <curl/curl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "hc_conf.h"

#include "http_core.h"

APLOG_USE_MODULE(lbx_hcheck);

/* ------------------------------------------------------------------ */
/* Directives                                                           */

/* What the directive is about: "" outside of <Proxy>. */
static const char *place_of(cmd_parms *cmd)
{
    char *name;

    if (!cmd->path) {
        return "";
    }
    if (ap_cstr_casecmpn(cmd->path, "balancer://", 11)) {
        return cmd->path;
    }
    name = apr_pstrndup(cmd->pool, cmd->path, 11 + strcspn(cmd->path + 11, "/"));
    ap_str_tolower(name);
    return name;
}

/* "TLSv1.2", "all -TLSv1.3": the lowest and highest of what is left. */
static long parse_protocol(apr_pool_t *p, const char *args)
{
    static const struct {
        const char *name;
        unsigned bits;
    } names[] = {{"TLSv1", 1}, {"TLSv1.1", 2}, {"TLSv1.2", 4}, {"TLSv1.3", 8}, {"all", 15}};
    static const long low[] = {CURL_SSLVERSION_TLSv1_0, CURL_SSLVERSION_TLSv1_1,
                               CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_TLSv1_3};
    static const long high[] = {CURL_SSLVERSION_MAX_TLSv1_0, CURL_SSLVERSION_MAX_TLSv1_1,
                                CURL_SSLVERSION_MAX_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_3};
    unsigned set = 0;
    int first = 0, last = 3;

    while (*args) {
        const char *word = ap_getword_conf(p, &args);
        char sign = *word == '+' || *word == '-' ? *word++ : 0;
        unsigned bits = 0;

        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            bits |= !ap_cstr_casecmp(names[i].name, word) ? names[i].bits : 0;
        }
        set = sign == '-' ? set & ~bits : sign == '+' ? set | bits : bits;
    }
    if (!set) {
        return CURL_SSLVERSION_DEFAULT;
    }
    while (!(set >> first & 1)) {
        first++;
    }
    while (!(set >> last & 1)) {
        last--;
    }
    return low[first] | high[last];
}

/* NULL: it cannot be read, which mod_ssl says. */
static const char *read_file(apr_pool_t *p, const char *path)
{
    apr_file_t *f;
    apr_finfo_t info;
    char *text;

    if (!path || apr_file_open(&f, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, p)) {
        return NULL;
    }
    if (apr_file_info_get(&info, APR_FINFO_SIZE, f) || info.size > 16 * 1024 * 1024) {
        apr_file_close(f);
        return NULL;
    }
    text = apr_pcalloc(p, (apr_size_t)info.size + 1);
    if (apr_file_read_full(f, text, (apr_size_t)info.size, NULL)) {
        text = NULL;
    }
    apr_file_close(f);
    return text;
}

const char *hc_tls_command(cmd_parms *cmd, void *dconf, const char *args)
{
    enum hc_tls_word word = (enum hc_tls_word)(uintptr_t)cmd->info;
    const char *place = place_of(cmd);
    apr_hash_t *all = hc_conf_server(cmd->server)->tls;
    struct hc_tls *t = apr_hash_get(all, place, APR_HASH_KEY_STRING);
    const char *rest = args;
    const char *arg = ap_getword_conf(cmd->pool, &rest);

    (void)dconf;
    if (!ap_find_linked_module("mod_ssl.c")) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, " needs mod_ssl, which is not loaded", NULL);
    }
    if (!t) {
        t = apr_pcalloc(cmd->pool, sizeof(*t));
        apr_hash_set(all, place, APR_HASH_KEY_STRING, t);
    }
    t->given |= 1u << word;
    t->text[word] = word == HC_TLS_PROTOCOL ? apr_pstrdup(cmd->pool, args) : arg;
    if (word == HC_TLS_PROTOCOL) {
        t->protocol = parse_protocol(cmd->pool, args);
    } else if (word == HC_TLS_CIPHERS && *rest) { /* "TLSv1.3 suites": not for libcurl's list */
        t->given &= ~(1u << word);
    } else if (word == HC_TLS_VERIFY) {
        /* optional_no_ca takes any issuer, as none does */
        t->on[word] = !ap_cstr_casecmp(arg, "require") || !ap_cstr_casecmp(arg, "optional");
    } else if (word <= HC_TLS_CHECK_EXPIRE) {
        t->on[word] = !ap_cstr_casecmp(arg, "on");
    } else if (word >= HC_TLS_CA_FILE && word <= HC_TLS_CERT) {
        t->text[word] = ap_server_root_relative(cmd->pool, arg);
        t->content[word] = word == HC_TLS_CA_FILE || word == HC_TLS_CERT
                               ? read_file(cmd->pool, t->text[word])
                               : NULL;
    }
    return NULL;
}

static void lay_over(struct hc_tls *to, const struct hc_tls *from)
{
    for (unsigned i = 0; from && i < HC_TLS_WORD_N; i++) {
        if (!(from->given >> i & 1)) {
            continue;
        }
        to->given |= 1u << i;
        to->text[i] = from->text[i];
        to->content[i] = from->content[i];
        if (i <= HC_TLS_CHECK_EXPIRE) {
            to->on[i] = from->on[i];
        }
        if (i == HC_TLS_PROTOCOL) {
            to->protocol = from->protocol;
        }
    }
}

const struct hc_tls *hc_tls_for(apr_pool_t *p, server_rec *s, const char *balancer)
{
    struct hc_tls *t = apr_pcalloc(p, sizeof(*t));
    server_rec *from[] = {hc_conf_main(), s};
    const char *places[] = {"", "*", balancer};

    for (unsigned place = 0; place < 3; place++) {
        for (unsigned i = s == from[0] ? 1 : 0; i < 2; i++) {
            lay_over(
                t, apr_hash_get(hc_conf_server(from[i])->tls, places[place], APR_HASH_KEY_STRING));
        }
    }
    return t;
}

/* ------------------------------------------------------------------ */
/* Certificates                                                         */

/* "*.example.org" stands for one label. */
static int name_matches(const char *pattern, size_t n, const char *name)
{
    const char *dot = strchr(name, '.');

    if (n > 2 && pattern[0] == '*' && pattern[1] == '.' && dot) {
        return strlen(dot + 1) == n - 2 && !ap_cstr_casecmpn(pattern + 2, dot + 1, n - 2);
    }
    return strlen(name) == n && !ap_cstr_casecmpn(pattern, name, n);
}

static int subject_matches(X509 *cert, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    int found = 0;

    for (int i = -1; !found && (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) {
        unsigned char *utf8 = NULL;
        int n =
            ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));

        found = n > 0 && name_matches((char *)utf8, (size_t)n, name);
        OPENSSL_free(utf8);
    }
    return found;
}

static int names_match(X509 *cert, const char *name)
{
    GENERAL_NAMES *alt = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int found = 0;

    for (int i = 0; !found && i < sk_GENERAL_NAME_num(alt); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(alt, i);

        found = g->type == GEN_DNS
                && name_matches((const char *)ASN1_STRING_get0_data(g->d.dNSName),
                                (size_t)ASN1_STRING_length(g->d.dNSName), name);
    }
    GENERAL_NAMES_free(alt);
    return found || subject_matches(cert, name);
}

/* mod_ssl looks at the name unless SSLProxyCheckPeerName is Off, or only
 * SSLProxyCheckPeerCN is said and Off. */
static int checks_name(const struct hc_tls *t)
{
    int name = t->given >> HC_TLS_CHECK_NAME & 1 ? t->on[HC_TLS_CHECK_NAME] : -1;
    int cn = t->given >> HC_TLS_CHECK_CN & 1 ? t->on[HC_TLS_CHECK_CN] : -1;

    return name == 0 ? cn == 1 : cn != 0 || name == 1;
}

const char *hc_tls_peer_error(const struct hc_tls *tls, const char *pem, const char *name)
{
    int expires = !(tls->given >> HC_TLS_CHECK_EXPIRE & 1) || tls->on[HC_TLS_CHECK_EXPIRE];
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    const char *error = NULL;

    if (!cert) {
        error = "no certificate that can be read";
    } else if (expires && X509_cmp_current_time(X509_get0_notBefore(cert)) >= 0) {
        error = "certificate is not valid yet";
    } else if (expires && X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0) {
        error = "certificate has expired";
    } else if (checks_name(tls) && !names_match(cert, name)) {
        error = "certificate is for another name";
    }
    X509_free(cert);
    BIO_free(bio);
    return error;
}
