/* SPDX-License-Identifier: MIT
 *
 * Four threads make blocks, each frees those of its neighbour, one in a hundred is lost. glibc
 * takes one block for each thread it starts (its vector of thread-local storage) and keeps it.
 *
 * truth: allocations=40004 frees=39600 reallocations=0 live_blocks=404 threads=5
 * leak: blocks=400 bytes=12800 stack=parcel_new < produce < worker
 */
#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 4, PARCELS = 10000 };

static void *parcels[THREADS][PARCELS];
static pthread_barrier_t produced;
static volatile int steps;

__attribute__((noinline)) static void *parcel_new(void)
{
    return malloc(32);
}

__attribute__((noinline)) static void produce(void **out)
{
    for (int i = 0; i < PARCELS; i++)
        out[i] = parcel_new();
    steps = 1;
}

static void *worker(void *arg)
{
    long number = (long)arg;
    produce(parcels[number]);
    pthread_barrier_wait(&produced);
    void **neighbour = parcels[(number + 1) % THREADS];
    for (int i = 0; i < PARCELS; i++)
        if (i % 100 != 0)
            free(neighbour[i]);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&produced, NULL, THREADS);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, worker, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
