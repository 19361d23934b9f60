/* SPDX-License-Identifier: MIT
 * A timer's handler allocates and frees while the program does: it finds the allocator, or the
 * recorder, in the middle of something. glibc's malloc may not be entered again by the thread it is
 * interrupted in, so this runs on bump.c. Prints how many blocks of which size it made and freed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

static volatile long handled;
static void *volatile sink;

static void handler(int signal_number)
{
    (void)signal_number;
    void *volatile p = malloc(33);
    free(p);
    handled++;
}

int main(int argc, char **argv)
{
    (void)argv;
    struct sigaction action = {.sa_handler = handler};
    if (argc > 1) { /* on a stack of its own */
        stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
        sigaltstack(&stack, NULL);
        action.sa_flags = SA_ONSTACK;
    }
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    long mine = 0;
    for (; mine < 300000; mine++) {
        sink = malloc(77);
        free(sink);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("33 %ld\n77 %ld\n", handled, mine);
}
