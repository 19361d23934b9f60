/* SPDX-License-Identifier: MIT */
#include "private_stack.h"

#include "lock.h"

#include <stdint.h>

#define STACK_BYTES (32u << 10) /* the most is needed where a forked child starts: 14 KiB */

static uint8_t stack[STACK_BYTES] __attribute__((aligned(4096)));
static struct rec_lock lock;

bool rec_private_stack_here(void)
{
    uintptr_t sp;
    __asm__("mov %%rsp, %0" : "=r"(sp));
    return sp - (uintptr_t)stack < sizeof stack;
}

/* The caller's frame is found by rbp, which a debugger needs to get back to the other stack. */
static __attribute__((noinline)) void call_there(void (*work)(void *), void *argument)
{
    uint8_t *top = stack + sizeof stack;
    __asm__ volatile("mov %%rsp, %%rbx\n\t"
                     "mov %1, %%rsp\n\t"
                     "call *%2\n\t"
                     "mov %%rbx, %%rsp"
                     : "+D"(argument)
                     : "r"(top), "r"(work)
                     : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "xmm0", "xmm1",
                       "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                       "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
}

void rec_private_stack_run(void (*work)(void *), void *argument)
{
    if (rec_private_stack_here()) {
        work(argument);
        return;
    }
    uint64_t mask = rec_lock(&lock);
    call_there(work, argument);
    rec_unlock(&lock, mask);
}

void rec_private_stack_reset(void)
{
    rec_lock_reset(&lock);
}
