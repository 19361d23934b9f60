/* SPDX-License-Identifier: MIT
 *
 * Times of events. A step from one event to the next takes about as long as the same step took
 * before; only where the sum has gone astray by more than is allowed, a correction is stored, and
 * the step's duration learns from it.
 *
 * A writer may choose among corrections. It takes the one that lets the clock run on longest, and
 * so knows it only when the next one is due; that is why what is learnt from a correction counts
 * from the next one on. The clock may go back by a correction: readers give out no time that is
 * less than the last one. */
#ifndef TRACE_EVENT_CLOCK_H
#define TRACE_EVENT_CLOCK_H

#include "trace/columns.h"

#define EVENT_CLOCK_OUTLIER 3 /* units; nothing is learnt from larger corrections */
#define EVENT_CLOCK_TICKS_PER_US 32
#define EVENT_CLOCK_TICKS_MAX (INT64_C(1) << 58)

/* Writing: the events since the last correction, the one it stands at included. */
struct event_clock_segment {
    uint64_t events;   /* 0: there is none */
    uint64_t gap;      /* events before it, back to the correction before */
    uint16_t *step;    /* of its first event */
    int64_t ticks;     /* of its last event, without the correction */
    int64_t low, high; /* the least and the largest correction that does for all: in ticks,
                          multiples of the unit */
};

struct event_clock {
    struct columns *columns; /* not owned */
    uint64_t base_ns;        /* where ticks count from */
    int64_t ticks;           /* of the last event */
    int64_t least_ticks;     /* before it lies the start of recording */
    int64_t unit_ticks;      /* of a correction; times are off by that much at most */
    struct event_clock_segment segment;
    /* reading */
    struct cursor gaps, corrections;
    uint64_t gap;      /* events before the next correction */
    uint16_t *at_step; /* of the last correction: its duration is */
    int learnt;        /* to be changed by so many ticks when the next one comes */
};

/* A group begins, with the clock at `start_ns`. `columns` must outlive the clock. A step is where
 * its duration stands, in ticks: the caller's, and forgotten by it when a group begins. */
void event_clock_reset(struct event_clock *c, struct columns *columns, uint64_t start_ns,
                       uint32_t unit_us);

/* Time of the last event; while writing, only behind event_clock_flush(). */
static inline uint64_t event_clock_ns(const struct event_clock *c)
{
    return c->base_ns + (uint64_t)(c->ticks * 125 >> 2); /* 1000 ns are 32 ticks */
}

/* The last moment of the clock from which on it shows `time_ns` or more, or about so much earlier
 * that it makes no difference. */
static inline int64_t event_clock_ticks(const struct event_clock *c, uint64_t time_ns)
{
    if (time_ns >= c->base_ns + EVENT_CLOCK_TICKS_MAX)
        return INT64_MAX;
    return (int64_t)(time_ns - c->base_ns) / 125 * 4;
}

/* Reading: where the clock will be after the next event at most. */
int64_t event_clock_latest(const struct event_clock *c);

/* Writing: the next event happened at `time_ns`. */
void event_clock_put(struct event_clock *c, uint16_t *step, uint64_t time_ns);
/* A part ends: its columns are to be complete. */
void event_clock_flush(struct event_clock *c);

/* Reading: starts with the columns of a part. */
void event_clock_begin(struct event_clock *c);
bool event_clock_correct(struct event_clock *c, uint16_t *step); /* private */

/* Moves on to the next event. False where the columns make no sense. */
static inline bool event_clock_take(struct event_clock *c, uint16_t *step)
{
    if (c->gap) {
        c->gap--;
        c->ticks += *step;
        return true;
    }
    return event_clock_correct(c, step);
}

#endif
