/* SPDX-License-Identifier: MIT */
#include "graph_stop.h"

#include "clock.h"
#include "facts.h"
#include "recorder.h"
#include "seep/memory_snapshot.h"
#include "spool.h"
#include "sys.h"
#include "text.h"
#include "thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>

#define STOP_SIGNAL 33 /* SIGSETXID of nptl */
#define ROUNDS_MAX 20  /* of listing, while threads start threads */
#define WAIT_STEP_NS 200000
/* Since the last answer; then a thread that does not run is given up, */
#define PATIENCE_NS 20000000
#define PATIENCE_MAX_NS 1000000000 /* and then any: one of many may wait long for a processor */
#define LEAVE_STEPS_MAX 5000       /* a second */

__asm__(".pushsection .text\n"
        ".globl rec_graph_sigreturn\n"
        ".hidden rec_graph_sigreturn\n"
        ".type rec_graph_sigreturn, @function\n"
        "rec_graph_sigreturn:\n"
        "    mov $15, %eax\n" /* rt_sigreturn */
        "    syscall\n"
        ".size rec_graph_sigreturn, . - rec_graph_sigreturn\n"
        ".popsection\n");

static struct rec_kernel_action found;          /* the program's, while ours is in its place */
static struct rec_graph_plan *_Atomic stopping; /* what handlers are to fill in; NULL: none */
static atomic_uint hold;                        /* futex: 1 while threads are to stand */
static atomic_uint answers;                     /* futex: counts threads that have stopped */
static atomic_uint inside;                      /* handlers at work */

/* ------------------------------------------------------------------ in the stopped thread */

static void note_alternate(struct rec_graph_thread *t, uintptr_t start, size_t bytes, bool none)
{
    if (none || start == 0)
        return;
    t->alternate_low = start;
    t->alternate_high = start + bytes;
    t->registers[t->register_count++] = start;
}

static uintptr_t thread_control_block(void)
{
    uintptr_t p;
    __asm__("mov %%fs:0, %0" : "=r"(p));
    return p;
}

static uint32_t thread_number(void)
{
    const struct rec_thread *t = rec_thread_current;
    return *rec_alive == REC_ALIVE && t ? t->number : 0;
}

void rec_graph_stop_self(struct rec_graph_thread *t)
{
    stack_t alternate = {.ss_flags = SS_DISABLE};
    sys_call(SYS_sigaltstack, 0, &alternate);
    t->tid = (int)sys_call(SYS_gettid);
    t->number = thread_number();
    t->tls = thread_control_block();
    note_alternate(t, (uintptr_t)alternate.ss_sp, alternate.ss_size,
                   alternate.ss_flags & SS_DISABLE);
    atomic_store_explicit(&t->answered, 1, memory_order_release);
}

void rec_graph_stop_interrupted(struct rec_graph_thread *t, const ucontext_t *uc)
{
    static const unsigned char general[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI,
                                            REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                            REG_R12, REG_R13, REG_R14, REG_R15};
    for (unsigned i = 0; i < sizeof general; i++)
        t->registers[t->register_count++] = (uintptr_t)uc->uc_mcontext.gregs[general[i]];
    const struct _libc_fpstate *vectors = uc->uc_mcontext.fpregs;
    for (unsigned i = 0; vectors && i < 32; i++) {
        const uint32_t *half = &vectors->_xmm[i / 2].element[i % 2 * 2];
        t->registers[t->register_count++] = half[0] | (uintptr_t)half[1] << 32;
    }
    t->tid = (int)sys_call(SYS_gettid);
    t->number = thread_number();
    t->tls = thread_control_block();
    t->sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP] - REC_GRAPH_RED_ZONE;
    note_alternate(t, (uintptr_t)uc->uc_stack.ss_sp, uc->uc_stack.ss_size,
                   uc->uc_stack.ss_flags & SS_DISABLE);
    atomic_store_explicit(&t->answered, 1, memory_order_release);
}

/* Calls that fail with EINTR after any handler (signal(7)), and mean the same when begun again. */
static bool begins_again(uint64_t number)
{
    static const unsigned short calls[] = {
        SYS_poll,
        SYS_ppoll,
        SYS_select,
        SYS_pselect6,
        SYS_epoll_wait,
        SYS_epoll_pwait,
        441 /* epoll_pwait2 */,
        SYS_nanosleep,
        SYS_clock_nanosleep,
        SYS_pause,
        SYS_rt_sigsuspend,
        SYS_rt_sigtimedwait,
        SYS_futex,
        SYS_semop,
        SYS_semtimedop,
        SYS_msgrcv,
        SYS_msgsnd,
        SYS_io_getevents,
        SYS_read,
        SYS_readv,
        SYS_recvfrom,
        SYS_recvmsg,
        SYS_accept,
        SYS_accept4,
        SYS_write,
        SYS_writev,
        SYS_sendto,
        SYS_sendmsg,
    };
    for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i] == number)
            return true;
    return false;
}

/* "mov $NUMBER, %eax; syscall", as C libraries have it. UINT64_MAX if the code is other. */
static uint64_t number_in_code(const unsigned char *pc)
{
    if (!sys_readable(pc - 7) || !sys_readable(pc - 1) || pc[-7] != 0xb8 || pc[-2] != 0x0f ||
        pc[-1] != 0x05)
        return UINT64_MAX;
    uint32_t number;
    memcpy(&number, pc - 6, sizeof number);
    return number;
}

/* The number of the call that was interrupted, UINT64_MAX if that is not known. That it is the one
 * that was noted is told by its place, its arguments, which a call leaves in their registers, and
 * its stack. */
static uint64_t interrupted_call(const struct rec_graph_thread *t, const greg_t *registers)
{
    static const unsigned char order[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10,
                                          REG_R8,  REG_R9,  REG_RSP};
    bool noted = t && t->in_call && (uintptr_t)registers[REG_RIP] == t->call_pc;
    for (unsigned i = 0; noted && i < sizeof order; i++)
        noted = (uint64_t)registers[order[i]] == t->call[i + 1];
    return noted ? t->call[0] : number_in_code((const unsigned char *)registers[REG_RIP]);
}

void rec_graph_hide_interruption(const struct rec_graph_thread *t, ucontext_t *uc)
{
    greg_t *registers = uc->uc_mcontext.gregs;
    if (registers[REG_RAX] != -EINTR)
        return;
    uint64_t number = interrupted_call(t, registers), pending = 0, blocked;
    memcpy(&blocked, &uc->uc_sigmask, sizeof blocked);
    sys_call(SYS_rt_sigpending, &pending, sizeof pending);
    if (!begins_again(number) || (pending & ~blocked))
        return; /* a pending one's handler is to end the call */
    /* The kernel has put what is left of the time where the program wanted it. */
    if (number == SYS_nanosleep && registers[REG_RSI])
        registers[REG_RDI] = registers[REG_RSI];
    if (number == SYS_clock_nanosleep && registers[REG_R10] &&
        !(registers[REG_RSI] & TIMER_ABSTIME))
        registers[REG_RDX] = registers[REG_R10];
    registers[REG_RAX] = (greg_t)number;
    registers[REG_RIP] -= 2; /* the instruction */
}

static void stopped(int signal, siginfo_t *info, void *context)
{
    if (info->si_code != SI_QUEUE) {
        void *handler = found.handler; /* glibc's, for a signal of glibc's */
        if (handler != (void *)SIG_DFL && handler != (void *)SIG_IGN)
            ((void (*)(int, siginfo_t *, void *))handler)(signal, info, context);
        return;
    }
    atomic_fetch_add(&inside, 1);
    struct rec_graph_plan *plan = atomic_load(&stopping);
    struct rec_graph_thread *t = info->si_value.sival_ptr;
    /* One that comes late finds another snapshot, or none. */
    if (plan && t > plan->threads && t < plan->threads + plan->thread_count &&
        t->tid == (int)sys_call(SYS_gettid) && !atomic_load(&t->answered)) {
        rec_graph_stop_interrupted(t, context);
        atomic_fetch_add(&answers, 1);
        sys_call(SYS_futex, &answers, FUTEX_WAKE_PRIVATE, 1);
        while (atomic_load(&hold) == 1)
            sys_call(SYS_futex, &hold, FUTEX_WAIT_PRIVATE, 1, 0);
        rec_graph_hide_interruption(t, context);
    }
    atomic_fetch_sub(&inside, 1);
}

/* ------------------------------------------------------------------ in the one that stops them */

/* Puts our handler in the place of whatever is there by now. */
static bool install(void)
{
    struct rec_kernel_action ours = {
        .handler = (void *)stopped,
        .flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | REC_KERNEL_RESTORER,
        .restorer = (void *)rec_graph_sigreturn,
        .mask = ~0ull,
    };
    struct rec_kernel_action now = {0};
    sys_call(SYS_rt_sigaction, STOP_SIGNAL, 0, &now, sizeof now.mask);
    if (now.handler == ours.handler)
        return true;
    found = now; /* first: ours may need to hand on to it at once */
    return !sys_failed(sys_call(SYS_rt_sigaction, STOP_SIGNAL, &ours, 0, sizeof ours.mask));
}

/* Where nobody handles the signal, ours stays: one that comes late would end the program. */
static void restore(void)
{
    struct rec_kernel_action now = {0};
    sys_call(SYS_rt_sigaction, STOP_SIGNAL, 0, &now, sizeof now.mask);
    if (now.handler == (void *)stopped && found.handler != (void *)SIG_DFL)
        sys_call(SYS_rt_sigaction, STOP_SIGNAL, &found, 0, sizeof found.mask);
}

/* Reads a file of a task; returns its length, 0 where there is none. */
static size_t read_of_task(int tid, const char *name, char *out, size_t room)
{
    char path[64];
    struct text t = TEXT(path);
    text_add(&t, "/proc/self/task/");
    text_add_number(&t, (uint64_t)tid);
    text_add(&t, name);
    return rec_read_file(path, out, room);
}

/* "0 0x3 0x7f… 0x1000 0x0 0x0 0x0 0x7ffc… 0x7f…": number, arguments, sp, pc. Only sp and pc, and -1
 * before them, of one that waits elsewhere in the kernel; "running" of one that runs. */
static void note_call(struct rec_graph_thread *t)
{
    char text[256];
    size_t length = read_of_task(t->tid, "/syscall", text, sizeof text);
    const char *p = text, *end = text + length;
    bool in_call = length > 0 && *p >= '0' && *p <= '9';
    if (length == 0 || (!in_call && *p != '-'))
        return;
    uint64_t words[9] = {0};
    if (in_call)
        words[0] = seep_text_number(&p, end);
    unsigned first = in_call ? 1 : 7;
    for (unsigned i = first; i < 9; i++) {
        while (p < end && *p != 'x')
            p++;
        p += p < end;
        words[i] = seep_text_hex(&p, end);
    }
    memcpy(t->call, words, sizeof t->call);
    t->call_pc = words[8];
    t->in_call = in_call && t->call_pc != 0;
}

static bool send(struct rec_graph_thread *t)
{
    siginfo_t info = {.si_signo = STOP_SIGNAL, .si_code = SI_QUEUE};
    int pid = (int)sys_call(SYS_getpid);
    info.si_pid = pid;
    info.si_uid = (uid_t)sys_call(SYS_getuid);
    info.si_value.sival_ptr = t;
    return !sys_failed(sys_call(SYS_rt_tgsigqueueinfo, pid, t->tid, STOP_SIGNAL, &info));
}

static bool is_known(const struct rec_graph_plan *plan, int tid, uint32_t *guess)
{
    if (*guess < plan->thread_count && plan->threads[*guess].tid == tid) {
        ++*guess; /* the list has the order of the last time */
        return true;
    }
    for (uint32_t i = 0; i < plan->thread_count; i++)
        if (plan->threads[i].tid == tid)
            return true;
    return false;
}

/* Asks all threads that are new on the list to stop. Their count, negative on failure. */
static long ask(struct rec_graph_plan *plan, bool calls)
{
    long directory =
        sys_call(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sys_failed(directory))
        return directory;
    long n, asked = 0;
    uint32_t guess = 1;
    while ((n = sys_call(SYS_getdents64, directory, plan->list, sizeof plan->list)) > 0) {
        for (long at = 0; at < n;) {
            const struct dirent64 *entry = (const struct dirent64 *)(plan->list + at);
            at += entry->d_reclen;
            const char *name = entry->d_name;
            int tid = (int)seep_text_number(&name, name + text_length(name));
            if (tid == 0 || is_known(plan, tid, &guess))
                continue;
            if (plan->thread_count == plan->thread_room) {
                sys_call(SYS_close, directory);
                return -ENOMEM;
            }
            if (plan->thread_count == 1 && !install()) {
                sys_call(SYS_close, directory);
                return -EPERM;
            }
            struct rec_graph_thread *t = &plan->threads[plan->thread_count];
            t->tid = tid;
            if (calls)
                note_call(t);
            plan->thread_count++;
            if (send(t))
                asked++;
            else
                plan->thread_count--; /* it has ended */
        }
    }
    sys_call(SYS_close, directory);
    return sys_failed(n) ? n : asked;
}

/* Whether a thread that has not answered may still do so soon; it is taken off the plan if it is
 * there no more, or for show only. */
static bool may_answer(struct rec_graph_thread *t)
{
    char text[512];
    size_t length = read_of_task(t->tid, "/stat", text, sizeof text);
    const char *state = text + length; /* behind the name, which may hold anything */
    while (state > text && *state != ')')
        state--;
    if (length == 0 || state == text || state[2] == 'Z' || state[2] == 'X')
        t->tid = 0;
    return length && state > text && state[2] == 'R';
}

static uint32_t count_answers(const struct rec_graph_plan *plan)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i < plan->thread_count; i++)
        count += plan->threads[i].tid == 0 || atomic_load(&plan->threads[i].answered);
    return count;
}

static void wait_for_answers(struct rec_graph_plan *plan)
{
    uint64_t last = rec_clock_ns(CLOCK_MONOTONIC);
    uint32_t have = 0;
    for (;;) {
        unsigned seen = atomic_load(&answers);
        uint32_t now_have = count_answers(plan);
        if (now_have + 1 >= plan->thread_count)
            return;
        uint64_t now = rec_clock_ns(CLOCK_MONOTONIC);
        if (now_have > have)
            last = now;
        have = now_have;
        if (now - last > PATIENCE_NS) {
            bool any = false;
            for (uint32_t i = 1; i < plan->thread_count; i++)
                if (plan->threads[i].tid && !atomic_load(&plan->threads[i].answered))
                    any |= may_answer(&plan->threads[i]);
            if (!any || now - last > PATIENCE_MAX_NS)
                return;
        }
        struct timespec step = {.tv_nsec = WAIT_STEP_NS};
        sys_call(SYS_futex, &answers, FUTEX_WAIT_PRIVATE, seen, &step);
    }
}

/* For a thread that did not answer: where it is, as far as others can tell. */
static void look_from_outside(struct rec_graph_thread *t)
{
    if (t->call[7] == 0)
        note_call(t);
    t->sp = t->call[7] ? t->call[7] : rec_threads_stack_of(t->tid);
    if (t->in_call)
        for (unsigned i = 1; i < 7; i++)
            t->registers[t->register_count++] = t->call[i];
    const struct seep_control *control = rec_spool_control();
    for (uint32_t i = 0; i < control->lane_count; i++)
        if (rec_spool_lane(i)->holder == (uint32_t)t->tid)
            t->number = rec_spool_lane(i)->holder_thread;
}

bool rec_graph_stop(struct rec_graph_plan *plan, bool calls)
{
    atomic_store(&hold, 1);
    atomic_store(&stopping, plan);
    long asked = 1;
    for (int round = 0; asked > 0 && round < ROUNDS_MAX; round++) {
        asked = ask(plan, calls);
        if (asked > 0)
            wait_for_answers(plan);
    }
    for (uint32_t i = 1; i < plan->thread_count; i++)
        if (plan->threads[i].tid && !atomic_load(&plan->threads[i].answered))
            look_from_outside(&plan->threads[i]);
    return !sys_failed(asked);
}

bool rec_graph_release(void)
{
    atomic_store(&stopping, NULL);
    atomic_store(&hold, 0);
    sys_call(SYS_futex, &hold, FUTEX_WAKE_PRIVATE, INT_MAX);
    restore();
    for (unsigned i = 0; i < LEAVE_STEPS_MAX && atomic_load(&inside); i++) {
        struct timespec step = {.tv_nsec = WAIT_STEP_NS};
        sys_call(SYS_nanosleep, &step, 0);
    }
    return atomic_load(&inside) == 0;
}

void rec_graph_stop_init(void)
{
    atomic_store(&stopping, NULL);
    atomic_store(&hold, 0);
    atomic_store(&inside, 0);
}
