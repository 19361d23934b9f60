/* SPDX-License-Identifier: MIT
 * A timer's handler forks at any moment of the main thread's allocations, until 2,000 children were
 * made. A child returns from the handler into whatever was interrupted, and goes on allocating:
 * every block that it finds in the table is the parent's. It ends well if what it finds in its
 * blocks is what was put there. The allocator must bear being interrupted (bump.c).
 *
 * Arguments: "fork" or "_Fork", and the children wanted. Prints "children N wrong N". */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 64

static struct {
    size_t size;
    char *block;
} table[SLOTS];
static volatile sig_atomic_t is_child, children, wrong, left_for_child = 300;
static int wanted;
static pid_t (*how)(void);

static void reap(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        wrong++;
}

/* Armed anew each time: a timer that fires while its handler runs would interrupt the same
 * instruction for ever. */
static void arm(void)
{
    struct itimerval once = {{0, 0}, {0, 20 + rand() % 200}};
    setitimer(ITIMER_REAL, &once, NULL);
}

static void on_timer(int signal)
{
    (void)signal;
    if (is_child || children >= wanted)
        return;
    pid_t pid = how();
    if (pid == 0) {
        is_child = 1;
        return;
    }
    children++;
    reap(pid);
    arm();
}

static void replace(unsigned i)
{
    char *old = table[i].block;
    if (old)
        for (size_t k = 0; k < table[i].size; k++)
            if (old[k] != (char)i)
                wrong++;
    size_t size = 20 + i;
    char *block = malloc(size);
    memset(block, (int)i, size);
    table[i].size = size;
    table[i].block = block;
    free(old);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    how = strcmp(argv[1], "fork") == 0 ? fork : _Fork;
    wanted = atoi(argv[2]);
    signal(SIGALRM, on_timer);
    for (unsigned i = 0; i < SLOTS; i++)
        replace(i);
    arm();
    for (unsigned i = 0; children < wanted && !(is_child && --left_for_child == 0); i++)
        replace(i % SLOTS);
    if (is_child)
        _exit(wrong != 0);
    printf("children %d wrong %d\n", children, wrong);
    return 0;
}
