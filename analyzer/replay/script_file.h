/* SPDX-License-Identifier: MIT
 *
 * The file of a script being written: operations are appended, and may be changed later. */
#ifndef REPLAY_SCRIPT_FILE_H
#define REPLAY_SCRIPT_FILE_H

#include "seep/replay_script.h"
#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>

struct script_file {
    int fd;
    struct seep_replay_op *ops; /* not written yet; owned */
    size_t count;
    uint64_t written; /* operations before them */
    int error;        /* errno of the first write that failed; 0: none */
};

/* A file without a name in the directory for temporary ones. Errors: IO. */
enum seep_err script_file_open(struct script_file *f, struct err *err);

/* Appends; the index is returned. */
uint64_t script_file_add(struct script_file *f, const struct seep_replay_op *op);

/* Replaces the value of the operation at `index`. */
void script_file_set_value(struct script_file *f, uint64_t index, uint64_t value);

/* Appends the chains and writes all, the header (count and place of chains set) in front. The
 * descriptor is the caller's then. Errors: IO. */
enum seep_err script_file_finish(struct script_file *f, struct seep_replay_header *header,
                                 const uint64_t *chains, struct err *err);
/* Frees what is left; the descriptor is closed unless it was finished. */
void script_file_release(struct script_file *f);

#endif
