/* SPDX-License-Identifier: MIT
 *
 * What a snapshot's scanning process needs to know of the process it was forked from. */
#ifndef REC_GRAPH_PLAN_H
#define REC_GRAPH_PLAN_H

#include "seep/trace_format.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 16 general registers (without the pc), 6 arguments of a call, 32 halves of the vector registers,
 * and where the alternate signal stack is: the kernel may be the only one who knows. */
#define REC_GRAPH_REGISTERS 56

/* The words below a stack pointer that a function may use without moving it (System V ABI, AMD64,
 * 3.2.2). */
#define REC_GRAPH_RED_ZONE 128

struct rec_graph_thread {
    int tid;
    uint32_t number;      /* of the recorder's; 0: it is not known to it */
    atomic_uint answered; /* 1: what follows is there */
    uint32_t register_count;
    uintptr_t sp;                            /* where its stack begins; 0: not known */
    uintptr_t tls;                           /* its thread control block; 0: not known */
    uintptr_t alternate_low, alternate_high; /* its signal stack; 0: it has none */
    uintptr_t registers[REC_GRAPH_REGISTERS];
    /* The system call it was in when it was asked to stop, if any. */
    bool in_call;
    uint64_t call[8]; /* number, six arguments, sp */
    uintptr_t call_pc;
};

struct rec_graph_plan {
    struct seep_graph_header header;
    int fd;      /* of the graph file, locked */
    int process; /* its pid */
    /* In memory that both processes share: grows while the scan goes on. */
    _Atomic uint64_t *progress;
    bool is_waited_for;                 /* the program stands until the scan is done */
    size_t bytes;                       /* of this structure */
    _Alignas(8) char list[4096];        /* of directory entries: a signal's stack may be small */
    uint32_t thread_room, thread_count; /* the first is the thread that takes the snapshot */
    struct rec_graph_thread threads[];
};

#endif
