/* SPDX-License-Identifier: MIT */
#include "trace/row.h"

#include "seep/trace_codec.h"

/* Inlined by force: calls, and results handed over in memory, are a good part of decoding a row. */
#define ROW_INLINE static inline __attribute__((always_inline))

/* Deltas are added modulo 2^64: a hostile one yields a wild value, never undefined behaviour. */

ROW_INLINE bool get_delta(const uint8_t **p, const uint8_t *end, uint64_t base, uint64_t *out)
{
    int64_t delta;
    if (!seep_get_svarint(p, end, &delta))
        return false;
    *out = base + (uint64_t)delta;
    return true;
}

ROW_INLINE bool get_address(const uint8_t **p, const uint8_t *end, uint8_t head, uint64_t base,
                            uint64_t *out)
{
    int64_t delta;
    if (!seep_get_svarint(p, end, &delta))
        return false;
    *out = base + (head & SEEP_ROW_UNALIGNED ? (uint64_t)delta : (uint64_t)delta * 8);
    return true;
}

ROW_INLINE bool get_stack(const uint8_t **p, const uint8_t *end, uint32_t base, uint32_t *out)
{
    uint64_t id;
    if (!get_delta(p, end, base, &id) || id > UINT32_MAX)
        return false;
    *out = (uint32_t)id;
    return true;
}

static bool get_id(const uint8_t **p, const uint8_t *end, uint32_t *out)
{
    uint64_t id;
    if (!seep_get_varint(p, end, &id) || id > UINT32_MAX)
        return false;
    *out = (uint32_t)id;
    return true;
}

ROW_INLINE bool get_call(const uint8_t **p, const uint8_t *end, uint8_t head, uint8_t otherwise,
                         uint8_t *out)
{
    *out = otherwise;
    if (!(head & SEEP_ROW_CALL))
        return true;
    if (*p == end)
        return false;
    *out = *(*p)++;
    return true;
}

/* The part that ALLOC and REALLOC share behind the addresses. */
ROW_INLINE bool get_block(const uint8_t **p, const uint8_t *end, uint8_t head, uint8_t call,
                          struct row_state *state, struct row *row)
{
    if (!seep_get_varint(p, end, &row->size) || !get_stack(p, end, state->stack, &row->stack) ||
        !get_call(p, end, head, call, &row->call))
        return false;
    uint64_t alignment = 0, slack;
    if (head & SEEP_ROW_ALIGN && !seep_get_varint(p, end, &alignment))
        return false;
    row->alignment = alignment > UINT32_MAX ? 0x80000000u : (uint32_t)alignment;
    if (head & SEEP_ROW_USABLE) {
        /* modulo 2^64: an allocator that gives less than asked for reads as a huge slack */
        if (!seep_get_varint(p, end, &slack))
            return false;
        row->usable = row->size + slack;
    } else {
        row->usable = SEEP_USABLE_GLIBC(row->size);
    }
    return true;
}

static bool decode_stack(const uint8_t **p, const uint8_t *end, uint8_t head,
                         struct row_state *next, struct row *row)
{
    row->flags = head & (SEEP_ROW_EXACT_PC | SEEP_ROW_GUESSED | SEEP_ROW_ROOT | SEEP_ROW_CUT);
    if (!get_id(p, end, &row->stack))
        return false;
    if (head & SEEP_ROW_ROOT) {
        row->parent = 0;
        return seep_get_varint(p, end, &row->pc);
    }
    if (!get_id(p, end, &row->parent) || !get_delta(p, end, next->pc, &row->pc))
        return false;
    next->pc = row->pc;
    return true;
}

static bool decode_beside(const uint8_t **p, const uint8_t *end, struct row_state *next,
                          struct row *row)
{
    uint64_t length;
    if (!get_id(p, end, &row->beside) || !get_delta(p, end, next->stamp, &row->stamp) ||
        !seep_get_varint(p, end, &length) || length > ROW_PAYLOAD_LIMIT ||
        length > (size_t)(end - *p))
        return false;
    row->payload = *p;
    row->payload_bytes = (size_t)length;
    *p += length;
    next->stamp = row->stamp;
    return true;
}

ROW_INLINE bool decode_body(const uint8_t **p, const uint8_t *end, uint8_t head,
                            struct row_state *next, struct row *row)
{
    switch (head & 0x0f) {
    case SEEP_ROW_ALLOC:
        if (!get_delta(p, end, next->stamp, &row->stamp) ||
            !get_address(p, end, head, next->address, &row->address) ||
            !get_block(p, end, head, SEEP_CALL_MALLOC, next, row))
            return false;
        next->stamp = row->stamp;
        next->address = row->address;
        next->stack = row->stack;
        return true;
    case SEEP_ROW_FREE:
        if (!get_delta(p, end, next->stamp, &row->stamp) ||
            !get_address(p, end, head, next->address, &row->address) ||
            !get_call(p, end, head, SEEP_CALL_FREE, &row->call))
            return false;
        row->stack = 0;
        if (head & SEEP_ROW_WITH_STACK) {
            if (!get_stack(p, end, next->stack, &row->stack))
                return false;
            next->stack = row->stack;
        }
        next->stamp = row->stamp;
        next->address = row->address;
        return true;
    case SEEP_ROW_REALLOC: {
        uint64_t took;
        if (!get_delta(p, end, next->stamp, &row->stamp) || !seep_get_varint(p, end, &took) ||
            !get_address(p, end, head, next->address, &row->old_address) ||
            !get_address(p, end, head, row->old_address, &row->address) ||
            !get_block(p, end, head, SEEP_CALL_REALLOC, next, row))
            return false;
        row->end_stamp = row->stamp + took < took ? UINT64_MAX : row->stamp + took;
        next->stamp = row->stamp;
        next->address = row->address;
        next->stack = row->stack;
        return true;
    }
    case SEEP_ROW_FAILED:
        if (!get_delta(p, end, next->stamp, &row->stamp) ||
            !get_address(p, end, head, 0, &row->address) || !seep_get_varint(p, end, &row->size) ||
            !get_stack(p, end, next->stack, &row->stack) ||
            !get_call(p, end, head, row->address ? SEEP_CALL_REALLOC : SEEP_CALL_MALLOC,
                      &row->call))
            return false;
        next->stamp = row->stamp;
        next->stack = row->stack;
        return true;
    case SEEP_ROW_STACK: return decode_stack(p, end, head, next, row);
    case SEEP_ROW_BESIDE: return decode_beside(p, end, next, row);
    }
    return false;
}

enum row_result row_decode(const uint8_t **p, const uint8_t *end, struct row_state *state,
                           struct row *row)
{
    if (*p == end || (**p & 0x0f) == SEEP_ROW_END)
        return ROW_LAST;
    struct row_state next = *state;
    const uint8_t *q = *p + 1;
    row->op = **p & 0x0f;
    if (!decode_body(&q, end, **p, &next, row))
        return ROW_DAMAGED;
    *p = q;
    *state = next;
    return ROW_OK;
}
