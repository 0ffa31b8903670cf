/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BalancerPersist On: the operator's run-time decisions in a small text file,
 * written at every change, read at a cold start.  Health and counters are not
 * in it.
 *
 * Not here: the text (lbx_intent).  A graceful restart does not need the file:
 * the segment is still there.
 *
 * Bound.
 */
#ifndef CORE_PERSIST_H
#define CORE_PERSIST_H

#include "core_conf.h"

/* Make the directory that children can write in: <DefaultRuntimeDir>/lbx.
 * Parent, post_config.  Failure is logged and means: nothing is kept. */
void core_persist_boot_prepare(server_rec *s, apr_pool_t *p);

/* Put the decisions of the last run in force.  A decision about a value that
 * the configuration file has changed since is dropped, with a log line.  A
 * damaged or foreign file is a warning.  Parent, post_config, cold start.
 * Admin mutex held. */
void core_persist_boot_load(server_rec *s, apr_pool_t *pconf, apr_pool_t *p);

/* Write the present decisions, if any balancer is to be persisted.  The old file
 * is replaced in one step.  Admin mutex held. */
void core_persist_save(server_rec *s, apr_pool_t *p);

/* Write the nonces that we have made, in a file of their own: read with the decisions.
 * Parent, post_config. */
void core_persist_boot_save_nonces(apr_pool_t *p);

#endif
