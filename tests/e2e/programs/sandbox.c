/* SPDX-License-Identifier: MIT
 * Shuts itself into a sandbox, after 1,000 blocks of 66 bytes; makes 100,000 of 88 within it.
 *
 *   strict         seccomp's strict mode: read, write, exit and sigreturn
 *   tsc            the time stamp counter may not be read
 *   allow | raw    kills for what an allocating program does not need, by prctl | by syscall()
 *   errno          the same calls fail with EPERM instead
 *   deny           kills for ptrace and the like only: nothing that a recorder needs
 *   probe          asks for seccomp by filters that cannot be read, and installs none
 *   fork           as allow, in a child that has not allocated yet
 *   run PROGRAM..  allows what PROGRAM needs, kills for mkdirat and madvise, and executes it
 *
 * Prints "done" by write(), which every sandbox allows. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(name, action)                                                                           \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, action)
#define ELSE(action) BPF_STMT(BPF_RET | BPF_K, action)
#define ALLOWED(otherwise)                                                                         \
    {                                                                                              \
        LOAD(nr), IF(read, SECCOMP_RET_ALLOW), IF(write, SECCOMP_RET_ALLOW),                       \
            IF(brk, SECCOMP_RET_ALLOW), IF(mmap, SECCOMP_RET_ALLOW),                               \
            IF(munmap, SECCOMP_RET_ALLOW), IF(exit, SECCOMP_RET_ALLOW),                            \
            IF(exit_group, SECCOMP_RET_ALLOW), ELSE(otherwise)                                     \
    }

static struct sock_filter allow[] = ALLOWED(SECCOMP_RET_KILL_PROCESS);
static struct sock_filter fail[] = ALLOWED(SECCOMP_RET_ERRNO | EPERM);
static struct sock_filter deny[] = {LOAD(nr), IF(ptrace, SECCOMP_RET_KILL_PROCESS),
                                    IF(kexec_load, SECCOMP_RET_KILL_PROCESS),
                                    ELSE(SECCOMP_RET_ALLOW)};
static struct sock_filter run[] = {LOAD(nr), IF(mkdirat, SECCOMP_RET_KILL_PROCESS),
                                   IF(madvise, SECCOMP_RET_KILL_PROCESS), ELSE(SECCOMP_RET_ALLOW)};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int install(struct sock_filter *filter, unsigned count, int by_syscall)
{
    struct sock_fprog program = {(unsigned short)count, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return 1;
    return by_syscall ? (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)
                      : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int enter(const char *how)
{
    if (!strcmp(how, "strict"))
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    if (!strcmp(how, "tsc"))
        return prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    if (!strcmp(how, "allow") || !strcmp(how, "fork"))
        return install(allow, COUNT(allow), 0);
    if (!strcmp(how, "raw"))
        return install(allow, COUNT(allow), 1);
    if (!strcmp(how, "errno"))
        return install(fail, COUNT(fail), 1);
    if (!strcmp(how, "deny"))
        return install(deny, COUNT(deny), 0);
    if (!strcmp(how, "run"))
        return install(run, COUNT(run), 0);
    if (!strcmp(how, "probe")) {
        struct sock_fprog nowhere = {4, (void *)8};
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0) != -1 || errno != EFAULT ||
               syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, -1, 0) != -1 || errno != EINVAL ||
               syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &nowhere) != -1;
    }
    return 0;
}

static void churn(size_t bytes, int count)
{
    for (int i = 0; i < count; i++) {
        void *volatile p = malloc(bytes);
        free(p);
    }
}

int main(int argc, char **argv)
{
    churn(66, 1000);
    int status = 0;
    if (!strcmp(argv[1], "fork") && fork() != 0)
        return wait(&status) < 0 || status != 0;
    if (enter(argv[1]) != 0)
        return 3;
    if (!strcmp(argv[1], "run")) {
        execvp(argv[2], argv + 2);
        return 4;
    }
    churn(88, 100000);
    if (write(1, "done\n", 5) != 5)
        return 5;
    syscall(SYS_exit, 0); /* exit_group is not for strict mode */
    return argc;
}
