/* SPDX-License-Identifier: MIT
 * What programs share that single-step a thread of another process of theirs; for C++. */
#ifndef STEPPING_H
#define STEPPING_H

#include <cstddef>
#include <cstdint>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define REGISTER(member) offsetof(struct user, member)

/* Continues, with a signal if not 0, to where the thread next stops by itself. */
static inline void go(pid_t tid, enum __ptrace_request how, int signal_number)
{
    int status;
    do {
        ptrace(how, tid, 0, signal_number);
        waitpid(tid, &status, __WALL);
        if (!WIFSTOPPED(status))
            _exit(1);
        signal_number = WSTOPSIG(status);
    } while (signal_number != SIGTRAP);
}

static inline uint64_t user_of(pid_t tid, size_t offset)
{
    return (uint64_t)ptrace(PTRACE_PEEKUSER, tid, offset, 0);
}

static inline uint64_t word_of(pid_t tid, uintptr_t address)
{
    return (uint64_t)ptrace(PTRACE_PEEKDATA, tid, address, 0);
}

static inline uintptr_t pc_of(pid_t tid)
{
    return user_of(tid, REGISTER(regs.rip));
}

#endif
