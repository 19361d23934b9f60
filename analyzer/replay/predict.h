/* SPDX-License-Identifier: MIT
 *
 * From replays to the real program. A replay holds the heap and nothing else; so what a candidate
 * will need is what was recorded, less the recorder's own, plus what its replay has more than that
 * of the allocator that was recorded with. What both replays get wrong in the same way falls out:
 * of what the latter gets wrong the part that blocks have of its heap.
 *
 * Where the recording allocator cannot be replayed, it is what was resident outside the heap, plus
 * the candidate's heap: nothing falls out then. */
#ifndef REPLAY_PREDICT_H
#define REPLAY_PREDICT_H

#include "replay/measure.h"
#include "replay/recorded.h"

struct predict {
    const struct recorded *recorded;
    const struct measured *self; /* of the recording allocator; NULL: not replayed */
    unsigned scale;
    size_t peak; /* instant with the highest RSS at which the heap was looked at; SIZE_MAX: none */
    bool peaks_meet; /* the heap was largest there, too */
    double
        other_bytes; /* resident outside the heap there, the recorder's own too; < 0: not known */
};

void predict_init(struct predict *p, const struct recorded *recorded, const struct measured *self,
                  unsigned scale);

/* What the program has, less the recorder's own; 0: not known. */
double predict_recorded_peak(const struct predict *p);
double predict_recorded_at(const struct predict *p, size_t instant);

/* What it would have with a candidate, bytes. */
double predict_peak(const struct predict *p, const struct measured *m);
double predict_at(const struct predict *p, const struct measured *m, size_t instant);

/* The mean over time of the recorded program (m NULL) or a candidate. */
double predict_mean(const struct predict *p, const struct measured *m);

/* The instant that the last figure is of, and the one behind the peak with the least live bytes;
 * SIZE_MAX: there is none. */
size_t predict_last(const struct predict *p);
size_t predict_trough(const struct predict *p);

/* How far the heap of the recording allocator's replay is from the recorded one, in bytes, at the
 * highest RSS and the last moment at which pages were looked at. False where it cannot be told. */
bool predict_self_miss(const struct predict *p, double *peak_bytes, double *final_bytes);

#endif
