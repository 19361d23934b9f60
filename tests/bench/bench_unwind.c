/* SPDX-License-Identifier: MIT
 *
 * Nanoseconds per captured call stack at several depths: the recorder's walk, the walk and the
 * stack's id, and beside them libunwind's unw_backtrace and glibc's backtrace. Prints a table; the
 * smallest of several rounds each, less what the calls alone cost. Not a test. */
#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "modules.h"
#include "rows.h"
#include "stacks.h"
#include "unwind.h"

#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

bool rec_row_stack(struct rec_thread *t, uint32_t id, uint32_t parent, uintptr_t pc, uint8_t flags)
{
    (void)t, (void)id, (void)parent, (void)pc, (void)flags;
    return true;
}

bool rec_row_root(struct rec_thread *t, uint32_t id, uint32_t generation, uint8_t flags)
{
    (void)t, (void)id, (void)generation, (void)flags;
    return true;
}

bool rec_row_beside(struct rec_thread *t, enum seep_beside kind, uint64_t stamp, const void *bytes,
                    size_t length)
{
    (void)t, (void)kind, (void)stamp, (void)bytes, (void)length;
    return true;
}

#define CAPTURE __attribute__((noinline, optimize("no-omit-frame-pointer")))

static struct rec_walk walk;
static struct rec_stack_bounds bounds;
static volatile unsigned sink;
static void *addresses[512];
static int (*glibc_backtrace)(void **, int);

CAPTURE static void nothing(void)
{
    __asm__ volatile("" ::: "memory");
}

CAPTURE static void own_walk(void)
{
    struct rec_context at = REC_CONTEXT_HERE;
    rec_unwind(&walk, at, &bounds);
    __asm__ volatile("" ::: "memory");
}

CAPTURE static void own_walk_and_id(void)
{
    struct rec_context at = REC_CONTEXT_HERE;
    rec_unwind(&walk, at, &bounds);
    sink = rec_stacks_id(NULL, &walk);
}

CAPTURE static void libunwind_backtrace(void)
{
    sink = (unsigned)unw_backtrace(addresses, 512);
}

CAPTURE static void glibc_walk(void)
{
    sink = (unsigned)glibc_backtrace(addresses, 512);
}

/* Functions with frames of several kinds, that call one another in turn. */
typedef void chain(int depth, void (*leaf)(void), int calls);
static chain plain, registers, array, large;
static chain *volatile const links[] = {plain, registers, array, large};

#define NEXT(depth) links[(unsigned)(depth)*2654435761u >> 30]

__attribute__((noinline)) static void enter(int depth, void (*leaf)(void), int calls)
{
    if (depth > 0)
        NEXT(depth)(depth - 1, leaf, calls);
    else
        for (int i = 0; i < calls; i++)
            leaf();
    sink = 1;
}

__attribute__((noinline)) static void plain(int depth, void (*leaf)(void), int calls)
{
    enter(depth - 1, leaf, calls);
    sink = 2;
}

__attribute__((noinline)) static void registers(int depth, void (*leaf)(void), int calls)
{
    unsigned a = sink, b = sink, c = sink, d = sink, e = sink;
    enter(depth - 1, leaf, calls);
    sink = a + b + c + d + e;
}

__attribute__((noinline)) static void array(int depth, void (*leaf)(void), int calls)
{
    volatile char bytes[200];
    bytes[0] = (char)depth;
    enter(depth - 1, leaf, calls);
    sink = (unsigned)bytes[0];
}

__attribute__((noinline)) static void large(int depth, void (*leaf)(void), int calls)
{
    volatile char bytes[3000];
    bytes[0] = (char)depth;
    enter(depth - 1, leaf, calls);
    sink = (unsigned)bytes[0];
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double best(int depth, void (*leaf)(void), int calls)
{
    double least = 1e18;
    for (int round = 0; round < 12; round++) {
        enter(depth, leaf, 20); /* warm */
        double start = cpu_ns();
        enter(depth, leaf, calls);
        double ns = (cpu_ns() - start) / calls;
        if (ns < least)
            least = ns;
    }
    return least;
}

int main(void)
{
    static const struct {
        const char *name;
        void (*leaf)(void);
        int calls;
    } ways[] = {
        {"rec_unwind", own_walk, 20000},
        {"rec_unwind + rec_stacks_id", own_walk_and_id, 20000},
        {"unw_backtrace", libunwind_backtrace, 10000},
        {"backtrace (glibc)", glibc_walk, 500},
    };
    static const int depths[] = {10, 30, 60};
    if (!rec_unwind_init() || !rec_stacks_init() || !rec_modules_init())
        return 1;
    glibc_backtrace = (int (*)(void **, int))dlsym(dlopen("libc.so.6", RTLD_NOW), "backtrace");
    printf("ns per stack, depth     ");
    for (unsigned d = 0; d < sizeof depths / sizeof *depths; d++)
        printf("%10d", depths[d]);
    printf("\n");
    for (unsigned w = 0; w < sizeof ways / sizeof *ways; w++) {
        printf("%-26s", ways[w].name);
        for (unsigned d = 0; d < sizeof depths / sizeof *depths; d++) {
            /* around the chain: its last enter(), the first one, best(), main() and the three that
             * started it */
            int inner = depths[d] - 7;
            printf("%10.1f",
                   best(inner, ways[w].leaf, ways[w].calls) - best(inner, nothing, 20000));
            if (w == 0)
                printf(walk.cut ? " (cut)" : " [%u]", walk.count);
        }
        printf("\n");
    }
    return 0;
}
