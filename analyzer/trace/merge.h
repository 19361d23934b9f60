/* SPDX-License-Identifier: MIT
 *
 * All lanes of a spool as one stream of places, by stamp.
 *
 * Stack definitions carry no stamp: a lane hands them over when it is read ahead to its next place.
 * A definition is written at the latest when a thread looks its stack up. All rows before it in its
 * lane were stamped before that lookup. So if the row that names it were stamped after the lookup,
 * all of them would be given out before it, and the lane would have been read past the definition.
 * But a hook is stamped first: a thread that is descheduled between its stamp and its lookup names
 * a stack that another thread defined later, perhaps many rows later than the stamp. Mostly the
 * window of the lanes covers that; for the rest merge_read_definitions() reads ahead in all lanes.
 */
#ifndef TRACE_MERGE_H
#define TRACE_MERGE_H

#include "trace/lane_reader.h"

struct merge_entry {
    uint64_t stamp;
    uint32_t rank; /* 0: a block leaves. Of equal stamps those come first: a free is stamped before
                      the address can be handed out again, an allocation after it was */
    uint32_t lane;
};

struct merge {
    const struct spool *spool;
    const struct spool_notes *notes;
    struct stack_map *stacks;
    struct lane_reader *lanes; /* owned; by number */
    size_t lane_count, lane_capacity;
    struct merge_entry *heap; /* owned */
    size_t heap_count, heap_capacity;
    struct place *head;        /* the next one; NULL: there are no more */
    uint64_t given_out, up_to; /* places stamped so far: before the last renewal, and now */
    size_t scanned_lane;       /* whose turn it is to be read ahead */
};

/* `spool` was indexed. Begins with merge_renew(). All pointers must outlive the merge. */
void merge_init(struct merge *m, const struct spool *spool, const struct spool_notes *notes,
                struct stack_map *stacks);
void merge_release(struct merge *m);

/* The spool was indexed again: takes up what is new. */
void merge_renew(struct merge *m);

/* The next place; NULL: there are no more. Valid until merge_pop(); a BESIDE's payload is the
 * caller's then. */
static inline const struct place *merge_head(const struct merge *m)
{
    return m->head;
}

void merge_pop(struct merge *m);

/* Reads the stack definitions of one more piece of some lane, `arg` a struct merge. False: all of
 * them were read. */
bool merge_read_definitions(void *arg);

uint64_t merge_bytes_read(const struct merge *m);
/* Stretches of rows that could not be read. */
uint64_t merge_lost(const struct merge *m);
/* The newest stamp at the ends of the lanes; 0 without rows. */
uint64_t merge_newest(const struct merge *m);

#endif
