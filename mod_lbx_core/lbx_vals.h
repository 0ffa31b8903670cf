/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of a member or a balancer that can be changed at run time: one
 * table row a field.  Reading, changing, merging and printing them all go
 * through the tables, so that a new field is one row.
 *
 * Not here: what a value does (lbx_eligible, the methods), who may change it.
 *
 * Pure.
 */
#ifndef LBX_VALS_H
#define LBX_VALS_H

#include <stddef.h>

#include "lbx_segment.h"

enum lbx_field_kind {
    LBX_KIND_FACTOR, /* uint32_t in hundredths, written "1.50" */
    LBX_KIND_COUNT,  /* uint32_t */
    LBX_KIND_SIGNED, /* int32_t, -1 for "not set" */
    LBX_KIND_TIME,   /* uint64_t microseconds, written in seconds */
    LBX_KIND_SWITCH, /* uint32_t, written on/off */
    LBX_KIND_BIT,    /* one bit of a uint32_t, written on/off */
    LBX_KIND_TEXT    /* char[max] */
};

struct lbx_field {
    const char *name;
    enum lbx_field_kind kind;
    uint32_t at;  /* offset in the struct */
    uint32_t max; /* KIND_TEXT: bytes; numbers: largest value; KIND_BIT: the bit */
    uint32_t min;
    const char *allowed; /* for messages: "1..100" */
};

enum { LBX_MEMBER_FIELDS = 12, LBX_SET_FIELDS = 6 };

extern const struct lbx_field lbx_member_fields[];
extern const unsigned lbx_member_fields_n;
extern const struct lbx_field lbx_set_fields[];
extern const unsigned lbx_set_fields_n;

/* Longest text lbx_field_print makes, with its NUL. */
enum { LBX_FIELD_TEXT_MAX = 80 };

/* The row called <name> (exactly), or NULL. */
const struct lbx_field *lbx_field_find(const struct lbx_field *table, unsigned n, const char *name);

/* The field's value in <vals> as text; returns <buf>. */
const char *lbx_field_print(const struct lbx_field *f, const void *vals,
                            char buf[LBX_FIELD_TEXT_MAX]);

/* Set the field from text.  LBX_EVALUE leaves <vals> as it was: f->allowed says
 * what would do. */
enum lbx_rc lbx_field_set(const struct lbx_field *f, void *vals, const char *text);

/* Whether the field has the same value in both. */
int lbx_field_same(const struct lbx_field *f, const void *a, const void *b);

void lbx_field_copy(const struct lbx_field *f, void *to, const void *from);

/* What a merge did with one field. */
enum lbx_merged {
    LBX_MERGED_SAME,  /* nothing changed */
    LBX_MERGED_FILE,  /* the file was edited: its value is in force now */
    LBX_MERGED_DROPS, /* ... and an override made at run time is lost by it */
    LBX_MERGED_KEEPS  /* not edited: the override stays */
};

/*
 * A new configuration meets the values in force.
 *
 * <run> (in force) is updated from <now> (what the file says) in view of <was>
 * (what it said before): a field edited in the file wins, an unedited one keeps
 * its override.  done[i] (may be NULL) says what happened to field i.
 */
void lbx_vals_merge(const struct lbx_field *table, unsigned n, void *run, const void *was,
                    const void *now, enum lbx_merged *done);

/* Copy the values in force out of a record, never torn.  Any process, any time. */
void lbx_member_vals_read(const struct lbx_seg_member *m, struct lbx_member_vals *out);
void lbx_set_vals_read(const struct lbx_seg_set *s, struct lbx_set_vals *out);

/* Put new values in force.  Admin mutex held.  A writer that dies half-way
 * leaves the old ones. */
void lbx_member_vals_write(struct lbx_seg_member *m, const struct lbx_member_vals *v);
void lbx_set_vals_write(struct lbx_seg_set *s, const struct lbx_set_vals *v);

/* Likewise what else was said of a member. */
void lbx_member_notes_read(const struct lbx_seg_member *m, struct lbx_member_notes *out);
void lbx_member_notes_write(struct lbx_seg_member *m, const struct lbx_member_notes *n);

#endif
