/* SPDX-License-Identifier: MIT
 *
 * How the two commonest rows are encoded, ALLOC and FREE, for where they are written inline. There
 * a misjudged branch costs more than all the rest of the encoding, so an integer's length is
 * computed rather than branched on where it varies. */
#ifndef REC_ROWS_PUT_H
#define REC_ROWS_PUT_H

#include "rows.h"
#include "seep/trace_codec.h"
#include "thread.h"

/* Bytes of the longest row that is not a BESIDE row: 9 varints and a few bytes; and what is stored
 * beyond a row's end, to be overwritten by the next. */
#define ROW_MAX 96

/* Writes the tail out and begins the next one. False: recording has stopped. */
bool rec_rows_write_out(struct rec_thread *t);

/* Where the next row goes, or NULL when recording has stopped. */
static inline uint8_t *row_begin(struct rec_thread *t, size_t most)
{
    if (__builtin_expect(t->length + most > t->room, 0) && !rec_rows_write_out(t))
        return NULL;
    return t->tail + t->length;
}

/* The same for an event's row, which is dropped where there is no space, and the user chose so. */
bool rec_rows_make_room(struct rec_thread *t);

static inline uint8_t *row_begin_event(struct rec_thread *t)
{
    if (__builtin_expect(t->length + ROW_MAX > t->room, 0) && !rec_rows_make_room(t))
        return NULL;
    return t->tail + t->length;
}

/* Publishes sequence and committed length in one store; what was stored before it is visible to
 * whoever reads it, also after our death. */
static inline void row_publish(struct rec_thread *t, uint64_t word)
{
    t->word = word;
    __atomic_store_n(&t->lane->word, word, __ATOMIC_RELEASE);
}

static inline bool row_commit(struct rec_thread *t, const uint8_t *end)
{
    /* Both halves at once: a half that was just stored delays the load of the whole. */
    row_publish(t, (t->word & ~(uint64_t)UINT32_MAX) | (uint32_t)(end - t->tail));
    return true;
}

/* A varint that mostly has one byte, or mostly two. Stores two. */
static inline uint8_t *row_put_short(uint8_t *p, uint64_t v)
{
    if (__builtin_expect(v >= 1u << 14, 0))
        return seep_put_varint(p, v);
    unsigned more = v >= 1u << 7;
    /* adding the bits from 7 on moves them up by one */
    uint16_t bytes = (uint16_t)(((unsigned)v + ((unsigned)v & 0x3f80)) | more << 7);
    __builtin_memcpy(p, &bytes, sizeof bytes);
    return p + 1 + more;
}

/* By the highest bit of a number: how many bytes its varint has, and the high bit of all but the
 * last of them. */
#define SEVEN(entry) entry, entry, entry, entry, entry, entry, entry
static const uint32_t row_of_length[28] = {SEVEN(1), SEVEN(0x82), SEVEN(0x8083), SEVEN(0x808084)};
#undef SEVEN

/* A varint of any length up to four bytes. Stores four. */
static inline uint8_t *row_put_varying(uint8_t *p, uint64_t v)
{
    if (__builtin_expect(v >= 1u << 28, 0))
        return seep_put_varint(p, v);
    uint32_t bytes = (uint32_t)v;
    uint32_t length = row_of_length[31 - (unsigned)__builtin_clz(bytes | 1)];
    /* adding them moves the bits from 14 on up by two, and then each upper half by one */
    bytes += (bytes & 0xfffc000) * 3;
    bytes += bytes & 0x3f803f80;
    bytes |= length & 0x808080;
    __builtin_memcpy(p, &bytes, sizeof bytes);
    return p + (length & 7);
}

static inline uint8_t *row_put_stamp(struct rec_thread *t, uint8_t *p, uint64_t stamp)
{
    p = row_put_short(p, seep_zigzag((int64_t)(stamp - t->last_stamp)));
    t->last_stamp = stamp;
    return p;
}

/* An address, or the difference of two, that is a multiple of 8 unless `unaligned`. */
static inline int64_t row_scaled(int64_t delta, bool unaligned)
{
    return __builtin_expect(unaligned, 0) ? delta : delta >> 3;
}

static inline uint8_t *row_put_stack(struct rec_thread *t, uint8_t *p, uint32_t stack)
{
    p = row_put_varying(p, seep_zigzag((int64_t)stack - (int64_t)t->last_stack));
    t->last_stack = stack;
    return p;
}

/* [call] [alignment] [usable - size], as the flags in *first say. */
static inline uint8_t *row_put_block_rest(uint8_t *p, uint8_t *first, enum seep_call call,
                                          enum seep_call usual, const struct rec_block *b)
{
    if (call != usual) {
        *first |= SEEP_ROW_CALL;
        *p++ = (uint8_t)call;
    }
    if (__builtin_expect(b->alignment != 0, 0)) {
        *first |= SEEP_ROW_ALIGN;
        p = seep_put_varint(p, b->alignment);
    }
    if (__builtin_expect(b->usable != SEEP_USABLE_GLIBC(b->size), 0)) {
        *first |= SEEP_ROW_USABLE;
        p = seep_put_varint(p, b->usable - b->size);
    }
    return p;
}

static inline bool row_put_alloc(struct rec_thread *t, enum seep_call call, uint64_t stamp,
                                 uint32_t stack, const struct rec_block *b)
{
    uint8_t *first = row_begin_event(t);
    if (first == NULL)
        return false;
    bool unaligned = ((b->address | t->last_address) & 7) != 0;
    *first = SEEP_ROW_ALLOC | (unaligned ? SEEP_ROW_UNALIGNED : 0);
    uint8_t *p = row_put_stamp(t, first + 1, stamp);
    p = row_put_varying(
        p, seep_zigzag(row_scaled((int64_t)(b->address - t->last_address), unaligned)));
    t->last_address = b->address;
    p = row_put_short(p, b->size);
    p = row_put_stack(t, p, stack);
    return row_commit(t, row_put_block_rest(p, first, call, SEEP_CALL_MALLOC, b));
}

static inline bool row_put_free(struct rec_thread *t, enum seep_call call, uint64_t stamp,
                                uint32_t stack, uintptr_t address)
{
    uint8_t *first = row_begin_event(t);
    if (first == NULL)
        return false;
    bool unaligned = ((address | t->last_address) & 7) != 0;
    *first = SEEP_ROW_FREE | (unaligned ? SEEP_ROW_UNALIGNED : 0);
    uint8_t *p = row_put_stamp(t, first + 1, stamp);
    p = row_put_varying(p,
                        seep_zigzag(row_scaled((int64_t)(address - t->last_address), unaligned)));
    t->last_address = address;
    if (call != SEEP_CALL_FREE) {
        *first |= SEEP_ROW_CALL;
        *p++ = (uint8_t)call;
    }
    if (__builtin_expect(stack != 0, 0)) {
        *first |= SEEP_ROW_WITH_STACK;
        p = row_put_stack(t, p, stack);
    }
    return row_commit(t, p);
}

#endif
