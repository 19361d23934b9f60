/* SPDX-License-Identifier: MIT
 * A signal at each instruction of each allocation function, one at a time: a child single-steps
 * this process k instructions into a call, for every k, and has it handle a signal there. Runs on
 * bump.c, which may be entered again by the thread it is interrupted in.
 *
 * step HOW COLD: HOW "return": the handler allocates, frees and returns; "jump": it leaves by
 * siglongjmp, and the program then allocates 99 bytes; "leave": it allocates 34 bytes and calls
 * _exit, once, STRIDE percent through a malloc. COLD n > 0: each call comes from a stack never seen
 * before, and only every n-th instruction is tried.
 *
 * Prints what must be recorded, and how often: 100 + i is the size in call i, 34 to 37 those of the
 * handler; how many signals were tried; and after jumps, how often the mark on the thread's lane
 * was left standing by the call that followed. */
#include "lanes.h"
#include "stepping.h"

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* CALLS: none any more */
enum { MALLOC, CALLOC, REALLOC, REALLOCARRAY, FREE, NEW, DELETE, NEW_ARRAY, CALLS };

static const char *const told[CALLS] = {
    "alloc malloc %d %ld\n",         "alloc calloc %d %ld\n", "realloc realloc %d %ld\n",
    "realloc reallocarray %d %ld\n", "free free %d %ld\n",    "alloc new %d %ld\n",
    "free delete %d %ld\n",          "alloc new[] %d %ld\n",
};

/* What the two processes tell each other. */
static struct shared {
    volatile int attached, finished;
    volatile int before; /* the breakpoint is the one before the call */
    volatile int call;
    volatile long tried; /* which stack, where each is new */
} * shared;

static volatile long made[CALLS + 1], handled;
static struct seep_control *control;
static long marks_left; /* standing after a call that followed a jump */
static void *volatile sink;
static bool jumps, leaves;
static sigjmp_buf back;

extern "C" void handler(int)
{
    if (jumps)
        siglongjmp(back, 1);
    sink = malloc(34);
    if (leaves)
        _exit(3);
    free(sink);
    sink = new char[35];
    delete[](char *) sink;
    sink = realloc(malloc(36), 37);
    handled++;
}

static void *call(int which, size_t size, void *given)
{
    switch (which) {
    case MALLOC: return malloc(size);
    case CALLOC: return calloc(1, size);
    case REALLOC: return realloc(given, size);
    case REALLOCARRAY: return reallocarray(given, 1, size);
    case FREE: free(given); return nullptr;
    case NEW: return ::operator new(size);
    case DELETE: ::operator delete(given); return nullptr;
    case NEW_ARRAY: return ::operator new[](size);
    default: return nullptr;
    }
}

/* Stops for the tracer. */
static void breakpoint(int before)
{
    shared->before = before;
    if (!shared->finished)
        __asm__ volatile("int3");
}

static void one(long)
{
    int which = shared->call;
    size_t size = 100 + (size_t)which;
    void *given = nullptr;
    if (which == FREE || which == REALLOC || which == REALLOCARRAY)
        given = malloc(which == FREE ? size : 40);
    if (which == DELETE)
        given = ::operator new(size);
    breakpoint(1);
    sink = call(which, size, given);
    made[which]++;
    breakpoint(0);
}

/* A stack for each number: its bits choose the functions. */
static void even(long number, int depth);
__attribute__((noinline)) static void odd(long number, int depth)
{
    if (depth == 0)
        one(number);
    else
        (number & 1 ? odd : even)(number >> 1, depth - 1);
    sink = sink;
}
__attribute__((noinline)) static void even(long number, int depth)
{
    if (depth == 0)
        one(number);
    else
        (number & 1 ? odd : even)(number >> 1, depth - 1);
    sink = sink;
}

/* Where an interrupted call's frames were, nothing is as it was. */
__attribute__((noinline)) static void deeper(void)
{
    volatile char frame[600];
    memset((char *)frame, 0, sizeof frame);
    sink = malloc(99);
    handled++;
    marks_left += lane_of(control, 0)->mark != 0;
}

/* Continues until the next breakpoint before a call. */
static void to_next(pid_t pid, int signal_number)
{
    do {
        go(pid, PTRACE_CONT, signal_number);
        signal_number = 0;
    } while (!shared->before);
}

/* A breakpoint of the processor's, that changes no code; 0 takes it away. */
static void set_breakpoint(pid_t pid, uintptr_t pc)
{
    if (ptrace(PTRACE_POKEUSER, pid, REGISTER(u_debugreg[7]), 0) != 0 ||
        (pc && (ptrace(PTRACE_POKEUSER, pid, REGISTER(u_debugreg[0]), pc) != 0 ||
                ptrace(PTRACE_POKEUSER, pid, REGISTER(u_debugreg[7]), 1) != 0)))
        _exit(77);
}

#define INSTRUCTIONS_MAX 200000
static uintptr_t path[INSTRUCTIONS_MAX];

/* The instructions of one undisturbed call. */
static long learn(pid_t pid)
{
    long count = 0;
    for (; shared->before && count < INSTRUCTIONS_MAX; count++) {
        path[count] = pc_of(pid);
        go(pid, PTRACE_SINGLESTEP, 0);
    }
    return count;
}

/* Goes to instruction `at` of `path`; false: this call goes another way. */
static bool reach(pid_t pid, long at)
{
    long before = 0;
    for (long i = 1; i < at; i++)
        before += path[i] == path[at];
    set_breakpoint(pid, at ? path[at] : 0);
    for (long i = 0; at && i <= before; i++)
        go(pid, PTRACE_CONT, 0);
    set_breakpoint(pid, 0);
    return shared->before;
}

static void trace(pid_t pid, long stride)
{
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0)
        _exit(77);
    shared->attached = 1;
    int status;
    waitpid(pid, &status, 0); /* at the first breakpoint */
    for (shared->call = 0; shared->call < CALLS; shared->call++) {
        to_next(pid, 0); /* of this call, or of the one before */
        to_next(pid, 0);
        to_next(pid, 0);
        long count = learn(pid);
        for (long at = leaves ? count * stride / 100 : 0; at < count;
             at += stride ? 1 + (at * 7 + stride) % (2 * stride) : 1) {
            if (!shared->before)
                to_next(pid, 0);
            shared->tried++;
            to_next(pid, reach(pid, at) ? SIGUSR1 : 0);
        }
    }
    shared->finished = 1;
    ptrace(PTRACE_DETACH, pid, 0, 0);
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 1;
    jumps = strcmp(argv[1], "jump") == 0;
    leaves = strcmp(argv[1], "leave") == 0;
    long stride = atol(argv[2]);
    shared = (struct shared *)mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sigaction action = {};
    action.sa_handler = handler;
    stack_t apart = {};
    if (strcmp(argv[1], "apart") == 0) {
        apart.ss_sp =
            mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        apart.ss_size = 65536;
        sigaltstack(&apart, nullptr);
        action.sa_flags = SA_ONSTACK;
    }
    sigaction(SIGUSR1, &action, nullptr);
    pid_t self = getpid(), tracer = fork();
    if (tracer == 0)
        trace(self, stride);
    prctl(PR_SET_PTRACER, tracer);
    control = control_page();
    while (!shared->attached)
        if (waitpid(tracer, nullptr, WNOHANG) == tracer)
            return 77;
    if (sigsetjmp(back, 1))
        deeper();
    while (!shared->finished) {
        if (stride)
            odd(shared->tried, 16);
        else
            one(0);
    }
    waitpid(tracer, nullptr, 0);
    if (jumps)
        printf("alloc malloc 99 %ld\nmarks_left %ld\n", handled, marks_left);
    for (int i = 0; i < CALLS && !jumps; i++)
        printf(told[i], 100 + i, made[i]);
    if (!jumps)
        printf("alloc malloc 34 %ld\nfree free 34 %ld\nalloc new[] 35 %ld\nfree delete[] 35 %ld\n"
               "alloc malloc 36 %ld\nrealloc realloc 37 %ld\n",
               handled, handled, handled, handled, handled, handled);
    printf("tried %ld\n", shared->tried);
}
