/* SPDX-License-Identifier: MIT
 *
 * What stands beside the events while a spool is packed: threads and modules for the dictionaries,
 * marks, the kernel's figures, and the records of the snapshots file, which have a place in time
 * only. */
#ifndef TRACE_BESIDE_H
#define TRACE_BESIDE_H

#include "trace/graph_pack.h"
#include "trace/spool.h"
#include "trace/trace_writer.h"

/* More threads than a process ever had; keeps arrays indexed by thread within bounds. */
#define BESIDE_THREAD_LIMIT (1u << 20)

struct beside_thread {
    uint32_t tid;
    bool told;
    char *name; /* owned; NULL: none */
    uint64_t start_ns, end_ns;
};

struct beside_unload {
    uint64_t start;
    uint32_t generation; /* begins with it */
};

struct beside {
    struct trace_writer *writer;
    const struct spool *spool;
    const struct spool_notes *notes;
    struct graph_packer *graphs;   /* is told of all records; NULL: nobody is. Not owned */
    struct beside_thread *threads; /* owned; by number */
    size_t thread_count, thread_capacity;
    struct trace_module *modules; /* owned, with what they point to */
    size_t module_count, module_capacity;
    struct beside_unload *unloads; /* owned */
    size_t unload_count, unload_capacity;

    uint8_t *snapshot; /* owned; payload of the record that comes next */
    size_t snapshot_bytes, snapshot_capacity;
    uint64_t snapshot_at; /* offset of the record behind it */
    uint64_t snapshot_ns; /* its time since the start; UINT64_MAX: there is none */
    enum seep_beside snapshot_kind;

    uint64_t time_ns; /* of the last record */
    uint64_t peak_rss_bytes, recorder_bytes;
    uint64_t lost[SEEP_LOST_FULL + 1]; /* of the LOST records, by reason */
    uint64_t damaged;                  /* records that made no sense */
    int32_t wait_status;               /* -1: not known */
};

/* All pointers must outlive *b. */
void beside_init(struct beside *b, struct trace_writer *writer, const struct spool *spool,
                 const struct spool_notes *notes);
void beside_release(struct beside *b);

/* Monotonic time of the last record of the snapshots file; 0 if there is none. */
uint64_t beside_last_snapshot_ns(const struct spool *spool);

/* Writes a BESIDE row's record, and takes from it what the dictionaries and the summary need.
 * Errors: of the writer, INTERRUPTED. */
enum seep_err beside_take(struct beside *b, enum seep_beside kind, const uint8_t *payload,
                          size_t length, uint32_t thread, uint64_t time_ns, struct err *err);

/* The snapshots file of a running process may have grown. */
void beside_renew(struct beside *b);

/* Where in the snapshots file the next record to be written stands; and goes on there. */
uint64_t beside_next_snapshot(const struct beside *b);
void beside_seek_snapshot(struct beside *b, uint64_t at);

/* Writes the records of the snapshots file up to `time_ns`. Errors: of the writer. */
enum seep_err beside_snapshots(struct beside *b, uint64_t time_ns, struct err *err);

/* A module that the process has from the one it was forked from; copied. */
void beside_inherit_module(struct beside *b, const struct trace_module *module);

uint32_t beside_meet_thread(struct beside *b, uint32_t thread, uint64_t time_ns); /* private */

/* A number for the trace: told to the dictionary on its first event where its THREAD_START is
 * missing; 0 where it is out of bounds. */
static inline uint32_t beside_thread(struct beside *b, uint32_t thread, uint64_t time_ns)
{
    if (thread < b->thread_count && b->threads[thread].told)
        return thread;
    return beside_meet_thread(b, thread, time_ns);
}

#endif
