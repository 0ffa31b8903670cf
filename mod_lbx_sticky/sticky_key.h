/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys: from what the configuration gives, or from a secret of our own that lives in a
 * file of the runtime directory, so that cookies survive a restart without any
 * configuration.
 *
 * Bound.  Parent, post_config.
 */
#ifndef STICKY_KEY_H
#define STICKY_KEY_H

#include "sticky_conf.h"

/* SipHash-2-4 of apr-util, for lbx_token. */
uint64_t sticky_key_hash(const void *data, size_t len, const unsigned char *key);

/* The same with a key that is no secret, for what all nodes must agree on. */
uint64_t sticky_key_public(const char *text);

/* The keys of a balancer in <p>: one for each secret, the present one first. */
void sticky_key_boot_make(apr_pool_t *p, server_rec *s, struct sticky_set *set);

#endif
