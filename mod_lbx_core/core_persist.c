/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of decisions.  See core_persist.h.
 *
 * The directory belongs to the user that children run as, because they make
 * the changes.  The file is read by the parent as untrusted text.
 *
 * Bound.
 */
#include "core_persist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_file_io.h"
#include "apr_strings.h"
#include "unixd.h"

#include "core_members.h"
#include "core_store.h"
#include "core_words.h"
#include "lbx_intent.h"
#include "lbx_vals.h"

APLOG_USE_MODULE(lbx_core);

enum { FILE_MAX = 16 * 1024 * 1024 };

/* Another server writes the same file: set in the parent at every (re)start. */
static int taken;

static int wanted(void)
{
    const struct core_gen *gen = core_conf_gen();

    for (int i = 0; gen && !taken && i < gen->sets->nelts; i++) {
        if (APR_ARRAY_IDX(gen->sets, i, struct core_set *)->persist) {
            return 1;
        }
    }
    return 0;
}

static const char *directory(apr_pool_t *p)
{
    return ap_runtime_dir_relative(p, "lbx");
}

static const char *file(apr_pool_t *p)
{
    return apr_pstrcat(p, directory(p), "/state", NULL);
}

/* Apart: decisions are for operators to read, nonces are secrets. */
static const char *nonces(apr_pool_t *p)
{
    return apr_pstrcat(p, directory(p), "/nonces", NULL);
}

/* Two servers with one DefaultRuntimeDir would write each other's file: the parent
 * that came first has a lock on a file beside it, for as long as it lives and over
 * its restarts.  Children do not inherit such a lock, and need none: they take the
 * admin mutex. */
#define LOCK_KEY "mod_lbx_core state lock"

static void lock_directory(server_rec *s, apr_pool_t *p)
{
    const char *name = apr_pstrcat(p, directory(p), "/lock", NULL);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int *kept = ap_retained_data_get(LOCK_KEY);
    int fd;

    if (kept) {
        return;
    }
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) {
        return; /* writing beside it will not work either, and says so */
    }
    if (!fcntl(fd, F_SETLK, &lock)) {
        kept = ap_retained_data_create(LOCK_KEY, sizeof(*kept));
        *kept = fd;
        return;
    }
    taken = errno == EACCES || errno == EAGAIN;
    if (taken) {
        fcntl(fd, F_GETLK, &lock);
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     LBXNO(0196) "BalancerPersist On: %s is another server's (process %d), "
                                 "run-time changes of this one will not survive a stop: give it "
                                 "a DefaultRuntimeDir of its own",
                     file(p), lock.l_type == F_UNLCK ? 0 : (int)lock.l_pid);
    }
    close(fd);
}

void core_persist_boot_prepare(server_rec *s, apr_pool_t *p)
{
    const char *dir = directory(p);
    int bad;

    taken = 0;
    if (!wanted()) {
        return;
    }
    bad = mkdir(dir, 0700) && errno != EEXIST;
    if (!bad && !geteuid()) {
        bad = chown(dir, ap_unixd_config.user_id, ap_unixd_config.group_id);
    }
    if (bad) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s,
                     LBXNO(0190) "BalancerPersist On: cannot make %s, run-time changes will not "
                                 "survive a stop",
                     dir);
        return;
    }
    lock_directory(s, p);
}

/* ------------------------------------------------------------------ */
/* Writing                                                              */

struct output {
    apr_file_t *f;
    apr_status_t rv;
    unsigned long lines;
};

static void write_text(struct output *o, const char *text, apr_size_t len)
{
    if (o->rv == APR_SUCCESS) {
        o->rv = apr_file_write_full(o->f, text, len, NULL);
    }
}

/* The fields of one record that differ from the file. */
static void write_fields(struct output *o, const struct lbx_seg_set *set, const char *member,
                         const struct lbx_field *table, unsigned n, const void *conf,
                         const void *run)
{
    char line[LBX_INTENT_LINE_MAX], was[LBX_FIELD_TEXT_MAX], is[LBX_FIELD_TEXT_MAX];

    for (unsigned i = 0; i < n; i++) {
        struct lbx_intent intent = {set->scope,
                                    set->name,
                                    member,
                                    table[i].name,
                                    lbx_field_print(&table[i], conf, was),
                                    lbx_field_print(&table[i], run, is),
                                    0};

        if (!lbx_field_same(&table[i], conf, run)) {
            write_text(o, line, lbx_intent_print(&intent, line));
            o->lines++;
        }
    }
}

/* What is written is what the segment holds, not what this process's
 * configuration knows: it may be older. */
static int write_set(void *baton, struct lbx_ref ref, struct lbx_seg_set *rec)
{
    struct lbx_set_vals v;

    (void)ref;
    if (rec->persist && rec->life == LBX_LIVE) {
        lbx_set_vals_read(rec, &v);
        write_fields(baton, rec, NULL, lbx_set_fields, lbx_set_fields_n, &rec->conf, &v);
    }
    return 0;
}

/* Parameters of siblings; in the place of the file's value stands the word's base. */
static void write_words(struct output *o, const struct lbx_seg_set *set,
                        const struct lbx_seg_member *rec)
{
    char line[LBX_INTENT_LINE_MAX], key[LBX_WORDS_MAX], value[LBX_WORDS_MAX], base[16];
    struct lbx_member_notes notes;
    struct lbx_word w;

    lbx_member_notes_read(rec, &notes);
    for (const char *at = notes.words; (at = lbx_words_next(at, &w));) {
        struct lbx_intent intent = {set->scope, set->name, rec->name, key, base, value, 0};

        apr_snprintf(key, sizeof(key), "%.*s", (int)w.key_len, w.key);
        apr_snprintf(value, sizeof(value), "%.*s", (int)w.value_len, w.value);
        apr_snprintf(base, sizeof(base), "#%08x", w.base);
        write_text(o, line, lbx_intent_print(&intent, line));
        o->lines++;
    }
}

static void write_added(struct output *o, const struct lbx_seg_set *set,
                        const struct lbx_seg_member *rec)
{
    char line[LBX_INTENT_LINE_MAX];
    struct lbx_intent intent = {set->scope, set->name, rec->name, "params", "", rec->params, 1};

    write_text(o, line, lbx_intent_print(&intent, line));
    o->lines++;
}

static int write_member(void *baton, struct lbx_ref ref, struct lbx_seg_member *rec)
{
    const struct lbx_seg_set *set = lbx_store_set(core_store(), rec->set);
    struct lbx_member_vals v;

    (void)ref;
    if (set && set->persist && rec->life == LBX_LIVE) {
        if (rec->added) {
            write_added(baton, set, rec);
        }
        lbx_member_vals_read(rec, &v);
        write_fields(baton, set, rec->name, lbx_member_fields, lbx_member_fields_n, &rec->conf, &v);
        write_words(baton, set, rec);
    }
    return 0;
}

static void write_decisions(struct output *o)
{
    lbx_store_each_set(core_store(), write_set, o);
    lbx_store_each_member(core_store(), write_member, o);
}

/* Those that we have made. */
static void write_nonces(struct output *o)
{
    const struct core_gen *gen = core_conf_gen();
    char line[LBX_INTENT_LINE_MAX];

    for (int i = 0; i < gen->sets->nelts; i++) {
        const struct core_set *set = APR_ARRAY_IDX(gen->sets, i, struct core_set *);
        struct lbx_intent intent = {set->scope, set->name, NULL, "nonce", "", set->rec->nonce, 0};

        if (set->persist && !set->nonce) {
            write_text(o, line, lbx_intent_print(&intent, line));
            o->lines++;
        }
    }
}

static apr_status_t write_all(apr_file_t *f, void (*write)(struct output *o))
{
    struct output o = {f, APR_SUCCESS, 0};
    char end[32];

    write_text(&o, LBX_INTENT_HEAD "\n", sizeof(LBX_INTENT_HEAD));
    write(&o);
    apr_snprintf(end, sizeof(end), "end %lu\n", o.lines);
    write_text(&o, end, strlen(end));
    return o.rv;
}

/* Replace <to> in one step. */
static apr_status_t save(const char *to, void (*write)(struct output *o), apr_pool_t *p)
{
    const char *name = apr_pstrcat(p, to, ".new", NULL);
    apr_status_t rv, closed;
    apr_file_t *f;

    /* what a writer that was killed has left, or what somebody has put there; the name is
     * always the same so that nothing gathers */
    apr_file_remove(name, p);
    rv = apr_file_open(&f, name, APR_CREATE | APR_WRITE | APR_EXCL | APR_BUFFERED,
                       APR_FPROT_UREAD | APR_FPROT_UWRITE, p);
    if (rv == APR_SUCCESS) {
        rv = write_all(f, write);
        if (rv == APR_SUCCESS) {
            rv = apr_file_flush(f);
        }
        if (rv == APR_SUCCESS) {
            rv = apr_file_sync(f);
        }
        closed = apr_file_close(f);
        rv = rv == APR_SUCCESS ? closed : rv;
        if (rv == APR_SUCCESS) {
            rv = apr_file_rename(name, to, p);
        }
        if (rv != APR_SUCCESS) {
            apr_file_remove(name, p);
        }
    }
    return rv;
}

void core_persist_save(server_rec *s, apr_pool_t *p)
{
    apr_status_t rv = wanted() ? save(file(p), write_decisions, p) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s,
                     LBXNO(0191) "BalancerPersist On: cannot write %s, this change will not "
                                 "survive a stop",
                     file(p));
    }
}

/* Where this fails, core_persist_save has failed before and said so. */
void core_persist_boot_save_nonces(apr_pool_t *p)
{
    if (wanted()) {
        save(nonces(p), write_nonces, p);
    }
}

/* ------------------------------------------------------------------ */
/* Reading                                                              */

/* The whole file, if it is one: the directory is not ours alone, and a pipe in
 * its place must not make the start wait. */
static char *read_text(const char *name, apr_pool_t *p)
{
    int fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char *text = NULL;
    struct stat st;
    ssize_t got;

    if (fd < 0) {
        return NULL;
    }
    if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX) {
        text = apr_pcalloc(p, (apr_size_t)st.st_size + 1);
        got = read(fd, text, (size_t)st.st_size);
        text = got == st.st_size ? text : NULL;
    } else {
        errno = EINVAL;
    }
    close(fd);
    return text;
}

static char *read_file(server_rec *s, apr_pool_t *p, const char *aside)
{
    char *text = read_text(file(p), p);

    if (!text && errno != ENOENT) {
        int why = errno;

        rename(file(p), aside);
        errno = why;
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s,
                     LBXNO(0192) "BalancerPersist On: cannot read %s, starting from the "
                                 "configuration",
                     file(p));
    }
    return text;
}

static struct core_set *find_set(const struct lbx_intent *i)
{
    const struct core_gen *gen = core_conf_gen();

    for (int k = 0; k < gen->sets->nelts; k++) {
        struct core_set *set = APR_ARRAY_IDX(gen->sets, k, struct core_set *);

        if (set->persist && !strcmp(set->scope, i->scope) && !strcmp(set->name, i->balancer)) {
            return set;
        }
    }
    return NULL;
}

/* Why a decision is not put in force; NULL: it is. */
static const char *put_in_force(const struct lbx_intent *i, const struct lbx_field *f,
                                const void *conf, void *run)
{
    char now[LBX_FIELD_TEXT_MAX];

    if (!f) {
        return "there is no such field";
    }
    if (strcmp(lbx_field_print(f, conf, now), i->conf)) {
        return "the configuration file was edited since";
    }
    if ((!strcmp(f->name, "lbmethod") && !ap_lookup_provider(PROXY_LBMETHOD, i->run, "0"))
        || lbx_field_set(f, run, i->run)) {
        return "the value is not allowed any more";
    }
    return NULL;
}

static const char *apply_word(apr_pool_t *p, const struct lbx_intent *i,
                              const struct core_member *m)
{
    const char *value = i->run, *was, *error;
    struct lbx_member_notes notes;
    uint32_t base;

    if (core_words_base(p, m, i->field, &base)) {
        return "there is no such field";
    }
    if (strcmp(apr_psprintf(p, "#%08x", base), i->conf)) {
        return "the configuration file was edited since";
    }
    lbx_member_notes_read(m->rec, &notes);
    if (core_words_set(p, m, &notes, i->field, &value, &was, &error)) {
        return "the value is not allowed any more";
    }
    lbx_member_notes_write(m->rec, &notes);
    return NULL;
}

static const char *apply(apr_pool_t *p, const struct lbx_intent *i)
{
    const struct lbx_field *f;
    struct core_set *set = find_set(i);
    struct core_member *m = set && i->member ? core_conf_find_member(set, i->member) : NULL;
    const char *no;

    if (!set || (i->member && !m)) {
        return "it is no longer configured";
    }
    f = m ? lbx_field_find(lbx_member_fields, lbx_member_fields_n, i->field) : NULL;
    if (m && !f) {
        no = apply_word(p, i, m);
    } else if (m) {
        struct lbx_member_vals v;

        lbx_member_vals_read(m->rec, &v);
        no = put_in_force(i, f, &m->rec->conf, &v);
        lbx_member_vals_write(m->rec, &v);
        core_store_note_drain(m->rec, v.admin);
    } else {
        struct lbx_set_vals v;

        lbx_set_vals_read(set->rec, &v);
        no = put_in_force(i, lbx_field_find(lbx_set_fields, lbx_set_fields_n, i->field),
                          &set->rec->conf, &v);
        lbx_set_vals_write(set->rec, &v);
    }
    return no;
}

struct load {
    server_rec *s;
    apr_pool_t *p; /* of this generation */
};

static const char *add(const struct load *load, const struct lbx_intent *i)
{
    struct core_set *set = find_set(i);

    return set ? core_members_boot_add_locked(load->p, set, i->member, i->run)
               : "its balancer is no longer configured";
}

static void take_intent(void *baton, const struct lbx_intent *i)
{
    const struct load *load = baton;
    server_rec *s = load->s;
    const char *no = i->added ? add(load, i) : apply(load->p, i);

    if (i->added) {
        ap_log_error(APLOG_MARK, no ? APLOG_WARNING : APLOG_INFO, 0, s,
                     LBXNO(0195) "%s member %s: added in the last run, %s%s", i->balancer,
                     i->member, no ? "cannot be added again: " : "is a member again", no ? no : "");
        return;
    }

    ap_log_error(APLOG_MARK, no ? APLOG_NOTICE : APLOG_INFO, 0, s,
                 LBXNO(0193) "%s%s%s: %s=%s of the last run %s%s", i->balancer,
                 i->member ? " member " : "", i->member ? i->member : "", i->field, i->run,
                 no ? "is dropped: " : "is in force again", no ? no : "");
}

/* As we make them: a UUID's letters. */
static int is_nonce(const char *text)
{
    return *text && strlen(text) < LBX_NONCE_MAX
           && strspn(text, "0123456789abcdef-") == strlen(text);
}

static void take_nonce(void *baton, const struct lbx_intent *i)
{
    struct core_set *set = i->member || strcmp(i->field, "nonce") ? NULL : find_set(i);

    (void)baton;
    if (set && !set->nonce && is_nonce(i->run)) {
        apr_cpystrn(set->rec->nonce, i->run, sizeof(set->rec->nonce));
    }
}

/* Links and scripts of the last run keep working. */
static void load_nonces(server_rec *s, apr_pool_t *p)
{
    char *text = read_text(nonces(p), p);
    unsigned line;

    if (text && lbx_intent_parse(text, take_nonce, NULL, &line)) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     LBXNO(0197) "BalancerPersist On: %s is damaged (line %u), nonces are new",
                     nonces(p), line);
    }
}

void core_persist_boot_load(server_rec *s, apr_pool_t *pconf, apr_pool_t *p)
{
    struct load load = {s, pconf};
    const char *aside = apr_pstrcat(p, file(p), ".unusable", NULL);
    enum lbx_rc rc;
    unsigned line;
    char *text;

    if (wanted()) {
        load_nonces(s, p);
    }
    text = wanted() ? read_file(s, p, aside) : NULL;
    rc = text ? lbx_intent_parse(text, take_intent, &load, &line) : LBX_OK;
    if (rc) {
        rename(file(p), aside);
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LBXNO(0194) "BalancerPersist On: %s is %s (line %u), starting from the "
                                 "configuration; it is kept as %s",
                     file(p), rc == LBX_EVERSION ? "of another version" : "damaged", line, aside);
    }
}
