/* SPDX-License-Identifier: MIT */
#include "graph.h"

#include "clock.h"
#include "graph_plan.h"
#include "graph_scan.h"
#include "graph_stop.h"
#include "hook.h"
#include "log.h"
#include "lsan.h"
#include "options.h"
#include "recorder.h"
#include "sandbox.h"
#include "seep/seep.h"
#include "seep/trace_codec.h"
#include "spool.h"
#include "suppressions.h"
#include "sys.h"
#include "text.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <ucontext.h>

#define PAGE_BYTES 4096
#define WAIT_STEP_NS 500000
#define STALLED_NS 30000000000u /* a scan that has not advanced for so long is given up */
#define BUSY_STEPS_MAX 4000     /* two seconds */
#define SAVED_REGISTERS 6

static bool at_exit; /* one is wanted then */
static const char *wanted = "";
static atomic_bool busy;
static _Atomic uint32_t last_number;

/* What the row tells. */
struct outcome {
    uint64_t stamp;
    uint64_t held_ns, fork_ns;
    uint32_t number, state, trigger, stopped, unanswered;
};

/* Where the program was when the snapshot was asked for. */
struct here {
    const ucontext_t *context; /* of a signal; NULL: what follows */
    uintptr_t sp;
    uintptr_t saved[SAVED_REGISTERS]; /* what a function keeps, as rec_graph_take() pushes it */
};

/* Shared with the scanning process. */
struct shared {
    _Atomic uint64_t progress;
    long scanner; /* its pid, or why there is none */
};

/* ------------------------------------------------------------------ the fork */

/* Forks a child of the calling process whose end raises no signal; only a wait() with __WALL or
 * __WCLONE finds it. As fork(), without what a C library does around it. */
static long fork_quietly(void)
{
    return sys_call(SYS_clone, CLONE_UNTRACED, 0, 0, 0, 0);
}

/* The same by way of a process that ends at once, so that the child is not the caller's: nobody
 * here need wait for it, then or ever. That process runs in the caller's memory, which stands
 * meanwhile; it touches registers only, and *result: the child's pid, or a negative errno. */
static long fork_away(long *result)
{
    long pid;
    register long fifth __asm__("r8") = 0;
    register long fourth __asm__("r10") = 0;
    __asm__ volatile(
        "    mov %[vfork], %%edi\n"
        "    xor %%esi, %%esi\n"
        "    xor %%edx, %%edx\n"
        "    mov $56, %%eax\n" /* clone */
        "    syscall\n"
        "    test %%rax, %%rax\n"
        "    jnz 1f\n"
        "    mov %[fork], %%edi\n"
        "    mov $56, %%eax\n"
        "    syscall\n"
        "    test %%rax, %%rax\n"
        "    jz 1f\n"
        "    mov %%rax, %[result]\n"
        "    xor %%edi, %%edi\n"
        "    mov $60, %%eax\n" /* exit */
        "    syscall\n"
        "    hlt\n"
        "1:\n"
        : "=&a"(pid), [result] "=m"(*result), "+r"(fifth), "+r"(fourth)
        : [vfork] "i"(CLONE_VM | CLONE_VFORK | CLONE_UNTRACED), [fork] "i"(CLONE_UNTRACED)
        : "rdi", "rsi", "rdx", "rcx", "r11", "memory", "cc");
    if (pid > 0)
        while (sys_call(SYS_wait4, pid, 0, __WCLONE, 0) == -EINTR)
            continue;
    return pid;
}

/* Returns the scanner's pid or a negative errno. */
static long fork_scanner(struct rec_graph_plan *plan, struct shared *shared, bool ours)
{
    long pid = ours ? fork_quietly() : fork_away(&shared->scanner);
    if (pid == 0)
        rec_graph_scan(plan);
    return ours || sys_failed(pid) ? pid : shared->scanner;
}

/* Waits until the scanner has ended; ends it if it does not get on. */
static void wait_for(long pid, const struct shared *shared)
{
    uint64_t progress = 0, since = rec_clock_ns(CLOCK_MONOTONIC);
    while (sys_call(SYS_wait4, pid, 0, __WCLONE | WNOHANG, 0) == 0) {
        struct timespec step = {.tv_nsec = WAIT_STEP_NS};
        sys_call(SYS_nanosleep, &step, 0);
        uint64_t now = rec_clock_ns(CLOCK_MONOTONIC);
        if (atomic_load(&shared->progress) != progress) {
            progress = atomic_load(&shared->progress);
            since = now;
        }
        if (now - since < STALLED_NS)
            continue;
        sys_call(SYS_kill, pid, SIGKILL);
        sys_call(SYS_wait4, pid, 0, __WCLONE, 0);
        return;
    }
}

/* ------------------------------------------------------------------ preparing */

static uint32_t count_threads(void)
{
    struct stat st;
    long result =
        sys_call(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0); /* "." and ".." too */
    return sys_failed(result) ? 0 : (uint32_t)st.st_nlink;
}

/* The plan, with room for as many threads as there are, and some that they start meanwhile. */
static struct rec_graph_plan *plan_new(void)
{
    uint32_t room = 2 * count_threads() + 64;
    size_t bytes = sizeof(struct rec_graph_plan) + room * sizeof(struct rec_graph_thread);
    struct rec_graph_plan *plan = sys_memory_kept(bytes);
    if (plan == NULL)
        return NULL;
    plan->bytes = bytes;
    plan->thread_room = room;
    plan->process = (int)rec_spool_control()->pid;
    memcpy(plan->header.magic, SEEP_GRAPH_MAGIC, sizeof plan->header.magic);
    plan->header.version = SEEP_GRAPH_VERSION;
    return plan;
}

static struct shared *shared_new(void)
{
    long p = sys_call(SYS_mmap, 0, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                      -1, 0);
    return sys_failed(p) ? NULL : (struct shared *)p;
}

/* ------------------------------------------------------------------ one snapshot */

static uint32_t state_of_failure(long error)
{
    return error == -EPERM || error == -ENOSYS || error == -EACCES ? SEEP_GRAPH_SANDBOX
                                                                   : SEEP_GRAPH_NO_FORK;
}

static void count_threads_of(const struct rec_graph_plan *plan, struct outcome *o)
{
    for (uint32_t i = 1; i < plan->thread_count; i++) {
        if (plan->threads[i].tid == 0)
            continue;
        if (atomic_load(&plan->threads[i].answered))
            o->stopped++;
        else
            o->unanswered++;
    }
}

/* Stops, forks, lets go on. Signals are blocked, and the lane is marked. At exit the threads stand
 * until the scan is done: without us they would have ended by now. */
static void take_picture(struct rec_graph_plan *plan, struct shared *shared, struct outcome *o)
{
    bool last = plan->is_waited_for = o->trigger == SEEP_GRAPH_AT_EXIT;
    uint64_t start = rec_clock_ns(CLOCK_MONOTONIC);
    bool listed = rec_graph_stop(plan, !last);
    long pid = 0;
    o->stamp = plan->header.stamp = rec_clock_stamp();
    if (listed) {
        uint64_t from = rec_clock_ns(CLOCK_MONOTONIC);
        pid = fork_scanner(plan, shared, last);
        o->fork_ns = rec_clock_ns(CLOCK_MONOTONIC) - from;
        o->state = sys_failed(pid) ? state_of_failure(pid) : SEEP_GRAPH_TAKEN;
    } else {
        o->state = SEEP_GRAPH_THREADS;
    }
    count_threads_of(plan, o);
    o->held_ns = rec_clock_ns(CLOCK_MONOTONIC) - start;
    if (last && pid > 0)
        wait_for(pid, shared);
}

/* Fills in o->state and what belongs to it. */
static void take_with(struct rec_graph_plan *plan, struct shared *shared, struct outcome *o)
{
    if (rec_sandbox_forbids_graph()) {
        o->state = SEEP_GRAPH_SANDBOX;
        return;
    }
    plan->header.number = o->number;
    plan->progress = &shared->progress;
    plan->fd = rec_spool_graph_file(o->number);
    if (plan->fd < 0) {
        o->state = SEEP_GRAPH_NO_FILE;
        return;
    }
    take_picture(plan, shared, o);
    sys_call(SYS_close, plan->fd);
    if (o->state != SEEP_GRAPH_TAKEN)
        rec_spool_graph_remove(o->number);
}

static void put_row(struct rec_thread *t, const struct outcome *o)
{
    uint8_t payload[7 * SEEP_VARINT_MAX];
    uint8_t *p = seep_put_varint(payload, o->number);
    p = seep_put_varint(p, o->state);
    p = seep_put_varint(p, o->trigger);
    p = seep_put_varint(p, o->stopped);
    p = seep_put_varint(p, o->unanswered);
    p = seep_put_varint(p, o->held_ns);
    p = seep_put_varint(p, o->fork_ns);
    rec_row_beside(t, SEEP_BESIDE_GRAPH, o->stamp, payload, (size_t)(p - payload));
}

/* One at a time. At the end it is waited for; else the other one will do. */
static bool begin(const struct outcome *o)
{
    for (int i = 0; atomic_exchange(&busy, true); i++) {
        if (o->trigger != SEEP_GRAPH_AT_EXIT || i == BUSY_STEPS_MAX)
            return false;
        struct timespec step = {.tv_nsec = WAIT_STEP_NS};
        sys_call(SYS_nanosleep, &step, 0);
    }
    return true;
}

/* Takes it, unless o->state is BUSY. The first thread of the plan is filled in; NULL: there is no
 * memory. True: the plan may be freed. */
static bool take(struct rec_graph_plan *plan, struct rec_thread *t, struct outcome *o)
{
    struct shared *shared = plan ? shared_new() : NULL;
    bool released = true;
    uint64_t mask = sys_signals_block();
    t = rec_thread_writer(t);
    bool marked = t && rec_thread_mark(t);
    o->stamp = rec_clock_stamp();
    if (shared)
        take_with(plan, shared, o);
    else if (o->state == SEEP_GRAPH_TAKEN)
        o->state = SEEP_GRAPH_NO_FORK;
    if (t)
        put_row(t, o);
    if (shared)
        released = rec_graph_release();
    if (marked)
        rec_thread_unmark(t);
    sys_signals_restore(mask);
    if (shared)
        sys_call(SYS_munmap, shared, PAGE_BYTES);
    return released;
}

/* The calling thread's state if a snapshot may be taken here; NULL where the process is not, or no
 * more, recorded, or is a child in its parent's memory. */
static struct rec_thread *recorded_thread(void)
{
    if (!rec_real_ready() || *rec_alive != REC_ALIVE ||
        rec_spool_control()->pid != (uint32_t)sys_call(SYS_getpid))
        return NULL;
    return rec_thread_current ? rec_thread_current : rec_thread_slow();
}

static void take_here(enum seep_graph_trigger trigger, const struct here *here)
{
    struct rec_thread *t = recorded_thread();
    if (t == NULL)
        return;
    if (here->context == NULL)
        rec_suppressions_tell(t);
    struct outcome o = {.trigger = trigger, .number = ++last_number};
    if (!begin(&o)) {
        o.state = SEEP_GRAPH_BUSY;
        take(NULL, t, &o);
        return;
    }
    struct rec_graph_plan *plan = plan_new();
    if (plan) {
        struct rec_graph_thread *self = &plan->threads[plan->thread_count++];
        if (here->context) {
            rec_graph_stop_interrupted(self, here->context);
        } else {
            for (int i = 0; i < SAVED_REGISTERS; i++)
                self->registers[self->register_count++] = here->saved[i];
            self->sp = here->sp;
            rec_graph_stop_self(self);
        }
    }
    if (take(plan, t, &o) && plan)
        sys_memory_free(plan, plan->bytes);
    atomic_store(&busy, false);
}

void rec_graph_take_from(long trigger, const uintptr_t *saved, uintptr_t sp);
__attribute__((used)) void rec_graph_take_from(long trigger, const uintptr_t *saved, uintptr_t sp)
{
    struct here here = {.sp = sp};
    memcpy(here.saved, saved, sizeof here.saved);
    take_here((enum seep_graph_trigger)trigger, &here);
}

/* void rec_graph_take(long trigger) */
__asm__(".pushsection .text\n"
        ".globl rec_graph_take\n"
        ".hidden rec_graph_take\n"
        ".type rec_graph_take, @function\n"
        "rec_graph_take:\n"
        ".cfi_startproc\n"
        "    push %rbp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset %rbp, 0\n"
        "    push %rbx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %r12\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %r13\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %r14\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %r15\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    mov %rsp, %rsi\n"
        "    lea 56(%rsp), %rdx\n"
        "    sub $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call rec_graph_take_from\n"
        "    add $56, %rsp\n" /* they are as they were */
        "    .cfi_adjust_cfa_offset -56\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size rec_graph_take, . - rec_graph_take\n"
        ".popsection\n");

/* ------------------------------------------------------------------ when */

/* Of glibc; registered before the program starts, they are called after all that it registers, and
 * after the destructors of its modules. */
int __cxa_atexit(void (*function)(void *), void *argument, void *module);
int __cxa_at_quick_exit(void (*function)(void *), void *module);
#pragma weak __cxa_at_quick_exit

static void process_ends(void *unused)
{
    (void)unused;
    rec_graph_exits();
}

/* Whether one of the words, separated by commas, is `kind` followed by `name`. */
static bool wants(const char *kind, const char *name)
{
    for (const char *word = wanted; *word;) {
        size_t length = text_length_until(word, ',');
        size_t k = text_length(kind), n = text_length(name);
        if (length == k + n && text_starts(word, kind) && text_starts(word + k, name))
            return true;
        word += length + (word[length] == ',');
    }
    return false;
}

static void by_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    take_here(SEEP_GRAPH_AT_SIGNAL, &(struct here){.context = context});
    rec_graph_hide_interruption(NULL, context);
}

static const struct {
    const char *name;
    int number;
} signals[] = {
#define X(name) {#name, SIG##name},
    SEEP_SNAPSHOT_SIGNALS(X)
#undef X
};

/* Of the word that begins at `word`. 0: there is no such signal. */
static int signal_number(const char *word, size_t length)
{
    if (length > 3 && text_starts(word, "SIG")) {
        word += 3;
        length -= 3;
    }
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (text_length(signals[i].name) == length && text_starts(word, signals[i].name))
            return signals[i].number;
    int number = 0;
    for (size_t i = 0; i < length; i++)
        number = word[i] >= '0' && word[i] <= '9' && number <= 64 ? number * 10 + word[i] - '0'
                                                                  : INT_MAX / 20;
    return number <= 64 ? number : 0;
}

/* A program that handles it already, or will later, has it to itself. */
static void listen_to(int signal)
{
    struct rec_kernel_action found = {0}, ours = {
                                              .handler = (void *)by_signal,
                                              .flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK |
                                                       REC_KERNEL_RESTORER,
                                              .restorer = (void *)rec_graph_sigreturn,
                                          };
    sys_call(SYS_rt_sigaction, signal, 0, &found, sizeof found.mask);
    if (found.handler == (void *)by_signal)
        return; /* a forked child has it from its parent */
    if (found.handler == (void *)SIG_DFL || found.handler == (void *)SIG_IGN)
        sys_call(SYS_rt_sigaction, signal, &ours, 0, sizeof ours.mask);
    else
        rec_log("no snapshot at the signal that SEEP_SNAPSHOT names: the program handles it", NULL);
}

void rec_graph_init(void)
{
    static bool registered;
    atomic_store(&busy, false);
    last_number = 0;
    rec_graph_stop_init();
    rec_lsan_init();
    rec_suppressions_init();
    wanted = rec_option_text(REC_OPTION_SNAPSHOT);
    at_exit = wants("exit", "");
    if (at_exit && !registered) {
        registered = true;
        __cxa_atexit(process_ends, NULL, NULL);
        if (__cxa_at_quick_exit)
            __cxa_at_quick_exit(process_ends, NULL);
    }
    for (const char *word = wanted; *word;) {
        size_t length = text_length_until(word, ',');
        int signal = text_starts(word, "signal:") ? signal_number(word + 7, length - 7) : 0;
        if (signal)
            listen_to(signal);
        word += length + (word[length] == ',');
    }
}

void rec_graph_mark(const char *name)
{
    if (*wanted && wants("mark:", name))
        rec_graph_take(SEEP_GRAPH_AT_MARK);
}

void rec_graph_exits(void)
{
    if (at_exit)
        rec_graph_take(SEEP_GRAPH_AT_EXIT);
}

HOOK void seep_recorder_snapshot(void);

HOOK void seep_recorder_snapshot(void)
{
    rec_graph_take(SEEP_GRAPH_AT_CALL);
}
