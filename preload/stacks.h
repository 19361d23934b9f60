/* SPDX-License-Identifier: MIT
 *
 * The process-wide table of known stacks: chained hash of a whole stack -> node id. Lock-free to
 * look up; a definition is written as a row before its id can be found. */
#ifndef REC_STACKS_H
#define REC_STACKS_H

#include "unwind.h"

#include <stdbool.h>
#include <stdint.h>

struct rec_thread;

bool rec_stacks_init(void);

/* The node id of the walked stack in the present generation of modules (rec_modules_generation()).
 * Unknown nodes are defined through rec_row_stack() and rec_row_root() (rows.h) of the calling
 * thread; new pcs are told to rec_modules_note(). 0 where that fails. */
uint32_t rec_stacks_id(struct rec_thread *t, const struct rec_walk *walk);

/* Forgets all stacks: a new generation began, and every stack gets a new root. Under the cold-path
 * lock. */
void rec_stacks_forget(void);

uint64_t rec_stacks_bytes(void);
uint32_t rec_stacks_nodes(void);

#endif
