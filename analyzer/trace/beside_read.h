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
    uint64_t address;                /* MAP_CALL, IGNORE; THREAD_STACK: in the stack */
    uint64_t new_address, new_bytes; /* MAP_CALL: of MREMAP */
    uint64_t protection;             /* MAP_CALL: PROT_ bits of MMAP */
    uint64_t pc;                     /* MAP_CALL: return address of the call; 0: not known */
    uint64_t thread_pointer;         /* THREAD_STACK */
    bool by_allocator;               /* MAP_CALL */
    bool on;                         /* IGNORE_THREAD */
};

/* Decodes; what does not belong to the kind is zero. False where the payload makes no sense or the
 * kind is not known; *out then holds the kind only. */
bool beside_read(struct beside_view *out, const struct trace_beside *beside);

/* A mapping of a MAPPINGS record. */
struct beside_mapping {
    uint64_t start, end;
    uint64_t protection;     /* enum seep_protection: 1 read, 2 write, 4 execute, 8 shared */
    struct beside_text name; /* "" for anonymous ones */
    uint64_t runs;           /* of residency; pages behind the last are absent */
};

/* Goes through a MAPPINGS record, or an OWN_MEMORY record. */
struct beside_pages {
    const uint8_t *at, *end;
    uint64_t page_bytes;
    uint64_t left;      /* mappings, or ranges, to come */
    uint64_t runs_left; /* of the current mapping */
    uint64_t address;   /* where the next run begins; the end of the last mapping */
    uint64_t mapping_end;
};

/* False where `beside` is of another kind. */
bool beside_pages_begin(struct beside_pages *p, const struct trace_beside *beside);
/* The next mapping; what is left of the runs of the last is skipped. False: past the last, or it
 * makes no sense. */
bool beside_pages_mapping(struct beside_pages *p, struct beside_mapping *out);
/* The next run of that mapping, as [*start, *end) and an enum seep_residency. False past the last.
 */
bool beside_pages_run(struct beside_pages *p, uint64_t *start, uint64_t *end,
                      enum seep_residency *kind);

/* The next range of an OWN_MEMORY record. */
bool beside_own_begin(struct beside_pages *p, const struct trace_beside *beside);
bool beside_own_next(struct beside_pages *p, uint64_t *start, uint64_t *end);

#endif
