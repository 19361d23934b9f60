/* SPDX-License-Identifier: MIT
 *
 * Events to columns and back.
 *
 * Most events repeat what came before. So a value is not stored but named by where a prediction
 * finds it: an allocation by the kinds (stack, size, ...) that followed the same history, its
 * address among those freed last, a free by its place in the list of blocks by age, a time by how
 * long the same step took before. Writer and reader predict from the same state, which is made of
 * the live blocks and the events of the group so far; docs/trace-format.md defines it.
 *
 * Both directions are one function over an event's fields, compiled twice: what is written in one
 * place is read there. */
#ifndef TRACE_EVENT_CODER_H
#define TRACE_EVENT_CODER_H

#include "trace/columns.h"
#include "trace/live.h"

struct event_model;

struct event_coder {
    struct live *live; /* not owned, like columns */
    struct columns *columns;
    struct event_model *model; /* owned */
    uint64_t time_ns;          /* the stored clock: time of the last event as readers see it */
    uint32_t thread;           /* of the last event */
    struct cursor cursor[SEEP_COLUMNS_MAX]; /* reading: where each column stands */
    bool bad;                               /* reading: something made no sense */
};

/* Ids of the columns of events: EVENT_COLUMNS_BEGIN .. EVENT_COLUMNS_END - 1. */
#define EVENT_COLUMNS_BEGIN 32u
#define EVENT_COLUMNS_END 48u

/* live and columns must outlive the coder. event_coder_release(). */
void event_coder_init(struct event_coder *c, struct live *live, struct columns *columns);
void event_coder_release(struct event_coder *c);

/* Forgets all predictions: a group begins. `time_ns` is the stored clock. */
void event_coder_reset(struct event_coder *c, uint64_t time_ns);

/* Appends the event to the columns and applies it to the live blocks. The event is as for
 * trace_writer_event(), its number set; `floor_ns` is the least time it may be stored with. For
 * REALLOC_IN `flight` is the index of its reallocation. */
void event_coder_put(struct event_coder *c, struct trace_event *ev, uint32_t flight,
                     uint64_t floor_ns);

/* Starts reading the columns as they are decoded now. */
void event_coder_begin(struct event_coder *c);

/* The next event, whose number is set already, applied to the live blocks. False where the columns
 * make no sense; the live blocks are those before the event then. */
bool event_coder_take(struct event_coder *c, struct trace_event *ev);

#endif
