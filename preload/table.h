/* SPDX-License-Identifier: MIT
 *
 * Memory of hash tables that are read without a lock and grow a little at a time: who adds an entry
 * keeps the program waiting, so that no one of them may pay for all.
 *
 * The table that will follow is made ready while the present one is read and added to: first its
 * pages are asked of the kernel, some at once (a page that an entry, or even a look-up, meets
 * first costs a fault of its own: they were one hook in two hundred of a compiler's, and a third of
 * all faults of the process), then the entries are copied. When all are, it takes the present one's
 * place, whose pages are given back, again some at once. A reader that still holds the former one
 * finds zeros in it, which must mean a miss, and a miss must be looked up again under the lock.
 *
 * What entries are, and how they are found, is their owner's. All functions want the cold-path lock
 * (cold.h). */
#ifndef REC_TABLE_H
#define REC_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REC_TABLE_BITS_MIN 12
#define REC_TABLE_BITS_MAX 33

struct rec_places {
    void *entries;
    unsigned shift; /* 64 - log2 of the number of places */
    uint64_t mask;
};

struct rec_table {
    /* set by the owner, once */
    size_t entry_bytes;
    /* Copies the entries in the `count` places from `first` on that are worth it, none of which is
     * in `to`; how many. */
    uint64_t (*copy)(const struct rec_places *from, uint64_t first, uint64_t count,
                     const struct rec_places *to);
    /* A descriptor per size, never reused, so that a reader may keep the one it has loaded. */
    struct rec_places sizes[REC_TABLE_BITS_MAX + 1];
    struct rec_places *_Atomic current; /* what readers load */
    struct rec_places *next;            /* is made ready; NULL: none yet */
    struct rec_places *former;          /* is given back; NULL: all is */
    uint64_t ready_bytes;               /* of `next`: asked of the kernel */
    uint64_t copied;                    /* places of `current` that are in `next` */
    uint64_t given_bytes;               /* of `former` */
    uint64_t used, next_used;           /* places of `current` and `next` that are not empty */
    _Atomic uint64_t bytes;             /* of memory, for anybody */
};

/* Makes the table empty. False without memory. */
bool rec_table_init(struct rec_table *t);

/* Empties it without asking for memory; readers find no entry any more. */
void rec_table_forget(struct rec_table *t);

/* To be called before up to `more` entries are added to t->current: sees to it that it is full to
 * 5/8 at most, and does its share of the work above. False without memory. */
bool rec_table_room(struct rec_table *t, uint64_t more);

static inline struct rec_places *rec_table_places(const struct rec_table *t)
{
    return atomic_load_explicit(&t->current, memory_order_acquire);
}

/* Where what was put into that place of `current` is to be put, too; NULL: nowhere. */
static inline const struct rec_places *rec_table_beyond(const struct rec_table *t, uint64_t place)
{
    return t->next && place < t->copied ? t->next : NULL;
}

#endif
