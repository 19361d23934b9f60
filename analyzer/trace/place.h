/* SPDX-License-Identifier: MIT
 *
 * A place in the order of things: what one row does at one moment. Every row has one place, except
 * a reallocation, which has two: at its start the old block leaves, at its end the new one enters.
 */
#ifndef TRACE_PLACE_H
#define TRACE_PLACE_H

#include "seep/trace_format.h"

#include <stdbool.h>
#include <stdint.h>

enum place_type {
    PLACE_NONE = 0, /* taken out of the order already */
    PLACE_ALLOC,
    PLACE_FREE,
    PLACE_REALLOC_START, /* `address` is the old block's */
    PLACE_REALLOC_END,   /* `address` is the new block's */
    PLACE_FAILED,
    PLACE_BESIDE,
};

struct place {
    uint64_t stamp;
    uint64_t address;  /* as of place_key() */
    uint64_t position; /* of its row's end: sequence of the piece << 32 | bytes */
    union {
        uint64_t size;
        uint8_t *payload; /* BESIDE: owned, freed by place_release() */
    };
    union {
        uint64_t usable;
        uint64_t payload_bytes;
    };
    uint32_t stack;     /* recorder's id */
    uint32_t alignment; /* BESIDE: its kind */
    uint32_t thread;
    uint32_t row; /* of the lane, counted modulo 2^32: joins both places of a reallocation */
    uint16_t lane;
    uint8_t type; /* enum place_type */
    uint8_t call;
    bool late; /* came after a later one was given out */
};
_Static_assert(sizeof(struct place) == 64, "a cache line: places are copied");
_Static_assert(SEEP_LANE_LIMIT <= UINT16_MAX, "a lane's number fits");

/* Blocks of a pool lie within those of malloc, and the first of a chunk begins where it does. What
 * is found by its address is found by this key, which tells the two apart by a bit that no address
 * of a program has. */
#define PLACE_POOL (UINT64_C(1) << 63)

static inline uint64_t place_key(uint64_t address, uint8_t call)
{
    return call == SEEP_CALL_POOL ? address | PLACE_POOL : address;
}

/* The address itself. */
static inline uint64_t place_address(const struct place *p)
{
    return p->call == SEEP_CALL_POOL ? p->address & ~PLACE_POOL : p->address;
}

/* A block enters (ALLOC, REALLOC_END) or leaves (FREE, REALLOC_START) at `address`. */
static inline bool place_enters(const struct place *p)
{
    return p->type == PLACE_ALLOC || p->type == PLACE_REALLOC_END;
}

static inline bool place_leaves(const struct place *p)
{
    return p->type == PLACE_FREE || p->type == PLACE_REALLOC_START;
}

#endif
