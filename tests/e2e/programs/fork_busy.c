/* SPDX-License-Identifier: MIT
 * Six threads allocate while the main one forks 200 children, each of which ends in one of four
 * ways: exit, executing a shell, making four threads that allocate and then exit, or _exit. Prints
 * how many ended as they should. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 200
#define THREADS 6

static volatile int stop;

static void allocate(void)
{
    void *volatile block = malloc(66);
    free(block);
}

static void *busy(void *unused)
{
    while (!stop) {
        for (int i = 0; i < 20; i++)
            allocate();
        usleep(50);
    }
    return unused;
}

static void *some(void *unused)
{
    for (int i = 0; i < 100; i++)
        allocate();
    return unused;
}

static void child(int number)
{
    pthread_t threads[4];
    allocate();
    switch (number % 4) {
    case 0: exit(5);
    case 1: execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL); _exit(1);
    case 2:
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, some, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        exit(5);
    default: _exit(5);
    }
}

int main(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, busy, NULL);
    int right = 0;
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();
        if (pid == 0)
            child(i);
        int status = -1;
        if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5)
            right++;
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%d of %d\n", right, CHILDREN);
    return right != CHILDREN;
}
