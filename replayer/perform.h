/* SPDX-License-Identifier: MIT
 *
 * One operation on a block. In a header, for it to be part of the two loops that it stands in. */
#ifndef REPLAYER_PERFORM_H
#define REPLAYER_PERFORM_H

#include "replay.h"
#include "ticks.h"

#include <stdlib.h>

static inline void **perform_slot(uint32_t slot)
{
    size_t i = slot & ~SEEP_REPLAY_FLIGHT;
    return &replay.slots[slot & SEEP_REPLAY_FLIGHT ? i + replay.header->slot_count : i];
}

/* Writes to each page of [from, to) once. */
static inline void perform_touch(char *block, uint64_t from, uint64_t to)
{
    if (!block || from >= to)
        return;
    volatile char *p = block;
    p[from] = 1;
    uint64_t next =
        SEEP_REPLAY_PAGE_BYTES - ((uintptr_t)(block + from) & (SEEP_REPLAY_PAGE_BYTES - 1)) + from;
    for (; next < to; next += SEEP_REPLAY_PAGE_BYTES)
        p[next] = 1;
}

/* The same for pages counted from the block's start, which need not be one's: none is behind it. */
static inline void perform_pages(const struct seep_replay_op *op)
{
    volatile char *block = *perform_slot(op->slot);
    for (uint64_t page = op->value >> 32; block && page < (op->value & UINT32_MAX); page++)
        block[page * SEEP_REPLAY_PAGE_BYTES] = 1;
}

/* What a thread counts for itself: threads that run freely would pay for sharing it. */
struct performed {
    uint64_t calls[8], failed;
    uint64_t timed[SEEP_TIMED_COUNT][SEEP_REPLAY_BUCKETS];
};

static inline void perform_timed(struct performed *done, enum seep_replay_timed what,
                                 uint64_t ticks)
{
    uint64_t cost = replay.outcome->timer_ticks;
    done->timed[what][seep_replay_bucket(ticks > cost ? ticks - cost : 0)]++;
}

/* The same, with `timed` known when compiling. */
static inline __attribute__((always_inline)) void perform_as(const struct seep_replay_op *op,
                                                             struct performed *done, bool timed)
{
    void **slot = perform_slot(op->slot);
    uint64_t size = seep_replay_size(op), begin = timed ? ticks_begin() : 0;
    enum seep_replay_timed what = SEEP_TIMED_MALLOC;
    char *block = NULL;
    switch (op->kind) {
    case SEEP_REPLAY_MALLOC: block = malloc(size); break;
    case SEEP_REPLAY_CALLOC: block = calloc(1, size); break;
    case SEEP_REPLAY_ALIGNED: {
        void *out = NULL;
        block = posix_memalign(&out, (size_t)1 << op->align_log2, size) ? NULL : out;
        break;
    }
    case SEEP_REPLAY_REALLOC:
        what = SEEP_TIMED_REALLOC;
        block = realloc(*slot, size);
        break;
    default: /* FREE */
        what = SEEP_TIMED_FREE;
        free(*slot);
        break;
    }
    if (timed)
        perform_timed(done, what, ticks_end() - begin);
    done->calls[op->kind]++;
    if (what == SEEP_TIMED_FREE) {
        *slot = NULL;
        return;
    }
    if (!block) {
        done->failed++;
        if (op->kind == SEEP_REPLAY_REALLOC)
            free(*slot); /* still there, and smaller than what is touched next */
    }
    *slot = block;
    if (size < SEEP_REPLAY_LARGE_BYTES)
        perform_touch(block, 0, size);
}

static inline void perform_move(const struct seep_replay_op *op)
{
    void **flight = perform_slot((uint32_t)seep_replay_size(op) | SEEP_REPLAY_FLIGHT);
    void **slot = perform_slot(op->slot);
    bool leaves = op->align_log2 == 0;
    void **from = leaves ? slot : flight, **to = leaves ? flight : slot;
    *to = *from;
    *from = NULL;
}

#endif
