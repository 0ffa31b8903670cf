/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of active checks: a table of parsers.  See lbx_hc_spec.h.
 *
 * Pure.
 */
#include "lbx_hc_spec.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECOND_US 1000000ull

enum { LEAST_US = 100000, MOST_COUNT = 1000, MOST_SPREAD = 50 };

void lbx_hc_spec_defaults(struct lbx_hc_spec *spec)
{
    memset(spec, 0, sizeof(*spec));
    spec->method_version = 10;
    spec->passes = spec->fails = 1;
    spec->interval_us = 30 * SECOND_US;
}

/* ------------------------------------------------------------------ */
/* Values                                                               */

int lbx_hc_spec_time(const char *text, uint64_t *us)
{
    static const struct {
        const char *unit;
        uint64_t us;
    } units[] = {{"", SECOND_US},        {"s", SECOND_US},        {"ms", 1000},
                 {"mi", 60 * SECOND_US}, {"min", 60 * SECOND_US}, {"h", 3600 * SECOND_US}};
    char *end;
    long n;

    if (*text < '0' || *text > '9') {
        return 0;
    }
    n = strtol(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!strcasecmp(end, units[i].unit) && n <= 1000000000) {
            *us = (uint64_t)n * units[i].us;
            return 1;
        }
    }
    return 0;
}

static int whole(const char *text, long least, long most, long *n)
{
    char *end;

    *n = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *n >= least && *n <= most;
}

/* Printable, at most <most> - 1 characters; blanks only where they are <allowed>. */
static int plain(const char *text, size_t most, int blanks)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < ' ' || c == 0x7f || (c == ' ' && !blanks)) {
            return 0;
        }
    }
    return n > 0 && n < most;
}

static int is_token(unsigned char c)
{
    return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

/* ------------------------------------------------------------------ */
/* Words                                                                */

struct method {
    const char *name;
    enum lbx_hc_method method;
    unsigned version;
};

static const struct method methods[] = {
    {"NONE", LBX_HC_NONE, 10},         {"TCP", LBX_HC_TCP, 10},     {"OPTIONS", LBX_HC_OPTIONS, 10},
    {"HEAD", LBX_HC_HEAD, 10},         {"GET", LBX_HC_GET, 10},     {"CPING", LBX_HC_CPING, 10},
    {"OPTIONS11", LBX_HC_OPTIONS, 11}, {"HEAD11", LBX_HC_HEAD, 11}, {"GET11", LBX_HC_GET, 11},
};

static int set_method(struct lbx_hc_spec *spec, const char *value)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (!strcasecmp(methods[i].name, value)) {
            spec->method = methods[i].method;
            spec->method_version = methods[i].version;
            return 1;
        }
    }
    return 0;
}

static int set_version(struct lbx_hc_spec *spec, const char *value)
{
    spec->version = !strcmp(value, "1.0") ? 10 : !strcmp(value, "1.1") ? 11 : 20;
    return spec->version != 20 || !strcmp(value, "2");
}

static int set_interval(uint64_t *us, const char *value)
{
    return lbx_hc_spec_time(value, us) && *us >= LEAST_US;
}

static int set_every(struct lbx_hc_spec *spec, const char *value)
{
    return set_interval(&spec->interval_us, value);
}

static int set_fast(struct lbx_hc_spec *spec, const char *value)
{
    return set_interval(&spec->fast_us, value);
}

static int set_down(struct lbx_hc_spec *spec, const char *value)
{
    return set_interval(&spec->down_us, value);
}

static int set_timeout(struct lbx_hc_spec *spec, const char *value)
{
    return lbx_hc_spec_time(value, &spec->timeout_us) && spec->timeout_us >= 1000;
}

/* 0 is the stock's way to say 1 */
static int set_count(unsigned *to, const char *value)
{
    long n;
    int ok = whole(value, 0, MOST_COUNT, &n);

    *to = n > 0 ? (unsigned)n : 1;
    return ok;
}

static int set_passes(struct lbx_hc_spec *spec, const char *value)
{
    return set_count(&spec->passes, value);
}

static int set_fails(struct lbx_hc_spec *spec, const char *value)
{
    return set_count(&spec->fails, value);
}

static int set_uri(struct lbx_hc_spec *spec, const char *value)
{
    spec->uri = value;
    return plain(value, LBX_HC_URI_MAX, 0);
}

static int set_host(struct lbx_hc_spec *spec, const char *value)
{
    spec->host = value;
    return plain(value, LBX_HC_HOST_MAX, 0) && !strpbrk(value, "/\\@?#");
}

static int set_addr(struct lbx_hc_spec *spec, const char *value)
{
    spec->addr = value;
    return plain(value, LBX_HC_HOST_MAX, 0) && !strpbrk(value, "/\\@?#[]");
}

static int set_sni(struct lbx_hc_spec *spec, const char *value)
{
    spec->sni = value;
    return plain(value, LBX_HC_HOST_MAX, 0) && !strpbrk(value, "/\\@?#[]:");
}

static int set_port(struct lbx_hc_spec *spec, const char *value)
{
    long n;
    int ok = whole(value, 1, 65535, &n);

    spec->port = (int)n;
    return ok;
}

static int set_body(struct lbx_hc_spec *spec, const char *value)
{
    spec->body = value;
    return plain(value, LBX_HC_WORD_MAX, 1);
}

static int set_expr(struct lbx_hc_spec *spec, const char *value)
{
    spec->expr = value;
    return plain(value, LBX_HC_NAME_MAX, 1);
}

/* Its words are put in force by the caller, who knows the templates. */
static int set_template(struct lbx_hc_spec *spec, const char *value)
{
    (void)spec;
    return plain(value, LBX_HC_NAME_MAX, 1);
}

static int set_init(struct lbx_hc_spec *spec, const char *value)
{
    static const char *const names[] = {"up", "down", "keep"};

    for (int i = 0; i < 3; i++) {
        if (!strcasecmp(value, names[i])) {
            spec->init = (enum lbx_hc_init)i;
            return 1;
        }
    }
    return 0;
}

static int set_spread(struct lbx_hc_spec *spec, const char *value)
{
    long n;
    int ok = whole(value, 0, MOST_SPREAD, &n);

    spec->spread = (unsigned)n;
    spec->spread_set = 1;
    return ok;
}

/* "200", "200-399", several with commas between them */
static int set_status(struct lbx_hc_spec *spec, const char *value)
{
    memset(spec->status, 0, sizeof(spec->status));
    spec->has_status = 1;
    do {
        char *end;
        long from = strtol(value, &end, 10), to = from;

        if (*value < '0' || *value > '9') {
            return 0;
        }
        if (*end == '-') {
            value = end + 1;
            to = *value >= '0' && *value <= '9' ? strtol(value, &end, 10) : -1;
        }
        if (from < 100 || to < from || to >= LBX_HC_STATUSES || (*end && *end != ',')) {
            return 0;
        }
        for (long s = from; s <= to; s++) {
            spec->status[s / 32] |= 1u << (s % 32);
        }
        value = *end ? end + 1 : NULL;
    } while (value);
    return 1;
}

/* hcheader=, hcheader2= to hcheader9= */
static int set_header(struct lbx_hc_spec *spec, const char *key, const char *value)
{
    unsigned i = key[8] ? (unsigned)(key[8] - '0') : 0;
    size_t n = 0;

    spec->header[i] = value;
    while (is_token((unsigned char)value[n])) {
        n++;
    }
    return n && value[n] == ':' && plain(value, LBX_HC_WORD_MAX, 1);
}

struct word {
    const char *key;
    int (*set)(struct lbx_hc_spec *spec, const char *value);
    const char *allowed;
};

#define A_TIME "a time of at least 100ms: 5, 5s, 500ms, 2mi"

static const struct word words[] = {
    {"hcmethod", set_method,
     "one of NONE, TCP, OPTIONS, HEAD, GET, CPING, OPTIONS11, HEAD11, GET11"},
    {"hcinterval", set_every, A_TIME},
    {"hcfastinterval", set_fast, A_TIME},
    {"hcdowninterval", set_down, A_TIME},
    {"hctimeout", set_timeout, "a time of at least 1ms: 2, 2s, 500ms"},
    {"hcpasses", set_passes, "a whole number from 0 to 1000"},
    {"hcfails", set_fails, "a whole number from 0 to 1000"},
    {"hcuri", set_uri, "a path of up to 1023 characters without blanks"},
    {"hcexpr", set_expr, "the name of a ProxyHCExpr, up to 63 characters"},
    {"hctemplate", set_template, "the name of a ProxyHCTemplate, up to 63 characters"},
    {"hcstatus", set_status, "statuses from 100 to 599 and ranges of them: 200-299,401"},
    {"hchost", set_host, "the host name of a virtual host, with or without :port"},
    {"hcbody", set_body, "a text of up to 1023 characters that the answer must contain"},
    {"hcport", set_port, "a port from 1 to 65535"},
    {"hcaddr", set_addr, "an address or a host name"},
    {"hcsni", set_sni, "a host name"},
    {"hcversion", set_version, "1.0, 1.1 or 2"},
    {"hcinit", set_init, "up, down or keep"},
    {"hcspread", set_spread, "a percentage from 0 to 50, without a sign"},
};

enum lbx_hc_word lbx_hc_spec_set(struct lbx_hc_spec *spec, const char *key, const char *value,
                                 const char **allowed)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!strcasecmp(words[i].key, key)) {
            *allowed = words[i].allowed;
            return words[i].set(spec, value) ? LBX_HC_WORD_OK : LBX_HC_WORD_BAD;
        }
    }
    if (!strncasecmp(key, "hcheader", 8)
        && (!key[8] || (key[8] >= '2' && key[8] <= '9' && !key[9]))) {
        *allowed = "a header as \"Name: value\" of up to 1023 characters";
        return set_header(spec, key, value) ? LBX_HC_WORD_OK : LBX_HC_WORD_BAD;
    }
    return LBX_HC_WORD_UNKNOWN;
}

int lbx_hc_spec_is_name(const char *key)
{
    return !strcasecmp(key, "hctemplate") || !strcasecmp(key, "hcexpr");
}

/* ------------------------------------------------------------------ */
/* Meaning                                                              */

int lbx_hc_spec_status(const struct lbx_hc_spec *spec, unsigned status)
{
    if (!spec->has_status) {
        return status >= 200 && status < 400;
    }
    return status < LBX_HC_STATUSES && (spec->status[status / 32] >> (status % 32) & 1);
}

uint64_t lbx_hc_spec_timeout(const struct lbx_hc_spec *spec, uint64_t member_us)
{
    uint64_t usual = spec->interval_us / 10 * 9;

    if (spec->timeout_us) {
        return spec->timeout_us;
    }
    return member_us && member_us < usual ? member_us : usual;
}

uint64_t lbx_hc_spec_interval(const struct lbx_hc_spec *spec, int out, uint32_t passes,
                              uint32_t fails)
{
    uint32_t against = out ? passes : fails;
    int changing = against > 0 && !lbx_hc_spec_decides(spec, out, against);

    if (changing && spec->fast_us) {
        return spec->fast_us;
    }
    return out && !changing && spec->down_us ? spec->down_us : spec->interval_us;
}

const char *lbx_hc_method_name(enum lbx_hc_method method)
{
    static const char *const name[LBX_HC_METHOD_N] = {"NONE", "TCP", "OPTIONS",
                                                      "HEAD", "GET", "CPING"};

    return method < LBX_HC_METHOD_N ? name[method] : "unknown";
}
