/* SPDX-License-Identifier: MIT
 *
 * What a recording says of the memory of its program, in one pass: the curve that replays are held
 * against, how much of large blocks was touched, and how much memory a replay will need. */
#ifndef REPLAY_RECORDED_H
#define REPLAY_RECORDED_H

#include "replay/large.h"
#include "trace/trace_reader.h"
#include "util/err.h"

/* A moment at which memory was looked at. Replays are sampled at the same ones. */
struct recorded_instant {
    uint64_t time_ns;        /* since the start */
    uint64_t rss_bytes;      /* 0: only the next was looked at */
    uint64_t live_bytes;     /* requested */
    uint64_t heap_bytes;     /* resident in mappings that held blocks; 0: not looked at */
    uint64_t recorder_bytes; /* of the RSS the recorder's own */
    uint64_t table_bytes;    /* of that tables for unwinding, which it reads: unwind_tables.h */
};

struct recorded {
    struct recorded_instant *instants; /* owned */
    size_t count, capacity;
    uint64_t peak_rss_bytes; /* the kernel's word; 0: not known */
    uint64_t recorder_bytes; /* of it the recorder's own, where the RSS was highest */
    uint64_t table_bytes;    /* of that tables for unwinding */
    uint64_t peak_live_bytes, peak_live_blocks;
    uint64_t end_ns;      /* of the last event */
    uint64_t moved_bytes; /* all that reallocations and allocations asked for */
    uint64_t calls;
    unsigned shared;        /* which of candidate_shared were mapped, a bit each */
    const char *size_asker; /* size_askers.h: the reader's; NULL: none */
    uint64_t slowed_ns;     /* what recording took for each call, at the least */
    uint32_t slot_count;    /* most blocks there are room for */
    uint32_t thread_count;
};

/* Reads the trace from its start to its end. `large`, initialised, learns the shares. Errors: as
 * reading; USAGE where the trace is of several processes. */
enum seep_err recorded_read(struct recorded *out, struct large *large, struct trace_reader *reader,
                            bool (*progress)(void *arg, double fraction), void *arg,
                            struct err *err);
void recorded_release(struct recorded *r);

/* Bytes that must be free to replay it, a 1 / `scale` part of it. */
uint64_t recorded_need_bytes(const struct recorded *r, unsigned scale);

/* The last instant at which the RSS was looked at, or NULL. */
const struct recorded_instant *recorded_last(const struct recorded *r);

#endif
