/* SPDX-License-Identifier: MIT
 *
 * What makes call sites of different traces the same. Addresses do not: every run has others. A
 * frame is told by its file's build ID and its offset there, where all traces that have a file of
 * that name have the same build of it; where builds differ, by the names of its functions, inlined
 * ones too, and of the file. A stack is the row of its frames: told by a hash of 64 bits, of which
 * a hundred thousand stacks have two alike once in three billion comparisons. */
#ifndef ANALYSIS_DIFF_KEYS_H
#define ANALYSIS_DIFF_KEYS_H

#include "analysis/result.h"
#include "analysis/site_key.h"
#include "model/symbols.h"
#include "trace/trace_event.h"
#include "util/err.h"

struct diff_file {
    char *name;        /* base name; owned */
    uint8_t *build_id; /* of the first one seen; owned; NULL: it has none */
    size_t build_id_bytes;
    uint64_t layout; /* hash of its segments: what tells builds without an ID apart */
    bool differs;    /* others of that name have another one */
    bool matched;    /* frames in it were told by names */
};

/* Files by base name. Zero-initialise. */
struct diff_files {
    struct diff_file *items; /* owned */
    size_t count, capacity;
};

/* Every trace is to be added before keys are asked for. */
void diff_files_add(struct diff_files *f, const struct trace_dict *dict);
void diff_files_release(struct diff_files *f);
/* Adds to `parent` an array of texts: files whose builds differ, where frames were told by names.
 */
void diff_files_report(const struct diff_files *f, struct result *parent, const char *name);

/* Keys of the stacks that are marked in `wanted`, by id 0 .. stack_count, into *keys, which the
 * caller frees. Names what has to be named. Errors: INTERRUPTED. */
enum seep_err diff_keys(uint64_t **keys, struct diff_files *files, enum site_by by,
                        const uint8_t *wanted, const struct trace_dict *dict,
                        struct symbols *symbols, struct err *err);

#endif
