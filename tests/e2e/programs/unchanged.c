/* SPDX-License-Identifier: MIT
 * Looks, around 60,000 allocation calls from ever new stacks, at what a call must leave alone:
 * errno, the control words of the x87 and of SSE, the direction flag and the signal mask. Prints
 * what changed, once each, and done. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>

#define ODD_MXCSR 0xbf80u /* all masked, round down, denormals flushed */
#define ODD_X87 0x067fu   /* all masked, double precision, round down */

static void *volatile block;
static volatile int sink;

static void allocate(int which)
{
    switch (which % 6) {
    case 0: block = malloc(30); break;
    case 1: block = realloc(block, 200); break;
    case 2: free(block); break;
    case 3: block = calloc(3, 30); break;
    case 4: block = reallocarray(block, 3, 90); break;
    default: free(block);
    }
}

static void tell(const char *what, int changed)
{
    static const char *told[8];
    for (int i = 0; changed && i < 8 && told[i] != what; i++)
        if (told[i] == NULL) {
            told[i] = what;
            puts(what);
        }
}

static void look(int which)
{
    uint16_t x87 = ODD_X87, x87_after, usual = 0x037f;
    uint64_t flags;
    sigset_t mask, after;
    sigemptyset(&mask);
    sigaddset(&mask, which % 2 ? SIGUSR1 : SIGUSR2);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    errno = 77;
    _mm_setcsr(ODD_MXCSR);
    __asm__ volatile("fldcw %0" ::"m"(x87));
    allocate(which);
    __asm__ volatile("fnstcw %0" : "=m"(x87_after));
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    unsigned mxcsr = _mm_getcsr();
    __asm__ volatile("fldcw %0" ::"m"(usual));
    _mm_setcsr(0x1f80);
    tell("errno", errno != 77);
    tell("x87 control", x87_after != ODD_X87);
    tell("MXCSR", mxcsr != ODD_MXCSR);
    tell("direction flag", (flags & 0x400) != 0);
    sigprocmask(SIG_SETMASK, NULL, &after);
    tell("signal mask", sigismember(&after, SIGUSR1) != sigismember(&mask, SIGUSR1) ||
                            sigismember(&after, SIGUSR2) != sigismember(&mask, SIGUSR2) ||
                            sigismember(&after, SIGTERM) != 0);
}

/* A stack for each number: its bits choose the functions. */
static void odd(int number, int depth, int which);
__attribute__((noinline)) static void even(int number, int depth, int which)
{
    if (depth == 0)
        look(which);
    else
        (number & 1 ? odd : even)(number >> 1, depth - 1, which);
    sink = 0;
}
__attribute__((noinline)) static void odd(int number, int depth, int which)
{
    if (depth == 0)
        look(which);
    else
        (number & 1 ? odd : even)(number >> 1, depth - 1, which);
    sink = 1;
}

int main(void)
{
    for (int i = 0; i < 60000; i++)
        even(i / 6 % 3000, 12, i);
    puts("done");
}
