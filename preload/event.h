/* SPDX-License-Identifier: MIT
 *
 * One event of the program on its way from a hook to a row. */
#ifndef REC_EVENT_H
#define REC_EVENT_H

#include "rows.h"
#include "unwind.h"

struct rec_thread;

struct rec_event {
    enum seep_row row; /* ALLOC, FREE, REALLOC or FAILED */
    enum seep_call call;
    uint64_t stamp;         /* REALLOC: its start */
    uint64_t end_stamp;     /* REALLOC */
    uintptr_t old_address;  /* FREE, REALLOC, and FAILED reallocations */
    struct rec_block block; /* ALLOC, REALLOC; FAILED: the size */
};

/* The kind of row that has no stack: SEEP_ROW_FREE, or none if the stacks of frees are recorded. */
extern enum seep_row rec_event_stackless;
void rec_event_init(void);

/* Records the event, whose hook was called from `at`; counts it as lost where that fails. */
void rec_record(const struct rec_event *event, struct rec_context at);

/* Writes the event as a row of `t`, which is busy; `stack` is its stack's id, 0 where
 * it has none. */
void rec_event_write(struct rec_thread *t, const struct rec_event *event, uint32_t stack);

/* The id of a walked stack, for rec_event_write(); counts what is missing in it. */
uint32_t rec_event_stack(struct rec_thread *t, const struct rec_walk *walk);

#endif
