/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes in the language of httpd's own manager: the page's form, and the optional
 * function balancer_manage.  What it does not understand it leaves out, and says so;
 * the rest is put in force together.
 *
 * Not here: JSON (mgr_api_change), what values are allowed (core).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_ACTION_H
#define MGR_ACTION_H

#include "mgr_view.h"

/* A posted form.  OK: the page follows, with notes, as httpd does it even when nothing
 * was changed; else the status that answers. */
int mgr_action_post(struct mgr_view *v, int *xml);

/* The values of a link: b, w, xml.  Nothing is changed by them. */
void mgr_action_get(struct mgr_view *v, int *xml);

/* Offer balancer_manage.  register_hooks. */
void mgr_action_register(void);

#endif
