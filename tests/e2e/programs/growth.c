/* SPDX-License-Identifier: MIT
 *
 * growth KIND SEED THREADS STEP-US: a program of known behaviour (tests/growth/scenarios.h), whose
 * blocks are made in one function, `site`. In real time: a step is due at its time, however busy
 * the machine was before. What it is said to be is written out first, "leak growing", and then by
 * how many steps, at most, it was late: its behaviour is known only where that is few.
 */
#include "../../growth/scenarios.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

static uint64_t step_ns;
static _Atomic uint64_t latest_ns;

static __attribute__((noinline)) void *site(void *arg, size_t bytes)
{
    (void)arg;
    volatile char *block = malloc(bytes);
    block[0] = 1;
    return (void *)block;
}

static __attribute__((noinline)) void *site_again(void *arg, void *old, size_t bytes)
{
    (void)arg;
    volatile char *block = realloc(old, bytes);
    block[0] = 1;
    return (void *)block;
}

static void drop(void *arg, void *block)
{
    (void)arg;
    free(block);
}

static void note_late(const struct timespec *due)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t late = (uint64_t)(now.tv_sec - due->tv_sec) * 1000000000u + (uint64_t)now.tv_nsec -
                    (uint64_t)due->tv_nsec;
    if (late > latest_ns) /* of two threads at once the one may be forgotten for the other */
        latest_ns = late;
}

/* Kept, so that it is no part of what `site` does: the scenario's own lists are blocks as well. */
static void run(struct scenario *s)
{
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (unsigned step = 0; step < SCENARIO_STEPS; step++) {
        s->kind->step(s, step);
        due.tv_nsec += (long)step_ns;
        if (due.tv_nsec >= 1000000000) {
            due.tv_nsec -= 1000000000;
            due.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        note_late(&due);
    }
}

static void *run_thread(void *arg)
{
    run(arg);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    step_ns = strtoull(argv[4], NULL, 10) * 1000;
    const struct scenario_kind *kind = scenario_kinds;
    while (strcmp(kind->name, argv[1]) != 0)
        if (++kind == scenario_kinds + SCENARIO_KINDS)
            return 2;
    const struct scenario_host host = {site, site_again, drop, NULL};
    uint64_t seed = strtoull(argv[2], NULL, 10);
    unsigned threads = (unsigned)strtoul(argv[3], NULL, 10);
    struct scenario *all = calloc(threads, sizeof *all);
    pthread_t *ids = calloc(threads, sizeof *ids);
    printf("%s %s\n", kind->name, kind->class);
    for (unsigned i = 0; i < threads; i++) {
        scenario_begin(&all[i], kind, seed * threads + i, &host);
        if (i && pthread_create(&ids[i], NULL, run_thread, &all[i]) != 0)
            return 1;
    }
    run(&all[0]);
    for (unsigned i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
    for (unsigned i = 0; i < threads; i++)
        scenario_end(&all[i]);
    free(all);
    free(ids);
    printf("%llu\n", (unsigned long long)(latest_ns / step_ns));
    return 0;
}
