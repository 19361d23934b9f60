/* SPDX-License-Identifier: MIT
 *
 * growth KIND SEED THREADS: a program of known behaviour (tests/growth/scenarios.h), whose blocks
 * are made in one function, `site`. Half a second long, in real time: a step is due at its time,
 * however busy the machine was before. What it is said to be is written out first: "leak growing".
 */
#include "../../growth/scenarios.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define STEP_NS 250000u

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

/* Kept, so that it is no part of what `site` does: the scenario's own lists are blocks as well. */
static void run(struct scenario *s)
{
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (unsigned step = 0; step < SCENARIO_STEPS; step++) {
        s->kind->step(s, step);
        due.tv_nsec += STEP_NS;
        if (due.tv_nsec >= 1000000000) {
            due.tv_nsec -= 1000000000;
            due.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    }
}

static void *run_thread(void *arg)
{
    run(arg);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
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
    return 0;
}
