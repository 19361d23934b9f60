/* SPDX-License-Identifier: MIT */
#include "trace/row.h"

#include "seep/trace_codec.h"

#include <string.h>

/* Inlined by force: calls, and results handed over in memory, are a good part of decoding a row. */
#define ROW_INLINE static inline __attribute__((always_inline))

/* A row that begins so many bytes before the end is decoded without looking for it: nothing but a
 * payload is longer, however its numbers are written. */
#define ROOMY_BYTES (1 + 9 * SEEP_VARINT_MAX + 8)

/* What is left to be decoded. */
struct input {
    const uint8_t *p, *end;
    bool roomy; /* known where this is compiled */
};

/* All lengths but one take the same way: which it is could not be foreseen. */
ROW_INLINE bool get_varint(struct input *in, uint64_t *out)
{
    if (!in->roomy)
        return seep_get_varint(&in->p, in->end, out);
    uint64_t v = *in->p;
    if (v < 0x80) {
        *out = v;
        in->p++;
        return true;
    }
    memcpy(&v, in->p, sizeof v); /* the first byte is the lowest */
    uint64_t last = ~v & UINT64_C(0x8080808080808080);
    if (last == 0)
        return seep_get_varint(&in->p, in->end, out);
    in->p += (__builtin_ctzll(last) + 1) / 8;
    v &= (last ^ (last - 1)) & UINT64_C(0x7f7f7f7f7f7f7f7f);
    v = (v & UINT64_C(0x00ff00ff00ff00ff)) | (v & UINT64_C(0xff00ff00ff00ff00)) >> 1;
    v = (v & UINT64_C(0x0000ffff0000ffff)) | (v & UINT64_C(0xffff0000ffff0000)) >> 2;
    *out = (v & UINT64_C(0x00000000ffffffff)) | (v & UINT64_C(0xffffffff00000000)) >> 4;
    return true;
}

ROW_INLINE bool get_svarint(struct input *in, int64_t *out)
{
    uint64_t v;
    if (!get_varint(in, &v))
        return false;
    *out = seep_unzigzag(v);
    return true;
}

/* Deltas are added modulo 2^64: a hostile one yields a wild value, never undefined behaviour. */

ROW_INLINE bool get_delta(struct input *in, uint64_t base, uint64_t *out)
{
    int64_t delta;
    if (!get_svarint(in, &delta))
        return false;
    *out = base + (uint64_t)delta;
    return true;
}

ROW_INLINE bool get_address(struct input *in, uint8_t head, uint64_t base, uint64_t *out)
{
    int64_t delta;
    if (!get_svarint(in, &delta))
        return false;
    *out = base + (head & SEEP_ROW_UNALIGNED ? (uint64_t)delta : (uint64_t)delta * 8);
    return true;
}

ROW_INLINE bool get_stack(struct input *in, uint32_t base, uint32_t *out)
{
    uint64_t id;
    if (!get_delta(in, base, &id) || id > UINT32_MAX)
        return false;
    *out = (uint32_t)id;
    return true;
}

ROW_INLINE bool get_id(struct input *in, uint32_t *out)
{
    uint64_t id;
    if (!get_varint(in, &id) || id > UINT32_MAX)
        return false;
    *out = (uint32_t)id;
    return true;
}

ROW_INLINE bool get_call(struct input *in, uint8_t head, uint8_t otherwise, uint8_t *out)
{
    *out = otherwise;
    if (!(head & SEEP_ROW_CALL))
        return true;
    if (!in->roomy && in->p == in->end)
        return false;
    *out = *in->p++;
    return true;
}

/* The part that ALLOC and REALLOC share behind the addresses. */
ROW_INLINE bool get_block(struct input *in, uint8_t head, uint8_t call, struct row_state *state,
                          struct row *row)
{
    if (!get_varint(in, &row->size) || !get_stack(in, state->stack, &row->stack) ||
        !get_call(in, head, call, &row->call))
        return false;
    uint64_t alignment = 0, slack;
    if (head & SEEP_ROW_ALIGN && !get_varint(in, &alignment))
        return false;
    row->alignment = alignment > UINT32_MAX ? 0x80000000u : (uint32_t)alignment;
    if (head & SEEP_ROW_USABLE) {
        /* modulo 2^64: an allocator that gives less than asked for reads as a huge slack */
        if (!get_varint(in, &slack))
            return false;
        row->usable = row->size + slack;
    } else {
        row->usable = SEEP_USABLE_GLIBC(row->size);
    }
    return true;
}

ROW_INLINE bool decode_stack(struct input *in, uint8_t head, struct row_state *next,
                             struct row *row)
{
    row->flags = head & (SEEP_ROW_EXACT_PC | SEEP_ROW_GUESSED | SEEP_ROW_ROOT | SEEP_ROW_CUT);
    if (!get_id(in, &row->stack))
        return false;
    if (head & SEEP_ROW_ROOT) {
        row->parent = 0;
        return get_varint(in, &row->pc);
    }
    if (!get_id(in, &row->parent) || !get_delta(in, next->pc, &row->pc))
        return false;
    next->pc = row->pc;
    return true;
}

ROW_INLINE bool decode_beside(struct input *in, struct row_state *next, struct row *row)
{
    uint64_t length;
    if (!get_id(in, &row->beside) || !get_delta(in, next->stamp, &row->stamp) ||
        !get_varint(in, &length) || length > ROW_PAYLOAD_LIMIT ||
        length > (size_t)(in->end - in->p))
        return false;
    row->payload = in->p;
    row->payload_bytes = (size_t)length;
    in->p += length;
    next->stamp = row->stamp;
    return true;
}

ROW_INLINE bool decode_body(struct input *in, uint8_t head, struct row_state *next, struct row *row)
{
    switch (head & 0x0f) {
    case SEEP_ROW_ALLOC:
        if (!get_delta(in, next->stamp, &row->stamp) ||
            !get_address(in, head, next->address, &row->address) ||
            !get_block(in, head, SEEP_CALL_MALLOC, next, row))
            return false;
        next->stamp = row->stamp;
        next->address = row->address;
        next->stack = row->stack;
        return true;
    case SEEP_ROW_FREE:
        if (!get_delta(in, next->stamp, &row->stamp) ||
            !get_address(in, head, next->address, &row->address) ||
            !get_call(in, head, SEEP_CALL_FREE, &row->call))
            return false;
        row->stack = 0;
        if (head & SEEP_ROW_WITH_STACK) {
            if (!get_stack(in, next->stack, &row->stack))
                return false;
            next->stack = row->stack;
        }
        next->stamp = row->stamp;
        next->address = row->address;
        return true;
    case SEEP_ROW_REALLOC: {
        uint64_t took;
        if (!get_delta(in, next->stamp, &row->stamp) || !get_varint(in, &took) ||
            !get_address(in, head, next->address, &row->old_address) ||
            !get_address(in, head, row->old_address, &row->address) ||
            !get_block(in, head, SEEP_CALL_REALLOC, next, row))
            return false;
        row->end_stamp = row->stamp + took < took ? UINT64_MAX : row->stamp + took;
        next->stamp = row->stamp;
        next->address = row->address;
        next->stack = row->stack;
        return true;
    }
    case SEEP_ROW_FAILED:
        if (!get_delta(in, next->stamp, &row->stamp) || !get_address(in, head, 0, &row->address) ||
            !get_varint(in, &row->size) || !get_stack(in, next->stack, &row->stack) ||
            !get_call(in, head, row->address ? SEEP_CALL_REALLOC : SEEP_CALL_MALLOC, &row->call))
            return false;
        next->stamp = row->stamp;
        next->stack = row->stack;
        return true;
    case SEEP_ROW_STACK: return decode_stack(in, head, next, row);
    case SEEP_ROW_BESIDE: return decode_beside(in, next, row);
    }
    return false;
}

ROW_INLINE enum row_result decode(const uint8_t **p, const uint8_t *end, bool roomy,
                                  struct row_state *state, struct row *row)
{
    if (*p == end || (**p & 0x0f) == SEEP_ROW_END)
        return ROW_LAST;
    struct row_state next = *state;
    struct input in = {.p = *p + 1, .end = end, .roomy = roomy};
    uint8_t head = **p;
    row->op = head & 0x0f;
    if (!decode_body(&in, head, &next, row))
        return ROW_DAMAGED;
    *p = in.p;
    *state = next;
    return ROW_OK;
}

enum row_result row_decode(const uint8_t **p, const uint8_t *end, struct row_state *state,
                           struct row *row)
{
    return end - *p < ROOMY_BYTES ? decode(p, end, false, state, row)
                                  : decode(p, end, true, state, row);
}
