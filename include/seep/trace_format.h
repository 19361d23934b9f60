/* SPDX-License-Identifier: MIT
 *
 * Every constant and fixed layout of the two on-disk forms of a recording. No functions.
 *
 *   spool   what the recorder writes while the program runs: a directory, rows per thread
 *   trace   what the packer makes of it: one file, all events in one order, columns, zstd
 *
 * docs/trace-format.md is the specification; a test checks it against this header.
 * All integers are little-endian. "varint" is LEB128, "svarint" a zigzag varint (trace_codec.h).
 *
 * Nouns
 *   block     what an allocation makes and a free ends
 *   stamp     a reading of the recorder's clock (TSC ticks, or nanoseconds where there is no
 *             invariant TSC); the packer turns stamps into nanoseconds
 *   lane      one thread's stream of rows; an ended thread's lane is taken over by a new thread
 *   tail      the part of a lane that still lies in shared memory
 *   stack     a node of the stack tree: (parent node, return address). Node ids are dense from 1
 *   root      the outermost node of a stack; it carries the generation its addresses belong to
 *   generation  counts module unloads: an address means the module loaded there in its generation
 *   slot      the index of a live block; a free names the slot and gives it back
 */
#ifndef SEEP_TRACE_FORMAT_H
#define SEEP_TRACE_FORMAT_H

#include <stdint.h>

/* ------------------------------------------------------------------ shared by both forms */

/* How a block came to be or ended. Recorded per call, so that mismatches can be told. */
enum seep_call {
    SEEP_CALL_MALLOC = 0,
    SEEP_CALL_CALLOC = 1,
    SEEP_CALL_REALLOC = 2,
    SEEP_CALL_REALLOCARRAY = 3,
    SEEP_CALL_MEMALIGN = 4,
    SEEP_CALL_POSIX_MEMALIGN = 5,
    SEEP_CALL_ALIGNED_ALLOC = 6,
    SEEP_CALL_VALLOC = 7,
    SEEP_CALL_PVALLOC = 8,
    SEEP_CALL_NEW = 9,
    SEEP_CALL_NEW_ARRAY = 10,
    SEEP_CALL_MALLOCX = 11,
    SEEP_CALL_RALLOCX = 12,
    SEEP_CALL_XALLOCX = 13,
    SEEP_CALL_FREE = 32,
    SEEP_CALL_FREE_SIZED = 33,
    SEEP_CALL_DELETE = 34,
    SEEP_CALL_DELETE_ARRAY = 35,
    SEEP_CALL_DALLOCX = 36,
    SEEP_CALL_POOL = 48, /* a block of a pool: made, changed or ended by word of the program. Such
                           blocks have a space of addresses to themselves: one may lie, and
                           begin, where another call's block lies */
};

/* Facts about the process: a list of (varint key, varint length, bytes). Integers are varints in
 * the bytes, texts are UTF-8 without a final NUL, lists are NUL-separated. Unknown keys are kept.
 */
enum seep_fact {
    SEEP_FACT_PID = 1,         /* integer */
    SEEP_FACT_PARENT_PID = 2,  /* integer */
    SEEP_FACT_IMAGE = 3,       /* integer: 0 for a pid's first image, +1 per exec */
    SEEP_FACT_EXE = 4,         /* text: path of the executable */
    SEEP_FACT_COMMAND = 5,     /* list: argv */
    SEEP_FACT_ENVIRONMENT = 6, /* list: NAME=VALUE of the chosen variables only */
    SEEP_FACT_HOST = 7,        /* text */
    SEEP_FACT_KERNEL = 8,      /* text */
    SEEP_FACT_LIBC = 9,        /* text */
    SEEP_FACT_CPUS = 10,       /* integer */
    SEEP_FACT_PAGE_BYTES = 11, /* integer */
    SEEP_FACT_THP = 12,        /* text: the bracketed word of .../transparent_hugepage/enabled */
    SEEP_FACT_START_REALTIME_NS = 13, /* integer: CLOCK_REALTIME at the start */
    SEEP_FACT_RUN_ID = 14,            /* text: the same for all processes of one `seep run` */
    SEEP_FACT_ALLOCATOR = 15,         /* text: glibc, jemalloc, tcmalloc, mimalloc, or a path */
    SEEP_FACT_ALLOCATOR_VERSION = 16, /* text */
    SEEP_FACT_RECORDER_VERSION = 17,  /* text */
    SEEP_FACT_OPTIONS = 18,         /* list: the recorder's options that differ from the default */
    SEEP_FACT_FORK_PARENT_PID = 19, /* integer: set in a fork's child: the recorded process it */
    SEEP_FACT_FORK_STAMP = 20,      /* integer, fixed 8 bytes: was forked from, and when */
    SEEP_FACT_WORKING_DIRECTORY = 21, /* text */
    SEEP_FACT_ALLOCATOR_PATH = 22,    /* text: the file that serves malloc */
    SEEP_FACT_CLOCK = 23, /* text, trace only: what its times rest on. "exact", "pairs": read by the
                             recorder; "measured": rate of the machine that packed it; guessed:
                             "snapshots", "ticks" */
    SEEP_FACT_FORK_PARENT = 24,     /* text: name of that process's spool */
    SEEP_FACT_FORK_GENERATION = 25, /* integer: the parent's at the fork; the child's first */
    SEEP_FACT_FORK_LANES = 26, /* spool only: varints lane, sequence, committed bytes of each of the
                                  parent's tails at the fork: rows up to there are before it */
    SEEP_FACT_FORK_NS = 27,    /* integer, trace only: time of the fork, since the parent's start */
    SEEP_FACT_PARENT_TRACE = 28, /* text, trace only: name of the parent's trace */
    SEEP_FACT_PID_NAMESPACE =
        29, /* integer: inode of the pid namespace that PID is of; 0: unknown */
    /* all below in traces only */
    SEEP_FACT_START_NS = 30,    /* integer: CLOCK_MONOTONIC at the start */
    SEEP_FACT_CUT_OF = 31,      /* text: this is a window of the trace of that name, which it shares
                                   numbers and times with */
    SEEP_FACT_CUT_FROM = 32,    /* text: its start as it was asked for; not there: that trace's */
    SEEP_FACT_CUT_TO = 33,      /* text: its end, likewise */
    SEEP_FACT_CUT_FIRST = 34,   /* integer: number of its first event */
    SEEP_FACT_CUT_FROM_NS = 35, /* integer: when it begins, where that is known */
    SEEP_FACT_CUT_TO_NS = 36,   /* integer: when it ends, likewise */
    SEEP_FACT_PROCESSES = 37,   /* integer: it is of so many processes; the other facts are those of
                                   the first */
};

/* Things beside the allocation events, in both forms. In the spool they are SEEP_ROW_BESIDE rows
 * (or records of the snapshots file), in the trace records of SEEP_CHUNK_BESIDE. */
enum seep_beside {
    SEEP_BESIDE_THREAD_START = 1, /* varint thread, varint tid, text name */
    SEEP_BESIDE_THREAD_END = 2,   /* varint thread */
    SEEP_BESIDE_THREAD_NAME = 3,  /* varint thread, text name */
    SEEP_BESIDE_MARK = 4,         /* varint thread, text */
    SEEP_BESIDE_MODULE = 5,       /* a module was loaded, or seen first: layout below */
    SEEP_BESIDE_UNLOAD = 6,    /* varint generation that begins here, varint start of the module */
    SEEP_BESIDE_CLOCK = 7,     /* spool only: fixed u64 stamp, fixed u64 monotonic ns; counts as
                                  the first row of a chunk of the `rows` file only, where the packer
                                  finds it without reading the rest */
    SEEP_BESIDE_MEMORY = 8,    /* the kernel's split: varints, see enum seep_memory */
    SEEP_BESIDE_MAPPINGS = 9,  /* mappings and run-length residency: layout below */
    SEEP_BESIDE_LOST = 10,     /* varint count, varint reason (enum seep_lost) */
    SEEP_BESIDE_EXIT = 11,     /* svarint wait status as from waitpid; written by the parent */
    SEEP_BESIDE_MAP_CALL = 12, /* the program maps memory itself: layout below */
    SEEP_BESIDE_ALLOCATOR_CALL = 13,  /* reserved: malloc_trim, mallopt, mallctl, ... */
    SEEP_BESIDE_RECORDER = 14,        /* varint bytes of memory the recorder itself holds */
    SEEP_BESIDE_FREED_RESIDENCY = 15, /* reserved: sampled residency of freed large blocks */
    SEEP_BESIDE_INHERITED = 16,       /* trace only: when inherited blocks were made, and by whom:
                                         layout below */
    SEEP_BESIDE_OF_PROCESS = 17,      /* trace of several processes: varint process, varint kind,
                                         bytes of a record that is about that process alone */
    SEEP_BESIDE_PROCESS_END = 18,     /* the same: varint process, which has ended, or runs another
                                         program from here on */
    SEEP_BESIDE_GRAPH = 19,           /* a heap graph snapshot was asked for: layout below */
    SEEP_BESIDE_IGNORE = 20,          /* varint address: the block there is on purpose, no leak */
    SEEP_BESIDE_IGNORE_THREAD = 21,   /* varint thread, varint 1: what it makes from here on is on
                                         purpose; 0: no more */
    SEEP_BESIDE_SUPPRESSIONS = 22,    /* text: suppressions in LeakSanitizer's syntax that the
                                         program brings; several are parts of one text */
    SEEP_BESIDE_OWN_MEMORY = 23,      /* where the recorder's own memory lies: layout below */
    SEEP_BESIDE_THREAD_STACK = 24,    /* varint thread, varint stack pointer, varint thread pointer:
                                         addresses in its stack, and at the end of that */
};

/* SEEP_BESIDE_MODULE: varint generation, base (load bias), start, end; varint length and text of
 * the path ("[vdso]" for the vDSO); varint length and bytes of the build ID; varint segment count,
 * each segment varint p_vaddr, p_memsz, p_offset, p_flags of a PT_LOAD.
 *
 * SEEP_BESIDE_MAPPINGS: varint page bytes; varint mapping count; each mapping, by rising address:
 * varint pages between the end of the previous mapping (0 at first) and its start; varint pages;
 * varint protection (1 read, 2 write, 4 execute, 8 shared); varint length and text of its name as
 * in /proc/PID/maps ("" for anonymous); varint run count; each run varint pages << 2 | enum
 * seep_residency. Runs cover the mapping from its start, pages behind the last run are absent; only
 * private mappings that can be accessed have any, and shared ones of the spool's files.
 *
 * SEEP_BESIDE_OWN_MEMORY: varint count, each varint address, varint bytes: all that is the
 * recorder's own, but for mappings of the spool's files.
 *
 * SEEP_BESIDE_INHERITED: the blocks that a forked child has from its parent are the trace's first
 * events, ALLOC with the flag INHERITED, by age. varint number of the first event told of; varint
 * count; each svarint difference to the age before (0 at first), varint tid of the thread that made
 * it. An age is the ns from when the block was made, or last reallocated, to the start of the
 * child's recording. */
enum seep_residency {
    SEEP_PAGE_ABSENT = 0,
    SEEP_PAGE_RESIDENT = 1, /* anonymous, or a private copy of a file's page */
    SEEP_PAGE_SWAPPED = 2,
    SEEP_PAGE_FILE = 3, /* resident, still the file's own page */
};

/* SEEP_BESIDE_MAP_CALL: varint enum seep_map_call, varint 1 if the allocator called, else 0; varint
 * address, varint bytes; MMAP: varint PROT_ bits, varint MAP_ bits; MREMAP: varint new address,
 * varint new bytes. Calls that failed are not told. Behind it: varint return address of the
 * call. Readers ignore what follows.
 *
 * SEEP_BESIDE_GRAPH: varint number, from 1, of the snapshot, varint enum seep_graph_state, varint
 * enum seep_graph_trigger; varint threads stopped, varint threads that did not answer in time;
 * varint ns that threads were held, varint ns of them that the fork took. Its stamp is the moment
 * of the snapshot, while all threads stood. */
enum seep_map_call { SEEP_MAP_MMAP = 1, SEEP_MAP_MUNMAP = 2, SEEP_MAP_MREMAP = 3 };

enum seep_graph_state { /* why there is no graph, where it is not TAKEN */
                        SEEP_GRAPH_TAKEN = 0,
                        SEEP_GRAPH_NO_FORK =
                            1, /* the kernel refused: memory, processes, or a limit */
                        SEEP_GRAPH_SANDBOX =
                            2, /* the program forbade itself system calls that are needed */
                        SEEP_GRAPH_NO_FILE =
                            3, /* the spool cannot be written, or reached any more */
                        SEEP_GRAPH_STOPPED =
                            4,               /* recording had stopped: what is live is not known */
                        SEEP_GRAPH_BUSY = 5, /* another snapshot was under way */
                        SEEP_GRAPH_THREADS = 6, /* threads could not be listed or stopped */
};

enum seep_graph_trigger { /* what asked for it */
                          SEEP_GRAPH_AT_EXIT = 1,
                          SEEP_GRAPH_AT_CALL =
                              2, /* seep_snapshot(), or LeakSanitizer's functions */
                          SEEP_GRAPH_AT_SIGNAL = 3,
                          SEEP_GRAPH_AT_MARK = 4,
};

/* SEEP_BESIDE_MEMORY is a varint count n, then n varints in this order, bytes. One at the time of
 * the EXIT record repeats the last values known but for the peak, which the kernel tells then. */
enum seep_memory {
    SEEP_MEMORY_RSS = 0,
    SEEP_MEMORY_PEAK_RSS = 1,
    SEEP_MEMORY_RSS_ANON = 2,
    SEEP_MEMORY_RSS_FILE = 3,
    SEEP_MEMORY_RSS_SHMEM = 4,
    SEEP_MEMORY_SWAP = 5,
    SEEP_MEMORY_PAGE_TABLES = 6,
    SEEP_MEMORY_VIRTUAL = 7,
    SEEP_MEMORY_COUNT = 8,
};

/* Why events are missing. */
enum seep_lost {
    SEEP_LOST_NESTED = 1,  /* inside a signal handler, faster than could be kept */
    SEEP_LOST_STOPPED = 2, /* after recording stopped (disk full, cap, no descriptor, ...) */
    SEEP_LOST_EARLY = 3,   /* before the recorder could start */
    SEEP_LOST_NO_LANE = 4, /* no memory or lane for the thread */
    SEEP_LOST_FULL = 5,    /* the spool was full, and the user chose to drop events then */
};

#define SEEP_FRAME_LIMIT 512u /* frames kept of a stack, leaf side; beyond it the stack is cut */

/* ------------------------------------------------------------------ the spool
 *
 * NAME.spool/
 *   control     struct seep_control, then SEEP_LANE_LIMIT struct seep_lane; behind them the
 *               process's facts, written once, before the first row, and the tails' memory. All but
 *               the facts is mapped shared
 *   rows        full tails, written out: chunks at multiples of SEEP_ROWS_ALIGN
 *   snapshots   (u64 monotonic ns, u32 kind, u32 length, bytes) records, kind an enum seep_beside;
 *               appended by the parent (`seep run`), or by the recorder where there is none
 *   graph.N     heap graph snapshot N: struct seep_graph_header, then what memory held
 *   trace.part  where a packer follows the process: the trace in the making; `trace` when complete.
 *               Rows that it holds may be gone from `rows`, which then has holes
 *   packed      with it: how far the packer has come, and
 *   stacks      the stack definitions it has read; both are the packer's alone
 *
 * The recorder makes the directory with mode 0700, its files 0600, never through a link.
 */
#define SEEP_SPOOL_MAGIC "SEEPSPL\n" /* 8 bytes */
#define SEEP_SPOOL_VERSION 0u
#define SEEP_ROWS_ALIGN 4096u
#define SEEP_LANE_LIMIT 16384u
#define SEEP_TAIL_MIN_BYTES (16u << 10)
#define SEEP_TAIL_MAX_BYTES (256u << 10)

enum seep_clock { SEEP_CLOCK_TSC = 1, SEEP_CLOCK_MONOTONIC = 2 };

enum seep_spool_state {
    SEEP_SPOOL_OPEN = 1,    /* the process runs, or died without a word */
    SEEP_SPOOL_CLOSED = 2,  /* the recorder's destructor ran */
    SEEP_SPOOL_STOPPED = 3, /* recording stopped early: stop_reason says why */
};

enum seep_stop {
    SEEP_STOP_NONE = 0,
    SEEP_STOP_DISK_FULL = 1,
    SEEP_STOP_CAP = 2,        /* the spool's size cap */
    SEEP_STOP_FILE_LIMIT = 3, /* RLIMIT_FSIZE */
    SEEP_STOP_IO = 4,         /* the spool can no longer be written or reached */
    SEEP_STOP_MEMORY = 5,     /* no memory for the recorder */
    SEEP_STOP_SANDBOX = 6,    /* the program forbade itself system calls that are needed */
};

/* What a program does with memory where no hook stands. */
enum seep_unseen {
    SEEP_UNSEEN_DEEPBIND = 1,  /* a library opened with RTLD_DEEPBIND calls another malloc */
    SEEP_UNSEEN_NAMESPACE = 2, /* dlmopen() has made a namespace, with a malloc of its own */
    SEEP_UNSEEN_DIRECT = 4, /* functions of the allocator's own that are not recorded are called */
};

/* First 256 bytes of `control`. The recorder writes it; a packer that follows the process writes
 * two fields of it, others only read. */
struct seep_control {
    uint8_t magic[8]; /* SEEP_SPOOL_MAGIC */
    uint32_t version; /* SEEP_SPOOL_VERSION */
    uint32_t clock;   /* enum seep_clock */
    uint32_t pid;
    uint32_t state;        /* enum seep_spool_state */
    uint32_t stop_reason;  /* enum seep_stop */
    uint32_t lane_count;   /* lanes ever taken, <= SEEP_LANE_LIMIT */
    uint64_t start_stamp;  /* stamp and */
    uint64_t start_ns;     /* CLOCK_MONOTONIC at the start, read together */
    uint64_t rows_end;     /* end of the `rows` file: space is reserved by adding to this */
    uint64_t facts_offset; /* in `control`: where the facts stand, and */
    uint64_t last_stamp;   /* the newest stamp and monotonic time read together: at a flush, */
    uint64_t last_ns;      /* a snapshot, or the end; written as a pair, see last_seq */
    uint32_t last_seq;     /* odd while last_stamp and last_ns change */
    uint32_t thread_count; /* threads ever seen */
    uint64_t lost_nested;  /* events missing, by reason (enum seep_lost) */
    uint64_t lost_stopped;
    uint64_t lost_early;
    uint64_t lost_no_lane;
    uint64_t cut_stacks;     /* walks that ended before the outermost frame */
    uint64_t guessed_frames; /* frames found by frame pointer because code had no unwind data */
    uint64_t recorder_bytes; /* memory the recorder holds in the process */
    uint64_t stack_nodes;    /* ids handed out */
    uint32_t unseen;         /* enum seep_unseen, together */
    uint32_t packer;         /* a packer follows and frees rows; written by it, like the next */
    uint64_t rows_freed;     /* bytes of `rows` that were given back to the file system */
    uint64_t lost_full;      /* see lost_nested */
    uint64_t facts_bytes;    /* how long they are */
    uint64_t forks;          /* calls of fork() and _Fork() by the program */
    uint8_t reserved[64];
};

/* A lane, 64 bytes, in an array that follows struct seep_control. `word` publishes the tail: its
 * sequence number in the high half, committed bytes in the low half, stored in one go. What
 * describes the content of sequence n stands at index n & 1 and is written before `word` names n,
 * so that a death between the two stores leaves the older pair valid. Chunks 0 .. sequence-1 of
 * the lane are in `rows`; where a chunk with the tail's own sequence number is there too (the
 * process died while writing it out), the tail is the valid copy.
 *
 * `mark` is for whoever reads while the process runs. It is set before the stamp of a row is read,
 * and 0 again once the row is published; between, it is no later than any stamp of the rows in
 * progress. A signal handler's rows, which may go to a second lane, are covered by the mark of the
 * row that the handler interrupted. A lane is counted in lane_count before its first mark. But a
 * mark that was set may not be visible yet, for as long as a store stays in its processor's buffer.
 * So: read the clock, W; wait a millisecond; read lane_count and all marks; then all words. What
 * any lane publishes after that has a stamp that is no earlier than W and all marks that were read.
 * A mark may be left standing by a jump out of a signal handler until the thread's next call, and
 * for ever by a thread that was killed. */
struct seep_lane {
    uint64_t word;           /* sequence << 32 | committed bytes */
    uint64_t tail_offset[2]; /* in `control` */
    uint32_t tail_bytes[2];  /* size of the tail; 0: the lane has none */
    uint32_t thread[2];      /* thread at the start of the content */
    uint32_t holder;         /* tid of the thread that holds the lane, or held it last */
    uint32_t holder_thread;  /* number of that thread */
    uint64_t mark;           /* 0, or a row is in progress: of its stamps none is earlier */
    uint8_t reserved[8];
};

/* Header of a `graph.N` file. A process that was forked for it writes the file, and holds an
 * exclusive flock on it meanwhile; one that is not locked and not complete was cut short.
 *
 * What follows are words that may be pointers, without a judgement on what they point to: whoever
 * packs knows which blocks are live at `stamp`. Regions, and an end:
 *
 *   region  varint enum seep_graph_region (0: end of the file); svarint start - end of the region
 *           before; varint bytes; varint thread (STACK .. ALTERNATE, else 0); then its words, and
 *           varint 0
 *   word    varint words from the word told before to this one (of the first: from the region's
 *           start, plus 1); svarint value - value of the word told before in the file
 *
 * A word is told if its value lies in a HEAP region of the file, or in one of the others where HEAP
 * would be without it (a stack within a block); in HEAP regions also if it lies in memory of a
 * module that cannot be written (such names a C++ class). Regions do not overlap; what is in none
 * was not looked at. REGISTERS regions have no address: their start is 0. */
#define SEEP_GRAPH_MAGIC "SEEPGRF\n"
#define SEEP_GRAPH_VERSION 0u
struct seep_graph_header {
    uint8_t magic[8]; /* SEEP_GRAPH_MAGIC */
    uint32_t version; /* SEEP_GRAPH_VERSION */
    uint32_t number;  /* as in SEEP_BESIDE_GRAPH */
    uint64_t stamp;
    uint32_t complete; /* 1: all is written */
    uint32_t reserved;
    uint64_t bytes;         /* that follow the header */
    uint64_t scanned_bytes; /* of memory */
    uint64_t scan_ns;       /* that it took */
    uint64_t words;         /* told */
};

enum seep_graph_region {
    SEEP_GRAPH_END = 0,
    SEEP_GRAPH_HEAP = 1,        /* the brk heap, and private writable mappings of no file that are
                                   none of the others: blocks, free memory, the program's mappings */
    SEEP_GRAPH_DATA = 2,        /* writable memory of a module */
    SEEP_GRAPH_STACK = 3,       /* from the stack pointer on */
    SEEP_GRAPH_WHOLE_STACK = 4, /* of a thread that did not answer: all of it */
    SEEP_GRAPH_REGISTERS = 5,
    SEEP_GRAPH_TLS = 6,        /* thread-local variables and the thread's control block */
    SEEP_GRAPH_ALTERNATE = 7,  /* stack of signal handlers */
    SEEP_GRAPH_REGISTERED = 8, /* what the program said to be a root */
    SEEP_GRAPH_MAPPING = 9,    /* trace only: of HEAP, what the program has mapped itself */
};

/* Header of a chunk of the `rows` file, 32 bytes, followed by `bytes` bytes of rows. Chunks stand
 * at multiples of SEEP_ROWS_ALIGN; space that was reserved but never written reads as zeros. */
#define SEEP_ROWS_MAGIC 0x53574f52u /* "ROWS" */
struct seep_rows_header {
    uint32_t magic;
    uint32_t lane;
    uint32_t sequence;
    uint32_t bytes;
    uint32_t thread;      /* thread at the start of the chunk */
    uint32_t space_bytes; /* header, rows and padding: the next chunk starts behind it */
    uint32_t reserved;
    uint32_t checksum; /* CRC-32C of the 28 bytes before; not of the rows */
};

/* Rows. First byte: operation in bits 0-3, flags in bits 4-7. At the start of a tail or chunk the
 * previous stamp is control.start_stamp; previous address, stack and pc are 0, so that every chunk
 * decodes by itself. Stamps in a lane may step back (rows of a signal handler that interrupted a
 * hook are written after the row it interrupted): hence svarint.
 *
 * ALLOC    svarint stamp - previous; svarint address; varint size; svarint stack - previous stack;
 *          [u8 call] [varint alignment] [varint usable - size]
 * FREE     svarint stamp; svarint address; [u8 call] [svarint stack]
 * REALLOC  svarint start stamp; varint end - start (the next row counts from the start stamp);
 *          svarint old address - previous; svarint new address - old address (0: in place);
 *          varint size; svarint stack; [u8 call] [varint alignment] [varint usable - size];
 *          the previous address becomes the new one
 * FAILED   svarint stamp; svarint address (0 unless a reallocation failed; the previous address
 *          stays as it is and the delta counts from 0); varint size; svarint stack; [u8 call]
 * STACK    varint id; varint parent id; svarint pc - previous pc. With ROOT: varint id; varint
 *          generation. Published before any row names it; the same (parent, pc) may have two ids.
 * BESIDE   varint kind (enum seep_beside); svarint stamp; varint length; bytes
 *
 * Stamps are deltas from the previous row's that has one, stacks from the previous stack named.
 *
 * An address or address delta is divided by 8 unless UNALIGNED says it is not a multiple. */
enum seep_row {
    SEEP_ROW_END = 0, /* nothing follows in this tail or chunk */
    SEEP_ROW_ALLOC = 1,
    SEEP_ROW_FREE = 2,
    SEEP_ROW_REALLOC = 3,
    SEEP_ROW_FAILED = 4,
    SEEP_ROW_STACK = 5,
    SEEP_ROW_BESIDE = 6,
};
enum seep_row_flag {
    SEEP_ROW_CALL = 0x10,       /* call byte present; else MALLOC, FREE or REALLOC by operation */
    SEEP_ROW_ALIGN = 0x20,      /* ALLOC, REALLOC: alignment present */
    SEEP_ROW_WITH_STACK = 0x20, /* FREE: stack present */
    SEEP_ROW_USABLE = 0x40,     /* usable size present; else SEEP_USABLE_GLIBC(size) */
    SEEP_ROW_UNALIGNED = 0x80,  /* addresses are not divided by 8 */
    SEEP_ROW_EXACT_PC = 0x10,   /* STACK: pc was interrupted there, it is not a return address */
    SEEP_ROW_GUESSED = 0x20,    /* STACK: found by frame pointer, without unwind data */
    SEEP_ROW_ROOT = 0x40,       /* STACK: outermost node */
    SEEP_ROW_CUT = 0x80,        /* STACK with ROOT: older frames exist but are not known */
};

/* Usable size of a block of `n` requested bytes under glibc, 64-bit: chunks are multiples of 16
 * with 8 bytes of header, at least 24 usable (malloc/malloc.c, request2size). A prediction only. */
#define SEEP_USABLE_GLIBC(n) ((n) <= 24 ? 24 : ((((uint64_t)(n) + 8 + 15) & ~(uint64_t)15) - 8))

/* ------------------------------------------------------------------ the trace
 *
 * File = struct seep_file_header, then chunks, then an INDEX chunk and struct seep_trailer.
 * A chunk = struct seep_chunk_header + stored bytes. Readable without index and trailer by
 * following the chunk headers; after damage by searching for the next SEEP_CHUNK_MAGIC whose
 * header checksum holds.
 */
#define SEEP_TRACE_MAGIC "SEEPTRC\n" /* 8 bytes */
#define SEEP_TRACE_VERSION 1u        /* all from 1 on are read; 0 was never stable */
#define SEEP_TRACE_SUFFIX ".seep"
#define SEEP_SPOOL_SUFFIX ".spool"

struct seep_file_header { /* 32 bytes */
    uint8_t magic[8];
    uint32_t version;
    uint32_t flags;    /* 0 */
    uint64_t reserved; /* 0 */
    uint32_t reserved2;
    uint32_t checksum; /* CRC-32C of the 28 bytes before */
};

enum seep_chunk_type {
    SEEP_CHUNK_FACTS = 1,      /* facts about the process */
    SEEP_CHUNK_MODULES = 2,    /* dictionary: modules with generation, base, path, build ID */
    SEEP_CHUNK_STACKS = 3,     /* dictionary: stack nodes first .. first+count-1 */
    SEEP_CHUNK_THREADS = 4,    /* dictionary: threads */
    SEEP_CHUNK_GROUP = 5,      /* checkpoint and events */
    SEEP_CHUNK_BESIDE = 6,     /* records beside the events of the group that follows */
    SEEP_CHUNK_SUMMARY = 7,    /* completeness and totals, as the packer saw them */
    SEEP_CHUNK_INDEX = 8,      /* type, offset, first event, events, first time of each chunk */
    SEEP_CHUNK_SEGMENT = 9,    /* reserved: link to the previous and next file of a rotation */
    SEEP_CHUNK_GRAPH = 10,     /* heap graph snapshot: pointers between live blocks, and to them */
    SEEP_CHUNK_SYMBOLS = 11,   /* reserved: names of addresses, embedded for another machine */
    SEEP_CHUNK_PROCESSES = 12, /* dictionary: the processes of a trace of several */
};

#define SEEP_CHUNK_MAGIC 0x4b435053u /* "SPCK" */
struct seep_chunk_header {           /* 32 bytes */
    uint32_t magic;
    uint16_t type;             /* enum seep_chunk_type; readers skip unknown types */
    uint16_t flags;            /* 0 */
    uint64_t stored_bytes;     /* that follow the header */
    uint32_t number;           /* counts chunks of the file from 0 */
    uint32_t payload_checksum; /* CRC-32C of the stored bytes */
    uint32_t reserved;         /* 0 */
    uint32_t header_checksum;  /* CRC-32C of the 28 bytes before */
};

#define SEEP_TRAILER_MAGIC "SEEPEND\n"
struct seep_trailer {      /* 24 bytes, the last of a complete file */
    uint64_t index_offset; /* of the INDEX chunk's header */
    uint32_t reserved;
    uint32_t checksum; /* CRC-32C of the 12 bytes before */
    uint8_t magic[8];
};

/* Payload of every chunk: GROUP has a struct seep_group_header first; then u16 column count and u16
 * 0, that many struct seep_column_entry, and the stored bytes of the columns in the same order.
 *
 * A GROUP chunk is a part of a group. The first part of a group holds a checkpoint and resets all
 * predictors; parts without SEEP_GROUP_CHECKPOINT go on where the part before ended. */
enum seep_group_flag { SEEP_GROUP_CHECKPOINT = 1 };

struct seep_group_header { /* 64 bytes */
    uint64_t first_event;  /* number of the first event */
    uint64_t start_ns;     /* the stored clock before it */
    uint64_t end_ns;       /* time of the last event, exact */
    uint32_t event_count;  /* <= SEEP_PART_EVENTS_MAX */
    uint32_t flags;        /* enum seep_group_flag */
    uint32_t live_count;   /* live blocks at the start, */
    uint32_t slot_count;   /* slots ever used at the start, */
    uint32_t flight_count; /* and reallocations in flight; all three in every part */
    uint32_t unit_us;      /* of corrections of the clock; times are off by that much at most */
    uint32_t table_bits;   /* size of the tables of guesses; the same in all parts of a group */
    uint32_t reserved[2];  /* 0 */
    uint32_t checksum;     /* CRC-32C of the 60 bytes before */
};

enum seep_encoding { SEEP_ENCODING_RAW = 0, SEEP_ENCODING_ZSTD = 1 };

struct seep_column_entry { /* 12 bytes */
    uint16_t column;       /* enum seep_column; none twice */
    uint16_t encoding;     /* enum seep_encoding */
    uint32_t raw_bytes;    /* decoded; an empty column is left out */
    uint32_t stored_bytes;
};

/* Limits, checked before memory is allocated. */
#define SEEP_COLUMNS_MAX 96u            /* columns of a chunk, and the first id never used */
#define SEEP_PART_EVENTS_MAX (1u << 20) /* events of a part */
#define SEEP_LIVE_MAX (1u << 28)        /* slots */
#define SEEP_FLIGHTS_MAX (1u << 16)     /* reallocations in flight */
#define SEEP_KINDS_MAX (1u << 19)       /* kinds of a group that can be guessed */
#define SEEP_TABLE_BITS_MIN 6u          /* of the tables of guesses */
#define SEEP_TABLE_BITS_MAX 16u
#define SEEP_UNIT_US_MAX 1000000u          /* how far off times may be */
#define SEEP_PROCESSES_MAX 65535u          /* processes of a trace */
#define SEEP_STACKS_MAX 65536u             /* nodes a STACKS chunk defines */
#define SEEP_THREADS_MAX 4096u             /* threads a THREADS chunk tells */
#define SEEP_RECORDS_BYTES_MAX (32u << 20) /* decoded bytes of any column outside groups */
#define SEEP_BESIDE_BYTES_MAX (16u << 20)  /* of one record beside the events */

/* Columns. Each is a frame of its own; readers skip columns they do not know. */
enum seep_column {
    /* the checkpoint: live blocks at the start of the group, by age */
    SEEP_COLUMN_CHECK_SLOT = 1,
    SEEP_COLUMN_CHECK_ADDRESS = 2,
    SEEP_COLUMN_CHECK_KIND = 3,
    SEEP_COLUMN_CHECK_STACK = 4, /* of the kinds, like the next four */
    SEEP_COLUMN_CHECK_SIZE = 5,
    SEEP_COLUMN_CHECK_USABLE = 6,
    SEEP_COLUMN_CHECK_CALL = 7,
    SEEP_COLUMN_CHECK_ALIGN = 8,
    SEEP_COLUMN_CHECK_THREAD = 9,
    SEEP_COLUMN_CHECK_TIME = 10,
    SEEP_COLUMN_CHECK_BIRTH = 11, /* number of the event that made each live block */
    SEEP_COLUMN_CHECK_FLAGS = 12,
    SEEP_COLUMN_CHECK_FREE_SLOTS = 13, /* order in which free slots are reused */
    SEEP_COLUMN_CHECK_REALLOCS = 14,   /* reallocations in flight at the group's start */
    SEEP_COLUMN_CHECK_WEIGHT = 15,     /* reserved: sampling */
    SEEP_COLUMN_CHECK_PEAK = 16,       /* of live bytes, in all groups before */
    /* the events */
    SEEP_COLUMN_RUN = 32,
    SEEP_COLUMN_TOKEN = 33,
    SEEP_COLUMN_TIME_GAP = 34,
    SEEP_COLUMN_TIME = 35,
    SEEP_COLUMN_THREAD = 36,
    SEEP_COLUMN_SLOT_LOW = 37,
    SEEP_COLUMN_SLOT_MIDDLE = 38,
    SEEP_COLUMN_SLOT_HIGH = 39,
    SEEP_COLUMN_KIND_LOW = 40,
    SEEP_COLUMN_KIND_HIGH = 41,
    SEEP_COLUMN_STACK = 42,
    SEEP_COLUMN_SIZE = 43,
    SEEP_COLUMN_USABLE = 44,
    SEEP_COLUMN_CALL = 45,
    SEEP_COLUMN_ALIGN = 46,
    SEEP_COLUMN_ADDRESS = 47,
    SEEP_COLUMN_OP = 48,
    SEEP_COLUMN_LINK = 49,   /* joins the two places of a reallocation */
    SEEP_COLUMN_WEIGHT = 50, /* reserved: sampling */
    /* the other chunks */
    SEEP_COLUMN_RECORDS = 64,
    SEEP_COLUMN_RECORD_BYTES = 65, /* BESIDE: the records' payloads */
    SEEP_COLUMN_NODE_PARENT = 66,  /* STACKS */
    SEEP_COLUMN_NODE_FLAGS = 67,
    SEEP_COLUMN_NODE_PC = 68,
    SEEP_COLUMN_NODE_PC_LOW = 69,
    SEEP_COLUMN_NODE_PC_HIGH = 70,
    SEEP_COLUMN_NODE_PC_NEW = 71,
    SEEP_COLUMN_GRAPH_FLAGS = 72, /* GRAPH */
    SEEP_COLUMN_GRAPH_CLASS = 73,
    SEEP_COLUMN_GRAPH_CLASS_NEW = 74,
    SEEP_COLUMN_GRAPH_EDGES = 75,
    SEEP_COLUMN_GRAPH_TARGET = 76,
    SEEP_COLUMN_GRAPH_POINTER = 77,
    SEEP_COLUMN_GRAPH_REGION = 78,
    SEEP_COLUMN_GRAPH_ROOT_PLACE = 79,
    SEEP_COLUMN_GRAPH_ROOT_TARGET = 80,
    SEEP_COLUMN_GRAPH_ROOT_POINTER = 81,
};

/* What a pointer of a heap graph points to, of the block around it. */
enum seep_graph_pointer {
    SEEP_GRAPH_TO_START = 0,
    SEEP_GRAPH_TO_BASE = 1,   /* a place within that stands for the start */
    SEEP_GRAPH_TO_INSIDE = 2, /* any other */
};

/* The GRAPH_FLAGS column. */
enum seep_graph_flag {
    SEEP_GRAPH_IGNORED = 1, /* the program said that the block is there on purpose */
};

/* CHECK_FLAGS holds enum seep_event_flag, and */
enum seep_check_flag {
    SEEP_CHECK_LAST_MADE = 0x80, /* its thread has made no other block, of its sort, since */
};

/* The NODE_PC column: how a return address is named. */
enum seep_node_pc_code {
    SEEP_NODE_PC_FOLLOWED = 0, /* 0 .. 7: rank among those that followed the same parent */
    SEEP_NODE_PC_FAR = 8,      /* its number in NODE_PC_LOW and NODE_PC_HIGH */
    SEEP_NODE_PC_NEW = 9,      /* NODE_PC_NEW: the next number's */
};

/* The TOKEN column: a byte for each event that was not guessed rightly at the first level; more
 * bytes follow SEEP_TOKEN_OTHER. */
enum seep_token {
    SEEP_TOKEN_PAIR = 0,  /* what followed the last two events */
    SEEP_TOKEN_LAST = 1,  /* what followed the last one */
    SEEP_TOKEN_OTHER = 2, /* told by OP and what it asks for */
    SEEP_TOKEN_FREE = 8,  /* + slot code: a free of that block */
    SEEP_TOKEN_MAKE = 64, /* + 21 x kind code + address code: an allocation so named */
};

/* The OP column. */
enum seep_op {
    SEEP_OP_TYPE = 0x07,  /* enum seep_event */
    SEEP_OP_FLAGS = 0x38, /* enum seep_event_flag << 3 */
    SEEP_OP_EXTRA = 0x40, /* a call and a stack of its own follow (events without a kind) */
};
enum seep_event {
    SEEP_EVENT_ALLOC = 1,
    SEEP_EVENT_FREE = 2,
    SEEP_EVENT_REALLOC = 3,
    SEEP_EVENT_REALLOC_OUT = 4,
    SEEP_EVENT_REALLOC_IN = 5,
    SEEP_EVENT_FAILED = 6,
    SEEP_EVENT_FREE_UNKNOWN = 7,
};
enum seep_event_flag { SEEP_EVENT_INHERITED = 1, SEEP_EVENT_REPAIRED = 2, SEEP_EVENT_IMPLIED = 4 };

/* How a kind is named: (stack, size, usable, call, alignment). */
enum seep_kind_code {
    SEEP_KIND_GUESS = 0, /* 0 .. 2: that of the guess after the last five, two, one events */
    SEEP_KIND_NEAR = 3,  /* 3 .. 6: candidates that followed the last event of the thread */
    SEEP_KIND_FAR = 7,   /* its number in KIND_LOW and KIND_HIGH */
    SEEP_KIND_NEW = 8,   /* declared by STACK, SIZE, USABLE, CALL, ALIGN */
};

/* How the address of a new block is named. */
enum seep_address_code {
    SEEP_ADDRESS_RING = 0,    /* 0 .. 15: rank among the addresses last freed in its class */
    SEEP_ADDRESS_CARVE = 16,  /* behind the last block that was not in a ring */
    SEEP_ADDRESS_BEHIND = 17, /* behind the last block made */
    SEEP_ADDRESS_SAME = 18,   /* REALLOC: stays where it is */
    SEEP_ADDRESS_FAR16 = 19,  /* ADDRESS: multiple of 16 from the place of CARVE */
    SEEP_ADDRESS_FAR = 20,    /* ADDRESS: bytes from the place of CARVE */
    SEEP_ADDRESS_CODES = 21,
};

/* How the block that ends or changes is named. Blocks form a list by age. */
enum seep_slot_code {
    SEEP_SLOT_YOUNG = 0,    /* 0 .. 15: rank from the youngest */
    SEEP_SLOT_OLDER = 16,   /* 16 .. 23: the older neighbours of the block that last left a place */
    SEEP_SLOT_YOUNGER = 24, /* 24 .. 31: its younger neighbours */
    SEEP_SLOT_OLD = 32,     /* 32 .. 47: rank from the oldest */
    SEEP_SLOT_FAR = 48,     /* SLOT_LOW, SLOT_MIDDLE and SLOT_HIGH have the slot */
};

/* SUMMARY: a list of (varint key, varint value); unknown keys are skipped, missing ones are 0. */
enum seep_summary {
    SEEP_SUMMARY_EVENTS = 1,  /* allocations + frees + reallocations */
    SEEP_SUMMARY_NUMBERS = 2, /* events in the total order, failed calls and the like included */
    SEEP_SUMMARY_LOST_NESTED = 3,
    SEEP_SUMMARY_LOST_STOPPED = 4,
    SEEP_SUMMARY_LOST_EARLY = 5,
    SEEP_SUMMARY_LOST_NO_LANE = 6,
    SEEP_SUMMARY_LOST_DAMAGED = 7,
    SEEP_SUMMARY_REPAIRED = 8,
    SEEP_SUMMARY_RACED = 9,
    SEEP_SUMMARY_UNKNOWN_FREES = 10,
    SEEP_SUMMARY_CUT_STACKS = 11,
    SEEP_SUMMARY_GUESSED_FRAMES = 12,
    SEEP_SUMMARY_DURATION_NS = 13,
    SEEP_SUMMARY_RECORDER_BYTES = 14,
    SEEP_SUMMARY_PEAK_RSS_BYTES = 15,
    SEEP_SUMMARY_SPOOL_STATE = 16,
    SEEP_SUMMARY_STOP_REASON = 17,
    SEEP_SUMMARY_WAIT_STATUS = 18, /* plus 1; 0: not known */
    SEEP_SUMMARY_TRUNCATED = 19,   /* 1: the spool was cut */
    SEEP_SUMMARY_DAMAGED = 20,     /* 1: the spool was damaged */
    SEEP_SUMMARY_UNSEEN = 21,      /* enum seep_unseen, together */
    SEEP_SUMMARY_LOST_FULL = 22,
};

#endif
