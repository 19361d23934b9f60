/* SPDX-License-Identifier: MIT
 *
 * Reads a trace as a stream of events in their total order. Memory grows with the peak number of
 * live blocks and the dictionaries, never with the number of events. */
#ifndef TRACE_TRACE_READER_H
#define TRACE_TRACE_READER_H

#include "trace/trace_event.h"
#include "util/err.h"

struct trace_reader;

/* Opens the trace at `path` and loads its dictionaries. On success *out is owned by the caller,
 * trace_reader_free(). A cut or damaged trace opens as long as its file header is sound; the
 * losses show in the summary. Errors: IO, NOT_TRACE, VERSION, DAMAGED. */
enum seep_err trace_reader_open(struct trace_reader **out, const char *path, struct err *err);

/* The same over bytes in memory, which stay the caller's and outlive the reader. `name` stands in
 * messages. */
enum seep_err trace_reader_open_bytes(struct trace_reader **out, const void *bytes, size_t length,
                                      const char *name, struct err *err);

void trace_reader_free(struct trace_reader *r);

const struct trace_facts *trace_reader_facts(const struct trace_reader *r);
const struct trace_dict *trace_reader_dict(const struct trace_reader *r);
/* Losses met while reading are added as they are met: final after SEEP_END. */
const struct trace_summary *trace_reader_summary(const struct trace_reader *r);

/* The next event into *ev. SEEP_OK, SEEP_END, or an error (IO, MEMORY). Damage is no error: the
 * reader goes on at the next group and says so with TRACE_GAP. */
enum seep_err trace_reader_next(struct trace_reader *r, struct trace_event *ev, struct err *err);

/* Starts again from the first event. A window begins with what was live before it. */
enum seep_err trace_reader_rewind(struct trace_reader *r, struct err *err);

/* Goes on at the last group that begins before `time_ns` (since the start), so that every event
 * from that time on is still to come, and live blocks are those at the group's start. Earlier
 * groups are not read: nothing is said of their losses. Errors: IO. */
enum seep_err trace_reader_seek_time(struct trace_reader *r, uint64_t time_ns, struct err *err);

/* The same for the event of that number. */
enum seep_err trace_reader_seek_number(struct trace_reader *r, uint64_t number, struct err *err);

/* What the peak had been before the place that was sought; of the start, nothing. Valid until the
 * reader meets the next damage. */
const struct trace_peak *trace_reader_peak_before(const struct trace_reader *r);

/* Live blocks as of the last event read. slot < trace_reader_slot_count(); NULL if not live. Valid
 * until the next call. */
uint32_t trace_reader_slot_count(const struct trace_reader *r);
const struct trace_block *trace_reader_block(const struct trace_reader *r, uint32_t slot);

/* Number of the next event, and time of the last one, or what is known of it where there is none.
 */
uint64_t trace_reader_number(const struct trace_reader *r);
uint64_t trace_reader_time(const struct trace_reader *r);
/* The number behind that of the last event, as far as that is known. */
uint64_t trace_reader_end(const struct trace_reader *r);

/* For those who write traces of traces: facts and processes as they are stored, and the live blocks
 * with their slots, whose stacks and threads may have lost their definitions. Both valid until the
 * next call.
 */
struct bytes;
struct live;
const struct bytes *trace_reader_stored_facts(const struct trace_reader *r);
const struct bytes *trace_reader_stored_processes(const struct trace_reader *r);
const struct live *trace_reader_live(const struct trace_reader *r);

/* Fraction of the file read so far, for progress, 0 .. 1. */
double trace_reader_progress(const struct trace_reader *r);

#endif
