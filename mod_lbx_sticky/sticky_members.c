/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is meant by an id.  See sticky_members.h.
 *
 * A child keeps the hashes of each balancer's members: they cost more than a look-up.
 * A row is good as long as its member has the route it was made with, which is looked
 * at for the row that was found; when none is found, all rows are looked at.
 *
 * Bound.
 */
#include "sticky_members.h"

#include <stdlib.h>
#include <string.h>

#include "apr_hash.h"

#include "sticky_key.h"
#include "sticky_learn.h"

struct sticky_id {
    char route[LBX_ROUTE_MAX]; /* with which this was made */
    char shown[LBX_ROUTE_MAX]; /* the route in force: that one, or the automatic */
    uint64_t shared;           /* sticky_members_public() */
    uint64_t id[2];            /* under the present key and the one before; more are computed */
};

/* Rebuilt at every (re)start before children are forked: nothing survives here. */
static struct {
    apr_array_header_t *all; /* struct sticky_set * */
    apr_hash_t *by_slot;     /* uint32_t -> struct sticky_set * */
} table;

const apr_array_header_t *sticky_members_all(void)
{
    return table.all;
}

struct sticky_set *sticky_members_set(struct lbx_ref ref)
{
    struct sticky_set *set =
        table.by_slot ? apr_hash_get(table.by_slot, &ref.slot, sizeof(ref.slot)) : NULL;

    return set && set->ref.revision == ref.revision ? set : NULL;
}

static apr_status_t add_set(apr_pool_t *p, apr_pool_t *ptemp, server_rec *main,
                            const struct lbx_set_info *info)
{
    struct sticky_set *set = apr_pcalloc(p, sizeof(*set));

    set->ref = info->ref;
    set->balancer = apr_pstrdup(p, info->name);
    set->server = info->server;
    set->rules = sticky_conf_rules(p, info->server, main, set->balancer);
    sticky_key_boot_make(p, main, set);
    APR_ARRAY_PUSH(table.all, struct sticky_set *) = set;
    apr_hash_set(table.by_slot, &set->ref.slot, sizeof(set->ref.slot), set);
    return set->rules.learn ? sticky_learn_boot_open(p, ptemp, main, set, info->scope)
                            : APR_SUCCESS;
}

apr_status_t sticky_members_boot_build(apr_pool_t *p, apr_pool_t *ptemp, server_rec *main)
{
    APR_OPTIONAL_FN_TYPE(lbx_snapshot) *snapshot = APR_RETRIEVE_OPTIONAL_FN(lbx_snapshot);
    const apr_array_header_t *sets = snapshot ? snapshot(p, NULL) : NULL;
    apr_status_t rv = APR_SUCCESS;

    table.all = apr_array_make(p, 8, sizeof(struct sticky_set *));
    table.by_slot = apr_hash_make(p);
    sticky_learn_boot_begin();
    for (int i = 0; sets && i < sets->nelts && rv == APR_SUCCESS; i++) {
        rv = add_set(p, ptemp, main, &APR_ARRAY_IDX(sets, i, struct lbx_set_info));
    }
    sticky_learn_boot_end();
    return rv;
}

void sticky_members_child_init(apr_pool_t *p)
{
    for (int i = 0; table.all && i < table.all->nelts; i++) {
        apr_thread_mutex_create(&APR_ARRAY_IDX(table.all, i, struct sticky_set *)->mutex,
                                APR_THREAD_MUTEX_DEFAULT, p);
    }
}

/* ------------------------------------------------------------------ */
/* Identity                                                             */

const char *sticky_members_identity(const char *route, const char *name, apr_pool_t *p)
{
    return apr_pstrcat(p, *route ? "route " : "member ", *route ? route : name, NULL);
}

const char *sticky_members_route(const char *route, const char *name, char room[STICKY_ROUTE_TEXT])
{
    if (*route) {
        return route;
    }
    apr_snprintf(room, STICKY_ROUTE_TEXT, "%016" APR_UINT64_T_HEX_FMT, sticky_key_public(name));
    return room;
}

static uint64_t id_of(const struct sticky_set *set, unsigned k, const char *route, const char *name)
{
    char text[LBX_MEMBER_MAX + 8];

    apr_cpystrn(apr_cpystrn(text, *route ? "route " : "member ", sizeof(text)),
                *route ? route : name, LBX_MEMBER_MAX);
    return lbx_token_id(&set->key[k], text);
}

uint64_t sticky_members_public(const char *route, const char *name)
{
    char text[LBX_MEMBER_MAX + 8];

    apr_cpystrn(apr_cpystrn(text, *route ? "route " : "member ", sizeof(text)),
                *route ? route : name, LBX_MEMBER_MAX);
    return sticky_key_public(text);
}

static void make_row(const struct sticky_set *set, struct sticky_id *row, const char *route,
                     const char *name)
{
    char room[STICKY_ROUTE_TEXT];

    apr_cpystrn(row->route, route, sizeof(row->route));
    apr_cpystrn(row->shown, sticky_members_route(route, name, room), sizeof(row->shown));
    row->shared = sticky_members_public(route, name);
    for (unsigned k = 0; k < set->keys_n && k < 2; k++) {
        row->id[k] = id_of(set, k, route, name);
    }
}

/* Bring all rows up to date; returns whether any was not.  The mutex is held. */
static int refresh(struct sticky_set *set, const struct lbx_hint_ask *ask)
{
    int changed = 0;

    if (ask->n > set->ids_n) {
        struct sticky_id *more = realloc(set->ids, ask->n * sizeof(*more));

        if (!more) {
            return 0;
        }
        set->ids = more;
        while (set->ids_n < ask->n) {
            set->ids[set->ids_n++].shown[0] = '\0'; /* not made yet */
        }
    }
    for (uint32_t i = 0; i < ask->n; i++) {
        const char *route = ask->member_route(ask, i);

        if (!*set->ids[i].shown || strcmp(set->ids[i].route, route)) {
            make_row(set, &set->ids[i], route, ask->member_name(ask, i));
            changed = 1;
        }
    }
    return changed;
}

/* What is looked for, in one of three ways. */
struct wanted {
    struct sticky_set *set;
    const struct lbx_hint_ask *ask;
    unsigned k; /* of an id */
    uint64_t id;
    const char *route;
    size_t len; /* of the route */
    uint32_t number;
    uint32_t (*shorten)(uint64_t hash);
};

typedef int (*fits_fn)(const struct wanted *w, const struct sticky_id *row, uint32_t i);

static inline uint32_t find(const struct wanted *w, fits_fn fits)
{
    for (uint32_t i = 0; i < w->ask->n && i < w->set->ids_n; i++) {
        const struct sticky_id *row = &w->set->ids[i];

        if (*row->shown && fits(w, row, i)
            && !strcmp(row->route, w->ask->member_route(w->ask, i))) {
            return i;
        }
    }
    return STICKY_NOBODY;
}

/* Inline, so that each way has a loop of its own: it runs for every request. */
static inline uint32_t look_up(const struct wanted *w, fits_fn fits)
{
    uint32_t who;

    apr_thread_mutex_lock(w->set->mutex);
    who = find(w, fits);
    if (who == STICKY_NOBODY && refresh(w->set, w->ask)) {
        who = find(w, fits);
    }
    apr_thread_mutex_unlock(w->set->mutex);
    return who;
}

static int has_id(const struct wanted *w, const struct sticky_id *row, uint32_t i)
{
    return w->id
           == (w->k < 2 ? row->id[w->k]
                        : id_of(w->set, w->k, row->route, w->ask->member_name(w->ask, i)));
}

static int has_route(const struct wanted *w, const struct sticky_id *row, uint32_t i)
{
    (void)i;
    return strlen(row->shown) == w->len && !memcmp(row->shown, w->route, w->len);
}

static int has_number(const struct wanted *w, const struct sticky_id *row, uint32_t i)
{
    (void)i;
    return w->shorten(row->shared) == w->number;
}

uint32_t sticky_members_req_by_id(struct sticky_set *set, const struct lbx_hint_ask *ask,
                                  unsigned k, uint64_t id)
{
    struct wanted w = {.set = set, .ask = ask, .k = k, .id = id};

    return look_up(&w, has_id);
}

uint32_t sticky_members_req_by_route(struct sticky_set *set, const struct lbx_hint_ask *ask,
                                     const char *route, size_t len)
{
    struct wanted w = {.set = set, .ask = ask, .route = route, .len = len};

    return look_up(&w, has_route);
}

uint32_t sticky_members_req_by_number(struct sticky_set *set, const struct lbx_hint_ask *ask,
                                      uint32_t number, uint32_t (*shorten)(uint64_t hash))
{
    struct wanted w = {.set = set, .ask = ask, .number = number, .shorten = shorten};

    return look_up(&w, has_number);
}
