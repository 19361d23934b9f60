/* SPDX-License-Identifier: MIT
 *
 * A reader as its parts see it: opening (reader_open.c), events in order (trace_reader.c), seeking
 * (reader_seek.c), playing (reader_play.c), heap graphs (reader_graph.c). Nothing else includes
 * this. */
#ifndef TRACE_READER_STATE_H
#define TRACE_READER_STATE_H

#include "trace/trace_reader.h"

#include "trace/checkpoint.h"
#include "trace/chunk_list.h"
#include "trace/dict.h"
#include "trace/event_coder.h"
#include "trace/facts.h"
#include "trace/records.h"

/* What one pass over the events has shown. */
struct pass {
    uint64_t events, lost, repaired, raced, unknown_frees, last_ns;
};

struct trace_reader {
    struct source source;
    struct chunk_list chunks;
    struct trace_facts facts;
    struct bytes stored_facts, stored_processes;
    struct dict dict;
    struct trace_summary summary, written; /* `written`: what the file says, before losses */
    bool has_summary;
    uint64_t known_events; /* how many events there must be at least */
    struct bytes payload;
    struct columns other; /* while opening */

    struct live live;
    struct columns columns; /* of the part */
    struct event_coder coder;
    size_t next_chunk;    /* first one not yet looked at */
    uint32_t left;        /* events left in the part */
    bool in_step;         /* the state is that before event `number` */
    bool gap;             /* a gap is to be told, */
    uint64_t gap_events;  /* of so many events */
    uint64_t number;      /* of the next event */
    uint64_t plain_until; /* up to this one there are events of the part only */
    struct pass pass;
    struct trace_peak peak;     /* before the checkpoint read last, */
    struct last_made last_made; /* and who last made what then */
    struct trace_block *shown;  /* the live block asked for last; owned */

    size_t beside_chunk;   /* first one not yet looked at */
    struct columns beside; /* of the chunk being read */
    struct records records;
    struct record record; /* the next one, if has_record */
    bool has_record;
    uint64_t records_from; /* those before event `records_from` are not told */
};

/* What is in the file is not all that was written. */
void reader_note_damage(struct trace_reader *r);

/* From here on nothing is known until the next checkpoint. */
void reader_fall_out(struct trace_reader *r);

/* Loads a chunk other than a group and decodes its columns; *good is false where they cannot be.
 * Errors: IO. */
enum seep_err reader_load(struct trace_reader *r, const struct chunk_entry *entry,
                          struct columns *columns, bool *good, struct err *err);
/* The same of the columns below `end` alone. */
enum seep_err reader_load_columns(struct trace_reader *r, const struct chunk_entry *entry,
                                  unsigned end, struct columns *columns, bool *good,
                                  struct err *err);

/* Makes r->record the next one that stands before the chunk `limit`, if there is one: has_record.
 * Errors: IO. */
enum seep_err reader_peek_record(struct trace_reader *r, size_t limit, struct err *err);

/* Moves on to a part with events, a gap to be told, or the end of the file. Errors: IO. */
enum seep_err reader_next_part(struct trace_reader *r, struct err *err);

/* Learns which ids the blocks of a checkpoint that was read refer to. */
void reader_note_references(struct trace_reader *r);

/* Before the first part, or behind the last: only the clock counts. */
void reader_stand_still(struct trace_reader *r, uint64_t time_ns);

/* What is read next is at that place in the list of chunks, whose state is to be set by the caller.
 */
void reader_go_to(struct trace_reader *r, size_t chunk);

#endif
