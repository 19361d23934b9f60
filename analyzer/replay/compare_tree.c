/* SPDX-License-Identifier: MIT */
#include "replay/compare_tree.h"

#include "replay/verdict.h"

#include <math.h>

static void add_known_bytes(struct result *r, const char *name, double bytes)
{
    if (bytes > 0)
        result_bytes(r, name, (uint64_t)llround(bytes));
    else
        result_null(r, name);
}

static void add_recorded(struct result *tree, const struct comparison *c)
{
    struct result *r = result_object(tree, "recorded");
    const struct recorded *rec = c->recorded;
    const struct predict *p = &c->predict;
    size_t last = predict_last(p), trough = predict_trough(p);
    double peak = predict_recorded_peak(p);
    result_text(r, "allocator", c->facts->allocator[0] ? c->facts->allocator : "unknown");
    result_text(r, "version", c->facts->allocator_version);
    result_text(r, "settings", p->self ? p->self->candidate.settings : "");
    result_count(r, "cpus", c->facts->cpus);
    result_count(r, "threads", rec->thread_count);
    result_count(r, "calls", rec->calls);
    result_ns(r, "duration_ns", rec->end_ns);
    add_known_bytes(r, "peak_rss_bytes", peak);
    add_known_bytes(r, "final_rss_bytes", predict_recorded_at(p, last));
    add_known_bytes(r, "mean_rss_bytes", predict_mean(p, NULL));
    add_known_bytes(r, "trough_rss_bytes", predict_recorded_at(p, trough));
    result_bytes(r, "recorder_bytes", rec->recorder_bytes - rec->table_bytes);
    result_bytes(r, "unwind_tables_bytes", rec->table_bytes);
    result_bytes(r, "peak_live_bytes", rec->peak_live_bytes);
    result_text(r, "sizes_asked_by", rec->size_asker);
    if (p->other_bytes < 0 || peak <= 0)
        result_null(r, "heap_rss_percent");
    else
        result_percent(r, "heap_rss_percent",
                       fmax(0, 100 * ((double)rec->peak_rss_bytes - p->other_bytes) / peak));
}

static bool is_sound(double miss_bytes, double recorded_bytes)
{
    return fabs(miss_bytes) <=
           fmax(COMPARE_MISS_BYTES, COMPARE_MISS_PERCENT / 100 * recorded_bytes);
}

void compare_tree_add_check(struct result *r, const struct predict *p)
{
    double peak, end, recorded = predict_recorded_peak(p);
    if (!predict_self_miss(p, &peak, &end)) {
        result_null(r, "peak_miss_percent");
        result_null(r, "final_miss_percent");
        result_null(r, "peak_miss_bytes");
        result_null(r, "final_miss_bytes");
        result_bool(r, "sound", false);
        return;
    }
    result_real(r, "peak_miss_percent", 100 * peak / recorded);
    result_real(r, "final_miss_percent", 100 * end / recorded);
    result_real(r, "peak_miss_bytes", peak);
    result_real(r, "final_miss_bytes", end);
    result_bool(r, "sound", is_sound(peak, recorded) && is_sound(end, recorded));
}

static void add_self_check(struct result *tree, const struct comparison *c)
{
    if (!c->predict.self) {
        result_null(tree, "self_check");
        result_text(tree, "self_missing", c->self_missing);
        return;
    }
    struct result *r = result_object(tree, "self_check");
    result_null(tree, "self_missing");
    result_text(r, "name", c->predict.self->candidate.name);
    compare_tree_add_check(r, &c->predict);
}

static void add_replay(struct result *tree, const struct comparison *c)
{
    struct result *r = result_object(tree, "replay");
    uint64_t calls = 0;
    for (int kind = SEEP_REPLAY_MALLOC; kind <= SEEP_REPLAY_FREE; kind++)
        calls += c->script->header.calls[kind];
    result_count(r, "speed_percent", c->options->speed_percent);
    result_count(r, "scale", c->predict.scale);
    result_bool(r, "free_running", c->options->free_running);
    result_count(r, "calls", calls);
    result_count(r, "failed_recorded", c->script->failed);
    result_count(r, "unknown_frees", c->script->unknown_frees);
    result_count(r, "stray_calls", c->script->strays);
    result_count(r, "here_cpus", c->here_cpus);
}

static void add_quantiles(struct result *r, const char *name, const struct seep_replay_outcome *o,
                          enum seep_replay_timed what)
{
    uint64_t calls = 0;
    for (int i = 0; i < SEEP_REPLAY_BUCKETS; i++)
        calls += o->timed[what][i];
    if (!calls) {
        result_null(r, name);
        return;
    }
    struct result *q = result_object(r, name);
    result_ns(q, "p50", child_quantile_ns(o, what, 0.5));
    result_ns(q, "p95", child_quantile_ns(o, what, 0.95));
    result_ns(q, "p99", child_quantile_ns(o, what, 0.99));
}

/* Of the first replay for memory: what is given back after a while is, only there. */
static void add_memory_calls(struct result *r, const struct seep_replay_outcome *o)
{
    static const char *const names[SEEP_REPLAY_MEMORY_CALLS] = {
        [SEEP_REPLAY_MMAP] = "mmap",     [SEEP_REPLAY_MUNMAP] = "munmap",
        [SEEP_REPLAY_MREMAP] = "mremap", [SEEP_REPLAY_MADVISE] = "madvise",
        [SEEP_REPLAY_BRK] = "brk",
    };
    if (!o->memory_calls_known) {
        result_null(r, "memory_calls");
        return;
    }
    struct result *calls = result_object(r, "memory_calls");
    for (int i = 0; i < SEEP_REPLAY_MEMORY_CALLS; i++)
        result_count(calls, names[i], o->memory_calls[i]);
}

static void add_speed(struct result *r, const struct measured *m)
{
    const struct seep_replay_outcome *o = m->speed;
    uint64_t calls = 0;
    for (int kind = SEEP_REPLAY_MALLOC; kind <= SEEP_REPLAY_FREE; kind++)
        calls += o->calls[kind];
    result_ns(r, "cpu_ns", o->cpu_ns);
    result_ns(r, "wall_ns", o->wall_ns);
    result_real(r, "calls_per_second",
                o->wall_ns ? round((double)calls * 1e9 / (double)o->wall_ns) : 0);
    add_quantiles(r, "malloc_ns", m->latency, SEEP_TIMED_MALLOC);
    add_quantiles(r, "free_ns", m->latency, SEEP_TIMED_FREE);
    add_quantiles(r, "realloc_ns", m->latency, SEEP_TIMED_REALLOC);
    result_count(r, "minor_faults", o->minor_faults);
    result_count(r, "major_faults", o->major_faults);
    result_count(r, "voluntary_switches", o->voluntary_switches);
    result_count(r, "involuntary_switches", o->involuntary_switches);
    result_count(r, "failed_calls", o->failed);
}

static void add_candidate(struct result *list, const struct comparison *c, const struct measured *m)
{
    struct result *r = result_object(list, NULL);
    const struct predict *p = &c->predict;
    size_t last = predict_last(p), trough = predict_trough(p);
    double peak = predict_peak(p, m), band = measure_band(m) * p->scale;
    double usable = measure_usable(m), requested = (double)c->script->header.live_bytes;
    double heap = measure_sample(m, last) - measure_base(m);
    uint64_t late = 0;
    for (size_t i = 0; i < m->run_count; i++)
        late = m->runs[i]->late_ns > late ? m->runs[i]->late_ns : late;
    result_text(r, "name", m->candidate.name);
    result_text(r, "version", m->runs[0]->version);
    result_text(r, "library", m->candidate.library);
    result_text(r, "settings", m->candidate.settings);
    result_text(r, "note", candidate_note(m->candidate.name));
    result_bool(r, "recorded", m->candidate.recorded);
    add_known_bytes(r, "peak_rss_bytes", peak);
    add_known_bytes(r, "final_rss_bytes", predict_at(p, m, last));
    add_known_bytes(r, "mean_rss_bytes", predict_mean(p, m));
    add_known_bytes(r, "trough_rss_bytes", predict_at(p, m, trough));
    result_real(r, "error_percent", peak > 0 ? 100 * band / peak : 0);
    result_count(r, "runs", m->run_count);
    result_bytes(r, "slack_bytes", (uint64_t)fmax(0, (usable - requested) * p->scale));
    result_bytes(r, "resident_free_bytes", (uint64_t)fmax(0, (heap - usable) * p->scale));
    result_bytes(r, "own_bytes", (uint64_t)measure_base(m));
    result_ns(r, "late_ns", late);
    add_speed(r, m);
    add_memory_calls(r, m->runs[0]);
    struct result *rss = result_array(r, "rss");
    for (size_t i = 0; i < c->recorded->count; i++)
        result_bytes(rss, NULL, (uint64_t)fmax(0, predict_at(p, m, i)));
}

struct result *compare_tree(const struct comparison *c)
{
    struct result *tree = result_new_object();
    add_recorded(tree, c);
    add_self_check(tree, c);
    add_replay(tree, c);
    struct result *list = result_array(tree, "candidates");
    for (size_t i = 0; i < c->count; i++)
        add_candidate(list, c, &c->measured[i]);
    struct result *times = result_array(tree, "times"), *rss = result_array(tree, "rss");
    for (size_t i = 0; i < c->recorded->count; i++) {
        result_ns(times, NULL, c->recorded->instants[i].time_ns);
        result_bytes(rss, NULL, (uint64_t)predict_recorded_at(&c->predict, i));
    }
    verdict_add(tree);
    return tree;
}
