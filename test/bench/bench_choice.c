/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one choice costs: pick, done and release of each method on a shared
 * segment, for several numbers of members and threads, and what compiling a
 * roster costs.  The figures are medians over rounds that visit all cases in
 * turn, so that a slow second of the machine hits all of them alike.
 *
 * Not here: a test (nothing fails when it is slow), nor the cost of a request
 * in httpd, which is run.py's business.
 *
 *     bench_choice [rounds]
 *
 * CPU time is that of the choosing threads.  With more threads than processors
 * wall time says more about the scheduler than about us.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lbx_method.h"
#include "lbx_vals.h"

enum {
    PROCESSES = 2, /* columns that are in use; threads are dealt to them in turn */
    ROUNDS_MAX = 25,
    ROUNDS_USUAL = 9,
    BUDGET_NS = 6000000, /* CPU time of one thread in one round of one case */
    BATCH = 16,          /* choices between two looks at the clock, at first */
    LOOK_NS = 100000,    /* how often to look at the clock */
    ANSWER = 1000        /* bytes, give or take a half */
};

static const uint32_t sizes[] = {3, 100, 1000, 4000};
static const uint32_t threads[] = {1, 2, 4, 8};

enum { SIZES = 4, THREADS = 4, METHODS = 3 };

/* Odd weights have no common measure: the longest order that is ever made. */
enum weights { EQUAL, MIXED, ODD, WEIGHTS };

static const char *const weights_name[WEIGHTS] = {"equal", "mixed", "odd"};

static uint32_t weight_of(enum weights w, uint32_t i)
{
    if (w == EQUAL) {
        return LBX_WEIGHT_ONE;
    }
    return w == MIXED ? LBX_WEIGHT_ONE * (1 + i * 7 % 5) : LBX_WEIGHT_MIN + i * 37 % 901;
}

static void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_choice: %s failed\n", what);
        exit(1);
    }
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
    qsort(v, n, sizeof(*v), by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* ------------------------------------------------------------------ */
/* A balancer on a shared segment                                       */

struct balancer {
    struct lbx_store store;
    struct lbx_ref set_ref;
    struct lbx_seg_set *set;
    uint32_t n;
    uint32_t child[PROCESSES];
    struct lbx_ref *ref;
    struct lbx_seg_member **rec;
    struct lbx_member_view *view;
    uint16_t *chosen;
    uint32_t *weights;
    struct lbx_roster *roster;
};

static void *room(size_t n, size_t each)
{
    void *p = calloc(n, each);

    must(p != NULL, "calloc");
    return p;
}

static void look(struct balancer *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        lbx_store_view(&b->store, b->ref[i], b->rec[i], &b->view[i]);
    }
}

/* A new roster from the views, in memory that the caller frees. */
static struct lbx_roster *compile(const struct balancer *b)
{
    struct lbx_ask ask = {.now_us = 1};
    struct lbx_roster_in in = {.set = b->set, .view = b->view, .rec = b->rec, .n = b->n};
    struct lbx_tier tier;
    uint32_t period;
    uint64_t size = lbx_roster_plan(&in, &ask, b->chosen, b->weights, &tier, &period);

    return lbx_roster_make(&in, b->chosen, b->weights, &tier, period, room(size, 1));
}

static void add_member(struct balancer *b, uint32_t i, uint32_t hundredths)
{
    struct lbx_member_vals v;
    char name[32];

    snprintf(name, sizeof(name), "http://member-%u", i);
    must(!lbx_store_new_member_locked(&b->store, b->set_ref, name, &b->ref[i]), "a new member");
    b->rec[i] = lbx_store_member(&b->store, b->ref[i]);
    lbx_member_vals_read(b->rec[i], &v);
    v.weight = hundredths;
    lbx_member_vals_write(b->rec[i], &v);
}

static struct balancer *open_balancer(uint32_t n, enum weights w)
{
    struct lbx_seg_plan plan = {1, n, 2 * PROCESSES, 0, 0};
    uint64_t len = lbx_seg_size(&plan);
    struct balancer *b = room(1, sizeof(*b));
    void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    must(mem != MAP_FAILED, "mmap");
    b->n = n;
    b->ref = room(n, sizeof(b->ref[0]));
    b->rec = room(n, sizeof(b->rec[0]));
    b->view = room(n, sizeof(b->view[0]));
    b->chosen = room(n, sizeof(b->chosen[0]));
    b->weights = room(n, sizeof(b->weights[0]));
    must(!lbx_seg_format(mem, len, &plan), "lbx_seg_format");
    must(!lbx_store_add(&b->store, mem, len), "lbx_store_add");
    must(!lbx_store_new_set_locked(&b->store, "main", "bench", &b->set_ref), "a new set");
    b->set = lbx_store_set(&b->store, b->set_ref);
    for (uint32_t i = 0; i < PROCESSES; i++) {
        b->child[i] = lbx_store_child_claim(&b->store, 1000 + i);
        must(b->child[i] != LBX_NO_CHILD, "a column");
    }
    for (uint32_t i = 0; i < n; i++) {
        add_member(b, i, weight_of(w, i));
    }
    look(b);
    b->roster = compile(b);
    return b;
}

/* ------------------------------------------------------------------ */
/* Choosing                                                             */

struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    struct balancer *b;
    const struct lbx_method *method;
    uint32_t child;
    uint64_t choices;
    uint64_t cpu_ns;
};

static void choose(const struct worker *w, uint32_t count, uint64_t *random)
{
    struct lbx_pick p = {.store = &w->b->store, .child = w->child};

    for (uint32_t i = 0; i < count; i++) {
        struct lbx_charge charge;
        int place = w->method->pick(w->b->roster, &p, &charge);

        must(place >= 0, "a choice");
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        w->method->done(&charge, ANSWER / 2 + (*random >> 33) % ANSWER);
        lbx_method_release(p.store, p.child, w->b->roster->cand[place].slot, w->b->set,
                           w->method->wants_busy);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    uint64_t random = (uint64_t)(uintptr_t)w;
    uint32_t batch = BATCH;
    uint64_t begin, now, last;

    pthread_barrier_wait(w->start);
    begin = last = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    do {
        choose(w, batch, &random);
        w->choices += batch;
        now = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        batch *= now - last < LOOK_NS ? 2 : 1;
        last = now;
    } while (now - begin < BUDGET_NS);
    w->cpu_ns = now - begin;
    return NULL;
}

struct cost {
    double cpu_ns, wall_ns; /* of one choice */
};

static struct cost measure(struct balancer *b, const struct lbx_method *m, uint32_t n)
{
    struct worker w[8]; /* the most of <threads> */
    pthread_barrier_t start;
    uint64_t begin, cpu = 0, choices = 0;
    double wall;

    memset(w, 0, sizeof(w));
    pthread_barrier_init(&start, NULL, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        w[i].start = &start;
        w[i].b = b;
        w[i].method = m;
        w[i].child = b->child[i % PROCESSES];
        must(!pthread_create(&w[i].thread, NULL, work, &w[i]), "pthread_create");
    }
    begin = clock_ns(CLOCK_MONOTONIC);
    pthread_barrier_wait(&start);
    for (uint32_t i = 0; i < n; i++) {
        pthread_join(w[i].thread, NULL);
        cpu += w[i].cpu_ns;
        choices += w[i].choices;
    }
    wall = (double)(clock_ns(CLOCK_MONOTONIC) - begin);
    pthread_barrier_destroy(&start);
    return (struct cost){(double)cpu / (double)choices, wall / (double)choices};
}

/* [method][weights][size][threads][round] */
static double cpu_ns[METHODS][ODD][SIZES][THREADS][ROUNDS_MAX];
static double wall_ns[METHODS][ODD][SIZES][THREADS][ROUNDS_MAX];

static void measure_choices(unsigned rounds)
{
    /* a balancer for each method: their state is not mixed */
    static struct balancer *b[METHODS][ODD][SIZES];

    for (unsigned i = 0; i < METHODS * ODD * SIZES; i++) {
        unsigned m = i / (ODD * SIZES), w = i / SIZES % ODD, s = i % SIZES;

        b[m][w][s] = open_balancer(sizes[s], (enum weights)w);
        measure(b[m][w][s], lbx_methods[m], 1); /* touches the memory, warms up */
    }
    for (unsigned r = 0; r < rounds; r++) {
        for (unsigned i = 0; i < METHODS * ODD * SIZES * THREADS; i++) {
            unsigned t = i / (METHODS * ODD * SIZES), s = i / (METHODS * ODD) % SIZES;
            unsigned w = i / METHODS % ODD, m = i % METHODS;
            struct cost c = measure(b[m][w][s], lbx_methods[m], threads[t]);

            cpu_ns[m][w][s][t][r] = c.cpu_ns;
            wall_ns[m][w][s][t][r] = c.wall_ns;
        }
    }
}

static void print_choices(unsigned rounds)
{
    printf("One choice (pick, done, release), nanoseconds; median of %u rounds; %d processes' "
           "columns; %ld processors\n\n",
           rounds, PROCESSES, sysconf(_SC_NPROCESSORS_ONLN));
    printf("%-11s %-6s %7s |  CPU time, by threads       |  wall time : choices\n", "", "", "");
    printf("%-11s %-6s %7s |", "method", "weight", "members");
    for (unsigned i = 0; i < 2 * THREADS; i++) {
        printf("%6u%s", threads[i % THREADS], i == THREADS - 1 ? "  |" : " ");
    }
    printf("\n");
    for (unsigned i = 0; i < METHODS * ODD * SIZES; i++) {
        unsigned m = i / (ODD * SIZES), w = i / SIZES % ODD, s = i % SIZES;

        printf("%-11s %-6s %7u |", lbx_methods[m]->name, weights_name[w], sizes[s]);
        for (unsigned t = 0; t < THREADS; t++) {
            printf("%6.0f%s", median(cpu_ns[m][w][s][t], rounds), t == THREADS - 1 ? "  |" : " ");
        }
        for (unsigned t = 0; t < THREADS; t++) {
            printf("%6.0f ", median(wall_ns[m][w][s][t], rounds));
        }
        printf("\n");
    }
    printf("\n");
}

/* The samples are sorted by now. */
static void print_ratios(unsigned rounds)
{
    printf("CPU time with %u members : with %u\n", sizes[SIZES - 1], sizes[0]);
    for (unsigned m = 0; m < METHODS; m++) {
        printf("  %-11s", lbx_methods[m]->name);
        for (unsigned i = 0; i < ODD * 2; i++) {
            unsigned w = i / 2, t = i % 2;
            double few = median(cpu_ns[m][w][0][t], rounds);

            printf("  %s, %u thread%s %7.2f", weights_name[w], threads[t], t ? "s" : " ",
                   median(cpu_ns[m][w][SIZES - 1][t], rounds) / few);
        }
        printf("%s\n", lbx_methods[m]->wants_busy ? "   (it looks at every member)"
                                                  : "   (should be about 1)");
    }
    printf("\n");
}

/* ------------------------------------------------------------------ */
/* Compiling                                                            */

static void measure_compile(unsigned rounds)
{
    printf("Compiling a roster, microseconds of CPU time; median of %u rounds\n\n", rounds);
    printf("%-6s %7s | %9s %9s %9s\n", "weight", "members", "views", "compile", "period");
    for (unsigned i = 0; i < WEIGHTS * SIZES; i++) {
        struct balancer *b = open_balancer(sizes[i % SIZES], (enum weights)(i / SIZES));
        unsigned times = 1 + 4000 / b->n;
        double view[ROUNDS_MAX], comp[ROUNDS_MAX];

        for (unsigned r = 0; r < rounds; r++) {
            uint64_t at[3];

            at[0] = clock_ns(CLOCK_THREAD_CPUTIME_ID);
            for (unsigned k = 0; k < times; k++) {
                look(b);
            }
            at[1] = clock_ns(CLOCK_THREAD_CPUTIME_ID);
            for (unsigned k = 0; k < times; k++) {
                free(compile(b));
            }
            at[2] = clock_ns(CLOCK_THREAD_CPUTIME_ID);
            view[r] = (double)(at[1] - at[0]) / times / 1e3;
            comp[r] = (double)(at[2] - at[1]) / times / 1e3;
        }
        printf("%-6s %7u | %9.1f %9.1f %9u\n", weights_name[i / SIZES], b->n, median(view, rounds),
               median(comp, rounds), b->roster->period);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS_USUAL;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_choice [rounds, 1 to %d]\n", ROUNDS_MAX);
        return 2;
    }
    measure_choices((unsigned)rounds);
    print_choices((unsigned)rounds);
    print_ratios((unsigned)rounds);
    measure_compile((unsigned)rounds);
    return 0;
}
