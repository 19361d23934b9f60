/* SPDX-License-Identifier: MIT
 * Threads that hand each block on to the next one, which frees it at once, so that any two of their
 * events that are put in the wrong order show. Now and then one of them is stopped, wherever it is,
 * for longer than a packer stays behind.
 *
 * handoff THREADS SECONDS: prints how many blocks were made, all of HANDED bytes. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS_MAX = 64, BOXES = 8, HANDED = 10007 };
#define STOP_NS 250000000
#define EVERY_NS 60000000

static _Atomic(void *) boxes[THREADS_MAX][BOXES];
static atomic_bool over;
static long threads;
static atomic_long made;

static void stop(int signal)
{
    (void)signal;
    nanosleep(&(struct timespec){.tv_nsec = STOP_NS}, NULL);
}

static void *work(void *arg)
{
    long self = (long)arg, count = 0;
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        for (int i = 0; i < BOXES; i++) {
            free(atomic_exchange(&boxes[self][i], malloc(HANDED)));
            free(atomic_exchange(&boxes[(self + 1) % threads][i], NULL));
            count++;
        }
    }
    atomic_fetch_add(&made, count);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    threads = atol(argv[1]);
    pthread_t all[THREADS_MAX];
    for (long i = 0; i < threads; i++)
        pthread_create(&all[i], NULL, work, (void *)i);
    signal(SIGUSR1, stop);
    for (long ns = atol(argv[2]) * 1000000000; ns > 0; ns -= EVERY_NS) {
        nanosleep(&(struct timespec){.tv_nsec = EVERY_NS}, NULL);
        pthread_kill(all[random() % threads], SIGUSR1);
    }
    atomic_store(&over, true);
    for (long i = 0; i < threads; i++)
        pthread_join(all[i], NULL);
    printf("%ld\n", atomic_load(&made));
    return 0;
}
