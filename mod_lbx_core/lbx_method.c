/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of methods.  See lbx_method.h.
 *
 * Pure.
 */
#include "lbx_method.h"
#include "lbx_hot.h"

#include <string.h>

const struct lbx_method *const lbx_methods[] = {
    &lbx_method_byrequests,
    &lbx_method_bybusyness,
    &lbx_method_bytraffic,
    NULL,
};

const struct lbx_method *lbx_method_find(const char *name)
{
    for (unsigned i = 0; lbx_methods[i]; i++) {
        if (!strcmp(lbx_methods[i]->name, name)) {
            return lbx_methods[i];
        }
    }
    return NULL;
}

LBX_HOT uint32_t lbx_method_release(const struct lbx_store *st, uint32_t child, uint32_t slot,
                                    struct lbx_seg_set *set, int busy)
{
    uint32_t left = lbx_store_release(st, child, slot);

    if (busy) {
        atomic_fetch_add(&set->busy_seq, 1);
    }
    return left;
}
