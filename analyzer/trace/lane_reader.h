/* SPDX-License-Identifier: MIT
 *
 * Reads one lane of a spool: its rows in the order of their stamps, which is nearly, not quite, the
 * order in which they stand.
 *
 * A thread is one sequence of hooks, and of signal handlers that interrupt them, each with hooks of
 * its own. A hook takes its stamps first and writes its row at its end. So a row stands later than
 * its stamps say for two reasons only:
 *   - a reallocation has two stamps, start and end, and one row;
 *   - a handler interrupted the hook behind its first stamp and before its row: the rows of the
 *     hooks inside the handler stand before the interrupted one, though stamped later. (A handler
 *     that interrupts the writing itself has its rows kept until the row is written: in order.)
 * Hence a place is overtaken only by places of handlers that interrupted its own hook. While those
 * are fewer than LANE_WINDOW, holding LANE_WINDOW places and giving out the smallest is exact: any
 * smaller one still to come would have been overtaken by all of those held. A handler records a few
 * rows; a hook that takes long enough to be interrupted hundreds of times is a reallocation that
 * copies or moves gigabytes.
 *
 * Beyond the bound, a place that lies before one given out already is given out at once, marked
 * `late`, and counted by the packer as repaired. Nothing is lost and memory stays bounded.
 *
 * STACK rows are handed to the stack map when they are decoded, CLOCK rows are dropped (spool.h
 * collects those at the start of a chunk). */
#ifndef TRACE_LANE_READER_H
#define TRACE_LANE_READER_H

#include "trace/place.h"
#include "trace/row.h"
#include "trace/spool.h"
#include "trace/stack_map.h"

#define LANE_WINDOW 256
#define LANE_RING 512 /* a power of two, at least twice LANE_WINDOW: filled in batches */

struct lane_reader {
    const struct spool *spool;
    const struct spool_notes *notes;
    struct stack_map *stacks;
    size_t next_piece;     /* the one to be begun next */
    size_t scanned_pieces; /* whose definitions were read ahead: lane_reader_scan() */
    size_t known_pieces;   /* there were when the lane was renewed last */
    uint32_t lane;
    uint32_t thread; /* of the rows being decoded */
    uint32_t row;    /* rows decoded so far */
    struct row_state state;
    uint8_t *buffer; /* owned */
    size_t capacity;
    const uint8_t *p, *end;  /* bytes not yet decoded */
    uint32_t piece_at;       /* bytes of the piece that are in the buffer or were */
    uint64_t piece_position; /* of its places: its sequence << 32 */
    bool skip;               /* the rest of the piece */
    struct place *ring;      /* owned; sorted by stamp from head on */
    uint32_t head, count;
    uint64_t last_stamp; /* given out last */
    uint64_t bytes_read; /* of rows, for progress */
    uint64_t lost;       /* stretches that could not be read */
    bool ended;
};

/* Reads lane `lane` of the spool. All pointers must outlive the reader. `buffer_bytes` is at least
 * ROW_BYTES_LIMIT. */
void lane_reader_init(struct lane_reader *r, const struct spool *spool,
                      const struct spool_notes *notes, struct stack_map *stacks, uint32_t lane,
                      size_t buffer_bytes);
void lane_reader_release(struct lane_reader *r);

/* The spool was indexed again: the lane may have more. */
void lane_reader_renew(struct lane_reader *r);

void lane_reader_refill(struct lane_reader *r); /* private */

/* The next place, or NULL at the lane's end. Valid until lane_reader_pop(); a BESIDE's payload is
 * then the caller's. */
static inline struct place *lane_reader_head(struct lane_reader *r)
{
    if (r->count < LANE_WINDOW && !r->ended)
        lane_reader_refill(r);
    return r->count > 0 ? &r->ring[r->head] : NULL;
}

static inline void lane_reader_pop(struct lane_reader *r)
{
    const struct place *place = &r->ring[r->head];
    if (place->stamp > r->last_stamp)
        r->last_stamp = place->stamp;
    r->head = (r->head + 1) & (LANE_RING - 1);
    r->count--;
}

/* Reads the stack definitions of the next piece that has not been read for them yet, ahead of the
 * places. False: none is left. Each piece is read at most once this way. */
bool lane_reader_scan(struct lane_reader *r);

/* How many pieces, from the first on, are not needed any more. */
size_t lane_reader_done_pieces(const struct lane_reader *r);

/* The newest stamp of the last piece, 0 if there is none. */
uint64_t lane_reader_newest(const struct lane_reader *r);

#endif
