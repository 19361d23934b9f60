/* SPDX-License-Identifier: MIT
 *
 * bench_calls: what single calls cost the program that makes them, besides their mean. Prints
 * "NAME VALUE" lines; run it with and without a recorder, and compare.
 *
 * p50_ns, p99.9_ns: of a malloc or free, from a known stack.
 *
 * first_us: a new thread's first malloc, median.
 *
 * stack_warm, stack_first: bytes of stack below a malloc's caller that the call writes to, from a
 * known stack, and the most of a thread's first call and of new stacks.
 *
 * rss_kib, idle_kib, busy_kib: resident memory with no thread but the main one, and what each of
 * further threads adds that made one block, or many. */
#include "../e2e/programs/stack_of_malloc.h"
#include "call_chain.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CALLS 200000
#define FIRSTS 200
#define IDLE 64
#define BUSY 8

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t quantile(uint64_t *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, by_value);
    return values[(size_t)((double)(count - 1) * share)];
}

static uint64_t took[2 * CALLS];
static size_t taken;
static void *volatile sink;

static void timed_pair(void)
{
    uint64_t start = now_ns();
    void *p = malloc(100);
    uint64_t between = now_ns();
    free(p);
    took[taken++] = between - start;
    took[taken++] = now_ns() - between;
}

static void *first_call(void *arg)
{
    uint64_t start = now_ns();
    sink = malloc(100);
    *(uint64_t *)arg = now_ns() - start;
    free(sink);
    return NULL;
}

static size_t stack_used;

__attribute__((noinline)) static void measured_malloc(void)
{
    size_t bytes = stack_of_malloc(&sink);
    if (bytes > stack_used)
        stack_used = bytes;
    free(sink);
}

static void *stack_of_first(void *arg)
{
    measured_malloc();
    for (int depth = 12; depth < 60; depth++)
        call_chain(depth, measured_malloc, 1);
    return arg;
}

static double rss_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%*s %ld", &pages) != 1)
        exit(1);
    fclose(f);
    return (double)pages * 4;
}

static pthread_barrier_t reached, measured;

static void make_blocks(void)
{
    free(malloc(100));
}

static void *thread(void *busy)
{
    int depth = 12;
    do
        call_chain(depth, make_blocks, busy ? 2000 : 1);
    while (busy && ++depth < 60);
    pthread_barrier_wait(&reached);
    pthread_barrier_wait(&measured);
    return NULL;
}

/* KiB that each of so many threads adds. */
static double per_thread(int count, void *busy)
{
    pthread_t threads[IDLE];
    pthread_barrier_init(&reached, NULL, (unsigned)count + 1);
    pthread_barrier_init(&measured, NULL, (unsigned)count + 1);
    double before = rss_kib();
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, thread, busy))
            exit(1);
    pthread_barrier_wait(&reached);
    double with = rss_kib();
    pthread_barrier_wait(&measured);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return (with - before) / count;
}

int main(void)
{
    free(malloc(100));
    printf("rss_kib %.0f\n", rss_kib());
    printf("idle_kib %.1f\n", per_thread(IDLE, NULL));
    printf("busy_kib %.1f\n", per_thread(BUSY, took));

    call_chain(24, timed_pair, 1000);
    taken = 0;
    call_chain(24, timed_pair, CALLS);
    printf("p50_ns %llu\n", (unsigned long long)quantile(took, taken, 0.5));
    printf("p99.9_ns %llu\n", (unsigned long long)quantile(took, taken, 0.999));

    pthread_t one;
    for (int i = 0; i < FIRSTS; i++)
        if (pthread_create(&one, NULL, first_call, &took[i]) || pthread_join(one, NULL))
            return 1;
    printf("first_us %.1f\n", (double)quantile(took, FIRSTS, 0.5) / 1000);

    for (int i = 0; i < 16; i++) {
        stack_used = 0;
        measured_malloc();
    }
    printf("stack_warm %zu\n", stack_used);
    stack_used = 0;
    if (pthread_create(&one, NULL, stack_of_first, NULL) || pthread_join(one, NULL))
        return 1;
    printf("stack_first %zu\n", stack_used);
    return 0;
}
