/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON that is well formed and escaped by construction: commas, quotes and
 * hostile texts are the writer's business, never the caller's.
 *
 * Not here: reading (mgr_json), what is written (mgr_api_show).
 *
 * Pure.  Buffers in the struct and hands full buffers to the sink.
 */
#ifndef LBX_JSON_H
#define LBX_JSON_H

#include <stddef.h>
#include <stdint.h>

enum { LBX_JSON_DEPTH = 16, LBX_JSON_ROOM = 8192 };

struct lbx_json {
    void (*sink)(void *baton, const char *text, size_t len);
    void *baton;
    unsigned depth;            /* open objects and arrays */
    char more[LBX_JSON_DEPTH]; /* something stands in it already */
    size_t used;
    char room[LBX_JSON_ROOM];
};

void lbx_json_start(struct lbx_json *j, void (*sink)(void *baton, const char *text, size_t len),
                    void *baton);

/* A line's end, and the rest to the sink. */
void lbx_json_end(struct lbx_json *j);

/* In all of these <key> is NULL within an array. */
void lbx_json_object(struct lbx_json *j, const char *key);
void lbx_json_array(struct lbx_json *j, const char *key);
void lbx_json_close(struct lbx_json *j, char bracket); /* '}' or ']' */

/* Bytes that are no UTF-8 become U+FFFD.  NULL is null. */
void lbx_json_text(struct lbx_json *j, const char *key, const char *text);
void lbx_json_count(struct lbx_json *j, const char *key, uint64_t v);
void lbx_json_signed(struct lbx_json *j, const char *key, int64_t v);
void lbx_json_switch(struct lbx_json *j, const char *key, int on);
void lbx_json_null(struct lbx_json *j, const char *key);

/* Hundredths as "2.5", microseconds as seconds: exact, no floating point. */
void lbx_json_hundredths(struct lbx_json *j, const char *key, uint64_t v);
void lbx_json_seconds(struct lbx_json *j, const char *key, uint64_t us);

/* What is no finite number is null. */
void lbx_json_number(struct lbx_json *j, const char *key, double v);

#endif
