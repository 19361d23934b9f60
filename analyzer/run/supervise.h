/* SPDX-License-Identifier: MIT
 *
 * Runs a program as if nobody stood between it and whoever started us.
 *
 * The program stays in our process group and session, so that the terminal's signals (Ctrl-C,
 * Ctrl-\, Ctrl-Z, a changed window size, hangup) reach it from the kernel as ever; we ignore them
 * meanwhile. Signals that a process sends to us are passed on, with the value of sigqueue(), except
 * those the program itself sends. If the program stops, we stop the same way, so that the shell
 * sees a stopped job, and go on with it. If it dies of a signal, supervise_die() dies of it too.
 *
 * What remains visible to the program: getppid() is ours. We do not become the reaper of its
 * orphans (PR_SET_CHILD_SUBREAPER): daemons look at getppid() to see that they are orphans; so how
 * grandchildren end is not known. A program stopped by SIGSTOP takes us along only where there is a
 * controlling terminal: without one nobody would continue us when the program is continued by pid.
 */
#ifndef RUN_SUPERVISE_H
#define RUN_SUPERVISE_H

#include "util/err.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct supervise {
    pid_t pid;                 /* of the program; 0: not started */
    uint64_t floor_peak_bytes; /* the process's peak RSS before it became the program: rusage
                                  counts it in */
    int go_fd;                 /* the child waits for its last words here */
    int result_fd;             /* the child tells here why it could not be executed */
    int signals_fd;
    sigset_t original_mask;
    struct sigaction original_child; /* of SIGCHLD */
    bool resumed;                    /* we were continued after stopping with the program */
};

struct supervise_end {
    int status;          /* as from waitpid() */
    uint64_t ns;         /* CLOCK_MONOTONIC: when it was noticed */
    uint64_t peak_bytes; /* of RSS, of all images of the process; 0: not above
                            floor_peak_bytes, or with children's in it, hence not known */
};

/* What is to be run. Not owned; must outlive supervise_go(). */
struct supervise_program {
    const char *path;
    bool by_shell;            /* /bin/sh runs the text at `path` */
    char *const *argv;        /* NULL-ended */
    char *const *environment; /* NULL-ended */
};

/* Forks a child that waits for supervise_go(): its pid is known before anything is started. From
 * here on all signals are blocked, until supervise_release(). Errors: IO. */
enum seep_err supervise_start(struct supervise *s, const struct supervise_program *program,
                              struct err *err);

/* Lets the child become the program, with the environment and `variable` ("NAME=VALUE") and
 * SEEP_MAIN_PID beside it. 0, or the errno of the execve() that failed; the child has ended then.
 */
int supervise_go(struct supervise *s, const char *variable);

/* Waits for the program's end. `tick` is called now and then; it returns the nanoseconds after
 * which it wants to be called again. */
void supervise_wait(struct supervise *s, uint64_t (*tick)(void *arg), void *arg,
                    struct supervise_end *end);

/* After the end: true if somebody asked us to stop (SIGINT, SIGQUIT, SIGTERM) since the last call.
 */
bool supervise_interrupted(struct supervise *s);

/* Forgets signals that came while the program still ran. */
void supervise_drain(struct supervise *s);

/* Closes everything; a child that still waits ends. Signals are as they were before. */
void supervise_release(struct supervise *s);

/* Dies of the signal the program died of, without a core; returns where that does not kill us. */
void supervise_die(int signal);

#endif
