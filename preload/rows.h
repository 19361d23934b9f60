/* SPDX-License-Identifier: MIT
 *
 * Rows: what goes into a thread's tail. Layouts in seep/trace_format.h. Each function appends one
 * row and publishes it; where there is no room the tail is written out first. The calling thread
 * owns `t` and is inside a hook (t->busy). False: recording has stopped. */
#ifndef REC_ROWS_H
#define REC_ROWS_H

#include "seep/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rec_thread;

struct rec_block {
    uintptr_t address;
    uint64_t size;
    uint64_t usable;
    uint64_t alignment; /* 0: none asked for */
};

/* In a forked child: `t` is the parent's, of a hook that a handler interrupted to fork. */
bool rec_rows_lead_nowhere(const struct rec_thread *t);

/* Stack 0: without one (FREE). */
bool rec_row_alloc(struct rec_thread *t, enum seep_call call, uint64_t stamp, uint32_t stack,
                   const struct rec_block *block);
bool rec_row_free(struct rec_thread *t, enum seep_call call, uint64_t stamp, uint32_t stack,
                  uintptr_t address);
bool rec_row_realloc(struct rec_thread *t, enum seep_call call, uint64_t start, uint64_t end,
                     uint32_t stack, uintptr_t old_address, const struct rec_block *block);
/* old_address 0: an allocation failed, else a reallocation of that block. */
bool rec_row_failed(struct rec_thread *t, enum seep_call call, uint64_t stamp, uint32_t stack,
                    uintptr_t old_address, uint64_t size);
/* Stack nodes: flags of enum seep_row_flag (EXACT_PC, GUESSED; for roots CUT). */
bool rec_row_stack(struct rec_thread *t, uint32_t id, uint32_t parent, uintptr_t pc, uint8_t flags);
bool rec_row_root(struct rec_thread *t, uint32_t id, uint32_t generation, uint8_t flags);
/* The payload may be up to SEEP_TAIL_MIN_BYTES / 2 long; longer ones are refused (false). */
bool rec_row_beside(struct rec_thread *t, enum seep_beside kind, uint64_t stamp, const void *bytes,
                    size_t length);

#endif
