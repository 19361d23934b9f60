/* SPDX-License-Identifier: MIT
 * Pools of its own, told of by seep.h and counted by itself: the first block of a chunk begins
 * where the chunk does, two threads hand blocks to each other, an arena is reset without a word and
 * freed with blocks in it, and a forked child goes on with what it has from its parent. Prints the
 * blocks made, freed and moved, the bytes of those made and moved, and the blocks and bytes that
 * live in the end and at most; then those that live by site. With -DPLAIN it tells of nothing. */
#include <errno.h>
#include <pthread.h>
#include <seep/seep.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef PLAIN
#define TELL(call) ((void)0)
#else
#define TELL(call) call
#endif

#define PART 48
#define CHUNK (PART * 80)

static struct part {
    struct part *next;
} * parts;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long made, freed, moved, bytes, live, live_bytes, peak;

static void count(unsigned long *what, long blocks, long change, unsigned long asked)
{
    pthread_mutex_lock(&lock);
    ++*what;
    live += blocks;
    live_bytes += change;
    bytes += asked;
    if (live_bytes > peak)
        peak = live_bytes;
    pthread_mutex_unlock(&lock);
}

static void *take_part(void)
{
    pthread_mutex_lock(&lock);
    if (!parts) {
        char *chunk = malloc(CHUNK);
        for (int at = CHUNK - PART; at >= 0; at -= PART) {
            struct part *p = (struct part *)(chunk + at);
            p->next = parts;
            parts = p;
        }
    }
    struct part *p = parts;
    parts = p->next;
    pthread_mutex_unlock(&lock);
    return p;
}

static void put_part(void *p)
{
    pthread_mutex_lock(&lock);
    ((struct part *)p)->next = parts;
    parts = p;
    pthread_mutex_unlock(&lock);
}

static void *make(unsigned size)
{
    void *p = take_part();
    TELL(seep_pool_allocated(p, size));
    count(&made, 1, size, size);
    return p;
}

static void end(void *p, unsigned size)
{
    TELL(seep_pool_freed(p));
    count(&freed, -1, -(long)size, 0);
    put_part(p);
}

static void *grow(void *old, unsigned size, unsigned grown, int in_place)
{
    void *p = in_place ? old : take_part();
    TELL(seep_pool_moved(old, p, grown));
    count(&moved, 0, (long)grown - size, grown);
    if (!in_place)
        put_part(old);
    return p;
}

static void *order(void)
{
    return make(40);
}

static void *receipt(void)
{
    return make(24);
}

static void *hand_over(void *arg)
{
    for (int i = 0; i < 500; i++) {
        void *p = make(8), *q = make(16);
        end(p, 8);
        end(q, 16);
    }
    return arg;
}

static void arena(void)
{
    char *chunk = malloc(1024);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10; i++) {
            if (round) /* the reset ended what is here, and nobody said so */
                count(&freed, -1, -7, 0);
            TELL(seep_pool_allocated(chunk + 64 * i + 1, 7));
            count(&made, 1, 7, 7);
        }
    }
    for (int i = 0; i < 5; i++) {
        TELL(seep_pool_freed(chunk + 64 * i + 1));
        count(&freed, -1, -7, 0);
    }
    free(chunk);
}

static void nothing(void)
{
    static char block[8];
    TELL(seep_pool_allocated(NULL, 8));
    TELL(seep_pool_freed(NULL));
    TELL(seep_pool_moved(NULL, block, 8));
    count(&made, 1, 8, 8);
    TELL(seep_pool_moved(block, NULL, 9));
    TELL(seep_pool_freed(block));
    count(&freed, -1, -8, 0);
}

int main(void)
{
    static void *orders[3000], *receipts[500];
    pthread_t threads[2];
    errno = 77;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, hand_over, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    nothing();
    for (int i = 0; i < 3000; i++)
        orders[i] = order();
    for (int i = 0; i < 500; i++)
        receipts[i] = receipt();
    for (int i = 0; i < 500; i++)
        end(grow(receipts[i], 24, 24 + i % 20, i % 2), 24 + i % 20);
    for (int i = 0; i < 3000; i++)
        if (i % 3)
            end(orders[i], 40);
    arena();
    if (errno != 77)
        puts("errno changed");
    printf("%lu %lu %lu %lu %lu %lu %lu\n", made, freed, moved, bytes, live, live_bytes, peak);
    printf("order 1000 40000\narena 5 35\n");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 30; i += 3)
            end(orders[i], 40);
        free(malloc(100)); /* so that there is a recording of it with -DPLAIN too */
        _exit(receipt() ? 0 : 1);
    }
    int status = 1;
    return waitpid(child, &status, 0) == child ? status : 1;
}
