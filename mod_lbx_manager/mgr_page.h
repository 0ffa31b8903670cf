/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page: the document that httpd's own manager writes, as scripts parse it.  What is
 * new stands to the right of the members' columns, or in a <div>; there is no further
 * <a> and no further <table> outside a form.
 *
 * Not here: XML (mgr_xml), what a browser makes of it (page/), the forms (mgr_page_form).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_PAGE_H
#define MGR_PAGE_H

#include "lbx_markup.h"
#include "mgr_view.h"

/* Writes the answer. */
void mgr_page_write(const struct mgr_view *v);

/* The form for what was selected, if anything; for mgr_page. */
void mgr_page_form(const struct mgr_view *v, struct lbx_markup *m);

/* A member's name; one with a socket in italics, as httpd has it. */
void mgr_page_member_name(struct lbx_markup *m, const struct lbx_member_info *info);

/* Where documents go to: <baton> is the request. */
void mgr_page_sink(void *baton, const char *text, size_t len);

#endif
