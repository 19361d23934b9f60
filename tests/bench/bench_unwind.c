/* SPDX-License-Identifier: MIT
 *
 * Nanoseconds per captured call stack at several depths: the recorder's walk, the walk and the
 * stack's id, and beside them libunwind's unw_backtrace and glibc's backtrace. Prints a table; the
 * smallest of several rounds each, less what the calls alone cost. Not a test. */
#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "call_chain.h"
#include "last_walk.h"
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

static struct rec_last_walk last;

CAPTURE static void own_last_walk_and_id(void)
{
    struct rec_context at = REC_CONTEXT_HERE;
    uint64_t hash = rec_last_walk(&last, &at, &bounds);
    uint32_t id = hash ? rec_stacks_find(hash) : 0;
    if (id == 0) {
        rec_unwind(&walk, at, &bounds);
        id = rec_stacks_id(NULL, &walk);
    }
    sink = id;
}

CAPTURE static void libunwind_backtrace(void)
{
    sink = (unsigned)unw_backtrace(addresses, 512);
}

CAPTURE static void glibc_walk(void)
{
    sink = (unsigned)glibc_backtrace(addresses, 512);
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double best(int depth, void (*leaf)(void), int calls, bool turning)
{
    double least = 1e18;
    if (turning) {
        turning_leaf = leaf;
        leaf = turn;
        depth -= TURNING;
    }
    for (int round = 0; round < 12; round++) {
        call_chain(depth, leaf, 20); /* warm */
        double start = cpu_ns();
        call_chain(depth, leaf, calls);
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
        {"rec_last_walk + find", own_last_walk_and_id, 20000},
        {"unw_backtrace", libunwind_backtrace, 10000},
        {"backtrace (glibc)", glibc_walk, 500},
    };
    static const int depths[] = {10, 30, 60};
    last.keeps_rules = true;
    if (!rec_unwind_init() || !rec_stacks_init() || !rec_modules_init())
        return 1;
    glibc_backtrace = (int (*)(void **, int))dlsym(dlopen("libc.so.6", RTLD_NOW), "backtrace");
    for (unsigned row = 0; row < 2 * sizeof ways / sizeof *ways; row++) {
        unsigned w = row % (sizeof ways / sizeof *ways);
        bool turning = row != w;
        if (w == 0) {
            printf("ns per stack, %d frames change, depth", turning ? TURNING : 0);
            for (unsigned d = 0; d < sizeof depths / sizeof *depths; d++)
                printf("%10d", depths[d]);
            printf("\n");
        }
        printf("%-36s", ways[w].name);
        for (unsigned d = 0; d < sizeof depths / sizeof *depths; d++) {
            /* around the chain: its last enter(), the first one, best(), main() and the three that
             * started it */
            int inner = depths[d] - 7;
            printf("%10.1f", best(inner, ways[w].leaf, ways[w].calls, turning) -
                                 best(inner, nothing, 20000, turning));
            if (w == 0)
                printf(walk.cut ? " (cut)" : " [%u]", walk.count);
        }
        printf("\n");
    }
    return 0;
}
