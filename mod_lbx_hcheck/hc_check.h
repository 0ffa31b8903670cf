/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of one check: what libcurl is told, and what its outcome and the
 * answer are worth.
 *
 * Not here: the loop between the two (hc_probe).
 *
 * Bound.  The thread that checks only.
 */
#ifndef HC_CHECK_H
#define HC_CHECK_H

#include <curl/curl.h>

#include "hc_probe.h"

enum {
    HC_BODY_MAX = 256 * 1024, /* of the body so much is looked at */
    HC_HEAD_MAX = 64 * 1024
};

/* A check under way. */
struct hc_probe {
    struct hc_target *target;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *connect_to;
    uint64_t began_us;
    int os_error; /* why there was no socket */
    int enough;   /* of the body has been read */
    char *body;
    size_t body_n;
    char *head;
    size_t head_n;
    char error[CURL_ERROR_SIZE];

    int fd; /* CPING: waits for its answer, else -1 */
    unsigned char pong[5];
    unsigned pong_n;
    struct hc_probe *next_ping, *prev_ping;
};

/* Tell libcurl what the target's plan says.  <may_keep>: the connection may be used for the
 * next check.  0: no memory. */
int hc_check_prepare(struct hc_probe *c, curl_opensocket_callback open, int may_keep);

/* The verdict.  <scratch> is the caller's to clear. */
void hc_check_judge(struct hc_probe *c, CURLcode code, apr_pool_t *scratch,
                    struct hc_result *result);

/* A result that failed. */
void hc_check_fail(struct hc_result *result, enum lbx_hc_cause cause, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
