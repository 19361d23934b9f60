/* SPDX-License-Identifier: MIT
 *
 * The columns of a chunk: named byte arrays, each compressed by itself. */
#ifndef TRACE_COLUMNS_H
#define TRACE_COLUMNS_H

#include "seep/trace_format.h"
#include "trace/bytes.h"

struct columns {
    struct bytes column[SEEP_COLUMNS_MAX]; /* by enum seep_column; owned */
    void *compressor, *decompressor;       /* of zstd, made when first needed; owned */
};

/* All zero is an empty set. */
void columns_release(struct columns *c);
/* Empties all columns and keeps their memory. */
void columns_clear(struct columns *c);
size_t columns_raw_bytes(const struct columns *c);

/* Appends the columns `from` .. `to - 1` that are not empty to `out`: table and frames. `level` is
 * zstd's. If `stored` is not NULL it gets the stored bytes by column id. */
void columns_encode(struct columns *c, unsigned from, unsigned to, int level, struct bytes *out,
                    uint64_t *stored);

/* Where the columns of a payload stand. */
struct columns_table {
    struct seep_column_entry entry[SEEP_COLUMNS_MAX]; /* by id; raw_bytes 0: not there */
    const uint8_t *stored[SEEP_COLUMNS_MAX];
};

/* False where the table is not one, or its columns do not lie within the payload. */
bool columns_parse(struct columns_table *t, const uint8_t *payload, size_t length);

/* Decodes one column into c->column[id], replacing what is there; empty where the table has none.
 * False where it decodes to anything else than it says, or to more than `max_bytes`. */
bool columns_decode(struct columns *c, const struct columns_table *t, unsigned id,
                    uint64_t max_bytes);

#endif
