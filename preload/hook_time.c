/* SPDX-License-Identifier: MIT */
#include "hook_time.h"

#include "clock.h"
#include "sys.h"
#include "text.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define VARIABLE "SEEP_HOOK_TIMES="

/* What is looked at closely: it costs a system call. */
#define SLOW_TICKS 4000u
/* Eight counters to each power of two of ticks. */
#define COUNTERS (64 * 8)

/* tests/bench/pause.py reads it as it lies in memory. */
static struct {
    uint64_t ns, ticks; /* from the first hook on; then the whole time */
    uint64_t longest;
    uint64_t longest_preempted; /* of hooks in which the processor was taken from the thread */
    uint64_t longest_waited;    /* of hooks in which the thread gave it up */
    uint64_t preempted, waited; /* how many there were of those, of more than SLOW_TICKS */
    uint64_t counts[COUNTERS];  /* of hooks that were not preempted, by ticks */
} times;

static void switches_of_thread(uint64_t *preempted, uint64_t *waited)
{
    struct rusage usage = {0};
    sys_call(SYS_getrusage, RUSAGE_THREAD, &usage);
    *preempted = (uint64_t)usage.ru_nivcsw;
    *waited = (uint64_t)usage.ru_nvcsw;
}

struct hook_start rec_hook_time_start(void)
{
    struct hook_start start;
    switches_of_thread(&start.preempted, &start.waited);
    start.ticks = __rdtsc();
    if (times.ticks == 0) {
        times.ns = rec_clock_ns(CLOCK_MONOTONIC);
        times.ticks = start.ticks;
    }
    return start;
}

static unsigned counter_of(uint64_t ticks)
{
    if (ticks < 8)
        return (unsigned)ticks;
    unsigned top = 63 - (unsigned)__builtin_clzll(ticks);
    return (top - 2) * 8 + (unsigned)(ticks >> (top - 3) & 7);
}

static void raise_to(uint64_t *most, uint64_t value)
{
    uint64_t seen = __atomic_load_n(most, __ATOMIC_RELAXED);
    while (seen < value && !__atomic_compare_exchange_n(most, &seen, value, false, __ATOMIC_RELAXED,
                                                        __ATOMIC_RELAXED))
        ;
}

void rec_hook_time_end(const struct hook_start *start)
{
    uint64_t took = __rdtsc() - start->ticks;
    if (took > SLOW_TICKS) {
        uint64_t preempted, waited;
        switches_of_thread(&preempted, &waited);
        if (waited != start->waited) {
            __atomic_fetch_add(&times.waited, 1, __ATOMIC_RELAXED);
            raise_to(&times.longest_waited, took);
        }
        if (preempted != start->preempted) {
            __atomic_fetch_add(&times.preempted, 1, __ATOMIC_RELAXED);
            raise_to(&times.longest_preempted, took);
            return;
        }
        raise_to(&times.longest, took);
    }
    __atomic_fetch_add(&times.counts[counter_of(took)], 1, __ATOMIC_RELAXED);
}

void rec_hook_time_report(void)
{
    const char *path = NULL;
    for (char **entry = environ; *entry; entry++)
        if (text_starts(*entry, VARIABLE))
            path = *entry + sizeof VARIABLE - 1;
    if (path == NULL || times.ticks == 0)
        return;
    times.ns = rec_clock_ns(CLOCK_MONOTONIC) - times.ns;
    times.ticks = __rdtsc() - times.ticks;
    long fd = sys_call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (sys_failed(fd))
        return;
    sys_call(SYS_write, fd, &times, sizeof times);
    sys_call(SYS_close, fd);
}
