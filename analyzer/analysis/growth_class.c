/* SPDX-License-Identifier: MIT */
#include "analysis/growth_class.h"

#include "util/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STRETCHES 24
#define MADE_MIN 12
#define BUCKETS_MIN 8

const char *const growth_class_names[] = {"growing",   "bounded",   "stopped",
                                          "one-time",  "shutdown",  "sawtooth",
                                          "temporary", "irregular", NULL};

size_t growth_shutdown(const struct growth_series *s)
{
    double sum = 0, most = 0;
    size_t begins = s->count;
    for (size_t i = s->count; i-- > s->count - s->count / 4;) {
        sum += (double)s->items[i].frees - 4 * (double)s->items[i].allocations;
        if (sum > most) {
            most = sum;
            begins = i;
        }
    }
    return begins;
}

/* ------------------------------------------------------------------ pauses */

void growth_pauses(bool paused[GROWTH_POINTS], const struct growth_series *s, size_t buckets,
                   unsigned coarser)
{
    enum { EXPECTED = 20 };
    uint64_t made[GROWTH_POINTS] = {0}, freed[GROWTH_POINTS] = {0};
    memset(paused, 0, GROWTH_POINTS * sizeof *paused);
    for (size_t i = 0; i < s->count; i++) {
        made[i >> coarser] += s->items[i].allocations;
        freed[i >> coarser] += s->items[i].frees;
    }
    for (size_t from = 0, to; from < buckets; from = to + 1) {
        uint64_t before = 0, behind = 0;
        for (to = from; to < buckets && !made[to] && !freed[to]; to++)
            ;
        size_t length = to - from;
        for (size_t i = 0; i < length; i++) {
            before += i < from ? made[from - 1 - i] : 0;
            behind += to + i < buckets ? made[to + i] : 0;
        }
        for (size_t i = from; i < to; i++)
            paused[i] = before >= EXPECTED && behind >= EXPECTED;
    }
}

/* ------------------------------------------------------------------ what is looked at */

/* The site as it is looked at: a copy of the curve's part, the shutdown taken out. */
struct part {
    size_t count;
    double max[GROWTH_POINTS], min[GROWTH_POINTS], last[GROWTH_POINTS];
    double made[GROWTH_POINTS], freed[GROWTH_POINTS], old[GROWTH_POINTS];
    double high; /* the most */
};

/* A site's own shutdown may begin before that of the program: where it makes nothing more and then
 * gives most of it back, late in its life. */
static size_t own_end(const struct growth_curve *c, size_t first, size_t end)
{
    size_t last = end;
    while (last > first && !c->made[last - 1])
        last--;
    if (last == end || last - first < (end - first) * 3 / 4)
        return end;
    uint64_t low = c->last[last - 1];
    for (size_t i = last; i < end; i++)
        low = c->min[i] < low ? c->min[i] : low;
    return low < c->max[last - 1] / 2 ? last : end;
}

static void take_part(struct part *p, const struct growth_curve *c, size_t first, size_t end,
                      bool shuts_down)
{
    p->count = 0;
    p->high = 0;
    for (size_t from = first; from < end; from++) {
        if (c->paused && c->paused[from])
            continue;
        size_t i = p->count++;
        p->max[i] = (double)c->max[from];
        p->min[i] = (double)c->min[from];
        p->last[i] = (double)c->last[from];
        p->made[i] = c->made[from];
        p->freed[i] = c->freed[from];
        p->old[i] = c->old[from];
        p->high = p->max[i] > p->high ? p->max[i] : p->high;
    }
    if (p->count &&
        p->min[0] <= 0) /* what was before the site's first block is no low of its own */
        p->min[0] = p->last[0];
    /* the shutdown may begin within the last bucket, if only for this site */
    size_t n = p->count;
    if (n >= 2 && p->last[n - 1] < (shuts_down ? p->max[n - 1] : p->last[n - 2] / 2)) {
        p->min[n - 1] = p->last[n - 2];
        p->last[n - 1] = p->max[n - 1];
        p->freed[n - 1] = p->old[n - 1] = 0;
    }
}

static double sum(const double *values, size_t from, size_t to)
{
    double all = 0;
    for (size_t i = from; i < to; i++)
        all += values[i];
    return all;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, size_t count)
{
    double sorted[GROWTH_POINTS];
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static double least(const double *values, size_t count)
{
    double low = values[0];
    for (size_t i = 1; i < count; i++)
        low = values[i] < low ? values[i] : low;
    return low;
}

static double greatest(const double *values, size_t count)
{
    double high = values[0];
    for (size_t i = 1; i < count; i++)
        high = values[i] > high ? values[i] : high;
    return high;
}

/* ------------------------------------------------------------------ growing */

/* The lowest value of each stretch; returns how many there are. */
static size_t floor_of(double out[STRETCHES], const struct part *p)
{
    size_t count = p->count < STRETCHES ? p->count : STRETCHES;
    for (size_t i = 0; i < count; i++) {
        size_t from = i * p->count / count, to = (i + 1) * p->count / count;
        out[i] = least(p->min + from, to - from);
    }
    return count;
}

/* By how much the floor rises after the first quarter, if it does so from third to third; else 0 or
 * less. */
static double rise_of(const struct part *p)
{
    double all[STRETCHES];
    size_t count = floor_of(all, p), skipped = count / 4, third = (count - skipped) / 3;
    if (third == 0)
        return 0;
    const double *one = all + skipped, *three = all + count - third;
    const double *two = one + (count - skipped - third) / 2;
    double first = median(one, third), middle = median(two, third), last = median(three, third);
    double rise = last - first;
    if (middle - first < rise / 10 || last - middle < rise / 10)
        return 0;
    if (least(three, third) <= first || greatest(one, third) >= last)
        return 0;
    return rise;
}

/* The probability of at most `most` hits in `tries` tries, each with `chance` < 1. */
static double at_most(size_t most, size_t tries, double chance)
{
    double one = pow(1 - chance, (double)tries), all = one;
    for (size_t i = 1; i <= most; i++) {
        one *= (double)(tries - i + 1) / (double)i * chance / (1 - chance);
        all += one;
    }
    return all;
}

/* Whether allocation went on at the end without the highest value rising as before. */
static bool halts(const struct part *p)
{
    double highs[GROWTH_POINTS];
    for (size_t i = 0; i < p->count; i++)
        highs[i] = i && highs[i - 1] > p->max[i] ? highs[i - 1] : p->max[i];
    size_t warm = p->count / 4;
    for (size_t part = 32; part >= 4; part /= 2) {
        size_t length = (p->count + part - 1) / part, from = p->count - length;
        if (length < 3 || from < warm + 3)
            continue;
        double usual = (highs[from - 1] - highs[warm]) / (double)(from - 1 - warm);
        if (highs[p->count - 1] - highs[from - 1] >= 0.3 * usual * (double)length)
            continue;
        size_t active[2] = {0}, risen[2] = {0}; /* buckets: before, and then */
        for (size_t i = warm + 1; i < p->count; i++) {
            active[i >= from] += p->made[i] > 0;
            risen[i >= from] += p->made[i] > 0 && highs[i] - highs[i - 1] > 0.1 * usual;
        }
        double often = active[0] ? (double)risen[0] / (double)active[0] : 0;
        if (at_most(risen[1], active[1], often > 0.9 ? 0.9 : often) < 0.01)
            return true; /* never certain: 0.9 at most */
        /* frees that begin with the halt are a bound's work, however few they are */
        double made = sum(p->made, from, p->count), freed = sum(p->freed, from, p->count);
        double made_before = sum(p->made, 0, from), freed_before = sum(p->freed, 0, from);
        if (made >= 4 && freed > 0.7 * made && freed_before < 0.3 * made_before)
            return true;
    }
    return false;
}

static void mean_of(const double *values, size_t count, double *mean, double *error2)
{
    double all = sum(values, 0, count), square = 0;
    *mean = all / (double)count;
    for (size_t i = 0; i < count; i++)
        square += (values[i] - *mean) * (values[i] - *mean);
    *error2 = count > 1 ? square / (double)(count - 1) / (double)count : 0;
}

static bool levels_off(const struct part *p)
{
    double steps[GROWTH_POINTS] = {0};
    size_t from = p->count / 4 > 0 ? p->count / 4 : 1, count = p->count - from, third = count / 3;
    if (third < 2)
        return false;
    for (size_t i = 0; i < count; i++)
        steps[i] = p->last[from + i] - p->last[from + i - 1];
    double first, last, error1, error2;
    mean_of(steps, third, &first, &error1);
    mean_of(steps + count - third, third, &last, &error2);
    return last < first / 2 && first - last > 2 * sqrt(error1 + error2);
}

/* Whether blocks go that were there for long: a leak keeps what it has, however much is freed
 * young; a cache that is still filling drops old entries already. */
static bool drops_old(const struct part *p)
{
    size_t from = p->count / 4;
    double kept = sum(p->made, from, p->count) - sum(p->freed, from, p->count);
    return sum(p->old, from, p->count) > 0.25 * kept;
}

/* Blocks made in the last quarter. */
static double made_late(const struct part *p)
{
    return sum(p->made, p->count - (p->count + 3) / 4, p->count);
}

static bool grows(const struct part *p, const struct growth_evidence *e)
{
    double made = sum(p->made, p->count / 4, p->count);
    if (made < MADE_MIN || p->count < BUCKETS_MIN || p->count < e->end / 8 || made_late(p) <= 0)
        return false;
    double rise = (double)e->risen_bytes;
    bool churns = e->freed * 2 >= e->made;
    double enough = churns ? 0.15 : 0.005;
    return rise > 0 && rise >= enough * p->high && !halts(p) && !levels_off(p) &&
           !(churns && drops_old(p));
}

/* ------------------------------------------------------------------ the others */

/* The bucket behind the last in which anything was made. */
static size_t made_until(const struct part *p)
{
    size_t last = p->count;
    while (last > 0 && p->made[last - 1] <= 0)
        last--;
    return last;
}

/* Whether nothing was made in the last eighth. */
static bool is_quiet(const struct part *p)
{
    return (p->count - made_until(p)) * 8 >= p->count;
}

/* Whether it grew until nothing more was made, for at least a quarter of the time. */
static bool has_stopped(const struct part *p, const struct growth_evidence *e)
{
    struct part active = *p;
    struct growth_evidence then = *e;
    active.count = made_until(p);
    if (active.count * 4 < p->count)
        return false;
    then.risen_bytes = (int64_t)rise_of(&active);
    return grows(&active, &then);
}

/* Whether all was made within a fifth of the time. */
static bool made_at_once(const struct part *p, const struct growth_evidence *e)
{
    size_t first = 0, last = made_until(p);
    while (first < last && p->made[first] <= 0)
        first++;
    return e->made == 0 || (last - first) * 5 <= p->count || e->made == 1;
}

static bool is_kept(const struct part *p, const struct growth_evidence *e)
{
    return (double)e->level_bytes >= 0.8 * p->high &&
           least(p->min + p->count - (p->count + 3) / 4, (p->count + 3) / 4) >= 0.8 * p->high;
}

static enum growth_class other_class(const struct part *p, const struct growth_evidence *e,
                                     uint64_t teeth)
{
    bool at_once = made_at_once(p, e), churns = e->freed * 2 > e->made && e->made >= 20;
    if (is_kept(p, e) && is_quiet(p) && !at_once && has_stopped(p, e))
        return GROWTH_STOPPED;
    if (is_kept(p, e) && (at_once || (is_quiet(p) && !churns)))
        return e->freed_at_end ? GROWTH_SHUTDOWN : GROWTH_ONE_TIME;
    if (teeth >= 3)
        return e->made >= 4 * teeth ? GROWTH_SAWTOOTH : GROWTH_TEMPORARY;
    size_t half = p->count / 2;
    if (e->made >= MADE_MIN && p->count >= 4 &&
        least(p->min + half, p->count - half) >= 0.4 * p->high)
        return GROWTH_BOUNDED;
    return GROWTH_IRREGULAR;
}

void growth_classify(struct growth_evidence *e, const struct growth_curve *curve,
                     const struct growth_site *site, size_t end, bool shuts_down)
{
    struct part p;
    memset(e, 0, sizeof *e);
    e->class = GROWTH_IRREGULAR;
    while (e->first < end && !curve->max[e->first] && !curve->made[e->first])
        e->first++;
    e->end = own_end(curve, e->first, end);
    e->shuts_down = shuts_down || e->end < end;
    if (e->first >= e->end) { /* all of it is of the shutdown */
        e->first = e->end = end;
        return;
    }
    take_part(&p, curve, e->first, e->end, e->shuts_down);
    e->high_bytes = (uint64_t)p.high;
    e->level_bytes = (uint64_t)p.last[p.count - 1];
    e->made = (uint64_t)sum(p.made, 0, p.count);
    e->freed = (uint64_t)sum(p.freed, 0, p.count);
    e->made_late = (uint64_t)made_late(&p);
    e->risen_bytes = (int64_t)rise_of(&p);
    uint64_t left = curve->last[curve->count - 1], teeth = site->teeth;
    e->freed_at_end = e->level_bytes > 0 && left * 20 <= e->level_bytes;
    if (teeth && left * 4 <= e->level_bytes)
        teeth--; /* the last fall is the shutdown */
    e->class = grows(&p, e) ? GROWTH_GROWING : other_class(&p, e, teeth);
}

/* ------------------------------------------------------------------ the slope */

/* How much of a residual its neighbour repeats: the correlation of neighbouring ones, 0 .. 0.95. */
static double common(const double *residuals, size_t count)
{
    double with = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        with += i ? residuals[i] * residuals[i - 1] : 0;
        all += residuals[i] * residuals[i];
    }
    double r = all > 0 ? with / all : 0;
    return r < 0 ? 0 : r > 0.95 ? 0.95 : r;
}

static double r_squared(const double *y, size_t count)
{
    double n = (double)count, mx = (n - 1) / 2, my = sum(y, 0, count) / n;
    double xx = 0, xy = 0, yy = 0;
    for (size_t i = 0; i < count; i++) {
        double dx = (double)i - mx, dy = y[i] - my;
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    return yy > 0 ? xy * xy / (xx * yy) : 0;
}

void growth_slope(struct growth_slope *out, const struct growth_curve *curve,
                  const struct growth_evidence *e)
{
    struct part p;
    memset(out, 0, sizeof *out);
    if (e->end < e->first + 5)
        return;
    take_part(&p, curve, e->first, e->end, e->shuts_down);
    size_t from = p.count / 4, n = p.count - from, pairs = 0;
    const double *y = p.last + from;
    double *slopes = mem_alloc(n * (n - 1) / 2 * sizeof *slopes);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            slopes[pairs++] = (y[j] - y[i]) / (double)(j - i);
    qsort(slopes, pairs, sizeof *slopes, compare);
    out->known = true;
    out->per_bucket =
        pairs % 2 ? slopes[pairs / 2] : (slopes[pairs / 2 - 1] + slopes[pairs / 2]) / 2;
    out->r2 = r_squared(y, n);
    double residuals[GROWTH_POINTS];
    for (size_t i = 0; i < n; i++)
        residuals[i] = y[i] - out->per_bucket * (double)i;
    double centre = median(residuals, n);
    for (size_t i = 0; i < n; i++)
        residuals[i] -= centre;
    double r = common(residuals, n), m = (double)n;
    double deviation = sqrt(m * (m - 1) * (2 * m + 5) / 18 * (1 + r) / (1 - r));
    double reach = 1.96 * deviation / 2, middle = ((double)pairs - 1) / 2;
    double low = floor(middle - reach), high = ceil(middle + reach);
    out->low = slopes[low < 0 ? 0 : (size_t)low];
    out->high = slopes[high > (double)pairs - 1 ? pairs - 1 : (size_t)high];
    free(slopes);
}
