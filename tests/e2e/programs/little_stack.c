/* SPDX-License-Identifier: MIT
 * Looks at how much of its caller's stack an allocation takes that the recorder has most to do for:
 * a thread's first, from ever new stacks, and a forked child's first. Prints the most of each, and
 * what the same calls take later on, in bytes. */
#include "stack_of_malloc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile block;
static size_t most;

static __attribute__((noinline)) void allocate(void)
{
    size_t bytes = stack_of_malloc(&block);
    if (bytes > most)
        most = bytes;
    free(block);
}

static __attribute__((noinline)) int deeper(int depth)
{
    if (depth == 0) {
        allocate();
        return 0;
    }
    return deeper(depth - 1) + 1;
}

static size_t most_of_new_stacks(void)
{
    most = 0;
    for (int depth = 0; depth < 40; depth++)
        deeper(depth);
    return most;
}

static void *in_thread(void *arg)
{
    *(size_t *)arg = most_of_new_stacks();
    return NULL;
}

int main(void)
{
    size_t thread = 0, child = 0;
    int ends[2];
    pthread_t id;
    block = malloc(1); /* the loader looks it up, which takes more */
    free(block);
    if (pthread_create(&id, NULL, in_thread, &thread) || pthread_join(id, NULL) || pipe(ends))
        return 1;
    pid_t pid = fork();
    if (pid == 0) {
        child = most_of_new_stacks();
        _exit(write(ends[1], &child, sizeof child) != sizeof child);
    }
    if (pid < 0 || read(ends[0], &child, sizeof child) != sizeof child || wait(NULL) != pid)
        return 1;
    most_of_new_stacks();
    printf("%zu %zu %zu\n", thread, child, most_of_new_stacks());
    return 0;
}
