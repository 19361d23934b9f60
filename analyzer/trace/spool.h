/* SPDX-License-Identifier: MIT
 *
 * A spool directory, opened: what the process was, and where the pieces of each lane lie. Nothing
 * here reads rows. Everything read is untrusted: sizes are checked against the files before memory
 * is taken for them, and what does not hold is left out and counted. */
#ifndef TRACE_SPOOL_H
#define TRACE_SPOOL_H

#include "seep/trace_format.h"
#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum spool_file { SPOOL_ROWS, SPOOL_TAILS, SPOOL_MEMORY };

/* A piece of a lane: a chunk of `rows`, a tail, or a copy of a tail in memory. */
struct spool_piece {
    uint64_t offset; /* of its first row, in the file or in spool.memory */
    uint32_t lane;
    uint32_t sequence;
    uint32_t bytes;  /* of rows */
    uint32_t thread; /* at its start */
    enum spool_file file;
};

/* A stamp and the monotonic time read together with it. */
struct spool_clock_pair {
    uint64_t stamp, ns;
};

struct spool {
    char *path;
    int directory, control_fd, rows, tails, snapshots; /* descriptors; -1: not there */
    struct seep_control control;                       /* as it was when the spool was opened */
    uint8_t *facts;                                    /* the sound ones, as encoded */
    size_t facts_bytes;
    uint32_t image, parent_pid, fork_parent_pid; /* of the facts; 0 where missing */
    uint32_t fork_generation;
    uint64_t fork_stamp;
    uint64_t pid_namespace;    /* that the pid is of; 0: unknown */
    const uint8_t *fork_lanes; /* in `facts` */
    size_t fork_lanes_bytes;
    char fork_parent[256];     /* name of the parent's spool */
    uint32_t generation_shift; /* the trace counts generations on from the parent's */
    char exe[256];             /* base name */
    char run_id[64];
    char host[256];
    uint64_t bytes; /* on disk */
    uint64_t snapshots_bytes;
    bool running; /* the process is alive */

    /* Filled by spool_index(). */
    struct spool_piece *pieces; /* by lane, then sequence, each once */
    size_t piece_count, piece_capacity;
    uint8_t *memory; /* copied tails */
    size_t memory_bytes, memory_capacity;
    struct spool_clock_pair *pairs; /* of CLOCK rows that stand first in a chunk; unordered */
    size_t pair_count, pair_capacity;
    uint64_t rows_total;     /* bytes of rows in all pieces */
    uint64_t missing_pieces; /* sequence numbers of which neither chunk nor tail is there */
    uint64_t damaged_pieces; /* pieces whose description makes no sense */
    uint64_t newest_stamp;   /* running only: rows stamped later are not part of this picture */
};

/* Told once for each loss, with a text that says which; a NULL `note` is allowed. */
struct spool_notes {
    void (*note)(void *arg, const char *text);
    void *arg;
};

/* Opens the spool and reads process facts and control. *s is zeroed first; release it in any case.
 * Errors: IO, NOT_TRACE, VERSION. */
enum seep_err spool_open(struct spool *s, const char *path, struct err *err);
void spool_release(struct spool *s);

/* Finds every piece of every lane. A running process's tails are copied first, each under its
 * word. `progress` (may be NULL) returns false to stop. Errors: IO, INTERRUPTED. */
enum seep_err spool_index(struct spool *s, const struct spool_notes *notes,
                          bool (*progress)(void *arg), void *progress_arg, struct err *err);

/* Reads up to `bytes` bytes of the piece from its byte `from` on, which is at most piece->bytes.
 * Returns how many; fewer than asked only at the piece's end or where the file is cut; -1 with
 * errno set where it cannot be read. */
ssize_t spool_read(const struct spool *s, const struct spool_piece *piece, uint32_t from, void *to,
                   size_t bytes);

/* Reads exactly `bytes` bytes at `offset`; false where the file is shorter or unreadable. */
bool spool_pread(int fd, void *to, size_t bytes, uint64_t offset);

/* Unlinks the spool's files and the directory; false (errno set) where something stayed. */
bool spool_remove(const struct spool *s);

#endif
