/* SPDX-License-Identifier: MIT */
#include "replay/counterfactual.h"

#include "replay/compare_tree.h"
#include "replay/predict.h"
#include "replay/room.h"

#include <math.h>
#include <string.h>

/* A replay waits where the program did, which matters to allocators that give memory back after a
 * while. Those are hurried to this time, as far as their delays bear it; the others need not wait.
 */
#define REPLAY_NS UINT64_C(5000000000)
#define HURRY 20u             /* times, at most: delays are of 10 ms and more */
#define NO_WAITING 100000000u /* percent */

struct counterfactual {
    const struct counterfactual_options *options;
    struct trace_reader *reader;
    struct recorded recorded;
    struct large large;
    struct measured as_is, changed;
    unsigned speed_percent;
    uint64_t calls;
};

static unsigned speed_for(const char *allocator, uint64_t duration_ns)
{
    bool delays = strcmp(allocator, "glibc") != 0 && strcmp(allocator, "tcmalloc") != 0;
    uint64_t hurry = duration_ns / REPLAY_NS + 1;
    return !delays ? NO_WAITING : 100 * (unsigned)(hurry < HURRY ? hurry : HURRY);
}

static enum seep_err measure(struct counterfactual *c, struct measured *m,
                             const struct script_change *change, struct err *err)
{
    const struct counterfactual_options *o = c->options;
    struct script script = {.fd = -1};
    const struct trace_facts *facts = trace_reader_facts(c->reader);
    enum seep_err code = candidate_recorded(&m->candidate, facts, NULL, 0, err);
    if (!code)
        code = script_write(&script, c->reader, &c->recorded, &c->large, 1, change, o->progress,
                            o->arg, err);
    if (!code) {
        unsigned cpus = room_cpus();
        const struct measure_options how = {.request = {.program = o->program,
                                                        .script = &script,
                                                        .cpus = facts->cpus ? facts->cpus : cpus,
                                                        .here_cpus = cpus,
                                                        .speed_percent = c->speed_percent},
                                            .memory_only = true,
                                            .stage = o->stage,
                                            .arg = o->arg};
        code = measure_run(m, &how, err);
    }
    if (!change)
        for (int kind = SEEP_REPLAY_MALLOC; kind <= SEEP_REPLAY_FREE; kind++)
            c->calls += script.header.calls[kind];
    script_release(&script);
    return code;
}

/* The last at which memory was looked at, up to the picture's. */
static size_t instant_of(const struct recorded *r, uint64_t moment_ns)
{
    size_t found = 0;
    for (size_t i = 0; i < r->count && r->instants[i].time_ns <= moment_ns; i++)
        found = i;
    return found;
}

static void add_self_check(struct result *r, const struct predict *p)
{
    double peak, end;
    if (predict_self_miss(p, &peak, &end))
        compare_tree_add_check(result_object(r, "self_check"), p);
    else
        result_null(r, "self_check");
}

static void add(struct result *parent, struct counterfactual *c)
{
    struct result *r = result_object(parent, "replay");
    const struct candidate *with = &c->as_is.candidate;
    struct predict p;
    predict_init(&p, &c->recorded, &c->as_is, 1);
    size_t at = instant_of(&c->recorded, c->options->moment_ns);
    double saved = measure_sample(&c->as_is, at) - measure_sample(&c->changed, at);
    double peak = predict_peak(&p, &c->as_is) - predict_peak(&p, &c->changed);
    result_text(r, "allocator", with->name);
    result_text(r, "version", c->as_is.runs[0]->version);
    result_text(r, "settings", with->settings);
    result_count(r, "calls", c->calls);
    result_count(r, "speed_percent", c->speed_percent);
    result_count(r, "runs", c->as_is.run_count + c->changed.run_count);
    result_bytes(r, "rss_bytes", (uint64_t)predict_recorded_at(&p, at));
    result_bytes(r, "peak_rss_bytes", (uint64_t)predict_recorded_peak(&p));
    result_integer(r, "saved_bytes", llround(saved));
    result_integer(r, "peak_saved_bytes", llround(peak));
    result_bytes(r, "error_bytes", (uint64_t)(measure_band(&c->as_is) + measure_band(&c->changed)));
    add_self_check(r, &p);
}

enum seep_err counterfactual_add(struct result *parent, struct trace_reader *reader,
                                 const struct counterfactual_options *options, struct err *err)
{
    struct counterfactual c = {.options = options, .reader = reader};
    large_init(&c.large, trace_reader_dict(reader));
    enum seep_err code = trace_reader_rewind(reader, err);
    if (!code)
        code = recorded_read(&c.recorded, &c.large, reader, options->progress, options->arg, err);
    if (!code)
        code = room_check(&c.recorded, 1, err);
    if (!code) {
        c.speed_percent = speed_for(trace_reader_facts(reader)->allocator, c.recorded.end_ns);
        code = measure(&c, &c.as_is, NULL, err);
    }
    if (!code)
        code = measure(&c, &c.changed, &options->change, err);
    if (!code)
        add(parent, &c);
    measure_release(&c.as_is);
    measure_release(&c.changed);
    recorded_release(&c.recorded);
    large_release(&c.large);
    return code;
}
