/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of members that belong to siblings, changed at run time: the sibling
 * says what they mean (hook lbx_member_setting), we keep them.
 *
 * Not here: the list as text (lbx_words); the log of changes (core_change).
 *
 * Bound.
 */
#ifndef CORE_WORDS_H
#define CORE_WORDS_H

#include "core_conf.h"
#include "lbx_words.h"
#include "mod_lbx.h"

/* The parameters in force: those of the file, and behind them what was changed.  They
 * live in <p>, or as long as the member. */
const apr_table_t *core_words_params(apr_pool_t *p, const struct core_member *m,
                                     const struct lbx_member_notes *notes);

/*
 * Put <key>=*value into <notes>; a value like the file's takes the word out.  *value
 * becomes what the sibling writes for it, *was what was in force.
 * LBX_EFIELD: nobody's parameter; LBX_EVALUE, and *error says why.
 */
enum lbx_rc core_words_set(apr_pool_t *p, const struct core_member *m,
                           struct lbx_member_notes *notes, const char *key, const char **value,
                           const char **was, const char **error);

/* The base (lbx_words.h) that a change of the parameter has by today's file. */
enum lbx_rc core_words_base(apr_pool_t *p, const struct core_member *m, const char *key,
                            uint32_t *base);

/* A new configuration meets what was changed: an edit of the file wins.  Returns 1 when
 * something was dropped. */
int core_words_boot_merge(server_rec *s, apr_pool_t *p, const struct core_member *m);

#endif
