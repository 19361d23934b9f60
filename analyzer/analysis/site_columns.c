/* SPDX-License-Identifier: MIT */
#include "analysis/site_columns.h"

#include <string.h>

/* One a line. */
/* clang-format off */
const struct site_column_info site_columns[SITE_COLUMNS] = {
    [SITE_PEAK] = {"peak", "peak_bytes", "at peak", UNIT_BYTES},
    [SITE_PEAK_SHARE] = {"share", "peak_percent", "share", UNIT_PERCENT},
    [SITE_LIVE] = {"live", "live_bytes", "live", UNIT_BYTES},
    [SITE_ALLOCATIONS] = {"allocations", "allocations", "allocations", UNIT_COUNT},
    [SITE_ALLOCATED] = {"allocated", "allocated_bytes", "allocated", UNIT_BYTES},
    [SITE_TEMPORARY] = {"temporary", "temporary", "temporary", UNIT_COUNT},
    [SITE_OWN_PEAK] = {"own-peak", "own_peak_bytes", "own peak", UNIT_BYTES},
    [SITE_LIFETIME_P50] = {"p50", "lifetime_p50_ns", "life P50", UNIT_NS},
    [SITE_RECYCLING] = {"recycling", "recycling", "recycled", UNIT_NONE},
    [SITE_SIZE_MEDIAN] = {"size-median", "size_median_bytes", "size", UNIT_BYTES},
    [SITE_THREADS] = {"threads", "threads", "threads", UNIT_COUNT},
    [SITE_LIFETIME_P95] = {"p95", "lifetime_p95_ns", "life P95", UNIT_NS},
    [SITE_LIFETIME_P99] = {"p99", "lifetime_p99_ns", "life P99", UNIT_NS},
    [SITE_LIVE_BLOCKS] = {"live-blocks", "live_blocks", "live blocks", UNIT_COUNT},
    [SITE_PEAK_BLOCKS] = {"peak-blocks", "peak_blocks", "peak blocks", UNIT_COUNT},
    [SITE_TEMPORARY_SHARE] = {"temporary-share", "temporary_percent", "temp. share", UNIT_PERCENT},
    [SITE_SHORT_LIVED] = {"short-lived", "short_lived", "short-lived", UNIT_COUNT},
    [SITE_SIZE_MIN] = {"size-min", "size_min_bytes", "size min", UNIT_BYTES},
    [SITE_SIZE_MAX] = {"size-max", "size_max_bytes", "size max", UNIT_BYTES},
    [SITE_SLACK] = {"slack", "slack_bytes", "slack", UNIT_BYTES},
    [SITE_GROWN] = {"grown", "grown", "grown", UNIT_COUNT},
    [SITE_COPIED] = {"copied", "copied_bytes", "copied", UNIT_BYTES},
    [SITE_STACKS] = {"stacks", "stacks", "stacks", UNIT_COUNT},
};
/* clang-format on */

static struct site_value counted(uint64_t count)
{
    return (struct site_value){true, count, (double)count};
}

static struct site_value share(double part, double whole)
{
    return (struct site_value){.known = whole > 0, .real = whole > 0 ? 100 * part / whole : 0};
}

/* Of an empty histogram there is none. */
static struct site_value limit(const struct histogram *h, uint64_t value)
{
    struct site_value v = counted(value);
    v.known = h->total > 0;
    return v;
}

static struct site_value quantile(const struct histogram *h, double at)
{
    return limit(h, histogram_quantile(h, at));
}

/* Beyond the sizes that are exact it may be more than the largest. */
static uint64_t median(const struct cost_detail *d)
{
    uint64_t bytes = size_classes_median(&d->asked);
    return bytes < d->sizes.max ? bytes : d->sizes.max;
}

static struct site_value recycling(const struct site_figures *f)
{
    const struct cost *c = f->cost;
    double peak = (double)c->own_peak_bytes;
    bool known = f->own_peak_known && peak > 0;
    return (struct site_value){.known = known,
                               .real = known ? (double)c->allocated_bytes / peak : 0};
}

static struct site_value slack(const struct site_figures *f)
{
    uint64_t usable = f->detail->usable_bytes, asked = f->cost->allocated_bytes;
    return counted(usable > asked ? usable - asked : 0);
}

struct site_value site_column_value(const struct site_figures *f, enum site_column column)
{
    const struct cost *c = f->cost;
    const struct cost_detail *d = f->detail;
    struct site_value v = {0};
    switch (column) {
    case SITE_PEAK: v = counted(c->peak_bytes); break;
    case SITE_PEAK_SHARE: v = share((double)c->peak_bytes, (double)f->heap_peak_bytes); break;
    case SITE_LIVE: return counted(c->live_bytes);
    case SITE_ALLOCATIONS: return counted(c->allocations);
    case SITE_ALLOCATED: return counted(c->allocated_bytes);
    case SITE_TEMPORARY: return counted(c->temporary);
    case SITE_OWN_PEAK: v = counted(c->own_peak_bytes); break;
    case SITE_LIFETIME_P50: return quantile(&d->lifetimes, 0.5);
    case SITE_RECYCLING: return recycling(f);
    case SITE_SIZE_MEDIAN: return limit(&d->sizes, median(d));
    case SITE_THREADS: return counted(d->threads);
    case SITE_LIFETIME_P95: return quantile(&d->lifetimes, 0.95);
    case SITE_LIFETIME_P99: return quantile(&d->lifetimes, 0.99);
    case SITE_LIVE_BLOCKS: return counted(c->live_blocks);
    case SITE_PEAK_BLOCKS: v = counted(c->peak_blocks); break;
    case SITE_TEMPORARY_SHARE: return share((double)c->temporary, (double)c->allocations);
    case SITE_SHORT_LIVED: return counted(d->short_lived);
    case SITE_SIZE_MIN: return limit(&d->sizes, d->sizes.min);
    case SITE_SIZE_MAX: return limit(&d->sizes, d->sizes.max);
    case SITE_SLACK: return slack(f);
    case SITE_GROWN: return counted(d->grown);
    case SITE_COPIED: return counted(d->copied_bytes);
    case SITE_STACKS: return counted(f->stacks);
    case SITE_COLUMNS: break;
    }
    if (column == SITE_OWN_PEAK)
        v.known = f->own_peak_known;
    else
        v.known = v.known && f->peak_known;
    return v;
}

void site_column_add(struct result *to, const struct site_figures *f, enum site_column column)
{
    const struct site_column_info *info = &site_columns[column];
    struct site_value v = site_column_value(f, column);
    if (!v.known) {
        result_null(to, info->field);
        return;
    }
    switch (info->unit) {
    case UNIT_BYTES: result_bytes(to, info->field, v.count); break;
    case UNIT_NS: result_ns(to, info->field, v.count); break;
    case UNIT_PERCENT: result_percent(to, info->field, v.real); break;
    case UNIT_NONE: result_real(to, info->field, v.real); break;
    case UNIT_COUNT:
    case UNIT_ADDRESS: result_count(to, info->field, v.count); break;
    }
}

bool site_column_find(const char *name, size_t length, enum site_column *column)
{
    for (int i = 0; i < SITE_COLUMNS; i++)
        if (strlen(site_columns[i].name) == length &&
            memcmp(site_columns[i].name, name, length) == 0) {
            *column = (enum site_column)i;
            return true;
        }
    return false;
}
