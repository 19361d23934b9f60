/* SPDX-License-Identifier: MIT
 *
 * Writes a trace: the mirror image of trace_reader.h. What is written in is, event for event, what
 * the reader gives out. The writer owns the picture of the live blocks (slots) that both sides
 * keep, so that its caller only maps addresses to slots. */
#ifndef TRACE_TRACE_WRITER_H
#define TRACE_TRACE_WRITER_H

#include "trace/trace_event.h"
#include "util/err.h"

struct trace_writer;

/* How a trace is stored. */
struct trace_coding {
    uint32_t unit_us; /* how far off its times may be; 0 = 1 us */
    int level;        /* of zstd; 0 = the default */
};

struct trace_writer_options {
    struct trace_coding coding;
    uint64_t group_events; /* most events a group holds; 0 = the default. Tests make it small */
    uint64_t part_events; /* most events a part of a group holds; 0 = the default. For tests, too */
};

/* Creates the file `path`, mode 0600, which must not exist, and writes the file header. Owned by
 * the caller: trace_writer_finish() or trace_writer_abort(). Errors: IO, EXISTS. */
enum seep_err trace_writer_open(struct trace_writer **out, const char *path,
                                const struct trace_writer_options *options, struct err *err);

/* The facts about the process as encoded by enum seep_fact; to be called once, first. */
enum seep_err trace_writer_facts(struct trace_writer *w, const uint8_t *facts, size_t length,
                                 struct err *err);

/* Dictionaries. A node's id is returned, dense from 1; `parent` is an id returned before, or 0 for
 * a root, whose pc is the generation; `flags` as in struct trace_stack_node. Modules are told by
 * (start, generation_from), threads by number; telling one again replaces what was said. What an
 * event refers to is written before the event's group. Strings are copied. */
uint32_t trace_writer_stack(struct trace_writer *w, uint32_t parent, uint64_t pc, uint8_t flags);
void trace_writer_module(struct trace_writer *w, const struct trace_module *module);
void trace_writer_thread(struct trace_writer *w, const struct trace_thread *thread);

/* The processes of a trace of several: records of dict_put_process(), which are emptied. What is
 * told again replaces what was said. */
struct bytes;
void trace_writer_processes(struct trace_writer *w, struct bytes *records);

/* The next event in order. The caller fills type, call, flags, thread, stack, time_ns and
 *   ALLOC                      after.{address,size,usable,alignment}
 *   FREE, REALLOC, REALLOC_OUT slot (the block must be live); REALLOC also `after` as above;
 *                              REALLOC_OUT link
 *   REALLOC_IN                 link of its REALLOC_OUT, `after` as above
 *   FAILED                     failed_size, address
 *   FREE_UNKNOWN               address
 *   BESIDE                     beside
 * and the writer fills number, slot, before and the rest of after (time, birth, stack, thread,
 * call, flags of the event). time_ns never decreases. GAP is not written. Errors: IO. */
enum seep_err trace_writer_event(struct trace_writer *w, struct trace_event *ev, struct err *err);

/* Writes the columns of a GRAPH chunk, which are emptied, behind all that was told so far: graph.h.
 * Errors: IO. */
struct columns;
enum seep_err trace_writer_graph(struct trace_writer *w, struct columns *columns, struct err *err);

/* Goes on from a state that no event told of: from here on the live blocks are those of `live`, as
 * old as they say and in the same slots, the next event has that number, which is not below the one
 * that would have been next, and time stands at `time_ns`. `peak`: what it had been before; `dict`
 * has the processes. So a window begins, and so events that are lost are left out: readers find a
 * gap. Takes over what *live owns. Errors: IO. */
struct live;
enum seep_err trace_writer_resume(struct trace_writer *w, struct live *live,
                                  const struct trace_peak *peak, const struct trace_dict *dict,
                                  uint64_t number, uint64_t time_ns, struct err *err);

/* Says that the events up to that number are lost, and that there are no others. */
void trace_writer_lose_end(struct trace_writer *w, uint64_t number);

/* Writes what is buffered: a process that dies after this has left it in the file. Errors: IO. */
enum seep_err trace_writer_flush(struct trace_writer *w, struct err *err);

/* Events and records beside them written so far. */
uint64_t trace_writer_event_count(const struct trace_writer *w);
uint64_t trace_writer_record_count(const struct trace_writer *w);

/* Fetches into the cache what the end of the live block in `slot` will look at: the block, and,
 * once that is there, what lies beside it. */
void trace_writer_fetch_block(const struct trace_writer *w, uint32_t slot);
void trace_writer_fetch_beside(const struct trace_writer *w, uint32_t slot);

/* Whether blocks have so many kinds that they do not stay in the cache by themselves. */
bool trace_writer_has_many_kinds(const struct trace_writer *w);
/* The same for a block that will be made, where there are many kinds: where its kind is looked for,
 * and, once that is there, the kind. `stack` is as in events; 0 where it is not known yet. */
void trace_writer_fetch_kind_place(const struct trace_writer *w, uint32_t stack, uint64_t size,
                                   uint64_t usable);
void trace_writer_fetch_kind(const struct trace_writer *w, uint32_t stack, uint64_t size,
                             uint64_t usable);

/* Slots used so far, and the live block in `slot`; NULL if none. */
/* Live blocks: slot < trace_writer_slot_count(); NULL if there is none. Valid until the next call.
 */
uint32_t trace_writer_slot_count(const struct trace_writer *w);
const struct trace_block *trace_writer_block(struct trace_writer *w, uint32_t slot);

/* Writes what is buffered, the summary, index and trailer, syncs nothing, closes the file and frees
 * the writer, also on error. Sets summary->events and summary->trace_bytes. */
enum seep_err trace_writer_finish(struct trace_writer *w, struct trace_summary *summary,
                                  struct err *err);
/* Closes and frees without an end; the file stays, readable up to its last complete chunk. */
void trace_writer_abort(struct trace_writer *w);

#endif
