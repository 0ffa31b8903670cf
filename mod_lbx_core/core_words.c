/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Siblings' parameters at run time.  See core_words.h.
 *
 * Bound.
 */
#include "core_words.h"

#include "apr_strings.h"

#include "core_seam.h"
#include "core_store.h"
#include "lbx_vals.h"

APLOG_USE_MODULE(lbx_core);

static void overlay(apr_pool_t *p, apr_table_t *params, const char *words)
{
    struct lbx_word w;

    for (const char *at = words; (at = lbx_words_next(at, &w));) {
        const char *key = apr_pstrmemdup(p, w.key, w.key_len);

        apr_table_unset(params, key); /* the last one counts: behind a template */
        apr_table_addn(params, key, apr_pstrmemdup(p, w.value, w.value_len));
    }
}

const apr_table_t *core_words_params(apr_pool_t *p, const struct core_member *m,
                                     const struct lbx_member_notes *notes)
{
    apr_table_t *params;

    if (!*notes->words) {
        return m->params;
    }
    params = apr_table_copy(p, m->params);
    overlay(p, params, notes->words);
    return params;
}

/* Ask whose it is; <params> are those that <value> would be put into. */
static enum lbx_rc ask(apr_pool_t *p, const struct core_member *m, const apr_table_t *params,
                       const char *key, const char **value, const char **now, const char **error)
{
    struct lbx_setting setting = {
        .balancer = m->set->name,
        .member = m->name,
        .scheme = m->transport->s->scheme,
        .params = params,
        .key = key,
        .value = value ? *value : NULL,
        .now = "",
    };

    *error = NULL;
    if (core_seam_run_member_setting(p, m->set->server, &setting, error) != DONE) {
        return LBX_EFIELD;
    }
    if (value) {
        *value = setting.value;
    }
    *now = setting.now;
    return *error ? LBX_EVALUE : LBX_OK;
}

enum lbx_rc core_words_base(apr_pool_t *p, const struct core_member *m, const char *key,
                            uint32_t *base)
{
    const char *now, *error;
    enum lbx_rc rc = ask(p, m, m->params, key, NULL, &now, &error);

    if (!rc) {
        *base = lbx_words_base(now);
    }
    return rc;
}

enum lbx_rc core_words_set(apr_pool_t *p, const struct core_member *m,
                           struct lbx_member_notes *notes, const char *key, const char **value,
                           const char **was, const char **error)
{
    const char *file;
    enum lbx_rc rc = ask(p, m, m->params, key, NULL, &file, error);

    if (!rc) {
        rc = ask(p, m, core_words_params(p, m, notes), key, value, was, error);
    }
    if (rc) {
        return rc;
    }
    if (lbx_words_set(notes->words, key, strcmp(*value, file) ? *value : NULL,
                      lbx_words_base(file))) {
        *error = apr_psprintf(p, "%s=: too long together with what else was changed", key);
        return LBX_EVALUE;
    }
    return LBX_OK;
}

/* NULL: the word stays. */
static const char *why_dropped(apr_pool_t *p, const struct core_member *m,
                               const struct lbx_member_notes *kept, const char *key,
                               const char *value, uint32_t base, const char **file)
{
    const char *now, *error;

    if (ask(p, m, m->params, key, NULL, file, &error) == LBX_EFIELD) {
        *file = "";
        return "no module takes it any more";
    }
    if (lbx_words_base(*file) != base) {
        return "the configuration file was edited";
    }
    return ask(p, m, core_words_params(p, m, kept), key, &value, &now, &error) ? error : NULL;
}

int core_words_boot_merge(server_rec *s, apr_pool_t *p, const struct core_member *m)
{
    struct lbx_member_notes notes, kept;
    struct lbx_word w;
    int dropped = 0;

    lbx_member_notes_read(m->rec, &notes);
    kept = notes;
    memset(kept.words, 0, sizeof(kept.words));
    for (const char *at = notes.words; (at = lbx_words_next(at, &w));) {
        const char *key = apr_pstrmemdup(p, w.key, w.key_len);
        const char *value = apr_pstrmemdup(p, w.value, w.value_len), *file;
        const char *no = why_dropped(p, m, &kept, key, value, w.base, &file);

        dropped |= no != NULL;
        if (!no) {
            lbx_words_set(kept.words, key, value, w.base);
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                         LBXNO(0124) "%s member %s: %s=%s set at run time stays (configuration "
                                     "file: %s)",
                         m->set->name, m->name, key, value, file);
            continue;
        }
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     LBXNO(0123) "%s member %s: %s=%s set at run time is dropped, %s is in force: "
                                 "%s",
                     m->set->name, m->name, key, value, *file ? file : "nothing", no);
    }
    if (dropped) {
        lbx_member_notes_write(m->rec, &kept);
    }
    return dropped;
}
