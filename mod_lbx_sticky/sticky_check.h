/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be seen in the configuration alone that will make stickiness fail.
 *
 * Bound.  Parent, check_config: at configtest, too.
 */
#ifndef STICKY_CHECK_H
#define STICKY_CHECK_H

#include "sticky_conf.h"

/* Core's part of a start: warns, never refuses. */
void sticky_check_boot_warn(apr_pool_t *p, server_rec *main);

#endif
