/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the bodies of the JSON interface: strict JSON by jansson, then one call for
 * each field, with its value as the text that core takes.
 *
 * Not here: where bodies come from (mgr_body), what becomes of a change
 * (mgr_api_change), whether a value is allowed (core).
 *
 * Needs libc and jansson only: the fuzz target has the whole of it.
 */
#ifndef MGR_JSON_H
#define MGR_JSON_H

#include <stddef.h>

/* Longest value, with its NUL. */
enum { MGR_JSON_VALUE = 512, MGR_JSON_FIELD = 96, MGR_JSON_MESSAGE = 256 };

enum mgr_json_body {
    MGR_JSON_OF_MEMBER, /* {"drain": true} */
    MGR_JSON_OF_SET,    /* {"timeout": 5, "members": {"NAME or id": {"drain": true}}} */
    MGR_JSON_CHECK,     /* {"now": true}, {"paused": true} */
    MGR_JSON_ADD        /* {"url": "http://...", "loadfactor": 2, "retry": 30} */
};

/* Called for each field in turn.  <member>: the key under "members", else NULL; all
 * are valid during the call. */
typedef void mgr_json_pair(void *baton, const char *member, const char *field, const char *value);

struct mgr_json_error {
    int syntax; /* it is no JSON object: 400; else it is one that we do not take: 422 */
    char field[MGR_JSON_FIELD]; /* "" where no field is to blame */
    char message[MGR_JSON_MESSAGE];
};

/* Returns 1; or 0 with *error, after which what was given to <pair> must be dropped. */
int mgr_json_read(enum mgr_json_body body, const char *text, size_t len, mgr_json_pair *pair,
                  void *baton, struct mgr_json_error *error);

#endif
