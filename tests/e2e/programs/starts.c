/* SPDX-License-Identifier: MIT
 * Starts another process, or becomes one, in the way named by its argument, between 1,000 blocks of
 * 77 bytes and 1,000 of 78; all are freed. What is executed is this program with "made": it makes
 * 10 blocks of 91 bytes and frees 4. A child that executes nothing makes 20 of 79 and frees 5; one
 * that shares the parent's memory makes them in the parent's heap. Prints "done" where the child
 * ended as it should. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char self[4096];
static char *made[] = {self, "made", NULL};

static void blocks(int size, int count, int freed)
{
    for (int i = 0; i < count; i++) {
        char *volatile block = malloc((size_t)size);
        memset(block, size, (size_t)size);
        if (i < freed)
            free(block);
    }
}

static int end(void *unused)
{
    (void)unused;
    blocks(79, 20, 5);
    _exit(7);
}

static void *execute(void *unused)
{
    execv(self, made);
    return unused;
}

/* The status of the child as waitpid() tells it. */
static int reap(pid_t pid)
{
    int status = -1;
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static int start(const char *how)
{
    static char stack[1 << 16] __attribute__((aligned(16)));
    pid_t pid = -1;
    if (strcmp(how, "vfork-exec") == 0) {
        if ((pid = vfork()) == 0) {
            execv(self, made);
            _exit(1);
        }
        return reap(pid);
    }
    if (strcmp(how, "vfork-exit") == 0) {
        if ((pid = vfork()) == 0)
            end(NULL);
        return reap(pid) - (7 << 8);
    }
    if (strcmp(how, "clone-vm") == 0)
        return reap(clone(end, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL)) -
               (7 << 8);
    if (strcmp(how, "clone-raw") == 0) {
        if ((pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) == 0)
            end(NULL);
        return reap(pid) - (7 << 8);
    }
    if (strcmp(how, "spawn") == 0)
        return posix_spawn(&pid, self, NULL, NULL, made, environ) ? -1 : reap(pid);
    char command[5000];
    snprintf(command, sizeof command, "'%s' made", self);
    if (strcmp(how, "system") == 0)
        return system(command);
    if (strcmp(how, "popen") == 0)
        return pclose(popen(command, "r"));
    if (strcmp(how, "thread-exec") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, execute, NULL);
        return pthread_join(thread, NULL) - 1;
    }
    if (strcmp(how, "daemon") == 0) {
        if (daemon(1, 1) == 0)
            blocks(79, 20, 5);
        return 0;
    }
    return -1;
}

int main(int argc, char **argv)
{
    if (argc < 2 || readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return 2;
    if (strcmp(argv[1], "made") == 0) {
        blocks(91, 10, 4);
        return 0;
    }
    blocks(77, 1000, 1000);
    int status = start(argv[1]);
    blocks(78, 1000, 1000);
    printf("%s\n", status == 0 ? "done" : "wrong");
    return status != 0;
}
