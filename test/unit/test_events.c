/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbx_events: the last 256 come back in order; what a dead or lapped writer left
 * is not shown; processes that write at the same time, some of them killed, lose
 * nobody else's events and tear none.
 */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lbx_events.h"

static struct lbx_event out[LBX_EVENTS_MAX];

static struct lbx_ring *ring(void)
{
    void *mem = mmap(NULL, sizeof(struct lbx_ring), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(mem, MAP_FAILED);
    return mem;
}

/* Everything in an event follows from its number of the day. */
static struct lbx_event event_of(unsigned n)
{
    struct lbx_event e = {.at_us = n};

    snprintf(e.kind, sizeof(e.kind), "kind%u", n);
    snprintf(e.who, sizeof(e.who), "who%u", n);
    snprintf(e.balancer, sizeof(e.balancer), "balancer://b%u", n);
    snprintf(e.member, sizeof(e.member), "http://m%u", n);
    memset(e.text, 'a' + n % 26, n % (sizeof(e.text) - 1));
    return e;
}

static void is(const struct lbx_event *e, unsigned n)
{
    struct lbx_event want = event_of(n);

    want.seq = e->seq;
    ck_assert_mem_eq(e, &want, sizeof(want));
}

START_TEST(in_order_and_only_the_last)
{
    struct lbx_ring *r = ring();

    ck_assert_uint_eq(lbx_events_read(r, 0, out), 0);
    for (unsigned n = 1; n <= 1000; n++) {
        struct lbx_event e = event_of(n);
        unsigned kept = n < LBX_EVENTS_MAX ? n : LBX_EVENTS_MAX;

        ck_assert_uint_eq(lbx_events_add(r, &e), n);
        ck_assert_uint_eq(lbx_events_read(r, 0, out), kept);
        for (unsigned i = 0; i < kept; i += 51) {
            ck_assert_uint_eq(out[i].seq, n - kept + 1 + i);
            is(&out[i], n - kept + 1 + i);
        }
        ck_assert_uint_eq(lbx_events_read(r, n - 1, out), 1);
        is(&out[0], n);
        ck_assert_uint_eq(lbx_events_read(r, n, out), 0);
        ck_assert_uint_eq(lbx_events_read(r, n + 5, out), 0);
    }
    munmap(r, sizeof(*r));
}
END_TEST

START_TEST(texts_end_in_their_arrays)
{
    struct lbx_ring *r = ring();
    struct lbx_event e;

    memset(&e, 'x', sizeof(e));
    lbx_events_add(r, &e);
    ck_assert_uint_eq(lbx_events_read(r, 0, out), 1);
    ck_assert_uint_eq(strlen(out[0].kind), sizeof(e.kind) - 1);
    ck_assert_uint_eq(strlen(out[0].text), sizeof(e.text) - 1);
    /* what stood behind the end of a text stays private */
    snprintf(e.text, sizeof(e.text), "short");
    lbx_events_add(r, &e);
    lbx_events_read(r, 1, out);
    for (size_t i = 5; i < sizeof(e.text); i++) {
        ck_assert_int_eq(out[0].text[i], 0);
    }
    munmap(r, sizeof(*r));
}
END_TEST

/* A writer that ended before, in the middle of, and after its words. */
START_TEST(dead_writers_leave_a_gap)
{
    struct lbx_ring *r = ring();
    struct lbx_event e;

    for (unsigned n = 1; n <= 5; n++) {
        e = event_of(n);
        lbx_events_add(r, &e);
    }
    r->last++;                    /* 6: took a number, no more */
    r->last++;                    /* 7: marked its entry */
    r->entry[7].mark = 2 * 7 + 1; /* ... and died */
    e = event_of(8);
    lbx_events_add(r, &e);
    r->entry[3].word[9] ^= 1; /* two were at it */
    ck_assert_uint_eq(lbx_events_read(r, 0, out), 5);
    ck_assert_uint_eq(out[2].seq, 4);
    ck_assert_uint_eq(out[4].seq, 8);
    for (unsigned n = 9; n < 9 + 2 * LBX_EVENTS_MAX; n++) {
        e = event_of(n);
        lbx_events_add(r, &e);
    }
    ck_assert_uint_eq(lbx_events_read(r, 0, out), LBX_EVENTS_MAX);
    munmap(r, sizeof(*r));
}
END_TEST

/* A writer that wakes up late does not disturb the later owner of its entry. */
START_TEST(a_late_writer_gives_way)
{
    struct lbx_ring *r = ring();
    struct lbx_event e = event_of(1);

    r->last = 2 * LBX_EVENTS_MAX;
    r->entry[1].mark = 2 * (LBX_EVENTS_MAX + 1) + 1;
    r->last = 0;
    lbx_events_add(r, &e); /* number 1: the entry is number 257's */
    ck_assert_uint_eq(r->entry[1].mark, 2 * (LBX_EVENTS_MAX + 1) + 1);
    ck_assert_uint_eq(r->entry[1].sum, 0);
    munmap(r, sizeof(*r));
}
END_TEST

START_TEST(processes_write_at_once_and_are_killed)
{
    enum { WRITERS = 4, ROUNDS = 16 };
    struct lbx_ring *r = ring();
    struct unit_rng g = UNIT_RNG();
    pid_t pid[WRITERS] = {0};
    unsigned seen = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n, w = round % WRITERS;
        uint64_t before = 0;

        if (pid[w]) {
            kill(pid[w], SIGKILL);
            waitpid(pid[w], NULL, 0);
        }
        pid[w] = fork();
        if (!pid[w]) {
            for (;;) {
                struct lbx_event e = event_of(unit_below(&g, 5000));

                lbx_events_add(r, &e);
            }
        }
        for (unsigned look = 0; look < 50; look++) {
            n = lbx_events_read(r, 0, out);
            before = 0;
            for (unsigned i = 0; i < n; i++) {
                is(&out[i], (unsigned)out[i].at_us);
                ck_assert_uint_gt(out[i].seq, before);
                before = out[i].seq;
            }
            seen += n;
        }
    }
    for (unsigned w = 0; w < WRITERS; w++) {
        kill(pid[w], SIGKILL);
        waitpid(pid[w], NULL, 0);
    }
    ck_assert_uint_gt(seen, 0);
    for (unsigned n = 1; n <= LBX_EVENTS_MAX; n++) {
        struct lbx_event e = event_of(n);

        lbx_events_add(r, &e);
    }
    ck_assert_uint_eq(lbx_events_read(r, 0, out), LBX_EVENTS_MAX);
    munmap(r, sizeof(*r));
}
END_TEST

TCase *case_events(void)
{
    TCase *tc = tcase_create("events");

    tcase_add_test(tc, in_order_and_only_the_last);
    tcase_add_test(tc, texts_end_in_their_arrays);
    tcase_add_test(tc, dead_writers_leave_a_gap);
    tcase_add_test(tc, a_late_writer_gives_way);
    tcase_add_test(tc, processes_write_at_once_and_are_killed);
    return tc;
}
