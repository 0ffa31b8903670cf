/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks that the compiler or the test build makes for us.
 *
 * LBX_STATIC is for facts about layout, LBX_CHECK for what cannot happen.  A
 * failed LBX_CHECK aborts in test builds (LBX_TESTING); in production it makes
 * the expression false so that the caller can decline: an abort in a child
 * would take strangers' requests with it.  What can happen is handled, not
 * checked.
 *
 * Pure: libc only.
 */
#ifndef LBX_ASSERT_H
#define LBX_ASSERT_H

#include <stdlib.h>

#define LBX_STATIC(cond, text) _Static_assert(cond, text)

#ifdef LBX_TESTING
#define LBX_CHECK(cond) ((cond) ? 1 : (abort(), 0))
#else
#define LBX_CHECK(cond) ((cond) ? 1 : 0)
#endif

#endif
