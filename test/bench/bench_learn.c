/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of learned sessions at its full size: bytes for each session, how many of
 * them it still knows when it has been filled, and lookups per second of one thread and
 * of several.
 *
 * Not here: a test (nothing fails when it is slow), nor the hashing of ids.
 *
 *     bench_learn [sessions]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "lbx_learn.h"

enum { USUAL = 1000000, LOOKUPS = 2000000, THREADS_MAX = 4, IDLE = 1800, NOW = 1000 };

static struct lbx_learn *table;
static uint64_t sessions = USUAL;

/* The nth session's hash (SplitMix64). */
static uint64_t session_of(uint64_t n)
{
    uint64_t h = (n + 1) * 0x9e3779b97f4a7c15u;

    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Looks up sessions in no order; a baton means such as nobody has. */
static void *look(void *strangers)
{
    uint64_t at = (uint64_t)(uintptr_t)&at, found = 0;

    for (uint32_t i = 0; i < LOOKUPS; i++) {
        at = session_of(at);
        found +=
            lbx_learn_find(table, session_of(at % sessions + (strangers ? sessions : 0)), NOW, IDLE)
            != 0;
    }
    return (void *)(uintptr_t)found;
}

static void run(uint32_t threads, void *strangers)
{
    pthread_t thread[THREADS_MAX];
    uint64_t found = 0;
    double start = seconds(), took;

    for (uint32_t i = 0; i < threads; i++) {
        if (pthread_create(&thread[i], NULL, look, strangers)) {
            exit(1);
        }
    }
    for (uint32_t i = 0; i < threads; i++) {
        void *one;

        pthread_join(thread[i], &one);
        found += (uintptr_t)one;
    }
    took = seconds() - start;
    printf("%u thread%s, %-9s %7.2f million lookups/s, %5.1f %% found\n", threads,
           threads == 1 ? " " : "s", strangers ? "strangers" : "known",
           threads * LOOKUPS / took / 1e6, 100.0 * (double)found / ((double)threads * LOOKUPS));
}

int main(int argc, char **argv)
{
    uint64_t size, known = 0;
    double start, took;

    if (argc > 1) {
        sessions = strtoull(argv[1], NULL, 10);
    }
    if (sessions < LBX_LEARN_MIN || sessions > LBX_LEARN_MAX) {
        fprintf(stderr, "bench_learn: sessions must be %d to %d\n", LBX_LEARN_MIN, LBX_LEARN_MAX);
        return 1;
    }
    size = lbx_learn_size(sessions);
    table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (table == MAP_FAILED) {
        perror("bench_learn: mmap");
        return 1;
    }
    lbx_learn_format(table, sessions);
    start = seconds();
    for (uint64_t i = 0; i < sessions; i++) {
        lbx_learn_put(table, session_of(i), (uint32_t)(i % 100 + 1), NOW, IDLE);
    }
    took = seconds() - start;
    for (uint64_t i = 0; i < sessions; i++) {
        known += lbx_learn_find(table, session_of(i), NOW, IDLE) == i % 100 + 1;
    }
    printf("%llu sessions: %.1f MB, %.1f bytes each; %.4f %% known when all are in; "
           "%.2f million put/s\n",
           (unsigned long long)sessions, (double)size / 1e6, (double)size / (double)sessions,
           100.0 * (double)known / (double)sessions, (double)sessions / took / 1e6);
    for (uint32_t threads = 1; threads <= THREADS_MAX; threads *= 2) {
        run(threads, NULL);
        run(threads, table);
    }
    return 0;
}
