/* SPDX-License-Identifier: MIT
 *
 * One row of a spool, decoded. The byte layout is in seep/trace_format.h. */
#ifndef TRACE_ROW_H
#define TRACE_ROW_H

#include "seep/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No row is longer: the recorder refuses a BESIDE payload above SEEP_TAIL_MIN_BYTES / 2, and every
 * other row is at most 63 bytes. A longer one is damage. */
#define ROW_PAYLOAD_LIMIT (SEEP_TAIL_MIN_BYTES / 2)
#define ROW_BYTES_LIMIT (ROW_PAYLOAD_LIMIT + 64)

struct row {
    uint8_t op;      /* enum seep_row */
    uint8_t call;    /* enum seep_call */
    uint8_t flags;   /* STACK: flags of struct trace_stack_node */
    uint32_t stack;  /* recorder's id of the stack; 0 = none. STACK: the id defined */
    uint32_t parent; /* STACK */
    uint32_t alignment;
    uint64_t stamp;       /* REALLOC: of its start */
    uint64_t end_stamp;   /* REALLOC */
    uint64_t old_address; /* REALLOC */
    uint64_t address;     /* FAILED: of the block that could not be reallocated, or 0 */
    uint64_t size;
    uint64_t usable;
    uint64_t pc;            /* STACK: pc, or generation of a root */
    uint32_t beside;        /* BESIDE: enum seep_beside, as found */
    const uint8_t *payload; /* BESIDE: within the decoded bytes */
    size_t payload_bytes;
};

/* What a row's deltas count from. Zero it and set `stamp` at the start of each chunk or tail. */
struct row_state {
    uint64_t stamp, address, pc;
    uint32_t stack;
};

enum row_result {
    ROW_OK,
    ROW_LAST,    /* an END row, or no bytes left: nothing follows in this chunk */
    ROW_DAMAGED, /* cut, or something no recorder writes: what follows cannot be read either */
};

/* Decodes the row at *p, which ends before `end`, and moves *p behind it. Only ROW_OK changes *p,
 * *state and fills *row. */
enum row_result row_decode(const uint8_t **p, const uint8_t *end, struct row_state *state,
                           struct row *row);

#endif
