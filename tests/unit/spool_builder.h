/* SPDX-License-Identifier: MIT
 *
 * Writes spools as a recorder would, for tests, from the words of seep/trace_format.h alone. */
#ifndef SPOOL_BUILDER_H
#define SPOOL_BUILDER_H

#include "seep/trace_format.h"

#include <stddef.h>
#include <stdint.h>

struct builder_lane {
    uint32_t index, thread, start_thread, sequence;
    uint8_t *rows; /* of the present tail */
    size_t length, capacity;
    uint64_t last_stamp, last_address, last_pc;
    uint32_t last_stack;
};

struct builder_block {
    uint64_t address, size, usable; /* usable 0: as glibc would have it */
    uint64_t alignment;
    uint8_t call;
};

struct spool_builder {
    char path[256];
    struct seep_control control;
    struct builder_lane *lanes;
    uint32_t lane_count;
    uint8_t facts[4096];
    size_t facts_bytes;
    int rows_fd, snapshots_fd;
    size_t tail_bytes; /* the tail is written out when a row would pass this; default 16 KiB */
};

/* Makes the directory `path`. Clock TSC, start_stamp 1,000,000, start_ns 5,000,000, and a second
 * pair at 1 tick = 0.5 ns, which sb_finish() places at the newest stamp. */
void sb_begin(struct spool_builder *b, const char *path);
void sb_fact(struct spool_builder *b, enum seep_fact key, const void *bytes, size_t length);
void sb_fact_number(struct spool_builder *b, enum seep_fact key, uint64_t value);

/* A new lane of thread `thread`; its index. */
uint32_t sb_lane(struct spool_builder *b, uint32_t thread);

void sb_alloc(struct spool_builder *b, uint32_t lane, uint64_t stamp, uint32_t stack,
              const struct builder_block *block);
void sb_free(struct spool_builder *b, uint32_t lane, uint64_t stamp, uint8_t call,
             uint64_t address);
void sb_realloc(struct spool_builder *b, uint32_t lane, uint64_t start, uint64_t end,
                uint32_t stack, uint64_t old_address, const struct builder_block *block);
void sb_failed(struct spool_builder *b, uint32_t lane, uint64_t stamp, uint32_t stack, uint8_t call,
               uint64_t address, uint64_t size);
void sb_stack(struct spool_builder *b, uint32_t lane, uint32_t id, uint32_t parent, uint64_t pc,
              uint8_t flags);
void sb_root(struct spool_builder *b, uint32_t lane, uint32_t id, uint32_t generation);
void sb_beside(struct spool_builder *b, uint32_t lane, uint64_t stamp, enum seep_beside kind,
               const void *bytes, size_t length);
/* A THREAD_START row; the lane is the thread's from then on. */
void sb_thread(struct spool_builder *b, uint32_t lane, uint64_t stamp, uint32_t thread,
               uint32_t tid, const char *name);
void sb_bytes(struct spool_builder *b, uint32_t lane, const void *bytes, size_t length);

/* Writes the tail out as a chunk and begins the next sequence. */
void sb_flush(struct spool_builder *b, uint32_t lane);
/* The same, but the process dies before it says so: the chunk is there and the tail still valid. */
void sb_flush_unsaid(struct spool_builder *b, uint32_t lane, size_t cut_bytes);
/* Reserves space in `rows` that is never written. */
void sb_hole(struct spool_builder *b, uint32_t bytes);
/* The tail's rows are gone, as if its chunk had never reached the disk. */
void sb_lose(struct spool_builder *b, uint32_t lane);

void sb_snapshot(struct spool_builder *b, uint64_t monotonic_ns, enum seep_beside kind,
                 const void *bytes, size_t length);

/* Writes control, and frees everything. */
void sb_finish(struct spool_builder *b);

#endif
