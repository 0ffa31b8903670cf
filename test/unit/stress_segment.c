/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes on one anonymous shared mapping, some of them killed.
 *
 *     stress_segment [seconds, 5 if not given] [seed]
 *
 * Each worker process claims a child's column; its threads choose and release
 * on three balancers, one a method, and compile rosters anew while a thread of
 * each worker changes values under the admin mutex.  The parent kills one worker
 * after the other at any moment, and every other time one that holds the admin
 * mutex in the middle of a change; it clears the dead one's column and starts
 * another.  In the end:
 *
 *   - copies of values were never torn, choices never failed;
 *   - workers that ended by themselves left nothing in flight in their columns,
 *     and nothing is in flight after the killed ones' were cleared;
 *   - what members were elected is what workers chose, but for the requests
 *     that a kill may have caught between the two counts;
 *   - the credits of byrequests sum up to zero, but for the same;
 *   - nobody starved, and the admin mutex can be had.
 *
 * Prints one line; not 0 when something is wrong.
 *
 * Not here: the thread sanitizer (tsan_pick.c): it does not look across processes.
 */
#include "unit_lab.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 4, PICKERS = 3, METHODS = 3, MEMBERS = 5, DEPTH = 4, TEXT_MAX = 200 };

/* The part of the mapping that is the test's own. */
struct control {
    _Atomic int stop;
    _Atomic int bad;
    char text[TEXT_MAX];             /* of the first complaint */
    _Atomic uint64_t picks[WORKERS]; /* choices and sessions, also of the dead */
    _Atomic int hold[WORKERS];       /* the parent wants: stop inside the mutex */
    _Atomic int holding[WORKERS];    /* the worker does */
    _Atomic uint64_t writes, compiled, reads;
};

static struct control *ctl;
static struct lab bench[METHODS]; /* on the mapping; each process has its own copy of this */
static struct lbx_store store;
static uint64_t seed;

static void complain(const char *what, long long number)
{
    if (!atomic_fetch_add(&ctl->bad, 1)) {
        snprintf(ctl->text, TEXT_MAX, "%s (%lld)", what, number);
    }
}

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Everything in the values follows from one number, which the route spells. */
static void derive(struct lbx_member_vals *v, uint32_t number)
{
    struct unit_rng g = {number};

    memset(v, 0, sizeof(*v));
    snprintf(v->route, sizeof(v->route), "%u", number);
    v->weight = LBX_WEIGHT_MIN * unit_between(&g, 1, 4);
    for (size_t i = 0; i + 1 < sizeof(v->redirect); i++) {
        v->redirect[i] = (char)unit_between(&g, 'a', 'z');
    }
}

static void check_whole(const struct lbx_member_vals *v)
{
    struct lbx_member_vals want;

    derive(&want, (uint32_t)strtoul(v->route, NULL, 10));
    if (memcmp(v, &want, sizeof(want)) != 0) {
        complain("values are torn", (long long)strtol(v->route, NULL, 10));
    }
    atomic_fetch_add(&ctl->reads, 1);
}

/* The set's values as well: the timeout says the rest. */
static void derive_set(struct lbx_set_vals *v, uint32_t number)
{
    memset(v, (int)('a' + number % 26), sizeof(*v));
    v->timeout_us = number;
}

static void check_set(const struct lab *l)
{
    struct lbx_set_vals got, want;

    lbx_set_vals_read(l->set, &got);
    derive_set(&want, (uint32_t)got.timeout_us);
    if (memcmp(&got, &want, sizeof(want)) != 0) {
        complain("a balancer's values are torn", (long long)got.timeout_us);
    }
}

struct thread {
    uint32_t worker, child, number;
    uint64_t seed;
};

struct held {
    int used;
    uint32_t slot;
    struct lbx_charge charge;
};

static void own_view(struct lab *mine, const struct lab *l, uint32_t child)
{
    *mine = *l;
    mine->child = child;
    mine->view = lab_must(calloc(l->n, sizeof(*mine->view)));
    mine->chosen = lab_must(calloc(l->n, sizeof(*mine->chosen)));
    mine->weights = lab_must(calloc(l->n, sizeof(*mine->weights)));
    mine->roster = NULL;
    lab_compile(mine);
}

static void drop_view(struct lab *mine)
{
    free(mine->roster);
    free(mine->weights);
    free(mine->chosen);
    free(mine->view);
}

static void end_request(struct lab *l, const struct lbx_method *m, struct held *h, uint64_t bytes)
{
    m->done(&h->charge, bytes);
    lbx_method_release(&l->store, l->child, h->slot, l->set, m->wants_busy);
    h->used = 0;
}

static void begin_request(struct lab *l, const struct lbx_method *m, struct held *h,
                          struct unit_rng *g)
{
    uint32_t tried = unit_below(g, 4) ? 0 : unit_below(g, (1u << MEMBERS) - 1);
    int place;

    if (unit_below(g, 8)) {
        place = lab_pick(l, m, &tried, &h->charge);
    } else { /* sessions of a few: the methods have something to even out */
        place = (int)unit_below(g, 2);
        tried = 0;
        lab_elect(l, m, (uint32_t)place, &h->charge);
    }
    if (place < 0 || place >= MEMBERS || tried >> place & 1) {
        complain("not a choice", place);
        return;
    }
    h->used = 1;
    h->slot = l->roster->cand[place].slot;
}

static void *serve(void *baton)
{
    struct thread *me = baton;
    struct unit_rng g = {me->seed};
    struct lab mine[METHODS];
    struct held held[METHODS][DEPTH];

    memset(held, 0, sizeof(held));
    for (int k = 0; k < METHODS; k++) {
        own_view(&mine[k], &bench[k], me->child);
    }
    while (!atomic_load(&ctl->stop)) {
        int k = (int)unit_below(&g, METHODS);
        struct lab *l = &mine[k];
        struct held *h = &held[k][unit_below(&g, DEPTH)];

        if (h->used) {
            end_request(l, lbx_methods[k], h, unit_below(&g, 1u << 16));
        }
        if (lbx_roster_stale(l->roster, 1)) {
            lab_compile(l);
            for (int i = 0; i < MEMBERS; i++) {
                check_whole(&l->view[i].run);
            }
            check_set(l);
            atomic_fetch_add(&ctl->compiled, 1);
        }
        begin_request(l, lbx_methods[k], h, &g);
        if (h->used) {
            atomic_fetch_add(&h->charge.rec->elected, 1);
            atomic_fetch_add(&ctl->picks[me->worker], 1);
        }
    }
    for (int k = 0; k < METHODS; k++) {
        for (int d = 0; d < DEPTH; d++) {
            if (held[k][d].used) {
                end_request(&mine[k], lbx_methods[k], &held[k][d], 1000);
            }
        }
        drop_view(&mine[k]);
    }
    return NULL;
}

/* What a writer that dies half-way leaves: part of the copy that is not in
 * force.  The mutex is held. */
static void stay_here_half_way(struct lbx_seg_member *rec, uint32_t worker, struct unit_rng *g)
{
    uint32_t other = (atomic_load(&rec->vals_gen) + 1) & 1;
    uint64_t *word = (uint64_t *)(void *)&rec->vals[other];

    for (uint32_t i = unit_below(g, sizeof(rec->vals[0]) / 8); i > 0; i--) {
        __atomic_store_n(&word[i - 1], unit_rand(g), __ATOMIC_RELAXED);
    }
    atomic_store(&ctl->holding[worker], 1);
    for (;;) {
        pause(); /* the parent kills us */
    }
}

static void *change_values(void *baton)
{
    struct thread *me = baton;
    struct unit_rng g = {me->seed};

    while (!atomic_load(&ctl->stop)) {
        struct lab *l = &bench[unit_below(&g, METHODS)];
        struct lbx_seg_member *rec = l->rec[unit_below(&g, MEMBERS)];
        struct lbx_member_vals v;
        struct lbx_set_vals s;

        if (lbx_store_lock(&store, UINT64_MAX)) {
            complain("the admin mutex cannot be had", me->worker);
            break;
        }
        lbx_member_vals_read(rec, &v);
        check_whole(&v);
        if (atomic_load(&ctl->hold[me->worker])) {
            stay_here_half_way(rec, me->worker, &g);
        }
        derive(&v, unit_below(&g, 1u << 30));
        lbx_member_vals_write(rec, &v);
        derive_set(&s, unit_below(&g, 1u << 30));
        lbx_set_vals_write(l->set, &s);
        atomic_fetch_add(&l->set->epoch, 1);
        atomic_fetch_add(&ctl->writes, 1);
        lbx_store_unlock(&store);
        if (!unit_below(&g, 4)) {
            pause_ms(1); /* rosters live for a while, too */
        }
    }
    return NULL;
}

static void work(uint32_t worker, uint64_t my_seed)
{
    struct thread t[PICKERS + 1];
    pthread_t id[PICKERS + 1];
    uint32_t child = lbx_store_child_claim(&store, (uint32_t)getpid());

    if (child == LBX_NO_CHILD) {
        complain("no column for a child", worker);
        _exit(1);
    }
    for (uint32_t i = 0; i <= PICKERS; i++) {
        t[i] = (struct thread){worker, child, i, my_seed + i};
        if (pthread_create(&id[i], NULL, i < PICKERS ? serve : change_values, &t[i])) {
            complain("no thread", i);
            _exit(1);
        }
    }
    for (uint32_t i = 0; i <= PICKERS; i++) {
        pthread_join(id[i], NULL);
    }
    _exit(0);
}

static pid_t start_worker(uint32_t worker, uint64_t my_seed)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);
        }
        alarm(0);
        work(worker, my_seed);
    }
    lab_ok(pid > 0);
    return pid;
}

/* All on one mapping: the segment, then the test's own part. */
static void set_up(void)
{
    struct lbx_seg_plan plan = {METHODS, METHODS * MEMBERS, WORKERS, 0, 0};
    uint64_t len = lbx_seg_size(&plan);
    char *mem =
        mmap(NULL, len + sizeof(*ctl), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    lab_ok(mem != MAP_FAILED);
    ctl = (void *)(mem + len); /* <len> is whole lines */
    lab_ok(lbx_seg_format(mem, len, &plan) == LBX_OK);
    lab_ok(lbx_store_add(&store, mem, len) == LBX_OK);
    for (int k = 0; k < METHODS; k++) {
        struct lab *l = &bench[k];
        struct lbx_set_vals s;

        l->n = MEMBERS;
        l->store = store;
        l->ref = lab_must(calloc(MEMBERS, sizeof(*l->ref)));
        l->rec = lab_must(calloc(MEMBERS, sizeof(*l->rec)));
        lab_ok(!lbx_store_new_set_locked(&store, "main", lbx_methods[k]->name, &l->set_ref));
        l->set = lab_must(lbx_store_set(&store, l->set_ref));
        derive_set(&s, 0);
        lbx_set_vals_write(l->set, &s);
        for (int i = 0; i < MEMBERS; i++) {
            char name[2] = {(char)('A' + i), '\0'};
            struct lbx_member_vals v;

            lab_ok(!lbx_store_new_member_locked(&store, l->set_ref, name, &l->ref[i]));
            l->rec[i] = lab_must(lbx_store_member(&store, l->ref[i]));
            derive(&v, (uint32_t)i);
            lbx_member_vals_write(l->rec[i], &v);
        }
    }
}

static void clean_up_after(pid_t pid)
{
    lbx_store_child_clear(&store, (uint32_t)pid);
}

/* Kill one worker; every other time one that holds the mutex. */
static void kill_one(pid_t *pid, struct unit_rng *g, unsigned kills)
{
    uint32_t w = unit_below(g, WORKERS);
    int status;

    if (kills % 2) {
        uint64_t until = now_ms() + 5000;

        atomic_store(&ctl->hold[w], 1);
        while (!atomic_load(&ctl->holding[w]) && now_ms() < until) {
            pause_ms(1);
        }
        if (!atomic_load(&ctl->holding[w])) {
            complain("a worker did not get the admin mutex in 5 s", w);
        }
        pause_ms(1); /* the others run into the mutex */
    } else {
        pause_ms((int)unit_below(g, 15));
    }
    kill(pid[w], SIGKILL);
    waitpid(pid[w], &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        complain("a worker ended by itself", status);
    }
    atomic_store(&ctl->hold[w], 0);
    atomic_store(&ctl->holding[w], 0);
    clean_up_after(pid[w]);
    pid[w] = start_worker(w, unit_rand(g));
}

static void check_the_end(unsigned kills)
{
    uint64_t picks = 0, elected = 0;
    int64_t slack = (int64_t)kills * PICKERS, credit = 0;
    struct timespec soon;

    for (int w = 0; w < WORKERS; w++) {
        picks += atomic_load(&ctl->picks[w]);
    }
    for (int k = 0; k < METHODS; k++) {
        for (int i = 0; i < MEMBERS; i++) {
            struct lbx_seg_member *rec = bench[k].rec[i];
            uint32_t busy = lbx_store_in_flight(&store, bench[k].ref[i].slot);

            if (busy) {
                complain("still in flight when all have ended", (int32_t)busy);
            }
            elected += atomic_load(&rec->elected);
            credit += atomic_load(&rec->credit);
            if (atomic_load(&rec->elected) < picks / METHODS / MEMBERS / 20) {
                complain("a member starved", k * MEMBERS + i);
            }
            check_whole(&rec->vals[atomic_load(&rec->vals_gen) & 1]);
        }
    }
    if ((int64_t)(elected - picks) < 0 || (int64_t)(elected - picks) > slack) {
        complain("elections and choices differ", (long long)(elected - picks));
    }
    if (credit > slack || credit < -slack) {
        complain("credits do not sum up to zero", credit);
    }
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec += 2;
    switch (pthread_mutex_timedlock(&store.seg[0]->admin_mutex, &soon)) {
    case EOWNERDEAD:
        pthread_mutex_consistent(&store.seg[0]->admin_mutex);
        pthread_mutex_unlock(&store.seg[0]->admin_mutex);
        break;
    case 0:
        pthread_mutex_unlock(&store.seg[0]->admin_mutex);
        break;
    default:
        complain("the admin mutex cannot be had at the end", 0);
        break;
    }
    if (!picks || !atomic_load(&ctl->writes) || !atomic_load(&ctl->compiled) || !kills) {
        complain("nothing happened: nothing was tested", (long long)picks);
    }
}

/* The workers die with us (PR_SET_PDEATHSIG). */
static void hangs(int sig)
{
    static const char text[] = "stress_segment: FAILED: hangs; first complaint: ";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

    n += write(STDERR_FILENO, ctl->text, strlen(ctl->text));
    n += write(STDERR_FILENO, "\n", 1);
    (void)sig;
    (void)n;
    _exit(1);
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    unsigned kills = 0;
    pid_t pid[WORKERS];
    struct unit_rng g;
    uint64_t until, picks = 0;

    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : now_ms();
    g.at = seed;
    set_up();
    signal(SIGALRM, hangs);
    alarm(seconds + 30);
    for (uint32_t w = 0; w < WORKERS; w++) {
        pid[w] = start_worker(w, unit_rand(&g));
    }
    until = now_ms() + seconds * 1000ull;
    while (now_ms() < until && !atomic_load(&ctl->bad)) {
        kill_one(pid, &g, kills++);
    }
    atomic_store(&ctl->stop, 1);
    for (uint32_t w = 0; w < WORKERS; w++) {
        int status;

        waitpid(pid[w], &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status)) {
            complain("a worker failed", status);
        }
        picks += atomic_load(&ctl->picks[w]);
    }
    check_the_end(kills); /* before the columns of those that ended well are cleared */
    for (uint32_t w = 0; w < WORKERS; w++) {
        if (lbx_store_child_clear(&store, (uint32_t)pid[w])) {
            complain("a worker left requests in flight", w);
        }
    }
    printf("stress_segment: %u s, seed %llu: %llu choices, %llu rosters, %llu copies, %llu writes, "
           "%u killed\n",
           seconds, (unsigned long long)seed, (unsigned long long)picks,
           (unsigned long long)atomic_load(&ctl->compiled),
           (unsigned long long)atomic_load(&ctl->reads),
           (unsigned long long)atomic_load(&ctl->writes), kills);
    fflush(stdout);
    if (atomic_load(&ctl->bad)) {
        fprintf(stderr, "stress_segment: FAILED: %s, %d complaints\n", ctl->text,
                atomic_load(&ctl->bad));
        return 1;
    }
    return 0;
}
