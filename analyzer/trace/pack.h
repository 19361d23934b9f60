/* SPDX-License-Identifier: MIT
 *
 * Makes a trace of a spool. */
#ifndef TRACE_PACK_H
#define TRACE_PACK_H

#include "trace/trace_writer.h"
#include "util/err.h"

#include <stdbool.h>
#include <stdint.h>

#define PACK_NOTES 8

struct family;

struct pack_options {
    bool overwrite;  /* replace an existing trace */
    bool keep_spool; /* else the spool is removed once the trace is complete on disk */
    bool running_ok; /* pack what is there although the process still lives; keeps the spool */
    struct trace_coding coding;
    /* called now and then with 0 .. 1; returns false to stop (SEEP_ERR_INTERRUPTED). May be NULL */
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
    /* called for each loss in the spool, the first PACK_NOTES of them, with one line that says what
     * is missing and where. May be NULL */
    void (*note)(void *arg, const char *text);
    void *note_arg;
    /* Follow the process until it has ended, and give the spool's space back meanwhile, so that it
     * takes no more than about spool_limit bytes. The trace is made in the spool's directory and
     * stays there until pack_spool() is called without this. */
    bool follow;
    uint64_t spool_limit;
    /* The process has ended; others of the run go on. The trace is made in the spool's directory,
     * as with `follow`. BUSY where it must be left for later: the process runs, was forked from
     * another, or may have forked others that are not known yet. */
    bool ahead;
    /* follow only: this process's trace gets that base name in the end. NULL: no other name than
     * that of its spool is known */
    uint32_t main_pid;
    const char *main_trace;
    /* follow only: whether the process's end may be taken for that of its spool; until then more
     * may come to its snapshots. Once it may, the end is looked for without delay. May be NULL:
     * yes, and there is no hurry */
    bool (*may_end)(void *arg);
    void *may_end_arg;
    /* The spools beside this one: its children among them are told what they have from it. May be
     * NULL */
    const struct family *family;
};

/* What a spool is, without reading its rows. */
struct pack_spool {
    uint32_t pid;
    uint64_t pid_namespace; /* that the pid is of; 0: unknown */
    uint32_t image;
    uint32_t parent_pid;
    char fork_parent[256]; /* name of the spool of the process it was forked from; "": none */
    uint64_t start_ns; /* CLOCK_MONOTONIC when recording began: orders the images of a process */
    char exe[256];     /* base name of the executable */
    char run_id[64];
    uint32_t state; /* enum seep_spool_state */
    uint64_t bytes; /* on disk */
    bool running;   /* its process is alive */
};

/* True if a packer follows the spool's process, which runs, and has left a trace of what it has
 * packed so far: its path in *part then, owned by the caller. */
bool pack_is_followed(const char *spool_path, char **part);

/* True if `path` is a directory that holds a spool (whatever its name). */
bool pack_is_spool(const char *path);

/* Sees to it that the spool at `path`, if it is a forked child's, is told what it has from its
 * parent, where the parent's spool is in the family: packs that, into a file beside `trace_path`
 * that is removed again, and the parent's parent before it. What fails leaves it untold. */
void pack_ancestors(const char *spool_path, const char *trace_path, const struct family *family);

/* Fills *out. Errors: IO, NOT_TRACE, VERSION. */
enum seep_err pack_probe(const char *spool_path, struct pack_spool *out, struct err *err);

/* Packs the spool at `spool_path` into the trace `trace_path`. The trace is written under a
 * temporary name beside it and renamed when complete, so that no half-written file is ever left
 * under the final name; on failure or interruption the temporary is removed and the spool kept.
 * Losses in the spool are no failure: they are counted in the trace's summary. `options` may be
 * NULL. If another process is packing the same spool, waits until it is done; SEEP_OK then too, if
 * it left the trace at `trace_path`. BUSY: the process is alive, and options->running_ok is not
 * set, or another packer follows it. With options->follow or ahead `trace_path` is not used.
 * Errors: IO, NOT_TRACE, VERSION, EXISTS, BUSY, INTERRUPTED. */
enum seep_err pack_spool(const char *spool_path, const char *trace_path,
                         const struct pack_options *options, struct err *err);

#endif
