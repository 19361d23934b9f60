/* SPDX-License-Identifier: MIT
 * Allocates and frees for as long as it is told, and keeps books.
 *
 * churn THREADS CALLS BOOK [MS]: each thread makes CALLS blocks and frees all but the last 100 of
 * them; it rests MS milliseconds after each 10,000.
 * BOOK, a file of 8-byte counters, one for each thread, tells at any moment how many a thread has
 * made. Sizes are those of no library's own blocks: 10,007 and up. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { KEPT = 100, SIZE = 10007, THREADS_MAX = 64 };

static volatile uint64_t *book;
static long calls, rest_ms;

static void *work(void *arg)
{
    long thread = (long)arg;
    void *kept[KEPT] = {0};
    for (long i = 0; i < calls; i++) {
        free(kept[i % KEPT]);
        kept[i % KEPT] = malloc(SIZE + (size_t)(i % 50));
        book[thread]++;
        if (rest_ms && i % 10000 == 9999)
            usleep((useconds_t)rest_ms * 1000);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    long threads = atol(argv[1]);
    calls = atol(argv[2]);
    rest_ms = argc > 4 ? atol(argv[4]) : 0;
    int fd = open(argv[3], O_RDWR | O_CREAT, 0600);
    if (threads > THREADS_MAX || fd < 0 || ftruncate(fd, THREADS_MAX * 8) != 0)
        return 2;
    book = mmap(NULL, THREADS_MAX * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pthread_t all[THREADS_MAX];
    for (long i = 0; i < threads; i++)
        pthread_create(&all[i], NULL, work, (void *)i);
    for (long i = 0; i < threads; i++)
        pthread_join(all[i], NULL);
    return 0;
}
