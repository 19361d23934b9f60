/* SPDX-License-Identifier: MIT
 *
 * Heap graph snapshots: a picture of all words in memory that may be pointers, for the analyser to
 * tell what is still reachable. Written to the spool as `graph.N`, layout in seep/trace_format.h.
 *
 * The other threads are stopped by a signal (graph_stop.h), a fork freezes the memory, the threads
 * go on, and the forked process scans what it got (graph_scan.h). The program sees nothing of that
 * process: its end raises no signal, and wait() does not find it.
 *
 * What it does not see: memory that the program keeps from forks (MADV_DONTFORK, MADV_WIPEONFORK),
 * memory of devices, and pointers that are not words at a multiple of eight. The stack of a
 * coroutine that runs is taken to be in use for 256 KiB at most; that of a thread that could not be
 * stopped, all of it.
 *
 * Rejected: scanning in the program itself, which would stand for as long; reading its memory from
 * outside while it runs, which is no picture of one moment; ptrace(), which a debugger may hold,
 * and which containers forbid. */
#ifndef REC_GRAPH_H
#define REC_GRAPH_H

#include "seep/trace_format.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads when snapshots are wanted; at the start, and in a forked child again. */
void rec_graph_init(void);

/* Takes a snapshot, if the process is recorded; what comes of it is a SEEP_BESIDE_GRAPH row. Saves
 * the registers of its caller first, for these may hold the only pointer to a block. `argument` is
 * an enum seep_graph_trigger. */
void rec_graph_take(long argument);

/* The program has passed a mark of that name. */
void rec_graph_mark(const char *name);

/* The process is about to end without its destructors; what is wanted at exit is taken now. */
void rec_graph_exits(void);

#endif
