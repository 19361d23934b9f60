/* SPDX-License-Identifier: MIT
 *
 * Stamps to nanoseconds since the start of recording. */
#ifndef TRACE_STAMP_CLOCK_H
#define TRACE_STAMP_CLOCK_H

#include "trace/spool.h"

/* What the times rest on. */
enum stamp_clock_basis {
    STAMP_CLOCK_EXACT,     /* stamps are nanoseconds */
    STAMP_CLOCK_PAIRS,     /* stamps and monotonic times that the recorder read together */
    STAMP_CLOCK_MEASURED,  /* the rate of this machine's counter: the recording was made here */
    STAMP_CLOCK_SNAPSHOTS, /* newest stamp and time of the last snapshot: roughly right */
    STAMP_CLOCK_TICKS,     /* nothing is known: a tick counts as a nanosecond */
};

struct stamp_clock {
    struct spool_clock_pair *pairs; /* owned; both rise; the first is the start */
    size_t pair_count, pair_capacity;
    double rate;    /* ns per tick behind the last pair */
    size_t at;      /* segment used last: the pair it begins with, */
    double at_rate; /* and its rate; 0: none was used */
    enum stamp_clock_basis basis;
};

/* `newest_stamp` and `last_snapshot_ns` (monotonic) are 0 where unknown; they serve where the
 * process died before a second pair was written and the recording comes from another machine. */
void stamp_clock_init(struct stamp_clock *c, const struct spool *spool, uint64_t newest_stamp,
                      uint64_t last_snapshot_ns);
void stamp_clock_release(struct stamp_clock *c);

/* To be called by who will pack recordings that begin from now on: their clock's rate is then
 * measured over the time until they are packed, rather than in a while of its own. */
void stamp_clock_prepare(void);

/* Reads the recorder's clock, which runs on this machine, and the monotonic one together. False:
 * that clock is not known here. */
bool stamp_clock_read_pair(uint32_t clock, struct spool_clock_pair *out);

/* Adds a pair, if it is later than those that are there. */
void stamp_clock_add(struct stamp_clock *c, const struct spool_clock_pair *pair);

/* Linear between pairs, on from the last one; 0 before the start. */
uint64_t stamp_clock_ns(struct stamp_clock *c, uint64_t stamp);

/* Time of the last pair: the recording lasted at least that long. */
uint64_t stamp_clock_end_ns(const struct stamp_clock *c);

/* A word for the facts. */
const char *stamp_clock_basis_name(enum stamp_clock_basis basis);

#endif
