/* SPDX-License-Identifier: MIT
 *
 * Counts of values in buckets whose width grows with the value: exact up to 15, above it 16 buckets
 * to each power of two, so that a bucket's ends are at most 1/16 apart. As in HdrHistogram
 * (hdrhistogram.org). Takes memory for the buckets between the lowest and the highest value only.
 */
#ifndef UTIL_HISTOGRAM_H
#define UTIL_HISTOGRAM_H

#include <stdint.h>

/* Zero-initialise. */
struct histogram {
    uint32_t *counts;       /* owned; saturating */
    uint16_t first, length; /* buckets first .. first + length - 1 */
    uint64_t total;
    uint64_t min, max; /* exact; of an empty one 0 */
};

void histogram_add(struct histogram *h, uint64_t value, uint64_t count);
/* Adds all of `other`. */
void histogram_merge(struct histogram *h, const struct histogram *other);
void histogram_release(struct histogram *h);

/* The smallest value that at least `share` (0 .. 1) of all are no larger than, to the top of its
 * bucket, and never beyond the largest. 0 of an empty one. */
uint64_t histogram_quantile(const struct histogram *h, double share);

/* How many values are no larger than `limit`: those of its bucket count in. */
uint64_t histogram_up_to(const struct histogram *h, uint64_t limit);

/* The bucket of a value, and the largest value that is in a bucket. */
unsigned histogram_bucket(uint64_t value);
uint64_t histogram_top(unsigned bucket);

#endif
