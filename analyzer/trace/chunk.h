/* SPDX-License-Identifier: MIT
 *
 * The frame of a trace: file header, chunk headers, trailer, checksums. */
#ifndef TRACE_CHUNK_H
#define TRACE_CHUNK_H

#include "seep/trace_format.h"
#include "trace/bytes.h"
#include "util/err.h"

/* CRC-32C like seep_crc32c(), for bulk data. */
uint32_t chunk_crc(const void *data, size_t length);

/* True if `stored` is the checksum of the bytes. Always true in a fuzzing build, which could not
 * get past it. */
bool chunk_crc_ok(uint32_t stored, const void *data, size_t length);

struct seep_file_header chunk_file_header(void);

/* Whether `length` bytes of the file's start are a file header. Errors: NOT_TRACE, VERSION,
 * DAMAGED; `name` stands in the message. */
enum seep_err chunk_check_file_header(const uint8_t *start, size_t length, const char *name,
                                      struct err *err);

/* The header of a chunk with these stored bytes. */
struct seep_chunk_header chunk_header(enum seep_chunk_type type, uint32_t number,
                                      const struct bytes *stored);
bool chunk_header_ok(const struct seep_chunk_header *h);

struct seep_trailer chunk_trailer(uint64_t index_offset);
bool chunk_trailer_ok(const struct seep_trailer *t);

/* Sets, or checks, a group header's own checksum. */
void chunk_seal_group(struct seep_group_header *h);
bool chunk_group_ok(const struct seep_group_header *h);

#endif
