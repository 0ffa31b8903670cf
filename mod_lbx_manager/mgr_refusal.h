/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors that httpd itself answers with below .../-/api/ (a user is asked for, Require
 * does not let in, a request that is too long): JSON like all others, in the place of
 * httpd's own text and of ErrorDocument.  Headers stay.
 *
 * Not here: the interface's own errors (mgr_api).
 *
 * Bound: httpd, APR.
 */
#ifndef MGR_REFUSAL_H
#define MGR_REFUSAL_H

#include "mgr_api.h"

/* In register_hooks. */
void mgr_refusal_register(void);

#endif
