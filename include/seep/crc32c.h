/* SPDX-License-Identifier: MIT
 *
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), as both on-disk forms use it. Header only and
 * without a libc call. Bit by bit: it runs over headers of a few bytes; bulk data has its own
 * (trace/). */
#ifndef SEEP_CRC32C_H
#define SEEP_CRC32C_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t seep_crc32c(uint32_t crc, const void *bytes, size_t length)
{
    crc = ~crc;
    for (const uint8_t *p = bytes; length--; p++) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78u & -(crc & 1u));
    }
    return ~crc;
}

#endif
