/* SPDX-License-Identifier: MIT
 *
 * The chunks of a trace, found by following their headers; across damage, by searching the next
 * header. */
#ifndef TRACE_CHUNK_LIST_H
#define TRACE_CHUNK_LIST_H

#include "trace/chunk.h"
#include "trace/source.h"

struct chunk_entry {
    uint64_t offset; /* of the header */
    struct seep_chunk_header header;
    struct seep_group_header group; /* GROUP: its head, if group_ok */
    bool group_ok;
    uint32_t missing; /* chunks lost right before this one; never more than fit in there */
};

struct chunk_list {
    struct chunk_entry *entries; /* owned */
    size_t count, capacity;
    bool truncated;        /* no valid end */
    bool damaged;          /* something was skipped */
    uint64_t damage_bytes; /* where first; valid if damaged */
    uint64_t known_events; /* events that all group heads together tell of, the cut one's too */
};

/* Lists the chunks of the file behind its file header. Errors: IO. */
enum seep_err chunk_list_read(struct chunk_list *l, const struct source *s, struct err *err);
void chunk_list_release(struct chunk_list *l);

/* Reads a chunk's stored bytes; *good says whether their checksum holds. Errors: IO. */
enum seep_err chunk_load(const struct chunk_entry *entry, const struct source *s,
                         struct bytes *payload, bool *good, struct err *err);

#endif
