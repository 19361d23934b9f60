/* SPDX-License-Identifier: MIT
 *
 * Return addresses of stack nodes to columns and back. There are few of them, in many stacks; and
 * what is called from one place is mostly what was called from there before. So an address is
 * numbered when it comes first in a chunk, and named by its rank among those that followed the same
 * parent. */
#ifndef TRACE_NODE_PCS_H
#define TRACE_NODE_PCS_H

#include "trace/columns.h"

#define NODE_PCS_BITS 13

struct node_pcs {
    struct columns *columns; /* not owned */
    uint64_t *pcs;           /* by number; owned, like all below */
    uint32_t count;
    size_t capacity;
    uint32_t (*followers)[SEEP_NODE_PC_FAR]; /* numbers + 1, the last one first; 0: none */
    uint32_t *map;                           /* writing: hash table of numbers + 1 */
    unsigned map_bits;
    uint64_t last_new;
    struct cursor codes, low, high, fresh; /* reading */
};

/* A chunk begins, whose columns are to be filled, or were decoded. node_pcs_end(). */
void node_pcs_begin(struct node_pcs *p, struct columns *c);
void node_pcs_end(struct node_pcs *p);

/* `key` stands for the parent: its pc if it is in the same chunk, else its id. */
void node_pcs_put(struct node_pcs *p, uint64_t key, uint64_t pc);
/* False where the columns make no sense. */
bool node_pcs_take(struct node_pcs *p, uint64_t key, uint64_t *pc);

/* Generations of roots stand in one column with new addresses. */
void node_pcs_put_root(struct node_pcs *p, uint64_t generation);
bool node_pcs_take_root(struct node_pcs *p, uint64_t *generation);

#endif
