/* SPDX-License-Identifier: MIT */
#include "replay/predict.h"

#include <math.h>

/* The RSS at an instant, or what it was last seen to be. */
static double rss_at(const struct recorded *r, size_t instant)
{
    for (size_t i = instant + 1; i > 0; i--)
        if (r->instants[i - 1].rss_bytes)
            return (double)r->instants[i - 1].rss_bytes;
    return 0;
}

#define PICTURE_NS 100000000u /* that a picture takes at most, to be held against RSS behind it */

/* The RSS while the mappings were looked at, which takes its time and has a record of RSS before it
 * and one behind it: in the middle between them. */
static double rss_of_picture(const struct recorded *r, size_t instant)
{
    const struct recorded_instant *next = &r->instants[instant + 1];
    double before = rss_at(r, instant);
    if (instant + 1 < r->count && next->rss_bytes &&
        next->time_ns - r->instants[instant].time_ns <= PICTURE_NS)
        return before > 0 ? (before + (double)next->rss_bytes) / 2 : 0;
    return before;
}

/* What is resident besides the heap where both were looked at. < 0: not known. */
static double other_at(const struct recorded *r, size_t instant)
{
    double rss = instant < r->count ? rss_of_picture(r, instant) : 0;
    if (rss <= 0 || r->instants[instant].heap_bytes == 0)
        return -1;
    return fmax(rss - (double)r->instants[instant].heap_bytes, 0);
}

/* The instant with the highest RSS of those at which the heap was looked at, too; SIZE_MAX: none.
 */
static size_t peak_instant(const struct recorded *r)
{
    size_t peak = SIZE_MAX;
    for (size_t i = 0; i < r->count; i++)
        if (other_at(r, i) >= 0 && (peak == SIZE_MAX || rss_at(r, i) >= rss_at(r, peak)))
            peak = i;
    return peak;
}

/* Whether the RSS is highest when the heap is: else the peaks of replays say nothing about the
 * program's. */
static bool peaks_meet(const struct recorded *r, size_t peak)
{
    uint64_t most = 0;
    for (size_t i = 0; i < r->count; i++)
        most = r->instants[i].heap_bytes > most ? r->instants[i].heap_bytes : most;
    return peak == SIZE_MAX || (double)r->instants[peak].heap_bytes >= 0.9 * (double)most;
}

void predict_init(struct predict *p, const struct recorded *recorded, const struct measured *self,
                  unsigned scale)
{
    size_t peak = peak_instant(recorded);
    *p = (struct predict){.recorded = recorded,
                          .self = self,
                          .scale = scale,
                          .peak = peak,
                          .peaks_meet = peaks_meet(recorded, peak),
                          .other_bytes = peak == SIZE_MAX ? -1 : other_at(recorded, peak)};
}

double predict_recorded_peak(const struct predict *p)
{
    const struct recorded *r = p->recorded;
    return fmax((double)r->peak_rss_bytes - (double)r->recorder_bytes, 0);
}

double predict_recorded_at(const struct predict *p, size_t instant)
{
    const struct recorded *r = p->recorded;
    return instant < r->count
               ? fmax(rss_at(r, instant) - (double)r->instants[instant].recorder_bytes, 0)
               : 0;
}

/* What a replay has of the heap. */
static double heap_of(const struct measured *m, double rss)
{
    return fmax(rss - measure_base(m), 0);
}

/* The last picture of the heap up to an instant, or else the first; SIZE_MAX: there is none. */
static size_t picture_around(const struct recorded *r, size_t instant)
{
    for (size_t i = instant < r->count ? instant + 1 : 0; i > 0; i--)
        if (r->instants[i - 1].heap_bytes)
            return i - 1;
    for (size_t i = instant; i < r->count; i++)
        if (r->instants[i].heap_bytes)
            return i;
    return SIZE_MAX;
}

/* By how much the replay of the recording allocator has more of the heap at a picture than was
 * recorded there: pictures, not peaks, for what is outside the heap is known of them alone. */
static double miss_at(const struct predict *p, size_t picture)
{
    return heap_of(p->self, measure_sample(p->self, picture)) * p->scale -
           (double)p->recorded->instants[picture].heap_bytes;
}

/* `recorded`: of the real program, less the recorder's own; `own`, `self`: of the replays;
 * `picture`: near the moment that they are of. */
static double predicted(const struct predict *p, const struct measured *m, double recorded,
                        double own, double self, size_t picture)
{
    if (!p->self || recorded <= 0)
        return heap_of(m, own) * p->scale +
               fmax(p->other_bytes - (double)p->recorded->recorder_bytes, 0);
    double told = recorded + (own - self) * p->scale;
    /* The miss falls out. Some of it is what blocks had touched, the same with every allocator: the
     * part that blocks have of the heap. The rest is free memory that this one happened to keep, in
     * the program or in its replay, and says nothing of another. */
    double mine = heap_of(m, own) * p->scale, its = heap_of(p->self, self) * p->scale;
    bool same = candidate_is(&m->candidate, &p->self->candidate); /* of another program, maybe */
    if (!same && picture != SIZE_MAX && its > 0) {
        double blocks = fmin((double)p->recorded->instants[picture].live_bytes, mine);
        told += miss_at(p, picture) * (1 - fmin(blocks / its, 1));
    }
    return fmax(told, 0);
}

/* The highest figure at any instant, and what the kernel's peak was above the highest of those that
 * were recorded. */
static double peak_of_instants(const struct predict *p, const struct measured *m)
{
    double most = 0, recorded = 0;
    for (size_t i = 0; i < p->recorded->count; i++) {
        most = fmax(most, predict_at(p, m, i));
        recorded = fmax(recorded, predict_recorded_at(p, i));
    }
    return most + fmax(0, predict_recorded_peak(p) - recorded);
}

double predict_peak(const struct predict *p, const struct measured *m)
{
    if (!p->peaks_meet)
        return peak_of_instants(p, m);
    return predicted(p, m, predict_recorded_peak(p), measure_peak(m),
                     p->self ? measure_peak(p->self) : 0, p->peak);
}

double predict_at(const struct predict *p, const struct measured *m, size_t instant)
{
    return predicted(p, m, predict_recorded_at(p, instant), measure_sample(m, instant),
                     p->self ? measure_sample(p->self, instant) : 0,
                     p->self ? picture_around(p->recorded, instant) : SIZE_MAX);
}

double predict_mean(const struct predict *p, const struct measured *m)
{
    const struct recorded *r = p->recorded;
    double sum = 0, time = 0;
    for (size_t i = 0; i < r->count; i++) {
        double until = i + 1 < r->count ? (double)r->instants[i + 1].time_ns : (double)r->end_ns;
        double part = fmax(until - (double)r->instants[i].time_ns, 0);
        sum += part * (m ? predict_at(p, m, i) : predict_recorded_at(p, i));
        time += part;
    }
    return time > 0 ? sum / time : 0;
}

size_t predict_last(const struct predict *p)
{
    for (size_t i = p->recorded->count; i > 0; i--)
        if (p->recorded->instants[i - 1].rss_bytes)
            return i - 1;
    return p->recorded->count ? p->recorded->count - 1 : SIZE_MAX;
}

size_t predict_trough(const struct predict *p)
{
    const struct recorded *r = p->recorded;
    size_t peak = 0, trough = SIZE_MAX;
    for (size_t i = 0; i < r->count; i++)
        if (r->instants[i].live_bytes > r->instants[peak].live_bytes)
            peak = i;
    for (size_t i = peak; i < r->count; i++)
        if (trough == SIZE_MAX || r->instants[i].live_bytes <= r->instants[trough].live_bytes)
            trough = i;
    return trough;
}

bool predict_self_miss(const struct predict *p, double *peak_bytes, double *final_bytes)
{
    if (!p->self || p->peak == SIZE_MAX || predict_recorded_peak(p) <= 0)
        return false;
    *peak_bytes = miss_at(p, p->peak);
    *final_bytes = miss_at(p, picture_around(p->recorded, p->recorded->count - 1));
    return true;
}
