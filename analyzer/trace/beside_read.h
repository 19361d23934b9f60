/* SPDX-License-Identifier: MIT
 *
 * What a TRACE_BESIDE event says, decoded for whoever shows it. Layouts: trace_format.h. */
#ifndef TRACE_BESIDE_READ_H
#define TRACE_BESIDE_READ_H

#include "trace/trace_event.h"

struct beside_text {
    const char *bytes; /* not NUL-ended; within the event's payload; may be any bytes */
    size_t length;
};

struct beside_view {
    enum seep_beside kind;     /* of the record within, where it is OF_PROCESS */
    uint64_t process;          /* OF_PROCESS, PROCESS_END; else 0 */
    uint64_t thread;           /* THREAD_*, MARK, IGNORE_THREAD */
    uint64_t tid;              /* THREAD_START */
    struct beside_text text;   /* name of a thread or mark, path of a module,
                                  suppressions */
    uint64_t generation;       /* MODULE, UNLOAD */
    uint64_t base, start, end; /* MODULE; UNLOAD: start */
    const uint8_t *build_id;   /* MODULE */
    size_t build_id_bytes;
    uint64_t memory[SEEP_MEMORY_COUNT];   /* MEMORY: bytes, by enum seep_memory */
    size_t memory_count;                  /* figures that are there */
    uint64_t mapping_count, mapped_bytes; /* MAPPINGS */
    uint64_t residency_bytes[4];          /* MAPPINGS: by enum seep_residency */
    uint64_t count;                       /* LOST: events; INHERITED: blocks */
    uint64_t reason;                      /* LOST: enum seep_lost */
    int64_t wait_status;                  /* EXIT */
    uint64_t bytes;                       /* RECORDER, MAP_CALL */
    uint64_t number, state, trigger;      /* GRAPH: enum seep_graph_state, seep_graph_trigger */
    uint64_t stopped_threads, missed_threads, held_ns, fork_ns; /* GRAPH */
    uint64_t map_call;                                          /* MAP_CALL: enum seep_map_call */
    uint64_t address;                                           /* MAP_CALL, IGNORE */
    uint64_t new_address, new_bytes;                            /* MAP_CALL: of MREMAP */
    uint64_t protection;                                        /* MAP_CALL: PROT_ bits of MMAP */
    bool by_allocator;                                          /* MAP_CALL */
    bool on;                                                    /* IGNORE_THREAD */
};

/* Decodes; what does not belong to the kind is zero. False where the payload makes no sense or the
 * kind is not known; *out then holds the kind only. */
bool beside_read(struct beside_view *out, const struct trace_beside *beside);

#endif
