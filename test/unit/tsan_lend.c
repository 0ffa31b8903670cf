/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that borrow from one lbx_lend while another replaces what they borrow, for the
 * thread sanitizer: nobody reads a thing that was freed, and each is freed once.
 *
 *     tsan_lend [things]
 *
 * Not here: who frees what, step by step (test_lend.c).
 */
#include "unit_lab.h"

#include "lbx_lend.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

enum { BORROWERS = 3, DEPTH = 3 };

struct thing {
    struct lbx_lent lent; /* first */
    unsigned number;
};

struct shared {
    struct lbx_lend lend;
    unsigned things;
    _Atomic int stop;
    _Atomic unsigned freed;
    _Atomic unsigned bad;
    _Atomic unsigned ready; /* borrowers that have begun */
    _Atomic uint64_t borrowed;
};

/* The sanitizer knows from now on that nobody may touch it. */
static void put_away(struct shared *sh, struct thing *it)
{
    it->number = 0;
    free(it);
    atomic_fetch_add(&sh->freed, 1);
}

static void give_back(struct shared *sh, struct thing *it)
{
    if (!it->number) {
        atomic_fetch_add(&sh->bad, 1);
    }
    if (lbx_lend_give_back(&sh->lend, &it->lent)) {
        put_away(sh, it);
    }
}

/* Several at once: the later may be newer. */
static void *borrow(void *baton)
{
    struct shared *sh = baton;
    uint64_t n = 0;

    while (!atomic_load(&sh->stop)) {
        struct thing *it[DEPTH];

        for (int i = 0; i < DEPTH; i++) {
            it[i] = (struct thing *)lbx_lend_borrow(&sh->lend);
            if (i && it[i]->number < it[i - 1]->number) {
                atomic_fetch_add(&sh->bad, 1);
            }
        }
        for (int i = 0; i < DEPTH; i++) {
            give_back(sh, it[i]);
        }
        if (!n) {
            atomic_fetch_add(&sh->ready, 1);
        }
        n += DEPTH;
    }
    atomic_fetch_add(&sh->borrowed, n);
    return NULL;
}

static void replace(struct shared *sh, unsigned number)
{
    struct thing *it = lab_must(calloc(1, sizeof(*it)));
    struct thing *old;

    it->number = number;
    old = (struct thing *)lbx_lend_replace(&sh->lend, &it->lent);
    if (old) {
        put_away(sh, old);
    }
    give_back(sh, it);
}

int main(int argc, char **argv)
{
    static struct shared sh;
    pthread_t t[BORROWERS];

    sh.things = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 30000;
    replace(&sh, 1);
    for (int i = 0; i < BORROWERS; i++) {
        lab_ok(!pthread_create(&t[i], NULL, borrow, &sh));
    }
    while (atomic_load(&sh.ready) < BORROWERS) {
        sched_yield();
    }
    for (unsigned i = 2; i <= sh.things; i++) {
        replace(&sh, i);
        if (i % 64 == 0) {
            sched_yield();
        }
    }
    atomic_store(&sh.stop, 1);
    for (int i = 0; i < BORROWERS; i++) {
        pthread_join(t[i], NULL);
    }
    printf("tsan_lend: %u things, %llu times lent, %u freed, %u complaints\n", sh.things,
           (unsigned long long)sh.borrowed, sh.freed, sh.bad);
    /* the last one is in force still */
    return sh.bad || sh.freed != sh.things - 1;
}
