/* SPDX-License-Identifier: MIT
 * Forks while the first allocation of the process is under way: from its first call of dlsym on
 * each instruction traps, and at every STRIDE-th one the handler forks, by itself or in a thread it
 * makes for that. A child of the handler goes back to the allocation; then each child makes 40
 * blocks of 100 KiB and ends.
 *
 * Arguments: "handler" or "thread". Prints "children N refused N wrong N". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define STRIDE 12007
#define TRAP_FLAG 0x100

static int begun, is_child, in_thread, children, refused, wrong;
static long steps;
static greg_t returns_to; /* libc's malloc, or 0 outside of it */
void *__libc_malloc(size_t bytes);

static void end_child(void)
{
    int missing = 0;
    for (int i = 0; i < 40; i++) {
        char *block = malloc(100 << 10);
        missing += block == NULL;
        if (block)
            memset(block, i, 100 << 10);
    }
    _exit(missing != 0);
}

static void *fork_one(void *unused)
{
    pid_t pid = fork();
    if (pid == 0) {
        is_child = 1;
        alarm(10);
        if (in_thread)
            end_child();
        return unused;
    }
    if (pid < 0) {
        refused++;
        return unused;
    }
    children++;
    int status = -1;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        wrong++;
    return unused;
}

/* About to call the kernel for rt_sigprocmask: with signals blocked a trap would be deadly. */
static int is_blocking(const greg_t *registers)
{
    return registers[REG_RAX] == SYS_rt_sigprocmask &&
           memcmp((void *)registers[REG_RIP], "\x0f\x05", 2) == 0;
}

static void on_trap(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)number, (void)info;
    if (is_child || is_blocking(registers))
        registers[REG_EFL] &= ~TRAP_FLAG;
    begun |= registers[REG_RIP] == (greg_t)(uintptr_t)dlsym;
    /* Within libc's malloc a thread that forks would wait for its lock, with and without us. */
    if (registers[REG_RIP] == (greg_t)(uintptr_t)__libc_malloc)
        returns_to = *(greg_t *)registers[REG_RSP];
    if (registers[REG_RIP] == returns_to)
        returns_to = 0;
    if (is_child || !begun || steps++ % STRIDE != 0 || returns_to)
        return;
    pthread_t thread;
    if (!in_thread)
        fork_one(NULL);
    else if (pthread_create(&thread, NULL, fork_one, NULL) == 0)
        pthread_join(thread, NULL);
    else
        wrong++;
}

static void preinit(int argc, char **argv)
{
    in_thread = argc > 1 && strcmp(argv[1], "thread") == 0;
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &trap, NULL);
    __asm__ volatile("pushfq; orq %0, (%%rsp); popfq" ::"i"(TRAP_FLAG) : "memory", "cc");
    void *volatile block = malloc(1);
    __asm__ volatile("pushfq; andq %0, (%%rsp); popfq" ::"i"(~TRAP_FLAG) : "memory", "cc");
    if (is_child)
        end_child();
    free(block);
}
__attribute__((section(".preinit_array"), used)) static void (*entry)(int, char **) = preinit;

int main(void)
{
    printf("children %d refused %d wrong %d\n", children, refused, wrong);
    return refused || wrong;
}
