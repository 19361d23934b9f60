/* SPDX-License-Identifier: MIT
 * A timer's handler jumps out of whatever it interrupted, three hundred times, the recorder's hooks
 * among it. The allocator is not glibc's but a bump pointer of the program's own that nothing can
 * leave half done, reached through the same interposed names: see bump.c. Afterwards the program
 * allocates 1,000 blocks of 99 bytes, which must all be recorded. Prints that it is done. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

static sigjmp_buf back;
static volatile sig_atomic_t armed;
static volatile long jumps;
static void *volatile sink;

static void handler(int signal_number)
{
    (void)signal_number;
    if (armed)
        siglongjmp(back, 1);
}

__attribute__((noinline)) static void deeper(int depth)
{
    volatile char frame[256];
    frame[0] = (char)depth;
    if (depth > 0)
        deeper(depth - 1);
    else
        for (int i = 0; i < 1000; i++)
            sink = malloc(99);
    frame[1] = frame[0];
}

int main(void)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    if (sigsetjmp(back, 1))
        jumps++;
    if (jumps == 0)
        setitimer(ITIMER_REAL, &every, NULL);
    armed = 1;
    while (jumps < 300) {
        sink = malloc(55);
        free(sink);
    }
    armed = 0;
    setitimer(ITIMER_REAL, &never, NULL);
    deeper(20); /* deeper on the stack than any hook that was left */
    puts("done");
}
