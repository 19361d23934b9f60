/* SPDX-License-Identifier: MIT
 *
 * Who keeps memory alive, from a heap graph: what would be gone with a variable, a block or all
 * blocks of a call site. A block is *retained* by what it would be freed with if all pointers to
 * that were gone: by what dominates it (heap_tree.h says which pointers count). */
#ifndef ANALYSIS_KEEPERS_H
#define ANALYSIS_KEEPERS_H

#include "analysis/result.h"
#include "analysis/site_key.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct keepers_options {
    size_t top;       /* of each list; 0 = all */
    enum site_by by;  /* what a call site is */
    unsigned depth;   /* frames of each; 0: all */
    const char *path; /* the way to a block ("0x...", an address in it) or to the nearest block of
                         the call sites that a pattern (pattern.h) names; NULL: none is asked for */
    /* Called now and then while events are read, with 0 .. 1; returns false to stop (INTERRUPTED).
     * May be NULL. */
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
};

/* Reads the trace from its beginning up to its last graph. On success *out is owned by the caller,
 * result_free(). Errors: those of the reader, USAGE where options->path names nothing, INTERRUPTED.
 * The tree (units in brackets):
 *
 *   graph           null: there is none, and nothing below is there but no_graph; or object {number
 *                   [count], trigger text, time_ns [ns], missed_threads [count]}: see leaks.h
 *   no_graph        null, or text: why there is none
 *   total           object {blocks [count], bytes [bytes]}: live at that moment, and
 *     definite, indirect, possible, reachable   each {blocks, bytes}: see leaks.h
 *   keepers         array, those that retain most first; each an object:
 *     kind          text: "variable", "module" (data of no known name), "stack", "thread" (its
 *                   thread-local variables), "mapping", "registered", "loader", "purpose" (ignored
 *                   by the program's word), "lost"; or "shared": blocks of one call site that are
 *                   retained by no single one of the others
 *     name          text; file text or null; line integer or null; module text or null
 *     thread        integer or null;  thread_name  text or null
 *     blocks [count], bytes [bytes] retained;  share_percent [percent] of total.bytes
 *     through       array of {name, file, line, blocks [count], bytes [bytes]}: the call sites that
 *                   it retains most of that through, as long as one alone has most of it
 *   keepers_hidden  [count] not shown
 *   sites           array, those that retain most first; each an object:
 *     name          text
 *     blocks [count], bytes [bytes] made there
 *     retained_blocks [count], retained_bytes [bytes] with what they retain
 *     share_percent [percent] of total.bytes, retained
 *     frames, cut, hidden_frames    of the stack there with most bytes: see site_frames.h
 *   sites_hidden    [count]
 *   classes         array of the same without frames, with module text or null: blocks that begin
 *                   with a pointer to read-only data, as objects with virtual functions do, by that
 *   classes_hidden  [count]
 *   path            null, or object:
 *     target        text: as it was asked for
 *     lost          bool: nothing leads to it
 *     interior      bool: some pointer on the way is one to the inside of a block
 *     steps         array, from the root on; the first as in `keepers`, without blocks, bytes and
 *                   `through`, where there is a root; then blocks:
 *       name, file, line      of the call site
 *       address [address], bytes [bytes];  class  text or null
 *       interior    bool: the pointer to it points inside
 */
enum seep_err keepers_analyse(struct result **out, struct trace_reader *reader,
                              struct symbols *symbols, const struct keepers_options *options,
                              struct err *err);

#endif
