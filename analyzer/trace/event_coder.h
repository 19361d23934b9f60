/* SPDX-License-Identifier: MIT
 *
 * Events to columns and back.
 *
 * Most events repeat what came before: they are guessed whole (event_model.h), and only how many
 * guesses in a row were right is stored. Else a token says what the event is, still by names that
 * lead to it rather than by values: an allocation by the kinds (stack, size, ...) that followed the
 * same event, its address among those freed last, a free by its place in the list of blocks by age.
 * Writer and reader guess from the same state, which is made of the live blocks and the events of
 * the group so far; docs/trace-format.md defines it. */
#ifndef TRACE_EVENT_CODER_H
#define TRACE_EVENT_CODER_H

#include "trace/columns.h"
#include "trace/event_clock.h"
#include "trace/live.h"

struct event_model;
struct event_history;
struct event_sums;

struct event_coder {
    struct live *live; /* not owned, like columns */
    struct columns *columns;
    struct event_model *model; /* owned */
    struct event_clock clock;
    uint32_t thread;               /* of the last event, */
    struct event_history *history; /* and its events; within the model */
    uint64_t run;                  /* writing: right guesses since the last token; reading: left */
    uint64_t same_thread;          /* the same for events of one thread */
    struct cursor cursor[SEEP_COLUMNS_MAX]; /* reading: where each column stands */
    /* reading: highest ids that any event so far named, for those who look them up */
    uint32_t highest_stack, highest_thread;
    uint32_t play_threads; /* playing: no number of a thread is higher */
};

/* Ids of the columns of events: EVENT_COLUMNS_BEGIN .. EVENT_COLUMNS_END - 1. */
#define EVENT_COLUMNS_BEGIN 32u
#define EVENT_COLUMNS_END 56u

/* live and columns must outlive the coder. event_coder_release(). */
void event_coder_init(struct event_coder *c, struct live *live, struct columns *columns);
void event_coder_release(struct event_coder *c);

/* Forgets all that was learnt: the group begins whose first part has this head. */
void event_coder_reset(struct event_coder *c, const struct seep_group_header *h);

/* Appends the event to the columns and applies it to the live blocks, whose times are the true
 * ones. The event is as for trace_writer_event(), its number set. For REALLOC_IN `flight` is the
 * index of its reallocation. */
void event_coder_put(struct event_coder *c, struct trace_event *ev, uint32_t flight);
/* Ends a part: the columns are complete, and event_clock_ns(&c->clock) is the stored clock. */
void event_coder_flush(struct event_coder *c);

/* Starts reading the columns as they are decoded now. */
void event_coder_begin(struct event_coder *c);

/* The next event, whose number is set already, applied to the live blocks. False where the columns
 * make no sense: nothing can be read from the group any more then. */
bool event_coder_take(struct event_coder *c, struct trace_event *ev);

/* Applies the events `*number` .. `end - 1`, which the part must have, to the live blocks and the
 * sums; event_sums_harvest() completes those. Ends earlier where the next event might not be before
 * `end_ns`; *number is the next one's then. False where the columns make no sense. */
bool event_coder_play(struct event_coder *c, uint64_t *number, uint64_t end, uint64_t end_ns,
                      struct event_sums *s);

#endif
