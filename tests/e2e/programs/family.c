/* SPDX-License-Identifier: MIT
 * A process, three children forked one after the other, a grandchild that the second one forks, and
 * a program (this one, by exec) that the third becomes. Each makes blocks of 300 bytes in work()
 * and keeps them; together 27:
 *
 *     the first 2, each child 5, the grandchild 3, the program 7
 *
 * The first makes 10 blocks of 1000 bytes before, in hold(). A child frees one of them and
 * reallocates another to 5000 bytes. Prints "pid PID image IMAGE made BLOCKS" for each. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *held[10];
static void *volatile sink;

__attribute__((noinline)) static void work(int blocks, int image)
{
    char line[80];
    for (int i = 0; i < blocks; i++)
        sink = malloc(300);
    int n = snprintf(line, sizeof line, "pid %d image %d made %d\n", getpid(), image, blocks);
    if (write(1, line, (size_t)n) != n)
        _exit(1);
}

__attribute__((noinline)) static void hold(void)
{
    for (int i = 0; i < 10; i++)
        held[i] = malloc(1000);
}

static void child(int number, char *program)
{
    free(held[number]);
    sink = realloc(held[9], 5000);
    work(5, 0);
    if (number == 1) {
        pid_t pid = fork();
        if (pid == 0) {
            work(3, 0);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    if (number == 2)
        execl(program, program, "again", (char *)NULL);
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        work(7, 1);
        return 0;
    }
    hold();
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0)
            child(i, argv[0]);
        waitpid(pid, NULL, 0);
    }
    work(2, 0);
    return 0;
}
