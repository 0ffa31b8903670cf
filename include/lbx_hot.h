/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where code stands in the modules.
 *
 * Between two of its system calls a request meets cold caches.  What all requests run
 * through stands together, so that it takes few pages and lines of them; what only those
 * in trouble need stands elsewhere, also when it is part of the same function.
 *
 * Pure: no libc.
 */
#ifndef LBX_HOT_H
#define LBX_HOT_H

#ifdef __GNUC__
#define LBX_HOT   __attribute__((hot))
#define LBX_COLD  __attribute__((cold))
#define LBX_APART __attribute__((noinline)) /* the caller needs no registers for it */

/* A condition that holds for requests in trouble, or with something unusual, only. */
#define LBX_RARE(condition) __builtin_expect(!!(condition), 0)
#else
#define LBX_HOT
#define LBX_COLD
#define LBX_APART
#define LBX_RARE(condition) (condition)
#endif

#endif
