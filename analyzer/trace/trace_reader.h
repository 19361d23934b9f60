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

/* What many events together did, where nobody asks for each of them. */
struct event_sums;
struct trace_play {
    unsigned threads; /* that read at a time; 0: as many as there are processors and memory for */
    /* Each may be NULL; they are called by one thread at a time, with `arg`. What is told where
     * *sound becomes false does not count. */
    /* `count` blocks with these sizes, stack, alignment and call were made or reallocated. */
    void (*made)(void *arg, const struct trace_block *like, uint64_t count);
    void (*beside)(void *arg, const struct trace_beside *beside);
    bool (*progress)(void *arg, double fraction); /* false: stop, INTERRUPTED */
    void *arg;
};

/* From the start, takes all events and records in without telling them one by one: adds what they
 * did to *sums, all zero before, and goes to the end of the trace, so that the live blocks are
 * those at the end. Where the trace is not whole, or of several processes, *sound is false, and the
 * reader stands at the start: it is to be read event by event. Errors: IO, INTERRUPTED. */
enum seep_err trace_reader_play(struct trace_reader *r, const struct trace_play *play,
                                struct event_sums *sums, bool *sound, struct err *err);

/* Starts again from the first event. A window begins with what was live before it. */
enum seep_err trace_reader_rewind(struct trace_reader *r, struct err *err);

/* Goes on shortly before `time_ns` (since the start), so that every event from that time on is
 * still to come, and live blocks are those of the place. It begins with the last group that begins
 * before, and is quick over what can be left out of it. Earlier groups are not read, and records
 * before the place not told: nothing is said of their losses. Errors: IO. */
enum seep_err trace_reader_seek_time(struct trace_reader *r, uint64_t time_ns, struct err *err);

/* The same for the event of that number. */
enum seep_err trace_reader_seek_number(struct trace_reader *r, uint64_t number, struct err *err);

/* What the peak had been before the place that was sought, and whether a block is the last that its
 * thread had made there, of its sort (pools, others); of the start, nothing. Valid until the reader
 * meets the next damage. */
const struct trace_peak *trace_reader_peak_before(const struct trace_reader *r);
bool trace_reader_last_made(const struct trace_reader *r, const struct trace_block *block);

/* The next GRAPH chunk (graph.h) from the file's chunk *at on (0 at first), which moves behind it:
 * its columns into *columns; of a chunk that is damaged *good is false. With head_only the column
 * of its head alone. The place of the reader in the events stays. SEEP_END past the last; errors:
 * IO. */
struct columns;
enum seep_err trace_reader_graph(struct trace_reader *r, size_t *at, bool head_only,
                                 struct columns *columns, bool *good, struct err *err);

/* Bytes in the file of the chunk that trace_reader_graph() gave before it left *at so. */
uint64_t trace_reader_graph_bytes(const struct trace_reader *r, size_t at);

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
