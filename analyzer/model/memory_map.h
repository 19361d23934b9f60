/* SPDX-License-Identifier: MIT
 *
 * Whose a mapping without a name is: what the records beside the events tell of it. The program's
 * calls of mmap(), the allocator's where it makes them by that name, stacks of threads, and the
 * recorder's own memory. The kernel joins neighbours into one mapping, so this goes by address.
 *
 * glibc's allocator and loader map without being seen; what they have is told apart by the blocks
 * that lie there (analysis/frag_rows.h). */
#ifndef MODEL_MEMORY_MAP_H
#define MODEL_MEMORY_MAP_H

#include "trace/beside_read.h"

enum memory_owner { MEMORY_UNKNOWN, MEMORY_PROGRAM, MEMORY_ALLOCATOR, MEMORY_RECORDER };

struct memory_range {
    uint64_t start, end;
    uint64_t pc; /* PROGRAM: where the call returns to; 0: not known */
    enum memory_owner owner;
};

struct memory_stack {
    uint64_t inside, top; /* an address in it; where its thread's control block stands */
};

struct memory_map {
    struct memory_range *ranges; /* owned; by rising address, none overlap */
    size_t count, capacity;
    struct memory_range *own; /* owned; the same, of the last OWN_MEMORY record */
    size_t own_count, own_capacity;
    struct memory_stack *stacks; /* owned; also of threads that are gone, whose stacks are kept */
    size_t stack_count, stack_capacity;
};

/* Zero-initialise. Takes what a record tells; others are passed over. */
void memory_map_take(struct memory_map *m, const struct trace_beside *beside);
void memory_map_release(struct memory_map *m);

/* The range around `address`, with *end set to where that answer ends: its end, or the beginning of
 * the next range. NULL: of no known owner. */
const struct memory_range *memory_map_at(const struct memory_map *m, uint64_t address,
                                         uint64_t *end);

/* The stack, or NULL, of which `inside` lies in the mapping [start, end). */
const struct memory_stack *memory_map_stack(const struct memory_map *m, uint64_t start,
                                            uint64_t end);

#endif
