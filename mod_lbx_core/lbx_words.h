/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of a member that were changed at run time and are a sibling's
 * ("hcinterval"): a short list as text, part of a member's record.
 *
 * Each has a base: a hash of what the configuration said when it was changed, so
 * that an edit of the file is noticed at the next reload.
 *
 * Not here: what the parameters mean, and whether a value is allowed (core_words).
 *
 * Pure.
 */
#ifndef LBX_WORDS_H
#define LBX_WORDS_H

#include "lbx_segment.h"

/* One of them.  Texts are not terminated: they are part of the list. */
struct lbx_word {
    const char *key;
    unsigned key_len;
    const char *value;
    unsigned value_len;
    uint32_t base;
};

/* The word at <at>, the beginning of a list or what this function returned.  NULL: there
 * is none, or what stands there is not a word. */
const char *lbx_words_next(const char *at, struct lbx_word *w);

/*
 * Put a word into the list <text>, in place of one of its key; <value> NULL: take it out.
 * LBX_ESIZE: the list is full; LBX_EVALUE: key or value has control characters, or the
 * key is none.  The list is as it was then.
 */
enum lbx_rc lbx_words_set(char text[LBX_WORDS_MAX], const char *key, const char *value,
                          uint32_t base);

uint32_t lbx_words_base(const char *value);

#endif
