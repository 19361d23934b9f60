/* SPDX-License-Identifier: MIT
 *
 * The finest clock there is. Instructions before ticks_begin() are done when it reads, and so are
 * those before ticks_end(). */
#ifndef REPLAYER_TICKS_H
#define REPLAYER_TICKS_H

#include "own.h"

#if defined(__x86_64__)
#include <x86intrin.h>

static inline uint64_t ticks_begin(void)
{
    _mm_lfence();
    uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
}

static inline uint64_t ticks_end(void)
{
    return ticks_begin();
}
#else
static inline uint64_t ticks_begin(void)
{
    return own_now_ns();
}

static inline uint64_t ticks_end(void)
{
    return own_now_ns();
}
#endif

#endif
