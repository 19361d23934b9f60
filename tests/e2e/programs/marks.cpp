/* SPDX-License-Identifier: MIT
 * Looks at the mark on a thread's lane after each instruction of its calls: a child single-steps
 * them, of the main thread and of another one, from its first call on. What must hold: from where a
 * stamp is read until a row is published the mark is not 0, and not later than the stamp; no row is
 * published where no stamp was read since the mark was set; and it is 0 when the call returns.
 *
 * Prints "CALL STAMPS ROWS BROKEN LEFT" lines, where BROKEN counts the rows that were published
 * when it did not hold, and LEFT is the mark at the end; "unseen" instead where this machine's
 * stamps are not those of the processor. */
#include "lanes.h"
#include "seep/seep.h"
#include "stepping.h"

#include <csignal>
#include <cstdlib>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { MALLOC, CALLOC, REALLOC, REALLOCARRAY, ALIGNED, FREE, NEW, DELETE, MARK, POOL, CALLS };
static const char *const names[CALLS] = {"malloc",        "calloc", "realloc", "reallocarray",
                                         "aligned_alloc", "free",   "new",     "delete",
                                         "mark",          "pool"};
#define ROUNDS 4 /* of all calls: from a stack that is not known yet, and from one that is */
#define STAMPS_MAX 64

/* What the two processes tell each other. */
static struct shared {
    volatile pid_t tid; /* the thread to be stepped */
    volatile int attached, inside;
    struct seep_control *control;
} * shared;

static void *volatile sink;

static void call(int which)
{
    static __thread void *given;
    switch (which) {
    case MALLOC: given = malloc(100); break;
    case CALLOC: sink = calloc(1, 101); break;
    case REALLOC: given = realloc(given, 10000); break;
    case REALLOCARRAY: given = reallocarray(given, 1, 103); break;
    case ALIGNED: sink = aligned_alloc(64, 128); break;
    case FREE: free(given); break;
    case NEW: given = ::operator new(106); break;
    case DELETE: ::operator delete(given); break;
    case MARK: seep_mark("a mark"); break;
    default: seep_pool_allocated(&given, 8); break;
    }
}

static void *run(void *arg)
{
    shared->attached = 0;
    shared->tid = gettid();
    while (!shared->attached)
        usleep(1000);
    for (int i = 0; i < ROUNDS * CALLS; i++) {
        shared->inside = 1;
        __asm__ volatile("int3");
        call(i % CALLS);
        shared->inside = 0;
        __asm__ volatile("int3");
    }
    return arg;
}

struct stamp {
    uint64_t value;
    bool broken, published;
};

/* Steps through a call, whose lane is the one at `lane`. */
static void step(pid_t tid, uintptr_t lane, const char *name)
{
    static struct stamp stamps[STAMPS_MAX];
    int count = 0, read = 0, rows = 0, broken = 0;
    uint64_t mark = 0, word = word_of(tid, lane + offsetof(struct seep_lane, word));
    while (shared->inside) {
        bool reads_clock = (word_of(tid, pc_of(tid)) & 0xffff) == 0x310f; /* rdtsc */
        go(tid, PTRACE_SINGLESTEP, 0);
        if (reads_clock && count < STAMPS_MAX) {
            read++;
            stamps[count++] = {user_of(tid, REGISTER(regs.rdx)) << 32 |
                                   user_of(tid, REGISTER(regs.rax)),
                               false, false};
        }
        mark = word_of(tid, lane + offsetof(struct seep_lane, mark));
        for (int i = 0; i < count; i++)
            if (mark == 0 && stamps[i].published && !stamps[i].broken)
                stamps[i--] = stamps[--count];
            else if (mark == 0 || mark > stamps[i].value)
                stamps[i].broken = true;
        uint64_t now = word_of(tid, lane + offsetof(struct seep_lane, word));
        if (now == word)
            continue;
        word = now;
        rows++;
        broken += count == 0;
        for (int i = 0; i < count; i++) {
            stamps[i].published = true;
            broken += stamps[i].broken;
        }
    }
    printf("%s %d %d %d %llu\n", name, read, rows, broken, (unsigned long long)mark);
}

static void trace_thread(int round)
{
    while (shared->tid == 0)
        usleep(1000);
    pid_t tid = shared->tid;
    shared->tid = 0;
    if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0)
        _exit(77);
    uintptr_t lane = (uintptr_t)lane_of(shared->control, (unsigned)round);
    int status;
    shared->attached = 1;
    waitpid(tid, &status, __WALL);
    for (int i = 0; i < ROUNDS * CALLS; i++) {
        step(tid, lane, names[i % CALLS]);
        go(tid, PTRACE_CONT, 0); /* behind it */
        if (i + 1 < ROUNDS * CALLS)
            go(tid, PTRACE_CONT, 0);
    }
    ptrace(PTRACE_DETACH, tid, 0, 0);
}

int main()
{
    shared = (struct shared *)mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared->control = control_page();
    if (shared->control == nullptr)
        return 1;
    if (shared->control->clock != SEEP_CLOCK_TSC) {
        puts("unseen");
        return 0;
    }
    static char out[1 << 16];
    setvbuf(stdout, out, _IOFBF, sizeof out);
    pid_t tracer = fork();
    if (tracer == 0) {
        trace_thread(0);
        trace_thread(1); /* its lane is made at its first call */
        fflush(stdout);
        _exit(0);
    }
    prctl(PR_SET_PTRACER, tracer);
    run(nullptr);
    pthread_t thread;
    pthread_create(&thread, nullptr, run, nullptr);
    pthread_join(thread, nullptr);
    int status;
    if (waitpid(tracer, &status, 0) != tracer || !WIFEXITED(status))
        return 1;
    return WEXITSTATUS(status);
}
