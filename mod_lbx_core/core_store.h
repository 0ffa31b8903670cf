/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the segment: made at the first start, found again after a
 * graceful restart, grown when members come, attached to by children, cleaned
 * of those that are gone.
 *
 * Not here: the layout (lbx_segment), what is read and written in a request.
 *
 * Bound.
 */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include "core_conf.h"

/* Give each set and member of the generation its record, new or kept, and merge
 * the file's values into those in force.  Records that the file does not have
 * any more are retired.  Parent, post_config.  APR_ENOMEM, APR_EGENERAL: logged. */
apr_status_t core_store_boot_adopt(struct core_gen *gen, server_rec *s, apr_pool_t *p,
                                   apr_pool_t *ptemp);

/* True when the segment was made by this start: no earlier state in memory. */
int core_store_boot_is_cold(void);

/* Take a column for this process.  Child, child_init. */
void core_store_child_attach(server_rec *s);

/* A child is gone, whatever it was doing.  Parent, child_status. */
void core_store_boot_child_gone(server_rec *s, pid_t pid);

/* Look for children that went unnoticed.  Parent, now and then. */
void core_store_boot_sweep(server_rec *s);

/* The member's admin bits are now <admin>: since when does it drain?  Admin mutex held. */
void core_store_note_drain(struct lbx_seg_member *rec, uint32_t admin);

/* In <notes>: <who> takes the member out of service now.  NULL: no operator does (any more). */
void core_store_note_decision(struct lbx_member_notes *notes, const char *who);

/* A member by value; one whose record belongs to somebody else by now is
 * CORE_GONE in view.retired and has no route, one that was removed at run time
 * CORE_REMOVED.  Any process. */
enum { CORE_GONE = 2, CORE_REMOVED };

void core_store_view(const struct core_member *m, struct lbx_member_view *out);

/* The admin mutex; lbx_store_unlock gives it back.  LBX_ELOCK when somebody else has held
 * it for seconds: logged, and *error says so. */
enum lbx_rc core_store_lock(server_rec *s, const char **error);

/* The store of this process and its column; valid after adoption. */
struct lbx_store *core_store(void);
uint32_t core_store_child(void);

#endif
