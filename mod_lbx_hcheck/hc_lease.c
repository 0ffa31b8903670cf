/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock of the child that checks.  See hc_lease.h.
 *
 * Bound.
 */
#include "hc_lease.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_portable.h"
#include "scoreboard.h"

APLOG_USE_MODULE(lbx_hcheck);

/* Of this generation: set before children are made. */
static int lock_fd = -1;

apr_status_t hc_lease_boot_open(apr_pool_t *p)
{
    const char *dir;
    apr_file_t *f;
    apr_os_file_t fd;
    apr_status_t rv = apr_temp_dir_get(&dir, p);

    if (!rv) {
        rv = apr_file_mktemp(&f, apr_pstrcat(p, dir, "/lbx-hcheck.XXXXXX", NULL),
                             APR_FOPEN_CREATE | APR_FOPEN_READ | APR_FOPEN_WRITE | APR_FOPEN_EXCL
                                 | APR_FOPEN_DELONCLOSE,
                             p);
    }
    if (!rv) {
        const char *name;

        apr_file_name_get(&name, f);
        unlink(name);
        apr_os_file_get(&fd, f);
        lock_fd = fd;
    }
    return rv;
}

static int lock_as(short type)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET};

    return lock_fd >= 0 && fcntl(lock_fd, F_SETLK, &l) == 0;
}

int hc_lease_tick_take(void)
{
    return lock_as(F_WRLCK);
}

void hc_lease_tick_give(void)
{
    lock_as(F_UNLCK);
}

int hc_lease_tick_is_old(void)
{
    const global_score *g = ap_get_scoreboard_global();
    int mine = 0;

    return g && ap_mpm_query(AP_MPMQ_GENERATION, &mine) == APR_SUCCESS
           && g->running_generation != mine;
}
