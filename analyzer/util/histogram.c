/* SPDX-License-Identifier: MIT */
#include "util/histogram.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define BITS 4 /* buckets to a power of two: 1 << BITS */
#define SPARE 4

unsigned histogram_bucket(uint64_t value)
{
    if (value < 1u << BITS)
        return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - BITS;
    return (shift << BITS) + (unsigned)(value >> shift);
}

uint64_t histogram_top(unsigned bucket)
{
    if (bucket < 2u << BITS)
        return bucket;
    unsigned shift = (bucket >> BITS) - 1;
    uint64_t base = (bucket & ((1u << BITS) - 1)) | 1u << BITS;
    return ((base + 1) << shift) - 1; /* of the last one 0 - 1 */
}

/* Makes room for the bucket. */
static void cover(struct histogram *h, unsigned bucket)
{
    unsigned first = h->first, end = h->first + h->length;
    if (!h->length) {
        first = bucket;
        end = bucket + 1;
    } else if (bucket < first) {
        first = bucket > SPARE ? bucket - SPARE : 0;
    } else if (bucket >= end) {
        end = bucket + 1 + SPARE;
    } else {
        return;
    }
    uint32_t *counts = mem_zalloc(end - first, sizeof *counts);
    if (h->length)
        memcpy(counts + (h->first - first), h->counts, h->length * sizeof *counts);
    free(h->counts);
    h->counts = counts;
    h->first = (uint16_t)first;
    h->length = (uint16_t)(end - first);
}

static void add_to(uint32_t *to, uint64_t count)
{
    *to = count > UINT32_MAX - *to ? UINT32_MAX : *to + (uint32_t)count;
}

void histogram_add(struct histogram *h, uint64_t value, uint64_t count)
{
    if (!count)
        return;
    unsigned bucket = histogram_bucket(value);
    cover(h, bucket);
    add_to(&h->counts[bucket - h->first], count);
    if (!h->total || value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
    h->total += count;
}

void histogram_merge(struct histogram *h, const struct histogram *other)
{
    if (!other->total)
        return;
    cover(h, other->first);
    cover(h, other->first + other->length - 1u);
    for (unsigned i = 0; i < other->length; i++)
        add_to(&h->counts[other->first + i - h->first], other->counts[i]);
    if (!h->total || other->min < h->min)
        h->min = other->min;
    if (other->max > h->max)
        h->max = other->max;
    h->total += other->total;
}

void histogram_release(struct histogram *h)
{
    free(h->counts);
    *h = (struct histogram){0};
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
    double wanted = share * (double)h->total;
    uint64_t seen = 0;
    for (unsigned i = 0; i < h->length; i++) {
        seen += h->counts[i];
        if (h->counts[i] && (double)seen >= wanted) {
            uint64_t top = histogram_top(h->first + i);
            return top > h->max ? h->max : top;
        }
    }
    return h->max;
}

uint64_t histogram_up_to(const struct histogram *h, uint64_t limit)
{
    unsigned last = histogram_bucket(limit);
    uint64_t sum = 0;
    for (unsigned i = 0; i < h->length && h->first + i <= last; i++)
        sum += h->counts[i];
    return sum;
}
