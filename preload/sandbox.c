/* SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include "facts.h"
#include "graph.h"
#include "hook.h"
#include "log.h"
#include "recorder.h"
#include "seep/memory_snapshot.h"
#include "sys.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define STATUS_BYTES 4096
#define PAGE_BYTES 4096
#define ANY_FD 960

extern char **environ;

/* ------------------------------------------------------------------ would a filter let us work? */

struct known_call {
    int number;
    uint64_t arguments[6];
};

/* Every call of the recorder, with the arguments that filters are known to look at. */
static const struct known_call calls[] = {
    {SYS_clock_gettime, {CLOCK_MONOTONIC}},
    {SYS_clock_gettime, {CLOCK_REALTIME}},
    {SYS_close, {ANY_FD}},
    {SYS_fallocate, {ANY_FD, 0, 0, PAGE_BYTES}},
    {SYS_fchmod, {ANY_FD, 0600}},
    {SYS_fchmodat, {(uint64_t)AT_FDCWD, 0, 0700}},
    {SYS_flock, {ANY_FD, LOCK_SH | LOCK_NB}},
    {SYS_flock, {ANY_FD, LOCK_UN}},
    {SYS_fcntl, {ANY_FD, F_DUPFD_CLOEXEC, ANY_FD}},
    {SYS_fstat, {ANY_FD}},
    {SYS_ftruncate, {ANY_FD, PAGE_BYTES}},
    {SYS_futex, {0, FUTEX_WAIT_PRIVATE}},
    {SYS_futex, {0, FUTEX_WAKE_PRIVATE, 1}},
    {SYS_getcwd, {0, PAGE_BYTES}},
    {SYS_getdents64, {ANY_FD, 0, PAGE_BYTES}},
    {SYS_geteuid, {0}},
    {SYS_getpid, {0}},
    {SYS_getppid, {0}},
    {SYS_gettid, {0}},
    {SYS_madvise, {0, PAGE_BYTES, MADV_DONTFORK}},
    {SYS_madvise, {0, PAGE_BYTES, MADV_DOFORK}},
    {SYS_madvise, {0, PAGE_BYTES, MADV_WIPEONFORK}},
    {SYS_madvise, {0, PAGE_BYTES, MADV_DONTNEED}},
    {SYS_mkdirat, {ANY_FD, 0, 0700}},
    {SYS_mmap,
     {0, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
      (uint64_t)-1}},
    {SYS_mmap, {0, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1}},
    {SYS_mmap, {0, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ANY_FD}},
    {SYS_mprotect, {0, PAGE_BYTES, PROT_READ}},
    {SYS_mprotect, {0, PAGE_BYTES, PROT_READ | PROT_WRITE}},
    {SYS_munmap, {0, PAGE_BYTES}},
    {SYS_nanosleep, {0, 0}},
    {SYS_openat, {(uint64_t)AT_FDCWD, 0, O_RDONLY | O_CLOEXEC}},
    {SYS_openat, {ANY_FD, 0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600}},
    {SYS_prctl, {PR_GET_NAME}},
    {SYS_process_vm_readv, {1, 0, 1, 0, 1}},
    {SYS_pread64, {ANY_FD, 0, PAGE_BYTES}},
    {SYS_prlimit64, {0, RLIMIT_NOFILE}},
    {SYS_prlimit64, {0, RLIMIT_FSIZE}},
    {SYS_pwrite64, {ANY_FD, 0, PAGE_BYTES}},
    {SYS_pwritev, {ANY_FD, 0, 2}},
    {SYS_pwritev2, {ANY_FD, 0, 2}},
    {SYS_read, {ANY_FD, 0, PAGE_BYTES}},
    {SYS_readlinkat, {(uint64_t)AT_FDCWD}},
    {SYS_rt_sigprocmask, {0, 0, 0, 8}},
    {SYS_rt_sigprocmask, {2, 0, 0, 8}},
    {SYS_rt_sigprocmask, {(uint64_t)-1, 0, 0, 8}},
    {SYS_sched_getaffinity, {0, 1024}},
    {SYS_tgkill, {1, 1, 0}},
    {SYS_uname, {0}},
    {SYS_unlinkat, {ANY_FD}},
    {SYS_unlinkat, {ANY_FD, 0, AT_REMOVEDIR}},
    {SYS_write, {2, 0, 100}},
    {SYS_writev, {ANY_FD, 0, 2}},
};

/* Those that only snapshots of the heap graph make. */
static const struct known_call graph_calls[] = {
    {SYS_clone, {CLONE_UNTRACED}},
    {SYS_clone, {CLONE_VM | CLONE_VFORK | CLONE_UNTRACED}},
    {SYS_close_range, {0, ANY_FD, 0}},
    {SYS_exit, {0}},
    {SYS_exit_group, {0}},
    {SYS_flock, {ANY_FD, LOCK_EX | LOCK_NB}},
    {SYS_getuid, {0}},
    {SYS_ioctl, {ANY_FD, SEEP_PAGE_SCAN_REQUEST}},
    {SYS_kill, {1, 9}},
    {SYS_mincore, {0, PAGE_BYTES}},
    {SYS_mmap, {0, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, (uint64_t)-1}},
    {SYS_newfstatat, {(uint64_t)AT_FDCWD}},
    {SYS_prctl, {PR_SET_NAME}},
    {SYS_prlimit64, {0, RLIMIT_AS}},
    {SYS_rt_sigaction, {33}},
    {SYS_rt_sigpending, {0, 8}},
    {SYS_rt_tgsigqueueinfo, {1, 1, 33}},
    {SYS_prlimit64, {0, RLIMIT_CORE}},
    {SYS_setpriority, {PRIO_PROCESS, 0, 10}},
    {SYS_setsid, {0}},
    {SYS_sigaltstack, {0}},
    {SYS_wait4, {1}},
};

static bool graph_is_forbidden;

static uint32_t calculate(uint16_t operation, uint32_t a, uint32_t b)
{
    switch (operation) {
    case BPF_ADD: return a + b;
    case BPF_SUB: return a - b;
    case BPF_MUL: return a * b;
    case BPF_DIV: return b ? a / b : 0;
    case BPF_OR: return a | b;
    case BPF_AND: return a & b;
    case BPF_XOR: return a ^ b;
    case BPF_LSH: return b < 32 ? a << b : 0;
    case BPF_RSH: return b < 32 ? a >> b : 0;
    default: return 0u - a; /* BPF_NEG */
    }
}

static bool holds(uint16_t operation, uint32_t a, uint32_t b)
{
    switch (operation) {
    case BPF_JEQ: return a == b;
    case BPF_JGT: return a > b;
    case BPF_JGE: return a >= b;
    default: return (a & b) != 0; /* BPF_JSET */
    }
}

/* What the filter returns for a call: classic BPF as in Documentation/networking/filter.rst, of
 * which seccomp allows a part. Jumps lead forward only, so it ends. A filter that is not sound is
 * refused by the kernel: what is returned for it does not matter. */
static uint32_t run_filter(const struct sock_filter *code, uint32_t count,
                           const struct seccomp_data *data)
{
    uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {0};
    for (uint32_t pc = 0; pc < count; pc++) {
        const struct sock_filter *i = &code[pc];
        uint32_t operand = BPF_SRC(i->code) == BPF_X ? x : i->k;
        uint32_t value = BPF_MODE(i->code) == BPF_MEM   ? memory[i->k % BPF_MEMWORDS]
                         : BPF_MODE(i->code) == BPF_IMM ? i->k
                                                        : (uint32_t)sizeof *data; /* BPF_LEN */
        if (BPF_MODE(i->code) == BPF_ABS && i->k <= sizeof *data - 4)
            __builtin_memcpy(&value, (const char *)data + i->k, 4);
        switch (BPF_CLASS(i->code)) {
        case BPF_LD: a = value; break;
        case BPF_LDX: x = value; break;
        case BPF_ST: memory[i->k % BPF_MEMWORDS] = a; break;
        case BPF_STX: memory[i->k % BPF_MEMWORDS] = x; break;
        case BPF_ALU: a = calculate(BPF_OP(i->code), a, operand); break;
        case BPF_JMP:
            pc += BPF_OP(i->code) == BPF_JA            ? i->k
                  : holds(BPF_OP(i->code), a, operand) ? i->jt
                                                       : i->jf;
            break;
        case BPF_MISC:
            if (BPF_MISCOP(i->code) == BPF_TAX)
                x = a;
            else
                a = x;
            break;
        case BPF_RET: return BPF_RVAL(i->code) == BPF_A ? a : i->k;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

static bool lets_pass(const struct sock_filter *code, uint32_t count,
                      const struct known_call *asked, size_t asked_count)
{
    for (size_t i = 0; i < asked_count; i++) {
        struct seccomp_data data = {.nr = asked[i].number, .arch = AUDIT_ARCH_X86_64};
        for (int k = 0; k < 6; k++)
            data.args[k] = asked[i].arguments[k];
        uint32_t action = run_filter(code, count, &data) & SECCOMP_RET_ACTION_FULL;
        if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG)
            return false;
    }
    return true;
}

static bool lets_us_work(const struct sock_filter *code, uint32_t count)
{
    return lets_pass(code, count, calls, sizeof calls / sizeof calls[0]);
}

static bool lets_graph_work(const struct sock_filter *code, uint32_t count)
{
    return lets_pass(code, count, graph_calls, sizeof graph_calls / sizeof graph_calls[0]);
}

/* ------------------------------------------------------------------ noticing */

static bool readable(const void *from, size_t bytes)
{
    const char *end = (const char *)from + bytes;
    for (const char *p = from; p < end; p += PAGE_BYTES)
        if (!sys_readable(p))
            return false;
    return sys_readable(end - 1);
}

static void filter_comes(const struct sock_fprog *filter)
{
    /* Programs ask whether there is seccomp by a filter that cannot be read. */
    if (!readable(filter, sizeof *filter) || filter->len == 0 || filter->len > BPF_MAXINSNS ||
        !readable(filter->filter, filter->len * sizeof *filter->filter))
        return;
    if (!lets_us_work(filter->filter, filter->len))
        rec_stop(SEEP_STOP_SANDBOX);
    else if (!lets_graph_work(filter->filter, filter->len))
        graph_is_forbidden = true;
}

static void before_prctl(unsigned long option, unsigned long second, unsigned long third)
{
    if (rec_is_off())
        return;
    if ((option == PR_SET_SECCOMP && second == SECCOMP_MODE_STRICT) ||
        (option == PR_SET_TSC && second == PR_TSC_SIGSEGV))
        rec_stop(SEEP_STOP_SANDBOX);
    else if (option == PR_SET_SECCOMP && second == SECCOMP_MODE_FILTER)
        filter_comes((const struct sock_fprog *)third);
}

static void before_seccomp(unsigned operation, const struct sock_fprog *filter)
{
    if (rec_is_off())
        return;
    if (operation == SECCOMP_SET_MODE_STRICT)
        rec_stop(SEEP_STOP_SANDBOX);
    else if (operation == SECCOMP_SET_MODE_FILTER)
        filter_comes(filter);
}

static long or_errno(long result)
{
    if (!sys_failed(result))
        return result;
    errno = (int)-result;
    return -1;
}

/* Variadic in libc; its callers put the arguments where these are. */
HOOK int prctl(int option, unsigned long b, unsigned long c, unsigned long d, unsigned long e);

HOOK int prctl(int option, unsigned long b, unsigned long c, unsigned long d, unsigned long e)
{
    before_prctl((unsigned long)option, b, c);
    return rec_real.prctl ? rec_real.prctl(option, b, c, d, e)
                          : (int)or_errno(sys_call(SYS_prctl, option, b, c, d, e));
}

long rec_before_syscall(long number, unsigned long a, unsigned long b, unsigned long c);
long rec_plain_syscall(long number, long a, long b, long c, long d, long e, long f);

/* Both are called from below only. */
__attribute__((used)) long rec_before_syscall(long number, unsigned long a, unsigned long b,
                                              unsigned long c)
{
    if (number == SYS_prctl)
        before_prctl(a, b, c);
    else if (number == SYS_seccomp)
        before_seccomp((unsigned)a, (const struct sock_fprog *)c);
    else
        rec_graph_exits();
    return number;
}

/* Before libc's was looked up. */
__attribute__((used)) long rec_plain_syscall(long number, long a, long b, long c, long d, long e,
                                             long f)
{
    return or_errno(sys_call(number, a, b, c, d, e, f));
}

/* long syscall(long number, ...): jumps to libc's with registers and stack as they came, since a
 * call that makes a process may return twice through here. */
__asm__(".pushsection .text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        ".cfi_startproc\n"
        "    cmp $157, %rdi\n" /* SYS_prctl */
        "    je 2f\n"
        "    cmp $317, %rdi\n" /* SYS_seccomp */
        "    je 2f\n"
        "    cmp $231, %rdi\n" /* SYS_exit_group */
        "    je 2f\n"
        "1:  mov rec_real_syscall(%rip), %rax\n"
        "    test %rax, %rax\n"
        "    je rec_plain_syscall\n"
        "    jmp *%rax\n"
        "2:  push %rdi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %rsi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %rdx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %rcx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %r8\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %r9\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    sub $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call rec_before_syscall\n"
        "    add $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop %r9\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop %r8\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop %rcx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop %rdx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop %rsi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop %rdi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    jmp 1b\n"
        ".cfi_endproc\n"
        ".size syscall, . - syscall\n"
        ".popsection\n");

_Static_assert(SYS_prctl == 157 && SYS_seccomp == 317 && SYS_exit_group == 231,
               "the numbers above");

bool rec_sandbox_forbids_graph(void)
{
    return graph_is_forbidden;
}

/* ------------------------------------------------------------------ filters from before us */

static const char *variable(const char *name)
{
    for (char **entry = environ; entry && *entry; entry++)
        if (text_starts(*entry, name))
            return *entry + text_length(name);
    return NULL;
}

static uint64_t number_behind(const char *text, const char *name)
{
    uint64_t number = 0;
    for (; *text; text++) {
        if (!text_starts(text, name))
            continue;
        for (text += text_length(name); *text == ' ' || *text == '\t'; text++)
            continue;
        for (; *text >= '0' && *text <= '9'; text++)
            number = number * 10 + (uint64_t)(*text - '0');
        break;
    }
    return number;
}

bool rec_sandbox_inherited(void)
{
    const char *around = variable("SEEP_FILTERS=");
    if (around == NULL)
        return false; /* nobody to compare with: the filters of a container are not told apart */
    char status[STATUS_BYTES];
    rec_read_file("/proc/self/status", status, sizeof status);
    if (number_behind(status, "\nSeccomp_filters:") <= number_behind(around, ""))
        return false;
    const char *quiet = variable("SEEP_QUIET=");
    rec_log_init();
    if (quiet == NULL || *quiet != '1')
        rec_log("not recorded: a program executed under a seccomp filter of the run", NULL);
    return true;
}
