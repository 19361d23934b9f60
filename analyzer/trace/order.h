/* SPDX-License-Identifier: MIT
 *
 * Places in the order of their stamps in, the trace's events out.
 *
 * Rows on one address, as of place_key(), must alternate: a block enters, leaves, enters. Stamps
 * keep that order (a free is stamped before the real one, an allocation after it returned), except
 * where the clocks of two processors disagree. So what contradicts is looked for in a short window
 * ahead:
 *   - a block enters at a live address: if another thread's row makes the address leave within
 *     ORDER_REPAIR_NS, that row is moved before (REPAIRED); else the row that ended the old block
 *     is missing, and a free is put in (IMPLIED; counted `raced` but for blocks of pools);
 *   - an address leaves that is not live: if another thread's row makes it enter within
 *     ORDER_REPAIR_NS, that row is moved before; else it is FREE_UNKNOWN.
 * Nothing is moved where the next row on the address shows that the order as stamped goes on
 * alternating without the move.
 *
 * A reallocation becomes one REALLOC at its end, where nothing happened on its old address since
 * its start; other addresses cannot tell the difference. If something does, it is split: the block
 * leaves (REALLOC_OUT) right before that, and enters (REALLOC_IN) at the end. */
#ifndef TRACE_ORDER_H
#define TRACE_ORDER_H

#include "trace/address_map.h"
#include "trace/beside.h"
#include "trace/handout.h"
#include "trace/place.h"
#include "trace/stack_map.h"
#include "trace/stamp_clock.h"

#define ORDER_AHEAD 256       /* places looked ahead, a power of two */
#define ORDER_REPAIR_NS 10000 /* far above what clocks of one machine differ by */

enum order_flight_state {
    ORDER_FLIGHT_IN_PLACE, /* the old block is still live in the trace */
    ORDER_FLIGHT_OUT,      /* REALLOC_OUT was written */
    ORDER_FLIGHT_UNKNOWN,  /* its old block was never known */
};

/* A reallocation between its start and its end. */
struct order_flight {
    uint64_t old_address;
    uint32_t lane, row;
    uint32_t next; /* of its lane, or free; 1 + index */
    uint32_t link;
    uint32_t stack, thread;
    uint8_t state; /* enum order_flight_state */
    uint8_t call;
    uint8_t flags; /* REPAIRED where its start was moved */
};

struct order {
    struct trace_writer *writer;
    struct stack_map *stacks;
    struct beside *beside; /* its time_ns is the time of what was written last */
    struct stamp_clock *clock;
    struct address_map live;
    struct place *ahead; /* owned ring */
    uint64_t *ahead_ns;  /* owned; their times since the start */
    uint32_t head, count;
    bool many_kinds;              /* when the ring began anew last: they are fetched ahead */
    struct order_flight *flights; /* owned */
    size_t flight_count, flight_capacity;
    uint32_t free_flight;   /* 1 + index */
    uint32_t *lane_flights; /* owned; by lane: 1 + index of the newest flight */
    uint32_t last_link;
    uint64_t stamp;           /* of the last place taken off the ring */
    struct trace_event event; /* being written */
    uint64_t repaired, raced, unknown_frees;
    bool inherited;      /* a fork's child: unknown blocks are the parent's */
    uint64_t fork_stamp; /* a fork's child: what is stamped earlier began in the parent; else 0 */
    struct handout *handout; /* to the children; NULL: there are none */
};

/* All pointers must outlive *o. */
void order_init(struct order *o, struct trace_writer *writer, struct stack_map *stacks,
                struct beside *beside, struct stamp_clock *clock, bool inherited);
void order_release(struct order *o);

/* A block that the process has from its parent; before the first place. Errors: of the writer. */
enum seep_err order_inherit(struct order *o, const struct inherited_block *block, struct err *err);

/* The next place; a payload becomes the order's. Errors: of the writer. */
enum seep_err order_push(struct order *o, const struct place *place, struct err *err);

/* After what was packed earlier was written again: finds the blocks and the reallocations in flight
 * by their addresses. */
void order_adopt_blocks(struct order *o);

/* There are no more places: writes what is still held. */
enum seep_err order_finish(struct order *o, struct err *err);

#endif
