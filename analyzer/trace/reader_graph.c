/* SPDX-License-Identifier: MIT */
#include "trace/reader_state.h"

enum seep_err trace_reader_graph(struct trace_reader *r, size_t *at, bool head_only,
                                 struct columns *columns, bool *good, struct err *err)
{
    while (*at < r->chunks.count && r->chunks.entries[*at].header.type != SEEP_CHUNK_GRAPH)
        ++*at;
    if (*at >= r->chunks.count)
        return SEEP_END;
    const struct chunk_entry *entry = &r->chunks.entries[(*at)++];
    return reader_load_columns(r, entry, head_only ? SEEP_COLUMN_RECORDS + 1 : SEEP_COLUMNS_MAX,
                               columns, good, err);
}

uint64_t trace_reader_graph_bytes(const struct trace_reader *r, size_t at)
{
    return sizeof(struct seep_chunk_header) + r->chunks.entries[at - 1].header.stored_bytes;
}
