/* SPDX-License-Identifier: MIT
 * 120 threads that allocate are cancelled, asynchronously, wherever they are; each keeps count of
 * the calls that returned. Runs on bump.c, which may be left anywhere. The main thread makes a
 * block of 99 bytes after each. Prints the calls returned by all, and done. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static volatile long returned;

static void *work(void *arg)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) {
        void *volatile p = malloc(55);
        returned++;
        free(p);
        returned++;
    }
    return arg;
}

int main(void)
{
    for (int i = 0; i < 120; i++) {
        pthread_t thread;
        long before = returned;
        if (pthread_create(&thread, NULL, work, NULL) != 0)
            return 1;
        while (returned < before + 50 + i)
            sched_yield();
        pthread_cancel(thread);
        void *result;
        if (pthread_join(thread, &result) != 0 || result != PTHREAD_CANCELED)
            return 2;
        void *volatile kept = malloc(99);
        (void)kept;
    }
    printf("%ld\ndone\n", returned);
    return 0;
}
