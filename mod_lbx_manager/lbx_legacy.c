/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags and parameters of the legacy manager.  See lbx_legacy.h.
 *
 * Pure.
 */
#include "lbx_legacy.h"

#include <stdio.h>
#include <string.h>

enum {
    UNUSABLE = LBX_ADMIN_SHUTDOWN | LBX_ADMIN_DISABLED | LBX_ADMIN_STOPPED | LBX_STATUS_ERROR
               | LBX_HEALTH_FAILED
};

/* In the order in which httpd writes them. */
static const struct {
    uint32_t bit;
    const char *text;
} flags[] = {
    {LBX_STATUS_INIT, "Init "},
    {LBX_ADMIN_IGNORE_ERRORS, "Ign "},
    {LBX_ADMIN_DRAIN, "Drn "},
    {0x008, "Gen "},
    {LBX_ADMIN_SHUTDOWN, "Shut "},
    {LBX_ADMIN_DISABLED, "Dis "},
    {LBX_ADMIN_STOPPED, "Stop "},
    {LBX_STATUS_ERROR, "Err "},
    {LBX_ADMIN_STANDBY, "Stby "},
    {LBX_ADMIN_SPARE, "Spar "},
    {0x200, "Free "},
    {LBX_HEALTH_FAILED, "HcFl "},
};

uint32_t lbx_legacy_status(const struct lbx_member_view *v, uint32_t shown)
{
    return LBX_STATUS_INIT | v->run.admin | v->health | (v->error_at_us ? LBX_STATUS_ERROR : 0)
           | (shown & LBX_STATUS_SHOWN);
}

void lbx_legacy_status_text(uint32_t status, char text[LBX_STATUS_TEXT])
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (status & flags[i].bit) {
            used += (size_t)snprintf(text + used, LBX_STATUS_TEXT - used, "%s", flags[i].text);
        }
    }
    if ((status & LBX_STATUS_INIT) && !(status & UNUSABLE)) {
        used += (size_t)snprintf(text + used, LBX_STATUS_TEXT - used, "Ok ");
    }
    if (!used) {
        snprintf(text, LBX_STATUS_TEXT, "??? ");
    }
}

#define SWITCH(letter, field, title, bit)                                                          \
    {                                                                                              \
        "w_status_" letter, field, title, LBX_LEGACY_SWITCH, bit                                   \
    }

/* The switches in the order in which the form has them. */
const struct lbx_legacy_param lbx_legacy_member[LBX_LEGACY_MEMBER_N] = {
    {"w_lf", "loadfactor", NULL, LBX_LEGACY_WORD, 0},
    {"w_ls", "lbset", NULL, LBX_LEGACY_WORD, 0},
    {"w_wr", "route", NULL, LBX_LEGACY_TEXT, 0},
    {"w_rr", "redirect", NULL, LBX_LEGACY_TEXT, 0},
    SWITCH("I", "ignore-errors", "Ignore Errors", LBX_ADMIN_IGNORE_ERRORS),
    SWITCH("N", "drain", "Draining Mode", LBX_ADMIN_DRAIN),
    SWITCH("D", "disabled", "Disabled", LBX_ADMIN_DISABLED),
    SWITCH("H", "standby", "Hot Standby", LBX_ADMIN_STANDBY),
    SWITCH("R", "spare", "Hot Spare", LBX_ADMIN_SPARE),
    SWITCH("S", "stopped", "Stopped", LBX_ADMIN_STOPPED),
};

const struct lbx_legacy_param lbx_legacy_check[LBX_LEGACY_CHECK_N] = {
    {"w_hm", "hcmethod", NULL, LBX_LEGACY_WORD, 0}, {"w_hi", "hcinterval", NULL, LBX_LEGACY_MS, 0},
    {"w_hp", "hcpasses", NULL, LBX_LEGACY_WORD, 0}, {"w_hf", "hcfails", NULL, LBX_LEGACY_WORD, 0},
    {"w_hu", "hcuri", NULL, LBX_LEGACY_TEXT, 0},    {"w_he", "hcexpr", NULL, LBX_LEGACY_TEXT, 0},
};

const struct lbx_legacy_param lbx_legacy_set[LBX_LEGACY_SET_N] = {
    {"b_lbm", "lbmethod", NULL, LBX_LEGACY_WORD, 0},
    {"b_tmo", "timeout", NULL, LBX_LEGACY_WORD, 0},
    {"b_max", "maxattempts", NULL, LBX_LEGACY_WORD, 0},
    {"b_sforce", "nofailover", NULL, LBX_LEGACY_SWITCH, 0},
    {"b_ss", "stickysession", NULL, LBX_LEGACY_STICKY, 0},
};

/* Numbers may have blanks around them. */
static void trim(const char **text, size_t *len)
{
    *text += strspn(*text, " ");
    *len = strlen(*text);
    while (*len && (*text)[*len - 1] == ' ') {
        --*len;
    }
}

/* "0" and "00" are off, any other number is on, nothing is off; else it is no switch. */
static const char *switch_value(const char *text, size_t len)
{
    size_t sign = len && (*text == '-' || *text == '+');

    if (sign + strspn(text + sign, "0123456789") != len || (sign && len == 1)) {
        return NULL;
    }
    return strspn(text + sign, "0") + sign == len ? "off" : "on";
}

static int sticky_value(const char *text, size_t len, char value[LBX_LEGACY_VALUE],
                        char second[LBX_LEGACY_VALUE])
{
    const char *bar = memchr(text, '|', len);
    size_t first = bar ? (size_t)(bar - text) : len;

    if (!len || (bar && (!first || first + 1 == len))) {
        return 0;
    }
    if (len == 1 && *text == '-') {
        value[0] = second[0] = '\0';
        return 1;
    }
    snprintf(value, LBX_LEGACY_VALUE, "%.*s", (int)first, text);
    snprintf(second, LBX_LEGACY_VALUE, "%s", bar ? bar + 1 : value);
    return 1;
}

int lbx_legacy_value(const struct lbx_legacy_param *p, const char *text,
                     char value[LBX_LEGACY_VALUE], char second[LBX_LEGACY_VALUE])
{
    size_t len = strlen(text);
    const char *on;

    second[0] = '\0';
    if (p->kind == LBX_LEGACY_STICKY) {
        return sticky_value(text, len, value, second);
    }
    if (p->kind != LBX_LEGACY_TEXT) {
        trim(&text, &len);
    }
    if (p->kind == LBX_LEGACY_SWITCH) {
        on = switch_value(text, len);
        snprintf(value, LBX_LEGACY_VALUE, "%s", on ? on : "neither on nor off");
        return 1;
    }
    snprintf(value, LBX_LEGACY_VALUE, "%.*s%s", (int)len, text,
             p->kind == LBX_LEGACY_MS && len && strspn(text, "0123456789") == len ? "ms" : "");
    return len || p->kind == LBX_LEGACY_TEXT;
}
