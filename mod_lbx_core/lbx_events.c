/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of events.  See lbx_events.h.
 *
 * Pure.
 */
#include "lbx_events.h"

#include <string.h>

/* A reader that meets an entry being written looks again so many times: long
 * enough for a writer that is running, soon enough for one that is dead. */
enum { PATIENCE = 200 };

/* Nothing but the text gets into shared memory: no rests of the caller's stack. */
static void copy_text(char *to, const char *from, size_t size)
{
    size_t len = strnlen(from, size - 1);

    memset(to, 0, size);
    memcpy(to, from, len);
}

static uint64_t sum_of(uint64_t number, const uint64_t *word)
{
    uint64_t sum = 0x9e3779b97f4a7c15ull * (number + 1);

    for (unsigned i = 0; i < LBX_EVENT_WORDS; i++) {
        sum = (sum ^ word[i]) * 0x100000001b3ull;
        sum ^= sum >> 29;
    }
    return sum;
}

/* Make the entry ours, unless somebody with a later number was there. */
static int claim(struct lbx_ring_entry *e, uint64_t number)
{
    uint64_t mark = atomic_load_explicit(&e->mark, memory_order_relaxed);

    do {
        if (mark / 2 >= number) {
            return 0;
        }
    } while (!atomic_compare_exchange_weak(&e->mark, &mark, 2 * number + 1));
    return 1;
}

uint64_t lbx_events_add(struct lbx_ring *ring, const struct lbx_event *event)
{
    uint64_t number = atomic_fetch_add(&ring->last, 1) + 1;
    struct lbx_ring_entry *e = &ring->entry[number % LBX_EVENTS_MAX];
    uint64_t word[LBX_EVENT_WORDS];
    uint64_t mine = 2 * number + 1;
    struct lbx_event copy;

    copy.seq = number;
    copy.at_us = event->at_us;
    copy_text(copy.kind, event->kind, sizeof(copy.kind));
    copy_text(copy.who, event->who, sizeof(copy.who));
    copy_text(copy.balancer, event->balancer, sizeof(copy.balancer));
    copy_text(copy.member, event->member, sizeof(copy.member));
    copy_text(copy.text, event->text, sizeof(copy.text));
    memcpy(word, &copy, sizeof(word));
    if (!claim(e, number)) {
        return number; /* the ring went round meanwhile: it would be forgotten already */
    }
    atomic_thread_fence(memory_order_release);
    for (unsigned i = 0; i < LBX_EVENT_WORDS; i++) {
        atomic_store_explicit(&e->word[i], word[i], memory_order_relaxed);
    }
    atomic_store_explicit(&e->sum, sum_of(number, word), memory_order_relaxed);
    atomic_compare_exchange_strong(&e->mark, &mine, 2 * number);
    return number;
}

/* 1: read; 0: it is not there (any more); -1: somebody is at it. */
static int read_entry(const struct lbx_ring_entry *e, uint64_t number, struct lbx_event *out)
{
    uint64_t before = atomic_load_explicit(&e->mark, memory_order_acquire);
    uint64_t word[LBX_EVENT_WORDS];
    uint64_t sum;

    if (before != 2 * number) {
        return before > 2 * number + 1 ? 0 : -1;
    }
    for (unsigned i = 0; i < LBX_EVENT_WORDS; i++) {
        word[i] = atomic_load_explicit(&e->word[i], memory_order_relaxed);
    }
    sum = atomic_load_explicit(&e->sum, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&e->mark, memory_order_relaxed) != before
        || sum != sum_of(number, word)) {
        return 0;
    }
    memcpy(out, word, sizeof(*out));
    return 1;
}

unsigned lbx_events_read(const struct lbx_ring *ring, uint64_t after, struct lbx_event *out)
{
    uint64_t last = atomic_load_explicit(&ring->last, memory_order_acquire);
    uint64_t number = last > LBX_EVENTS_MAX ? last - LBX_EVENTS_MAX : 0;
    unsigned n = 0, patience = PATIENCE;

    for (number = number > after ? number : after; number < last; number++) {
        const struct lbx_ring_entry *e = &ring->entry[(number + 1) % LBX_EVENTS_MAX];
        int got;

        while ((got = read_entry(e, number + 1, &out[n])) < 0 && patience) {
            patience--;
        }
        n += got > 0;
    }
    return n;
}
