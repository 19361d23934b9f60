/* SPDX-License-Identifier: MIT
 *
 * After the program's end: makes traces of the run's spools. */
#ifndef RUN_COLLECT_H
#define RUN_COLLECT_H

#include "run/ahead.h"
#include "run/spools.h"
#include "run/streams.h"
#include "trace/pack.h"
#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct collect_options {
    bool overwrite;
    struct trace_coding coding;
    /* As in struct pack_options; `what` names what is being packed now. May be NULL. */
    bool (*progress)(void *arg, const char *what, double fraction);
    void *progress_arg;
    struct streams *streams; /* those that are followed are finished first. May be NULL */
    struct ahead *ahead;     /* ended first. May be NULL */
};

struct collect_trace {
    char *path; /* owned */
    uint32_t pid;
};

struct collected {
    char *main;                   /* owned; the main process's trace; NULL: it recorded nothing */
    char *main_spool;             /* owned; its spool, where packing it failed or was interrupted */
    struct collect_trace *others; /* owned */
    size_t other_count, other_capacity;
    size_t running; /* processes of the run that live on */
    size_t left;    /* spools that were not packed, because of a failure or an interruption */
};

/* Packs the last image of `main_pid` into the trace spools->file, and every other spool whose
 * process has ended into the trace of its own name. Goes on after a failure; returns the first one,
 * with its message, and INTERRUPTED at once. *out is the caller's in any case, collected_release().
 */
enum seep_err collect(struct collected *out, struct run_spools *spools, uint32_t main_pid,
                      const struct collect_options *options, struct err *err);
void collected_release(struct collected *c);

#endif
