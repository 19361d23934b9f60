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

/* What is resident besides the heap where both were looked at: records of the same moment, or of
 * moments close by. < 0: not known. */
static double other_at(const struct recorded *r, size_t instant)
{
    double rss = instant < r->count ? rss_at(r, instant) : 0;
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

/* The last time that it is known. */
static double other_in_end(const struct recorded *r)
{
    double other = -1;
    for (size_t i = r->count; i > 0 && other < 0; i--)
        other = other_at(r, i - 1);
    return other;
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
                          .other_bytes = peak == SIZE_MAX ? -1 : other_at(recorded, peak),
                          .other_end_bytes = other_in_end(recorded)};
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

/* `recorded`: of the real program, less the recorder's own; `own`, `self`: of the replays. */
static double predicted(const struct predict *p, double recorded, double own, double base,
                        double self)
{
    if (p->self && recorded > 0)
        return fmax(recorded + (own - self) * p->scale, 0);
    double other = p->other_bytes - (double)p->recorded->recorder_bytes;
    return (own - base) * p->scale + fmax(other, 0);
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
    return predicted(p, predict_recorded_peak(p), measure_peak(m), measure_base(m),
                     p->self ? measure_peak(p->self) : 0);
}

double predict_at(const struct predict *p, const struct measured *m, size_t instant)
{
    return predicted(p, predict_recorded_at(p, instant), measure_sample(m, instant),
                     measure_base(m), p->self ? measure_sample(p->self, instant) : 0);
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

bool predict_self_miss(const struct predict *p, double *peak_percent, double *final_percent)
{
    const struct recorded *r = p->recorded;
    double recorded = predict_recorded_peak(p);
    size_t last = predict_last(p);
    if (!p->self || p->other_bytes < 0 || recorded <= 0 || last == SIZE_MAX)
        return false;
    double base = measure_base(p->self);
    double own = p->peaks_meet ? measure_peak(p->self) : measure_sample(p->self, p->peak);
    double was = p->peaks_meet ? (double)r->peak_rss_bytes : rss_at(r, p->peak);
    double peak = (own - base) * p->scale + p->other_bytes;
    double end = (measure_sample(p->self, last) - base) * p->scale + p->other_end_bytes;
    *peak_percent = (peak - was) * 100 / recorded;
    *final_percent = (end - rss_at(r, last)) * 100 / recorded;
    return true;
}
