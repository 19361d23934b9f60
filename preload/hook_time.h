/* SPDX-License-Identifier: MIT
 *
 * A build of the recorder that measures itself (-DREC_TIME_HOOKS; libseep-timed.so, for
 * tests/bench/pause.py): how long each hook keeps its program waiting, the real function not
 * counted. The product carries nothing of it. */
#ifndef REC_HOOK_TIME_H
#define REC_HOOK_TIME_H

#include <stdint.h>

#ifdef REC_TIME_HOOKS
struct hook_start {
    uint64_t ticks;
    uint64_t preempted,
        waited; /* of the thread: times that the processor was taken from it, or given up */
};

struct hook_start rec_hook_time_start(void);
void rec_hook_time_end(const struct hook_start *start);
/* At exit: appends what was measured to the file named by SEEP_HOOK_TIMES. */
void rec_hook_time_report(void);
#else
struct hook_start {
    char none;
};

static inline struct hook_start rec_hook_time_start(void)
{
    return (struct hook_start){0};
}
static inline void rec_hook_time_end(const struct hook_start *start)
{
    (void)start;
}
static inline void rec_hook_time_report(void) {}
#endif

#endif
