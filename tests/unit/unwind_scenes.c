/* SPDX-License-Identifier: MIT
 *
 * Compiled with -DSCENES=name of the variable, -DBUILD="flags". */
#include "unwind_scenes.h"

#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define NOINLINE __attribute__((noinline))
/* Work after a call, so that it is no tail call, and values that live across it. */
static volatile long sink;

static void (*volatile leaf)(void);

static NOINLINE void call_leaf(long x)
{
    leaf();
    sink = x;
}

static NOINLINE long recurse(long depth, long a, long b)
{
    if (depth == 0) {
        call_leaf(a + b);
        return a;
    }
    long r = recurse(depth - 1, a + sink, b ^ depth) + a * b;
    sink = r;
    return r + b;
}

static void shallow(void (*to)(void))
{
    leaf = to;
    recurse(20, 1, 2);
}

static void deep(void (*to)(void))
{
    leaf = to;
    recurse(490, 1, 2);
}

static void too_deep(void (*to)(void))
{
    leaf = to;
    recurse(5000, 1, 2);
}

static NOINLINE void with_alloca(size_t n, int again)
{
    volatile char *p = alloca(n);
    p[0] = 1;
    if (again)
        with_alloca(3 * n + 40, again - 1);
    else
        call_leaf(p[0]);
    sink = p[0];
}

static void allocas(void (*to)(void))
{
    leaf = to;
    for (size_t n = 1; n < 3000; n = n * 2 + 5)
        with_alloca(n, 3);
}

static NOINLINE void realigned(int again)
{
    __attribute__((aligned(64))) volatile char b[64];
    b[0] = 1;
    if (again)
        realigned(again - 1);
    else
        call_leaf((long)(uintptr_t)b & 63);
    sink = b[0];
}

static NOINLINE void realigned_alloca(size_t n, int again)
{
    __attribute__((aligned(128))) volatile char b[128];
    volatile char *p = alloca(n);
    b[0] = p[0] = 1;
    if (again)
        realigned_alloca(n + 100, again - 1);
    else
        call_leaf(p[0]);
    sink = b[0] + p[0];
}

static NOINLINE void realigned_arguments(long a, long b, long c, long d, long e, long f, long g,
                                         long h, int again)
{
    __attribute__((aligned(64))) volatile char x[200];
    volatile char *p = alloca((size_t)again * 50 + 8);
    x[0] = p[0] = (char)g;
    if (again)
        realigned_arguments(b, c, d, e, f, g, h, a, again - 1);
    else
        call_leaf(h);
    sink = x[0] + p[0] + a + h;
}

static void realigned_frames(void (*to)(void))
{
    leaf = to;
    realigned(4);
    realigned_alloca(16, 3);
    realigned_arguments(1, 2, 3, 4, 5, 6, 7, 8, 5);
}

static NOINLINE void big_frame(int again)
{
    volatile char b[20000];
    b[0] = 1;
    b[19999] = 2;
    if (again)
        big_frame(again - 1);
    else
        call_leaf(b[0]);
    sink = b[0];
}

static NOINLINE void huge_frame(void)
{
    volatile char b[1 << 20];
    b[0] = 1;
    call_leaf(b[0]);
    sink = b[0];
}

static void big_frames(void (*to)(void))
{
    leaf = to;
    big_frame(3);
    huge_frame();
}

static NOINLINE void many_registers(int again)
{
    long a = sink, b = a + 1, c = a * 3, d = a ^ 5, e = a - 7, f = a | 9;
    if (again)
        many_registers(again - 1);
    else
        call_leaf(a);
    sink = a + b * c - d * e + f;
    sink = a ^ b ^ c ^ d ^ e ^ f;
}

static void registers(void (*to)(void))
{
    leaf = to;
    many_registers(12);
}

static int compare(const void *a, const void *b)
{
    call_leaf(1);
    return *(const int *)a - *(const int *)b;
}

static void callbacks(void (*to)(void))
{
    leaf = to;
    int v[] = {5, 3, 9, 1}, key = 9;
    qsort(v, 4, sizeof *v, compare);
    sink = bsearch(&key, v, 4, sizeof *v, compare) != NULL;
}

/* ------------------------------------------------------------------ signals */

static void on_signal(int signal)
{
    with_alloca(100, 1);
    sink = signal;
}

static NOINLINE void raise_below(int again)
{
    if (again)
        raise_below(again - 1);
    else
        raise(SIGUSR1);
    sink = again;
}

static void handle(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(signal, &action, NULL);
}

static void signals(void (*to)(void))
{
    leaf = to;
    handle(SIGUSR1, on_signal, SA_NODEFER);
    raise_below(5);
}

static void signals_on_their_stack(void (*to)(void))
{
    static char stack[64 << 10];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof stack}, old;
    leaf = to;
    sigaltstack(&own, &old);
    handle(SIGUSR1, on_signal, SA_NODEFER | SA_ONSTACK);
    raise_below(5);
    recurse(3, 1, 2); /* back on the other stack */
    raise_below(1);
    sigaltstack(&old, NULL);
}

static void raise_again(int signal)
{
    handle(SIGUSR1, on_signal, SA_NODEFER | SA_ONSTACK);
    raise_below(2);
    sink = signal;
}

static void nested_signals(void (*to)(void))
{
    leaf = to;
    handle(SIGUSR1, raise_again, SA_NODEFER);
    raise_below(5);
}

static sigjmp_buf back;

static void on_fault(int signal)
{
    call_leaf(signal);
    siglongjmp(back, 1);
}

static NOINLINE long fault(volatile long *p, int again)
{
    long r = again ? fault(p, again - 1) : *p;
    sink = r;
    return r + 1;
}

static void faults(void (*to)(void))
{
    leaf = to;
    handle(SIGSEGV, on_fault, 0);
    if (sigsetjmp(back, 1) == 0)
        fault(NULL, 3);
    else
        call_leaf(2); /* after the jump */
    handle(SIGSEGV, SIG_DFL, 0);
}

/* ------------------------------------------------------------------ other stacks */

static ucontext_t main_context, fibre_contexts[2];

static void fibre(void)
{
    recurse(3, 1, 2);
    swapcontext(&fibre_contexts[0], &fibre_contexts[1]);
    realigned(1);
}

static void other_fibre(void)
{
    recurse(6, 1, 2);
    raise_below(2);
    swapcontext(&fibre_contexts[1], &fibre_contexts[0]);
    call_leaf(3);
}

static void fibres(void (*to)(void))
{
    leaf = to;
    handle(SIGUSR1, on_signal, SA_NODEFER);
    enum { BYTES = 64 << 10 };
    char *stacks =
        mmap(NULL, 2 * BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void (*run[2])(void) = {fibre, other_fibre};
    for (int i = 0; i < 2; i++) {
        getcontext(&fibre_contexts[i]);
        fibre_contexts[i].uc_stack.ss_sp = stacks + (ptrdiff_t)i * BYTES;
        fibre_contexts[i].uc_stack.ss_size = BYTES;
        fibre_contexts[i].uc_link = &main_context;
        makecontext(&fibre_contexts[i], run[i], 0);
    }
    swapcontext(&main_context, &fibre_contexts[0]);
    munmap(stacks, 2 * BYTES);
    call_leaf(4);
}

static void *thread(void *argument)
{
    shallow((void (*)(void))argument);
    return NULL;
}

static void threads(void (*to)(void))
{
    pthread_t t;
    if (pthread_create(&t, NULL, thread, (void *)to) == 0)
        pthread_join(t, NULL);
    void *stack = mmap(NULL, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, stack, 1 << 18);
    if (pthread_create(&t, &attr, thread, (void *)to) == 0)
        pthread_join(t, NULL);
    pthread_attr_destroy(&attr);
    munmap(stack, 1 << 18);
}

/* ------------------------------------------------------------------ to be stepped through */

/* Uses libc, through stubs, in a way that passes through many functions of it. The leaf is not
 * called: the caller looks at every instruction. */
static void ordinary_code(void (*to)(void))
{
    (void)to;
    static char text[400];
    snprintf(text, sizeof text, "%d %s %.3f", 42, "text", 2.5);
    sink = (long)strlen(text) + strtol("123", NULL, 10) + (long)strtod("1.5e3", NULL);
    int v[] = {5, 3, 9, 1};
    leaf = to;
    qsort(v, 4, sizeof *v, compare);
    with_alloca(40, 2);
    realigned(2);
    realigned_arguments(1, 2, 3, 4, 5, 6, 7, 8, 2);
    many_registers(2);
    big_frame(1);
    sink = memcmp(text, "42", 2) + (getenv("HOME") != NULL);
}

static const struct unwind_scene list[] = {
    {"recursion", shallow},
    {"recursion close to the limit", deep},
    {"recursion beyond the limit", too_deep},
    {"alloca", allocas},
    {"realigned stack", realigned_frames},
    {"large frames", big_frames},
    {"saved registers", registers},
    {"callbacks of libc", callbacks},
    {"signal handler", signals},
    {"signal handler on its own stack", signals_on_their_stack},
    {"signal in a signal handler", nested_signals},
    {"fault", faults},
    {"fibres", fibres},
    {"threads", threads},
    {"instructions", ordinary_code}, /* the last one */
};

extern const struct unwind_scenes SCENES;
const struct unwind_scenes SCENES = {BUILD, sizeof list / sizeof *list, list};
