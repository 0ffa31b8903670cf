/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text in which the operator's run-time decisions are kept over a stop: one
 * line a decision, what was decided and what the file said at that time.
 *
 *     lbx-state 2
 *     added <TAB> main <TAB> balancer://app <TAB> http://b:80 <TAB> params <TAB> <TAB> route=b
 *     member <TAB> main <TAB> balancer://app <TAB> http://a:80 <TAB> drain <TAB> off <TAB> on
 *     set <TAB> main <TAB> balancer://app <TAB> <TAB> lbmethod <TAB> byrequests <TAB> bytraffic
 *     end 3
 *
 * An "added" line is a member that the configuration file does not have, with its
 * parameters as they were given.  It stands before decisions about that member.
 * Version 1 had no such lines, and is read as well.
 *
 * Bytes that would break a line are written %XX.  The last line counts the
 * lines between, so that a cut file is recognised.
 *
 * Not here: files (core_persist), what a field means (lbx_vals).
 *
 * Pure.
 */
#ifndef LBX_INTENT_H
#define LBX_INTENT_H

#include <stddef.h>

#include "lbx_types.h"

#define LBX_INTENT_HEAD "lbx-state 2"

struct lbx_intent {
    const char *scope;
    const char *balancer;
    const char *member; /* NULL: the balancer itself */
    const char *field;
    const char *conf; /* the file's value when this was decided */
    const char *run;  /* the decision */
    int added;        /* none, but a member that was added at run time; <run>: its parameters */
};

/* Longest line, its line feed and NUL included: every byte of a key escaped. */
enum {
    LBX_INTENT_LINE_MAX =
        3 * (LBX_SCOPE_MAX + LBX_BALANCER_MAX + LBX_MEMBER_MAX + LBX_PARAMS_MAX) + 64
};

/* Write one line to <buf> (LBX_INTENT_LINE_MAX bytes).  Returns its length, 0
 * when it does not fit. */
size_t lbx_intent_print(const struct lbx_intent *i, char *buf);

/*
 * Read a whole text, NUL-terminated, changing it in place.  <fn> gets each
 * decision, in order; nothing is called before the whole text has been found
 * well formed.  LBX_EVERSION: a later version's; LBX_EFORMAT: damaged, *line
 * says where (counted from 1).
 */
enum lbx_rc lbx_intent_parse(char *text, void (*fn)(void *, const struct lbx_intent *), void *baton,
                             unsigned *line);

#endif
