/* SPDX-License-Identifier: MIT */
#include "analysis/growth_moments.h"

#include "util/mem.h"

#include <stdlib.h>

/* ------------------------------------------------------------------ peaks */

/* The lowest value on the way from bucket `i` to a higher one in one direction. True if there is
 * none higher. Of equal ones the earlier counts as the higher. */
static bool walk(const struct growth_series *s, size_t i, bool left, uint64_t *low)
{
    const struct growth_bucket *b = s->items;
    uint64_t high = b[i].max_bytes;
    *low = high;
    for (size_t j = i; left ? j > 0 : j + 1 < s->count;) {
        j = left ? j - 1 : j + 1;
        if (left ? b[j].max_bytes >= high : b[j].max_bytes > high)
            return false;
        *low = b[j].min_bytes < *low ? b[j].min_bytes : *low;
    }
    return true;
}

static int compare_peaks(const void *a, const void *b)
{
    const struct growth_peak *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x->bucket > y->bucket) - (x->bucket < y->bucket);
}

size_t growth_peaks(struct growth_peak *out, size_t limit, const struct growth_series *s)
{
    struct growth_peak *all = mem_alloc(s->count * sizeof *all);
    size_t count = 0;
    uint64_t highest = 0;
    for (size_t i = 0; i < s->count; i++) {
        uint64_t bytes = s->items[i].max_bytes, left, right;
        highest = bytes > highest ? bytes : highest;
        if (!bytes || (i && s->items[i - 1].max_bytes >= bytes) ||
            (i + 1 < s->count && s->items[i + 1].max_bytes > bytes))
            continue;
        bool top_left = walk(s, i, true, &left), top_right = walk(s, i, false, &right);
        uint64_t saddle = top_left && top_right ? 0
                          : top_left            ? right
                          : top_right           ? left
                          : left > right        ? left
                                                : right;
        all[count++] =
            (struct growth_peak){.bucket = i, .bytes = bytes, .prominence_bytes = bytes - saddle};
    }
    qsort(all, count, sizeof *all, compare_peaks);
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < limit; i++)
        if (all[i].prominence_bytes >= highest / 10)
            out[kept++] = all[i];
    free(all);
    return kept;
}

/* ------------------------------------------------------------------ rises */

/* A candidate of Ruzzo and Tompa: buckets first .. last with the sums before and behind them. */
struct candidate {
    size_t first, last;
    double before, behind;
};

static int compare_rises(const void *a, const void *b)
{
    const struct growth_rise *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x->first > y->first) - (x->first < y->first);
}

size_t growth_rises(struct growth_rise *out, size_t limit, const struct growth_series *s)
{
    uint64_t low = UINT64_MAX, high = 0;
    for (size_t i = 0; i < s->count; i++) {
        low = s->items[i].min_bytes < low ? s->items[i].min_bytes : low;
        high = s->items[i].max_bytes > high ? s->items[i].max_bytes : high;
    }
    double usual = 0.6 * (double)(high - low) / (double)s->count, sum = 0;
    struct candidate *list = mem_alloc(s->count * sizeof *list);
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++) {
        double step = (double)s->items[i].last_bytes - (double)growth_series_before(s, i) - usual;
        sum += step;
        if (step <= 0)
            continue;
        struct candidate c = {.first = i, .last = i, .before = sum - step, .behind = sum};
        for (;;) {
            size_t j = count;
            while (j > 0 && list[j - 1].before >= c.before)
                j--;
            if (j == 0 || list[j - 1].behind >= c.behind)
                break;
            c.first = list[j - 1].first; /* joined, with all between */
            c.before = list[j - 1].before;
            count = j - 1;
        }
        list[count++] = c;
    }
    struct growth_rise *all = mem_alloc((count + 1) * sizeof *all);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct candidate *c = &list[i];
        int64_t bytes = (int64_t)(s->items[c->last].max_bytes - growth_series_before(s, c->first));
        if (bytes > 0 && (uint64_t)bytes >= (high - low) / 20)
            all[kept++] = (struct growth_rise){.first = c->first, .last = c->last, .bytes = bytes};
    }
    qsort(all, kept, sizeof *all, compare_rises);
    kept = kept < limit ? kept : limit;
    for (size_t i = 0; i < kept; i++)
        out[i] = all[i];
    free(all);
    free(list);
    return kept;
}
