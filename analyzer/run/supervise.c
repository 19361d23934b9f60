/* SPDX-License-Identifier: MIT */
#include "run/supervise.h"

#include "util/mem.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHELL "/bin/sh"
/* Milliseconds after our SIGCONT within which the program's must have come. */
#define RESUME_TRIES 20
/* The child still touches a few pages between reading its peak and execve(). */
#define FLOOR_MARGIN_BYTES (128u << 10)

/* What the child says before it becomes the program, and if it could not. */
struct word {
    uint64_t peak_bytes;
    int error;
};

/* ------------------------------------------------------------------ the child */

static uint64_t peak_bytes(const struct rusage *usage)
{
    return (uint64_t)usage->ru_maxrss * 1024;
}

/* Reads up to the end of the file; false unless a whole text ended by a NUL came. */
static bool read_text(int fd, struct strbuf *out)
{
    char buffer[4096];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            strbuf_add(out, buffer, (size_t)n);
    return n == 0 && out->length > 0 && out->text[out->length - 1] == '\0';
}

static char **with_variables(char *const *environment, char *first, char *second)
{
    size_t count = 0;
    while (environment[count])
        count++;
    char **result = mem_zalloc(count + 3, sizeof *result);
    memcpy(result, environment, count * sizeof *result);
    result[count] = first;
    result[count + 1] = second;
    return result;
}

static char **with_shell(const struct supervise_program *program)
{
    size_t count = 0;
    while (program->argv[count])
        count++;
    char **result = mem_zalloc(count + 2, sizeof *result);
    result[0] = (char *)SHELL;
    result[1] = (char *)program->path;
    for (size_t i = 1; i < count; i++)
        result[i + 1] = program->argv[i];
    return result;
}

/* Runs in the child and ends in execve(), or returns. */
static void become(const struct supervise *s, const struct supervise_program *program, int go_fd,
                   int result_fd)
{
    struct strbuf variable = {0};
    if (!read_text(go_fd, &variable))
        return; /* the start was given up */
    char main_pid[40];
    snprintf(main_pid, sizeof main_pid, "SEEP_MAIN_PID=%ld", (long)getpid());
    char **environment = with_variables(program->environment, variable.text, main_pid);
    char **argv = program->by_shell ? with_shell(program) : (char **)program->argv;
    const char *path = program->by_shell ? SHELL : program->path;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    struct word word = {.peak_bytes = peak_bytes(&usage)};
    if (write(result_fd, &word, sizeof word) != sizeof word)
        return;
    sigaction(SIGCHLD, &s->original_child, NULL);
    sigprocmask(SIG_SETMASK, &s->original_mask, NULL);
    execve(path, argv, environment);
    word.error = errno;
    if (write(result_fd, &word, sizeof word) != sizeof word)
        return; /* the parent is gone: nobody is left to tell */
}

/* ------------------------------------------------------------------ start */

static enum seep_err failed(struct supervise *s, const char *what, struct err *err)
{
    int error = errno;
    supervise_release(s);
    return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", what, strerror(error));
}

static void take_signals(struct supervise *s)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &s->original_mask);
    /* Where SIGCHLD is ignored the kernel reaps children itself, with the status lost. */
    struct sigaction fallback = {.sa_handler = SIG_DFL};
    sigaction(SIGCHLD, &fallback, &s->original_child);
}

enum seep_err supervise_start(struct supervise *s, const struct supervise_program *program,
                              struct err *err)
{
    *s = (struct supervise){.go_fd = -1, .result_fd = -1, .signals_fd = -1};
    take_signals(s);
    sigset_t all;
    sigfillset(&all);
    s->signals_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    int go[2], result[2];
    if (s->signals_fd < 0)
        return failed(s, "signalfd", err);
    if (pipe2(go, O_CLOEXEC) != 0)
        return failed(s, "pipe", err);
    s->go_fd = go[1];
    if (pipe2(result, O_CLOEXEC) != 0) {
        close(go[0]);
        return failed(s, "pipe", err);
    }
    s->result_fd = result[0];
    fflush(NULL);
    s->pid = fork();
    if (s->pid == 0) {
        close(go[1]); /* its reader would never see the end */
        become(s, program, go[0], result[1]);
        _exit(127);
    }
    close(go[0]);
    close(result[1]);
    return s->pid < 0 ? failed(s, "fork", err) : SEEP_OK;
}

static bool read_word(int fd, struct word *out)
{
    ssize_t n;
    do
        n = read(fd, out, sizeof *out);
    while (n < 0 && errno == EINTR);
    return n == sizeof *out;
}

int supervise_go(struct supervise *s, const char *variable)
{
    size_t bytes = strlen(variable) + 1;
    bool sent = write(s->go_fd, variable, bytes) == (ssize_t)bytes;
    close(s->go_fd);
    s->go_fd = -1;
    struct word first = {0}, second = {0};
    bool failed_to_execute = false;
    if (sent && read_word(s->result_fd, &first))
        failed_to_execute = read_word(s->result_fd, &second);
    close(s->result_fd);
    s->result_fd = -1;
    s->floor_peak_bytes = first.peak_bytes + FLOOR_MARGIN_BYTES;
    if (!failed_to_execute)
        return 0;
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
    return second.error;
}

/* ------------------------------------------------------------------ signals */

static bool next_signal(const struct supervise *s, struct signalfd_siginfo *out)
{
    return read(s->signals_fd, out, sizeof *out) == sizeof *out;
}

/* The kernel sends these to the terminal's whole process group or to whoever waits for a child: the
 * program has got its own. Others of the kernel's (an alarm() set before we were executed, say)
 * were meant for the program. */
static bool is_the_groups(uint32_t signal)
{
    switch (signal) {
    case SIGINT:
    case SIGQUIT:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGHUP:
    case SIGCONT:
    case SIGWINCH:
    case SIGCHLD:
    case SIGPIPE:
    case SIGXFSZ: return true;
    default: return false;
    }
}

/* We were continued. So was the program, if its whole group was meant: then it has continued, and
 * perhaps stopped again or ended since. If it has not, it alone was forgotten. */
static void continue_program(const struct supervise *s)
{
    for (int i = 0; i < RESUME_TRIES; i++) {
        siginfo_t info = {.si_pid = 0};
        int options = WEXITED | WSTOPPED | WCONTINUED | WNOHANG;
        if (waitid(P_PID, (id_t)s->pid, &info, options | WNOWAIT) != 0)
            return;
        if (info.si_pid != 0) {
            if (info.si_code == CLD_CONTINUED)
                waitid(P_PID, (id_t)s->pid, &info, WCONTINUED | WNOHANG);
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    kill(s->pid, SIGCONT);
}

static void pass_on(struct supervise *s, const struct signalfd_siginfo *info)
{
    int signal = (int)info->ssi_signo;
    bool sent =
        info->ssi_code == SI_USER || info->ssi_code == SI_QUEUE || info->ssi_code == SI_TKILL;
    if (signal == SIGCHLD && !sent)
        return;
    if (signal == SIGCONT && s->resumed) {
        s->resumed = false;
        return; /* it continued us; the program was seen to in stop_with() */
    }
    if (sent ? info->ssi_pid == (uint32_t)s->pid || info->ssi_pid == (uint32_t)getpid()
             : is_the_groups(info->ssi_signo))
        return;
    if (info->ssi_code == SI_QUEUE)
        sigqueue(s->pid, signal, (union sigval){.sival_ptr = (void *)(uintptr_t)info->ssi_ptr});
    else
        kill(s->pid, signal);
}

/* Stops us by that signal until somebody continues us. */
static void stop_by(int signal)
{
    struct sigaction before, fallback = {.sa_handler = SIG_DFL};
    sigset_t mask, only;
    sigemptyset(&only);
    sigaddset(&only, signal);
    if (signal != SIGSTOP)
        sigaction(signal, &fallback, &before);
    kill(getpid(), signal);
    sigprocmask(SIG_UNBLOCK, &only, &mask); /* here we stand */
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (signal != SIGSTOP)
        sigaction(signal, &before, NULL);
}

static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void stop_with(struct supervise *s, int signal)
{
    if (signal == SIGSTOP && !has_terminal())
        return;
    s->resumed = true;
    stop_by(signal);
    continue_program(s);
}

/* ------------------------------------------------------------------ waiting */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Whether the process, which is not reaped yet, has waited for children of its own: what wait4()
 * tells of its memory is the most that it or any of them had. */
static bool has_waited(pid_t pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return true; /* who knows */
    size_t length = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[length] = '\0';
    /* behind the name: state, six numbers, minor faults, and those of children waited for */
    const char *p = strrchr(line, ')');
    unsigned long long faults;
    return !p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %llu", &faults) != 1 || faults > 0;
}

/* Whether there is something to be waited for. */
static bool has_changed(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
}

/* True once the program has ended. */
static bool reap(struct supervise *s, struct supervise_end *end)
{
    struct rusage usage;
    int status;
    while (has_changed(s->pid)) {
        bool largest_of_several = has_waited(s->pid);
        if (wait4(s->pid, &status, WNOHANG | WUNTRACED, &usage) != s->pid)
            return false;
        if (WIFSTOPPED(status)) {
            stop_with(s, WSTOPSIG(status));
            continue;
        }
        end->status = status;
        end->ns = now_ns();
        uint64_t peak = peak_bytes(&usage);
        end->peak_bytes = peak > s->floor_peak_bytes && !largest_of_several ? peak : 0;
        return true;
    }
    return false;
}

void supervise_wait(struct supervise *s, uint64_t (*tick)(void *arg), void *arg,
                    struct supervise_end *end)
{
    uint64_t due = now_ns();
    *end = (struct supervise_end){0};
    while (!reap(s, end)) {
        uint64_t now = now_ns();
        if (now >= due) {
            due = tick(arg);
            now = now_ns();
            due = due > UINT64_MAX - now ? UINT64_MAX : now + due;
        }
        uint64_t left = due > now ? due - now : 0;
        struct timespec wait = {.tv_sec = (time_t)(left / 1000000000u),
                                .tv_nsec = (long)(left % 1000000000u)};
        struct pollfd poll_signals = {.fd = s->signals_fd, .events = POLLIN};
        ppoll(&poll_signals, 1, left > INT32_MAX * UINT64_C(1000000000) ? NULL : &wait, NULL);
        struct signalfd_siginfo info;
        while (next_signal(s, &info))
            pass_on(s, &info);
    }
    s->pid = 0;
}

bool supervise_interrupted(struct supervise *s)
{
    struct signalfd_siginfo info;
    bool interrupted = false;
    while (next_signal(s, &info)) {
        if (info.ssi_signo == SIGINT || info.ssi_signo == SIGQUIT || info.ssi_signo == SIGTERM)
            interrupted = true;
        else if (info.ssi_signo == SIGTSTP)
            stop_by(SIGTSTP);
    }
    return interrupted;
}

void supervise_drain(struct supervise *s)
{
    struct signalfd_siginfo info;
    while (next_signal(s, &info))
        continue;
}

void supervise_release(struct supervise *s)
{
    if (s->go_fd >= 0)
        close(s->go_fd);
    if (s->result_fd >= 0)
        close(s->result_fd);
    if (s->pid > 0)
        waitpid(s->pid, NULL, 0); /* it has read the end of its input, and ends */
    if (s->signals_fd >= 0) {
        supervise_drain(s);
        close(s->signals_fd);
    }
    sigaction(SIGCHLD, &s->original_child, NULL);
    sigprocmask(SIG_SETMASK, &s->original_mask, NULL);
    *s = (struct supervise){.go_fd = -1, .result_fd = -1, .signals_fd = -1};
}

void supervise_die(int signal)
{
    fflush(NULL);
    struct rlimit none = {0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* a core_pattern that is a pipe knows no limit */
    struct sigaction fallback = {.sa_handler = SIG_DFL};
    sigaction(signal, &fallback, NULL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signal);
    kill(getpid(), signal);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
}
