/* SPDX-License-Identifier: MIT
 *
 * A spool directory, opened: what the process was, and where the pieces of each lane lie. Nothing
 * here reads rows. Everything read is untrusted: sizes are checked against the files before memory
 * is taken for them, and what does not hold is left out and counted.
 *
 * The spool of a running process may be looked at again and again: pieces are added to the lanes,
 * and after each look everything stamped up to `newest_stamp` is there. */
#ifndef TRACE_SPOOL_H
#define TRACE_SPOOL_H

#include "seep/trace_format.h"
#include "util/err.h"

#define SPOOL_GRAPH_PREFIX "graph." /* of the names of heap graph snapshots; a number follows */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum spool_file { SPOOL_ROWS, SPOOL_TAILS, SPOOL_MEMORY };

/* A piece of a lane: a chunk of `rows`, a tail, or a copy of a tail in memory. */
struct spool_piece {
    uint64_t offset; /* of its first row, in the file or in its lane's copied tail */
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

struct spool_lane {
    struct spool_piece *pieces; /* owned; by sequence, each once */
    size_t piece_count, piece_capacity;
    uint8_t *tail; /* owned; copy of a running thread's */
    size_t tail_capacity;
    uint32_t first_sequence; /* pieces before it were packed earlier */
    uint64_t bound;          /* running only: rows that are still to come are stamped later */
    uint64_t mark; /* what the lane was marked with when it was last looked at; 0: not at all */
    unsigned marked_looks; /* in succession that found that same mark */
};

/* A stretch of `rows` in which a chunk may still be written. */
struct spool_gap {
    uint64_t from, to;
};

struct spool {
    char *path;
    int directory, control_fd, rows, snapshots; /* descriptors; -1: not there */
    struct seep_control control;                /* as it was when the spool was opened */
    uint8_t *facts;                             /* the sound ones, as encoded */
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
    struct spool_lane *lanes; /* owned; by number */
    size_t lane_count, lane_capacity;
    struct spool_piece
        *early; /* owned; chunks found whose thread has not said that they are whole */
    size_t early_count, early_capacity;
    struct spool_gap *gaps; /* owned */
    size_t gap_count, gap_capacity;
    uint64_t rows_scanned;          /* bytes of `rows` */
    struct spool_clock_pair *pairs; /* of CLOCK rows that stand first in a chunk; unordered */
    size_t pair_count, pair_capacity;
    uint64_t rows_total;     /* bytes of rows in all pieces */
    uint64_t missing_pieces; /* sequence numbers of which neither chunk nor tail is there */
    uint64_t damaged_pieces; /* pieces whose description makes no sense */
    uint64_t
        newest_stamp; /* rows stamped later are not part of this picture; UINT64_MAX: none is */
    struct spool_clock_pair looked_at; /* when the last look at a running process began */
    bool pressed;                      /* the program waits for space: long marks are passed */
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

/* Finds every piece of every lane, or those that are new since the last call. A running process's
 * tails are copied first, each under its word, and newest_stamp is set: to UINT64_MAX once
 * s->running is false. `progress` (may be NULL) returns false to stop. Errors: IO, INTERRUPTED. */
enum seep_err spool_index(struct spool *s, const struct spool_notes *notes,
                          bool (*progress)(void *arg), void *progress_arg, struct err *err);

/* The lane of that number, below SEEP_LANE_LIMIT; made with those before it where it is new. */
struct spool_lane *spool_lane(struct spool *s, uint32_t number);

/* Reads up to `bytes` bytes of the piece from its byte `from` on, which is at most piece->bytes.
 * Returns how many; fewer than asked only at the piece's end or where the file is cut; -1 with
 * errno set where it cannot be read. */
ssize_t spool_read(const struct spool *s, const struct spool_piece *piece, uint32_t from, void *to,
                   size_t bytes);

/* Looks again whether the process lives, and at what it says of itself in `control`. */
void spool_renew(struct spool *s);

/* Reads exactly `bytes` bytes at `offset`; false where the file is shorter or unreadable. */
bool spool_pread(int fd, void *to, size_t bytes, uint64_t offset);

/* Unlinks the spool's files and the directory; false (errno set) where something stayed. */
bool spool_remove(const struct spool *s);

#endif
