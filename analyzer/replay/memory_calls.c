/* SPDX-License-Identifier: MIT */
#include "replay/memory_calls.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

bool memory_calls_offer(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

/* What stopped a thread; returns the signal that is to reach it. */
static int take_stop(pid_t thread, int status, uint64_t *counts)
{
    unsigned long what = 0;
    int signal = WSTOPSIG(status);
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) &&
        ptrace(PTRACE_GETEVENTMSG, thread, NULL, &what) == 0 && what < SEEP_REPLAY_MEMORY_CALLS)
        counts[what]++;
    /* SIGSTOP: a thread begins; SIGTRAP: all that a tracer asked for */
    return signal == SIGTRAP || signal == SIGSTOP ? 0 : signal;
}

bool memory_calls_follow(pid_t child, uint64_t *counts, int *status)
{
    bool traced = false;
    for (;;) {
        pid_t thread = waitpid(-1, status, __WALL);
        if (thread < 0 && errno == EINTR)
            continue;
        if (thread < 0 || (thread == child && !WIFSTOPPED(*status)))
            return traced;
        if (!WIFSTOPPED(*status))
            continue; /* another of its threads is gone */
        if (!traced && thread == child) {
            const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
            traced = ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)options) == 0;
        }
        int signal = take_stop(thread, *status, counts);
        ptrace(PTRACE_CONT, thread, NULL, (void *)(long)signal);
    }
}
