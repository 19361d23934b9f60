/* SPDX-License-Identifier: MIT
 *
 * What a trace says, decoded: the only picture of a recording that the layers above know. */
#ifndef TRACE_TRACE_EVENT_H
#define TRACE_TRACE_EVENT_H

#include "seep/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_event_type {
    TRACE_ALLOC = 1,    /* a block begins */
    TRACE_FREE,         /* a block ends */
    TRACE_REALLOC,      /* a block changes, in one place of the order */
    TRACE_REALLOC_OUT,  /* first place of a reallocation: the old block leaves. `link` joins both */
    TRACE_REALLOC_IN,   /* second place: the new block enters. One reallocation in counts */
    TRACE_FAILED,       /* an allocation or reallocation that returned NULL; a count of its own */
    TRACE_FREE_UNKNOWN, /* a free of an address that no recorded allocation made */
    TRACE_BESIDE,       /* something beside the events: see `beside` */
    TRACE_GAP,          /* a damaged stretch was skipped: `lost_events` are missing (0: unknown),
                           the live blocks are those of the next checkpoint */
};

enum trace_event_flag {
    TRACE_INHERITED = 1, /* the block was made before a fork, by the parent */
    TRACE_REPAIRED = 2,  /* its place was corrected by the alternation rule */
    TRACE_IMPLIED = 4,   /* a free nobody recorded: the address was handed out again */
};

/* A live block. Slots are dense and reused, so that arrays indexed by slot stay small. */
struct trace_block {
    uint64_t address;
    uint64_t size;      /* requested bytes */
    uint64_t usable;    /* bytes the allocator gave, from malloc_usable_size */
    uint64_t time_ns;   /* since the start: when it was made or last reallocated */
    uint64_t birth;     /* number of the event that made it or last reallocated it */
    uint32_t stack;     /* stack node; 0 = unknown */
    uint32_t thread;    /* number in the dictionary, from 1; 0 = unknown */
    uint32_t alignment; /* asked for, or 0 */
    uint8_t call;       /* enum seep_call */
    uint8_t flags;      /* enum trace_event_flag */
};

/* The first moment with the most requested bytes live at once; all 0: none ever were. */
struct trace_peak {
    uint64_t bytes, blocks, time_ns, number;
};

/* A block that the program told of, within one of malloc's or a mapping. */
static inline bool trace_block_in_pool(const struct trace_block *b)
{
    return b->call == SEEP_CALL_POOL;
}

struct trace_beside {
    enum seep_beside kind;
    const uint8_t *bytes; /* payload as in trace_format.h; valid until the next event */
    size_t length;
};

struct trace_event {
    enum trace_event_type type;
    uint8_t call;              /* enum seep_call of this call */
    uint8_t flags;             /* enum trace_event_flag */
    uint32_t thread;           /* who called */
    uint32_t stack;            /* of this call; 0 = not recorded (most frees) */
    uint32_t slot;             /* ALLOC, FREE, REALLOC*: the block's; a REALLOC keeps its slot */
    uint32_t link;             /* REALLOC_OUT and _IN: the same non-zero number */
    uint64_t number;           /* place in the total order, from 0; BESIDE and GAP do not count */
    uint64_t time_ns;          /* since the start of recording */
    struct trace_block before; /* FREE, REALLOC, REALLOC_OUT (and _IN): the block that was */
    struct trace_block after;  /* ALLOC, REALLOC, REALLOC_IN: the block that is */
    uint64_t failed_size;      /* FAILED: bytes asked for */
    uint64_t address;          /* FREE_UNKNOWN; FAILED: old address of a reallocation, or 0 */
    struct trace_beside beside;
    uint64_t lost_events; /* GAP */
};

/* What happens to such a block, by the block's word where there is one. */
static inline bool trace_event_in_pool(const struct trace_event *ev)
{
    switch (ev->type) {
    case TRACE_ALLOC:
    case TRACE_REALLOC:
    case TRACE_REALLOC_IN: return trace_block_in_pool(&ev->after);
    case TRACE_FREE:
    case TRACE_REALLOC_OUT: return trace_block_in_pool(&ev->before);
    case TRACE_FREE_UNKNOWN: return ev->call == SEEP_CALL_POOL;
    case TRACE_FAILED:
    case TRACE_BESIDE:
    case TRACE_GAP: break;
    }
    return false;
}

/* Dictionaries. Loaded whole when a trace is opened. */
struct trace_stack_node {
    uint64_t pc;     /* a return address, unless SEEP_ROW_EXACT_PC; root: the generation */
    uint32_t parent; /* 0 for a root; a parent's id is always smaller than its child's */
    uint8_t flags;   /* enum seep_row_flag: EXACT_PC, GUESSED, ROOT, CUT */
};

struct trace_segment {
    uint64_t address;     /* link-time p_vaddr */
    uint64_t bytes;       /* p_memsz */
    uint64_t file_offset; /* p_offset */
    uint32_t flags;       /* PF_R | PF_W | PF_X */
};

struct trace_module {
    char *path;        /* owned by the dictionary, like all below; "[vdso]" for the vDSO */
    uint8_t *build_id; /* may be NULL */
    size_t build_id_bytes;
    uint64_t base;               /* load bias: pc - base is the link-time address */
    uint64_t start, end;         /* mapped range */
    uint32_t generation_from;    /* first generation it is known in */
    uint32_t generation_to;      /* last; UINT32_MAX while loaded */
    uint64_t load_ns, unload_ns; /* first seen and gone, since the start; UINT64_MAX: never gone */
    struct trace_segment *segments;
    size_t segment_count;
};

struct trace_thread {
    uint32_t number; /* from 1, in order of their first event */
    uint32_t tid;
    char *name;                /* last known; "" where unknown */
    uint64_t start_ns, end_ns; /* end: UINT64_MAX while it runs */
};

struct trace_mark {
    uint64_t time_ns;
    uint64_t number; /* events before it */
    uint32_t thread;
    char *name;
};

/* A heap graph snapshot was asked for. Its graph is in GRAPH chunks, or lost
 * (trace_reader_graph()).
 */
struct trace_snapshot {
    uint64_t number, state, trigger; /* state: enum seep_graph_state; enum seep_graph_trigger */
    uint64_t event;                  /* number of the event it stands before */
    uint64_t time_ns;
    uint64_t stopped_threads, missed_threads; /* missed: did not stop in time */
    uint64_t held_ns, fork_ns; /* that threads were held, and of them that the fork took */
};

/* A MAPPINGS record: the residency of pages is known of that moment. */
struct trace_picture {
    uint64_t time_ns;
    uint64_t number;    /* events before it */
    uint64_t rss_bytes; /* of the MEMORY record before it; 0: there was none */
};

struct trace_facts;
struct trace_summary;

/* Of a trace of several. */
struct trace_process {
    uint32_t number; /* from 1, in order of their starts */
    uint32_t parent; /* number; 0: not here */
    uint64_t start_ns, end_ns;
    uint64_t end_number;   /* number of the event before which it ended; 0: not known */
    uint32_t first_thread; /* its threads are first_thread .. first_thread + thread_count - 1; */
    uint32_t thread_count; /* the first stands for what is not known to be any thread's */
    struct trace_facts *facts; /* owned by the dictionary, like the next one */
    struct trace_summary *summary;
};

struct trace_dict {
    struct trace_stack_node *stacks; /* index = id; entry 0 is unused */
    uint32_t stack_count;            /* ids are 1 .. stack_count */
    struct trace_module *modules;
    size_t module_count;
    struct trace_thread *threads; /* index = number - 1 */
    size_t thread_count;
    struct trace_mark *marks;
    size_t mark_count;
    struct trace_snapshot *snapshots; /* in order; none of a trace of several processes */
    size_t snapshot_count;
    struct trace_picture *pictures; /* in order; none of a trace of several processes */
    size_t picture_count;
    char *suppressions; /* that the program brings, in LeakSanitizer's syntax; NULL: none */
    struct trace_process *processes; /* index = number - 1 */
    size_t process_count;            /* 0: a trace of one process */
};

/* Of a trace of several processes: that of an address; of a trace of one, 0. */
#define TRACE_PROCESS_SHIFT 48
static inline uint32_t trace_process_of(uint64_t address)
{
    return (uint32_t)(address >> TRACE_PROCESS_SHIFT);
}

/* Number of the process that a thread belongs to; 0: none, or a trace of one process. */
static inline uint32_t trace_dict_process_of(const struct trace_dict *dict, uint32_t thread)
{
    size_t low = 0, high = dict->process_count; /* first one whose threads are all behind it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dict->processes[middle].first_thread <= thread)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)low;
}

/* Facts about the process, decoded from enum seep_fact; texts are "" and lists empty where the
 * fact is missing. */
struct trace_facts {
    uint32_t pid, parent_pid, image, cpus, page_bytes, fork_parent_pid;
    uint64_t start_realtime_ns;
    uint64_t fork_ns;  /* since the parent's start; 0: not known */
    uint64_t start_ns; /* CLOCK_MONOTONIC at the start; 0: not known */
    /* of a window: what it was cut out of ("" or NULL: it is none), and its ends as they were
     * asked for; "": it begins, or ends, where that trace does */
    char *cut_of, *cut_from, *cut_to;
    uint64_t cut_first;              /* number of its first event */
    uint64_t cut_from_ns, cut_to_ns; /* 0: not known, or those of that trace */
    uint32_t processes;              /* 0: of one process */
    char *exe, *host, *kernel, *libc, *thp, *run_id, *allocator, *allocator_version,
        *allocator_path, *recorder_version, *working_directory, *parent_trace;
    char **command;     /* NULL-ended */
    char **environment; /* NULL-ended */
    char **options;     /* NULL-ended */
};

/* Whether the trace is a window of another: it begins with live blocks that no event of it made. */
static inline bool trace_facts_cut(const struct trace_facts *f)
{
    return f->cut_of && f->cut_of[0];
}

/* What the packer and the reader know of the whole. */
struct trace_summary {
    uint64_t events; /* allocations + frees + reallocations */
    uint64_t lost_nested, lost_stopped, lost_early, lost_no_lane, lost_full; /* by the recorder */
    uint64_t lost_damaged; /* in damaged or cut parts of spool or trace; a lower bound */
    uint64_t repaired;     /* places corrected by the alternation rule */
    uint64_t raced;        /* frees implied because none was recorded */
    uint64_t unknown_frees;
    uint64_t cut_stacks, guessed_frames;
    uint64_t duration_ns;
    uint64_t trace_bytes; /* size of the file */
    uint64_t recorder_bytes;
    uint64_t peak_rss_bytes; /* 0: not known */
    uint32_t spool_state;    /* enum seep_spool_state */
    uint32_t stop_reason;    /* enum seep_stop */
    uint32_t unseen;         /* enum seep_unseen, together */
    int32_t wait_status;     /* as from waitpid; -1: not known */
    bool truncated;          /* the file has no valid end; all up to the cut was read */
    bool damaged;            /* checksums failed somewhere */
};

/* Complete: nothing lost and recording not stopped, however the program died. */
static inline bool trace_summary_complete(const struct trace_summary *s)
{
    return s->lost_nested + s->lost_stopped + s->lost_early + s->lost_no_lane + s->lost_full +
                   s->lost_damaged ==
               0 &&
           s->stop_reason == SEEP_STOP_NONE && !s->truncated && !s->damaged;
}

#endif
