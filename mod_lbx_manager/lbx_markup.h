/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes HTML and XML.  Markup can only be a literal of our code, all else is escaped:
 * a caller cannot forget it.
 *
 * Text is UTF-8.  What is not ASCII is written as a character reference, so that the
 * charset of the document does not matter; bytes that are no UTF-8, and control
 * characters, which XML cannot have at all, become U+FFFD.
 *
 * Not here: what is on the page (mgr_page, mgr_xml).
 *
 * Pure.  Buffers in the struct and hands full buffers to the sink.
 */
#ifndef LBX_MARKUP_H
#define LBX_MARKUP_H

#include <stddef.h>
#include <stdint.h>

enum { LBX_MARKUP_ROOM = 8192 };

struct lbx_markup {
    void (*sink)(void *baton, const char *text, size_t len);
    void *baton;
    size_t used;
    char room[LBX_MARKUP_ROOM];
};

void lbx_markup_start(struct lbx_markup *m, void (*sink)(void *baton, const char *text, size_t len),
                      void *baton);
void lbx_markup_end(struct lbx_markup *m);

/* Only for lbx_markup_lit. */
void lbx_markup_literal(struct lbx_markup *m, const char *text, size_t len);

/* Markup: anything but a string literal does not compile. */
#define lbx_markup_lit(m, s) lbx_markup_literal((m), "" s, sizeof(s) - 1)

/* In an element, or in an attribute with quotes of either kind. */
void lbx_markup_text(struct lbx_markup *m, const char *text);

/* As a value in the query of a link: ':' and '/' stay as they are. */
void lbx_markup_query(struct lbx_markup *m, const char *text);

/* As the path of a link on this server: always one '/' at the beginning. */
void lbx_markup_path(struct lbx_markup *m, const char *text);

void lbx_markup_count(struct lbx_markup *m, uint64_t v);
void lbx_markup_signed(struct lbx_markup *m, int64_t v);
void lbx_markup_hundredths(struct lbx_markup *m, uint64_t v); /* 250: "2.50" */

#endif
