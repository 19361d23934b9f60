/* SPDX-License-Identifier: MIT
 *
 * bench_loop DEPTH EVENTS THREADS: each thread makes and frees small blocks from stacks of that
 * depth, the youngest five frames of which change between one allocation and the next. Prints the
 * nanoseconds of processor time per event, all threads together. */
#include "call_chain.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LIVE 64

static int depth, events;

static void step(void)
{
    static __thread void *blocks[LIVE];
    static __thread unsigned at;
    at = (at + 1) % LIVE;
    free(blocks[at]);
    blocks[at] = malloc(16 + at % 7 * 24);
}

static double cpu_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *run(void *arg)
{
    turning_leaf = step;
    /* around them: call_chain() and turn()'s, this, and two or three that started it */
    call_chain(depth - TURNING - 4, turn, events / 2);
    return arg;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    depth = atoi(argv[1]);
    events = atoi(argv[2]);
    int threads = atoi(argv[3]);
    pthread_t id[64];
    if (threads < 1 || threads > 64 || depth < 12)
        return 2;
    double start = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 1; i < threads; i++)
        if (pthread_create(&id[i], NULL, run, NULL))
            return 1;
    run(NULL);
    for (int i = 1; i < threads; i++)
        pthread_join(id[i], NULL);
    printf("%.2f\n", (cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / threads / events);
    return 0;
}
