/* SPDX-License-Identifier: MIT
 *
 * What `seep compare`, `seep frag` and seep-replay hand each other: the script, a file of what is
 * to be done, and the outcome, shared memory for what came of it. Both programs are of one build;
 * nothing of this outlives them.
 *
 * A script is a header, operations in the recorded order of all threads, and at `chains_offset` a
 * u64 per thread: the index of its first TURN, 0 where it has none. */
#ifndef SEEP_REPLAY_SCRIPT_H
#define SEEP_REPLAY_SCRIPT_H

#include <stdint.h>

#define SEEP_REPLAY_MAGIC UINT64_C(0x31504c5250454553) /* "SEEPRLP1" */
#define SEEP_REPLAY_FLIGHT UINT32_C(0x80000000) /* of a slot: one of those of reallocations */
#define SEEP_REPLAY_PAGE_BYTES 4096u

/* Blocks from here on are not taken to be touched all over: TOUCH operations say how much. */
#define SEEP_REPLAY_LARGE_BYTES 32768u

struct seep_replay_header {
    uint64_t magic;
    uint64_t op_count; /* this header counts as the first eight operations */
    uint64_t chains_offset;
    uint64_t calls[8];                  /* operations by kind, MALLOC to FREE */
    uint32_t thread_count, main_thread; /* threads are numbered from 0 */
    uint32_t slot_count, flight_count;
    uint64_t live_bytes; /* requested, at the last sample */
    uint32_t sample_count, reserved[3];
};

enum seep_replay_kind {
    SEEP_REPLAY_MALLOC = 1, /* slot; value: seep_replay_size() and seep_replay_turn() */
    SEEP_REPLAY_CALLOC,
    SEEP_REPLAY_ALIGNED, /* alignment: 1 << align_log2 */
    SEEP_REPLAY_REALLOC, /* of the block in `slot` */
    SEEP_REPLAY_FREE,
    SEEP_REPLAY_MOVE,   /* the block in `slot` goes to or from the flight in the size's place */
    SEEP_REPLAY_TOUCH,  /* slot; value: first page << 32 | page behind the last */
    SEEP_REPLAY_GROWN,  /* the same, seen at a snapshot: not bound to the thread around it */
    SEEP_REPLAY_TURN,   /* slot: the thread that goes on; value: index of its next TURN, or 0 */
    SEEP_REPLAY_START,  /* slot: a thread begins; its TURN comes later */
    SEEP_REPLAY_FINISH, /* the thread whose turn it is ends; a TURN follows */
    SEEP_REPLAY_WAIT,   /* value: ns from the start that this point is not passed before */
    SEEP_REPLAY_SAMPLE, /* slot: number of the sample */
    /* The same calls where some blocks lie in a pool (replayer/pool.h); not for free running. */
    SEEP_REPLAY_POOL_MALLOC,
    SEEP_REPLAY_POOL_REALLOC, /* align_log2: 1 where the block is to lie in the pool, 0 elsewhere */
    SEEP_REPLAY_POOL_FREE,    /* of a block wherever it lies */
    SEEP_REPLAY_END,          /* on the main thread */
};

struct seep_replay_op {
    uint8_t kind; /* enum seep_replay_kind */
    uint8_t align_log2;
    uint16_t turn_high;
    uint32_t slot;
    uint64_t value;
};

/* Sizes have 40 bits; the other 24, and turn_high above them, are how many operations there were on
 * the slot before: what threads that run freely wait for. */
#define SEEP_REPLAY_SIZE_MAX ((UINT64_C(1) << 40) - 1)

static inline uint64_t seep_replay_size(const struct seep_replay_op *op)
{
    return op->value & SEEP_REPLAY_SIZE_MAX;
}

static inline uint64_t seep_replay_turn(const struct seep_replay_op *op)
{
    return op->value >> 40 | (uint64_t)op->turn_high << 24;
}

static inline void seep_replay_set(struct seep_replay_op *op, uint64_t size, uint64_t turn)
{
    op->value = size | turn << 40;
    op->turn_high = (uint16_t)(turn >> 24);
}

/* System calls on memory, counted by who started the replay: the filter's word for each. */
enum seep_replay_memory_call {
    SEEP_REPLAY_MMAP,
    SEEP_REPLAY_MUNMAP,
    SEEP_REPLAY_MREMAP,
    SEEP_REPLAY_MADVISE,
    SEEP_REPLAY_BRK,
    SEEP_REPLAY_MEMORY_CALLS,
};

/* seep-replay SCRIPT-FD OUTCOME-FD MODE SPEED-PERCENT [free|counted] */
enum seep_replay_mode {
    SEEP_REPLAY_MEMORY,  /* gaps kept, samples taken */
    SEEP_REPLAY_SPEED,   /* no gaps, no samples */
    SEEP_REPLAY_LATENCY, /* the same, each call timed */
};

enum seep_replay_timed { SEEP_TIMED_MALLOC, SEEP_TIMED_FREE, SEEP_TIMED_REALLOC, SEEP_TIMED_COUNT };

/* Counts of calls by ticks: below 16 one each, then 16 to each doubling. */
#define SEEP_REPLAY_BUCKETS 768

static inline uint32_t seep_replay_bucket(uint64_t ticks)
{
    if (ticks < 16)
        return (uint32_t)ticks;
    uint32_t high = 63 - (uint32_t)__builtin_clzll(ticks);
    uint32_t bucket = (high - 3) * 16 + (uint32_t)(ticks >> (high - 4) & 15);
    return bucket < SEEP_REPLAY_BUCKETS ? bucket : SEEP_REPLAY_BUCKETS - 1;
}

/* The least ticks that fall into a bucket. */
static inline uint64_t seep_replay_bucket_ticks(uint32_t bucket)
{
    if (bucket < 16)
        return bucket;
    return (uint64_t)(16 + bucket % 16) << (bucket / 16 - 1);
}

struct seep_replay_outcome {
    uint32_t done; /* 1: the replay came to its end */
    uint32_t sample_count;
    uint64_t calls[8];       /* done, by kind */
    uint64_t failed;         /* that returned NULL */
    uint64_t base_rss_bytes; /* before the first operation */
    uint64_t final_rss_bytes;
    uint64_t usable_bytes; /* of all blocks, at the last sample */
    uint64_t peak_rss_bytes;
    uint64_t wall_ns, cpu_ns;
    uint64_t minor_faults, major_faults;
    uint64_t voluntary_switches, involuntary_switches;
    uint64_t memory_calls[SEEP_REPLAY_MEMORY_CALLS]; /* set by the parent */
    uint32_t memory_calls_known, reserved;
    uint64_t late_ns;     /* most that a WAIT came too late */
    uint64_t timer_ticks; /* cost of the timer, taken off already */
    uint64_t ticks;       /* of the whole, which took wall_ns */
    uint64_t timed[SEEP_TIMED_COUNT][SEEP_REPLAY_BUCKETS];
    char library[256]; /* that malloc() is of */
    char version[128];
    uint64_t samples[]; /* RSS, bytes */
};

#endif
