/* SPDX-License-Identifier: MIT
 *
 * Follows how many requested bytes are live at once, event by event; blocks of pools aside. What a
 * process of several leaves live counts up to its end. */
#ifndef TRACE_PEAK_H
#define TRACE_PEAK_H

#include "trace/live.h"

struct peak_live {
    uint64_t bytes, blocks;
};

struct peak_follower {
    struct peak_live live; /* now */
    struct trace_peak peak;
    struct peak_live *processes; /* the same of each that has not ended, by number; owned */
    size_t process_capacity;
};

void peak_release(struct peak_follower *p);

/* What is live now is `live`, and the peak was at least `before`. `dict` (NULL: of one process)
 * tells which processes ended before the event `number`. */
void peak_restart(struct peak_follower *p, const struct live *live, const struct trace_peak *before,
                  const struct trace_dict *dict, uint64_t number);

/* Takes an event, or a record beside the events, into account, whose blocks, time and number are
 * set. */
void peak_apply(struct peak_follower *p, const struct trace_event *ev);

#endif
