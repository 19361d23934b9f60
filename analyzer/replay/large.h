/* SPDX-License-Identifier: MIT
 *
 * Large blocks and how much of them is resident. Small blocks are taken to be touched all over; of
 * the others the snapshots of mappings tell, those that live long enough to be in one. What is
 * never seen is taken to be like what the same call site made, else like others of its sort. */
#ifndef REPLAY_LARGE_H
#define REPLAY_LARGE_H

#include "trace/trace_event.h"
#include "trace/trace_reader.h"

struct large_block {
    uint32_t slot, stack;
    uint64_t address, size;
    uint64_t time_ns; /* made, or last reallocated */
    uint32_t pages;   /* most that were seen resident */
    bool seen, zeroed;
    uint64_t op; /* the caller's */
};

struct large_share {
    uint64_t pages, resident;
};

struct large {
    struct large_block *blocks; /* live ones, in no order; owned */
    size_t count, capacity;
    uint32_t *places; /* by slot: index + 1 in `blocks`, 0: not large; owned */
    size_t place_count;
    struct large_share *shares; /* by stack node; owned */
    size_t share_count;
    struct large_share sorts[2];     /* by `zeroed` */
    struct large_range {             /* resident, of the last MAPPINGS record, */
        uint64_t start, end, before; /* by address; bytes resident below it */
    } * ranges;                      /* owned */
    size_t range_count, range_capacity;
};

void large_init(struct large *l, const struct trace_dict *dict);
void large_release(struct large *l);

/* A block begins or is another from here on. The record of it, if it is large: valid until the next
 * call; else NULL. */
struct large_block *large_begin(struct large *l, uint32_t slot, const struct trace_block *block);

/* It ends, or becomes another; what was seen of it goes to its call site's share. */
void large_end(struct large *l, uint32_t slot);

/* Forgets all live blocks, to begin again with the shares that were learnt. */
void large_restart(struct large *l);

/* Takes the residency of a MAPPINGS record in. */
void large_take_mappings(struct large *l, const struct trace_beside *beside);

/* Resident bytes of [start, start + bytes), as of that record. */
uint64_t large_resident_bytes(const struct large *l, uint64_t start, uint64_t bytes);

/* Looks at each live block in the residency taken in. `grown`, if not NULL, is called for those of
 * which more is resident than was seen before; `first`: nothing was seen before. */
void large_look(struct large *l, uint64_t time_ns,
                void (*grown)(void *arg, const struct large_block *block, uint32_t before,
                              bool first),
                void *arg);

/* Pages that a block is to be taken to have touched, from the shares. */
uint32_t large_guess_pages(const struct large *l, const struct large_block *block);

#endif
