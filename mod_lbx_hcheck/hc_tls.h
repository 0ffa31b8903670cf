/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SSLProxy settings that hold for a balancer, so that checks of TLS members
 * succeed and fail where requests do.
 *
 * mod_ssl keeps its settings to itself.  Our handlers look at the directives as they
 * are read; mod_ssl's run as well.  The last word of these wins: the main server, the
 * virtual host, <Proxy *>, <Proxy balancer://name>.
 *
 * Not here: the handshake (libcurl's).
 *
 * Bound.
 */
#ifndef HC_TLS_H
#define HC_TLS_H

#include "mod_lbx.h"

enum hc_verify { HC_VERIFY_NONE = 0, HC_VERIFY_PEER };

/* One bit of <given> for each. */
enum hc_tls_word {
    HC_TLS_ENGINE = 0,
    HC_TLS_VERIFY,
    HC_TLS_CHECK_NAME,
    HC_TLS_CHECK_CN,
    HC_TLS_CHECK_EXPIRE,
    HC_TLS_CA_FILE,
    HC_TLS_CA_PATH,
    HC_TLS_CRL_FILE,
    HC_TLS_CERT,
    HC_TLS_PROTOCOL,
    HC_TLS_CIPHERS,
    HC_TLS_WORD_N
};

struct hc_tls {
    unsigned given;
    int on[HC_TLS_CHECK_EXPIRE + 1];    /* engine, verify, check ... */
    const char *text[HC_TLS_WORD_N];    /* files, and the words as they stand */
    const char *content[HC_TLS_WORD_N]; /* of the CA file and the certificate: they are
                                         * read as root, checks are made as User */
    long protocol;                      /* CURLOPT_SSLVERSION */
};

/* What holds for a balancer, in <p>. */
const struct hc_tls *hc_tls_for(apr_pool_t *p, server_rec *s, const char *balancer);

/* What is wrong with a certificate (PEM) for a member called <name>: NULL when
 * nothing is, or a constant. */
const char *hc_tls_peer_error(const struct hc_tls *tls, const char *pem, const char *name);

const char *hc_tls_command(cmd_parms *cmd, void *dconf, const char *args);

#define HC_TLS_COMMAND(name, word)                                                                 \
    AP_INIT_RAW_ARGS(name, hc_tls_command, (void *)(uintptr_t)(word), RSRC_CONF | PROXY_CONF,      \
                     "Looked at by mod_lbx_hcheck; mod_ssl's")

#define HC_TLS_COMMANDS                                                                            \
    HC_TLS_COMMAND("SSLProxyEngine", HC_TLS_ENGINE),                                               \
        HC_TLS_COMMAND("SSLProxyVerify", HC_TLS_VERIFY),                                           \
        HC_TLS_COMMAND("SSLProxyCheckPeerName", HC_TLS_CHECK_NAME),                                \
        HC_TLS_COMMAND("SSLProxyCheckPeerCN", HC_TLS_CHECK_CN),                                    \
        HC_TLS_COMMAND("SSLProxyCheckPeerExpire", HC_TLS_CHECK_EXPIRE),                            \
        HC_TLS_COMMAND("SSLProxyCACertificateFile", HC_TLS_CA_FILE),                               \
        HC_TLS_COMMAND("SSLProxyCACertificatePath", HC_TLS_CA_PATH),                               \
        HC_TLS_COMMAND("SSLProxyCARevocationFile", HC_TLS_CRL_FILE),                               \
        HC_TLS_COMMAND("SSLProxyMachineCertificateFile", HC_TLS_CERT),                             \
        HC_TLS_COMMAND("SSLProxyProtocol", HC_TLS_PROTOCOL),                                       \
        HC_TLS_COMMAND("SSLProxyCipherSuite", HC_TLS_CIPHERS)

#endif
