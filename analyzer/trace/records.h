/* SPDX-License-Identifier: MIT
 *
 * Records beside the events, in the columns of a BESIDE chunk. */
#ifndef TRACE_RECORDS_H
#define TRACE_RECORDS_H

#include "trace/columns.h"
#include "trace/trace_event.h"

struct record {
    struct trace_beside beside;
    uint64_t number; /* of the event it stands before */
    uint64_t time_ns;
};

/* Writing: what the next record is coded against. All zero at the start of a chunk. */
struct record_place {
    uint64_t number, time_ns;
};

void records_put(struct columns *c, struct record_place *place, const struct record *record);

/* Reading. */
struct records {
    struct cursor heads, bytes;
    struct record_place place;
};

/* Starts at the decoded columns of `c`, which must stay as they are. */
void records_begin(struct records *r, const struct columns *c);
/* The next record; false at the end, or where it makes no sense. Its bytes are those of the
 * columns. */
bool records_next(struct records *r, struct record *record);

#endif
