/* SPDX-License-Identifier: MIT
 *
 * Growing byte arrays, and cursors over bytes that came from a file: a cursor that meets something
 * unreadable turns `bad`, yields zeros from then on and never leaves its bounds. */
#ifndef TRACE_BYTES_H
#define TRACE_BYTES_H

#include "seep/trace_codec.h"
#include "util/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *data; /* owned, bytes_release() */
    size_t length, capacity;
};

static inline uint8_t *bytes_room(struct bytes *b, size_t more)
{
    size_t need = b->length + more;
    MEM_GROW(b->data, b->capacity, need ? need : 1); /* never NULL */
    return b->data + b->length;
}

static inline void bytes_add(struct bytes *b, const void *data, size_t length)
{
    if (length)
        memcpy(bytes_room(b, length), data, length);
    b->length += length;
}

static inline void bytes_u8(struct bytes *b, uint8_t v)
{
    *bytes_room(b, 1) = v;
    b->length++;
}

static inline void bytes_varint(struct bytes *b, uint64_t v)
{
    uint8_t *p = bytes_room(b, SEEP_VARINT_MAX);
    b->length += (size_t)(seep_put_varint(p, v) - p);
}

static inline void bytes_svarint(struct bytes *b, int64_t v)
{
    bytes_varint(b, seep_zigzag(v));
}

static inline void bytes_release(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}

struct cursor {
    const uint8_t *at, *end;
    bool bad;
};

static inline struct cursor cursor_at(const uint8_t *data, size_t length)
{
    static const uint8_t nothing[1];
    if (!length)
        data = nothing; /* may have been NULL */
    return (struct cursor){data, data + length, false};
}

static inline struct cursor cursor_of(const struct bytes *b)
{
    return cursor_at(b->data, b->length);
}

static inline bool cursor_done(const struct cursor *c)
{
    return c->bad || c->at == c->end;
}

static inline void cursor_fail(struct cursor *c)
{
    c->bad = true;
    c->at = c->end;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    if (c->at == c->end) {
        c->bad = true;
        return 0;
    }
    return *c->at++;
}

static inline uint64_t cursor_varint(struct cursor *c)
{
    if (c->at != c->end && *c->at < 0x80)
        return *c->at++;
    uint64_t v;
    if (!seep_get_varint(&c->at, c->end, &v)) {
        cursor_fail(c);
        return 0;
    }
    return v;
}

static inline int64_t cursor_svarint(struct cursor *c)
{
    return seep_unzigzag(cursor_varint(c));
}

/* A varint that must be at most `max`. */
static inline uint64_t cursor_bounded(struct cursor *c, uint64_t max)
{
    uint64_t v = cursor_varint(c);
    if (v <= max)
        return v;
    cursor_fail(c);
    return 0;
}

/* `length` bytes within the cursor's, NULL and bad if there are fewer. */
static inline const uint8_t *cursor_take(struct cursor *c, uint64_t length)
{
    if (length > (uint64_t)(c->end - c->at)) {
        cursor_fail(c);
        return NULL;
    }
    const uint8_t *at = c->at;
    c->at += length;
    return at;
}

#endif
