/* SPDX-License-Identifier: MIT
 *
 * A candidate measured: its replays, repeated until they agree. */
#ifndef REPLAY_MEASURE_H
#define REPLAY_MEASURE_H

#include "replay/child.h"

#define MEASURE_RUNS_MAX 100u
#define MEASURE_BAND_PERCENT 3.0 /* replays that lie so close together agree */
#define MEASURE_RUNS_USUAL 5u    /* at most, if they do not */

struct measured {
    struct candidate candidate;        /* owned, like all below */
    struct seep_replay_outcome **runs; /* for memory */
    size_t run_count;
    struct seep_replay_outcome *speed;   /* without gaps and samples */
    struct seep_replay_outcome *latency; /* the same, calls timed */
};

struct measure_options {
    struct child_request request; /* mode and free_running aside */
    bool free_running;            /* the runs for speed and latency */
    bool memory_only;             /* none of those */
    unsigned repeat;              /* runs for memory; 0: until they agree */
    /* Told before each run; false: stop. May be NULL. */
    bool (*stage)(void *arg, const char *candidate, const char *what, unsigned run);
    void *arg;
};

/* Replays with m->candidate. Errors: as child_run(). measure_release(), also on error. */
enum seep_err measure_run(struct measured *m, const struct measure_options *o, struct err *err);
void measure_release(struct measured *m);

/* Means of the runs for memory, in bytes. */
double measure_peak(const struct measured *m);
double measure_sample(const struct measured *m, size_t number);
double measure_base(const struct measured *m);
double measure_usable(const struct measured *m);

/* Half of the distance between the runs that lie farthest apart, in bytes, of the peak or the last
 * sample, whichever is larger; 0 of one run. */
double measure_band(const struct measured *m);

#endif
