/* SPDX-License-Identifier: MIT
 *
 * Encoding and decoding of integers as both on-disk forms use them. Header only and without a
 * single libc call, so that the recorder may use it inside malloc.
 *
 * Writers append at `p` and return the new end; the caller guarantees SEEP_VARINT_MAX bytes of
 * room. Readers never pass `end`: they return false and leave *p unspecified where the input is
 * cut, longer than a 64-bit value, or overlong beyond 10 bytes.
 */
#ifndef SEEP_TRACE_CODEC_H
#define SEEP_TRACE_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#define SEEP_VARINT_MAX 10

static inline uint64_t seep_zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t seep_unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline uint8_t *seep_put_varint(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static inline uint8_t *seep_put_svarint(uint8_t *p, int64_t v)
{
    return seep_put_varint(p, seep_zigzag(v));
}

static inline bool seep_get_varint(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
    const uint8_t *q = *p;
    uint64_t v = 0;
    if (q < end && *q < 0x80) { /* most are */
        *out = *q;
        *p = q + 1;
        return true;
    }
    for (unsigned shift = 0; q < end && shift < 70; shift += 7) {
        uint8_t byte = *q++;
        if (shift == 63 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            *p = q;
            return true;
        }
    }
    return false;
}

static inline bool seep_get_svarint(const uint8_t **p, const uint8_t *end, int64_t *out)
{
    uint64_t v;
    if (!seep_get_varint(p, end, &v))
        return false;
    *out = seep_unzigzag(v);
    return true;
}

static inline uint8_t *seep_put_u64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        *p++ = (uint8_t)(v >> (8 * i));
    return p;
}

static inline bool seep_get_u64(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
    if (end - *p < 8)
        return false;
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)(*p)[i] << (8 * i);
    *p += 8;
    *out = v;
    return true;
}

#endif
