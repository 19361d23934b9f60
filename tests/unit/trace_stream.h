/* SPDX-License-Identifier: MIT
 *
 * Random traces, and what was written into them, to be compared with what is read out. */
#ifndef TRACE_STREAM_H
#define TRACE_STREAM_H

#include "trace/trace_reader.h"
#include "trace/trace_writer.h"

/* How the program behaves: shares of 1000 events; the rest allocate. */
struct stream_profile {
    const char *name;
    unsigned events;
    unsigned free, realloc, split_realloc, failed, unknown_free, beside;
    unsigned keep;   /* live blocks to stay near */
    bool lifo, fifo; /* which block is freed; else any */
    bool aligned;    /* some blocks have an alignment, and addresses no multiple of 16 */
    unsigned threads, stacks;
    uint64_t group_events, part_events; /* 0: the default */
    int level;                          /* of zstd */
    uint32_t unit_us;                   /* how far off times may be; 0: the default */
    uint32_t pid;                       /* below 128; 0: 42 */
    uint64_t start_ns;                  /* on the machine's clock */
};

/* A trace on disk and the events in it. */
struct stream {
    char *path;                 /* owned; the file is removed with it */
    struct trace_event *events; /* as told, numbers and times included; owned, their records too */
    size_t count, capacity;
    struct trace_stack_node *nodes; /* index = id; owned */
    uint32_t node_count;
    struct trace_summary summary;
};

/* Writes a trace of the profile. The same seed makes the same file. Anything that goes wrong ends
 * the program. */
void stream_write(struct stream *s, const struct stream_profile *profile, uint64_t seed);
void stream_release(struct stream *s);

/* The file's bytes; owned by the caller. */
uint8_t *stream_bytes(const struct stream *s, size_t *length);

/* Makes all checksums of a trace's bytes right again, as far as its chunk headers can be followed.
 */
void stream_reseal(uint8_t *bytes, size_t length);

/* The chunks of a sound trace, found without the code under test. */
struct stream_chunk {
    size_t offset, end; /* of header and stored bytes */
    unsigned type;
    uint64_t first_event, events; /* GROUP */
    bool checkpoint;
};
/* Owned by the caller, free(). */
struct stream_chunk *stream_chunks(const uint8_t *bytes, size_t length, size_t *count);

/* NULL if `got` is the event that was told, else the field that differs. Times may differ by the
 * unit of the stream written last;
 * `lost`: stacks and threads may read as 0, their definitions being lost. */
const char *stream_difference(const struct trace_event *told, const struct trace_event *got,
                              bool lost);

#endif
