/* SPDX-License-Identifier: MIT
 *
 * The moments of a heap over time that are worth a look: its peaks, and the stretches in which it
 * rose. */
#ifndef ANALYSIS_GROWTH_MOMENTS_H
#define ANALYSIS_GROWTH_MOMENTS_H

#include "analysis/growth_series.h"

/* A peak is the highest value between two falls. Its prominence is by how much live bytes fell from
 * it before they rose higher, the smaller of the falls on its two sides; a side where they never
 * rose higher does not count, and the highest peak's prominence is all of it. */
struct growth_peak {
    size_t bucket;
    uint64_t bytes, prominence_bytes;
};

/* Finds the highest peaks, at most `limit`, with a prominence of at least a tenth of the highest
 * one; highest first, of equal ones the earliest. Returns how many. */
size_t growth_peaks(struct growth_peak *out, size_t limit, const struct growth_series *s);

/* A stretch in which live bytes rise steeply: over it the rise, less what a rise at 60 % of the
 * whole range's mean slope would be, is the greatest there is, no stretch next to it adding to that
 * (the maximal scoring subsequences of Ruzzo and Tompa, ISMB 1999). So an even growth is one
 * stretch, and a jump within it another. */
struct growth_rise {
    size_t first, last; /* buckets; it begins with the end of the one before the first */
    int64_t bytes;      /* from there to the highest value of the last bucket */
};

/* Finds the rises of the most bytes, at most `limit`, of at least a twentieth of the range of live
 * bytes; the largest first. Returns how many. */
size_t growth_rises(struct growth_rise *out, size_t limit, const struct growth_series *s);

#endif
