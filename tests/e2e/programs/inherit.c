/* SPDX-License-Identifier: MIT
 * Seven threads allocate into tables of their own while the main one forks five children. A child
 * looks up in its copy of the tables what it has from its parent, frees every other block of that,
 * makes one block of 77 bytes and prints
 *
 *     PID held N BYTES free N BYTES moving N
 *
 * `moving`: threads that were in the middle of an allocation or a free at the fork: of each, one
 * block more or less may be there, for ever in a child. The second child forks a grandchild that
 * does the same. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 7
#define SLOTS 100

static struct table {
    volatile int moving;
    volatile unsigned long turns;
    void *volatile block[SLOTS];
    volatile size_t size[SLOTS];
} tables[THREADS];
static volatile int stop;

static void *busy(void *arg)
{
    struct table *t = arg;
    unsigned random = (unsigned)(t - tables) * 7919 + 1;
    while (!stop) {
        random = random * 1103515245 + 12345;
        unsigned i = random >> 8 & 63;
        void *old = t->block[i];
        t->moving = 1;
        if (old == NULL) {
            size_t size = 1000 + (random >> 16 & 1023);
            void *block = random & 0x8000 ? malloc(size) : realloc(malloc(10), size);
            t->size[i] = size;
            t->block[i] = block;
        } else {
            t->block[i] = NULL;
            free(old);
        }
        t->moving = 0;
        t->turns++;
    }
    return NULL;
}

/* Until each thread has changed its table often. */
static void let_them_work(void)
{
    for (int t = 0; t < THREADS; t++)
        for (unsigned long begin = tables[t].turns; tables[t].turns < begin + 1000;)
            usleep(1000);
}

static void child(int generations)
{
    size_t held = 0, held_bytes = 0, ended = 0, ended_bytes = 0, moving = 0;
    for (int t = 0; t < THREADS; t++) {
        moving += (size_t)tables[t].moving;
        for (int i = 0; i < SLOTS; i++) {
            if (tables[t].block[i] == NULL)
                continue;
            held++;
            held_bytes += tables[t].size[i];
            if (held % 2 == 0)
                continue;
            ended++;
            ended_bytes += tables[t].size[i];
            free(tables[t].block[i]);
            tables[t].block[i] = NULL;
        }
    }
    if (malloc(77) == NULL)
        _exit(1);
    char line[200];
    int n = snprintf(line, sizeof line, "%d held %zu %zu free %zu %zu moving %zu\n", getpid(), held,
                     held_bytes, ended, ended_bytes, moving);
    if (write(1, line, (size_t)n) != n)
        _exit(1);
    if (generations > 1) {
        pid_t pid = fork();
        if (pid == 0)
            child(generations - 1);
        waitpid(pid, NULL, 0);
    }
    _exit(0);
}

int main(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, busy, &tables[i]);
    for (int i = 0; i < 5; i++) {
        let_them_work();
        pid_t pid = fork();
        if (pid == 0)
            child(i == 1 ? 2 : 1);
        waitpid(pid, NULL, 0);
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
