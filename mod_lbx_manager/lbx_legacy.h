/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language of httpd's own balancer-manager: the flags of a member as scripts know
 * them, and the parameters of its form.
 *
 * Not here: the page (mgr_page), putting a change in force (mgr_action).
 *
 * Pure.
 */
#ifndef LBX_LEGACY_H
#define LBX_LEGACY_H

#include <stddef.h>

#include "lbx_types.h"

/* Bits of mod_proxy's status word that we have no other name for. */
enum { LBX_STATUS_INIT = 0x001, LBX_STATUS_ERROR = 0x080, LBX_STATUS_SHOWN = 0x208 };

/* mod_proxy's status word for a member; <shown>: bits without effect (LBX_STATUS_SHOWN). */
uint32_t lbx_legacy_status(const struct lbx_member_view *v, uint32_t shown);

enum { LBX_STATUS_TEXT = 80 };

/* "Init Drn Ok ": with the blank at the end. */
void lbx_legacy_status_text(uint32_t status, char text[LBX_STATUS_TEXT]);

enum lbx_legacy_kind {
    LBX_LEGACY_WORD,   /* an empty one changes nothing */
    LBX_LEGACY_TEXT,   /* an empty one clears */
    LBX_LEGACY_SWITCH, /* a number, 0: off */
    LBX_LEGACY_MS,     /* a time, milliseconds where it has no unit; an empty one changes nothing */
    LBX_LEGACY_STICKY  /* "COOKIE|path", one name for both, "-" for none */
};

struct lbx_legacy_param {
    const char *key;   /* "w_lf" */
    const char *field; /* for lbx_apply: "loadfactor" */
    const char *title; /* of a switch, on the page */
    enum lbx_legacy_kind kind;
    uint32_t bit; /* of a switch: enum lbx_admin */
};

enum { LBX_LEGACY_MEMBER_N = 10, LBX_LEGACY_CHECK_N = 6, LBX_LEGACY_SET_N = 5 };

extern const struct lbx_legacy_param lbx_legacy_member[LBX_LEGACY_MEMBER_N];
extern const struct lbx_legacy_param lbx_legacy_check[LBX_LEGACY_CHECK_N]; /* of a member */
extern const struct lbx_legacy_param lbx_legacy_set[LBX_LEGACY_SET_N];

enum { LBX_LEGACY_VALUE = 512 };

/*
 * The value that lbx_apply takes for what the form says; for a LBX_LEGACY_STICKY <second>
 * gets the value of "stickysession-path".  0: nothing is asked for.  A long text is cut,
 * and still too long for any field.  Whether a value is allowed says lbx_apply.
 */
int lbx_legacy_value(const struct lbx_legacy_param *p, const char *text,
                     char value[LBX_LEGACY_VALUE], char second[LBX_LEGACY_VALUE]);

#endif
