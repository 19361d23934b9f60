/* SPDX-License-Identifier: MIT
 *
 * Follows how many requested bytes are live at once, event by event; blocks of pools aside. */
#ifndef TRACE_PEAK_H
#define TRACE_PEAK_H

#include "trace/live.h"

struct peak_follower {
    uint64_t live_bytes, live_blocks; /* now */
    struct trace_peak peak;
};

/* What is live now is `live`, and the peak was at least `before`. */
void peak_restart(struct peak_follower *p, const struct live *live,
                  const struct trace_peak *before);

/* Takes an event into account, whose blocks, time and number are set. */
void peak_apply(struct peak_follower *p, const struct trace_event *ev);

#endif
