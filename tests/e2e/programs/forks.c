/* SPDX-License-Identifier: MIT
 * Four threads allocate while the main one forks forty children. A child frees what it inherited,
 * makes 100 blocks of 44 bytes, starts a thread that makes one of 45, and ends in one of the ways a
 * child can end. Exit status 0 if every child ended as it should. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int stop;
static void *volatile sink[4];

static void *busy(void *arg)
{
    void *volatile *mine = arg;
    while (!stop) {
        for (int i = 0; i < 20; i++) {
            *mine = malloc(66);
            free(*mine);
        }
        usleep(50);
    }
    return NULL;
}

static void *one(void *arg)
{
    return arg ? NULL : malloc(45);
}

static void child(int number, void *inherited)
{
    free(inherited);
    for (int i = 0; i < 100; i++)
        sink[0] = malloc(44);
    pthread_t thread;
    if (pthread_create(&thread, NULL, one, NULL) == 0)
        pthread_join(thread, NULL);
    if (number % 2)
        _exit(number);
    exit(number);
}

int main(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, busy, (void *)&sink[i]);
    int wrong = 0;
    for (int i = 0; i < 40; i++) {
        void *inherited = malloc(1000);
        pid_t pid = fork();
        if (pid == 0)
            child(i, inherited);
        int status = -1;
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != i)
            wrong++;
        free(inherited);
    }
    stop = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("wrong %d\n", wrong);
    return wrong != 0;
}
