/* SPDX-License-Identifier: MIT */
#include "replay/measure.h"

#include "util/mem.h"

#include <stdlib.h>

static enum seep_err run_once(struct seep_replay_outcome **out, const struct measured *m,
                              const struct measure_options *o, enum seep_replay_mode mode,
                              const char *what, unsigned run, struct err *err)
{
    struct child_request request = o->request;
    request.mode = mode;
    request.counted = mode == SEEP_REPLAY_MEMORY && run == 1;
    request.free_running = mode != SEEP_REPLAY_MEMORY && o->free_running;
    if (o->stage && !o->stage(o->arg, m->candidate.name, what, run))
        return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
    return child_run(out, &request, &m->candidate, err);
}

static bool agree(const struct measured *m)
{
    return m->run_count > 1 && measure_band(m) * 100 <= MEASURE_BAND_PERCENT * measure_peak(m);
}

enum seep_err measure_run(struct measured *m, const struct measure_options *o, struct err *err)
{
    unsigned most = o->repeat ? o->repeat : MEASURE_RUNS_USUAL;
    enum seep_err code = SEEP_OK;
    m->runs = mem_zalloc(MEASURE_RUNS_MAX, sizeof(*m->runs));
    while (!code && m->run_count < most && m->run_count < MEASURE_RUNS_MAX &&
           (o->repeat || !agree(m))) {
        code = run_once(&m->runs[m->run_count], m, o, SEEP_REPLAY_MEMORY, "memory",
                        (unsigned)m->run_count + 1, err);
        m->run_count += !code;
    }
    if (!code && !o->memory_only)
        code = run_once(&m->speed, m, o, SEEP_REPLAY_SPEED, "speed", 1, err);
    if (!code && !o->memory_only)
        code = run_once(&m->latency, m, o, SEEP_REPLAY_LATENCY, "latency", 1, err);
    return code;
}

void measure_release(struct measured *m)
{
    for (size_t i = 0; i < m->run_count; i++)
        free(m->runs[i]);
    free(m->runs);
    free(m->speed);
    free(m->latency);
    candidate_release(&m->candidate);
    *m = (struct measured){0};
}

static double mean(const struct measured *m,
                   double (*value)(const struct seep_replay_outcome *o, size_t i), size_t i)
{
    double sum = 0;
    for (size_t run = 0; run < m->run_count; run++)
        sum += value(m->runs[run], i);
    return m->run_count ? sum / (double)m->run_count : 0;
}

static double range(const struct measured *m,
                    double (*value)(const struct seep_replay_outcome *o, size_t i), size_t i)
{
    double least = 0, most = 0;
    for (size_t run = 0; run < m->run_count; run++) {
        double v = value(m->runs[run], i);
        least = run == 0 || v < least ? v : least;
        most = run == 0 || v > most ? v : most;
    }
    return most - least;
}

static double peak_of(const struct seep_replay_outcome *o, size_t i)
{
    (void)i;
    return (double)o->peak_rss_bytes;
}

static double base_of(const struct seep_replay_outcome *o, size_t i)
{
    (void)i;
    return (double)o->base_rss_bytes;
}

static double usable_of(const struct seep_replay_outcome *o, size_t i)
{
    (void)i;
    return (double)o->usable_bytes;
}

static double sample_of(const struct seep_replay_outcome *o, size_t i)
{
    return i < o->sample_count ? (double)o->samples[i] : (double)o->final_rss_bytes;
}

double measure_peak(const struct measured *m)
{
    return mean(m, peak_of, 0);
}

double measure_base(const struct measured *m)
{
    return mean(m, base_of, 0);
}

double measure_usable(const struct measured *m)
{
    return mean(m, usable_of, 0);
}

double measure_sample(const struct measured *m, size_t number)
{
    return mean(m, sample_of, number);
}

double measure_band(const struct measured *m)
{
    size_t last = m->run_count && m->runs[0]->sample_count ? m->runs[0]->sample_count - 1 : 0;
    double peak = range(m, peak_of, 0), end = range(m, sample_of, last);
    return (peak > end ? peak : end) / 2;
}
