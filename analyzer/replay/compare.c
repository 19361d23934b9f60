/* SPDX-License-Identifier: MIT */
#include "replay/compare.h"

#include "replay/compare_tree.h"
#include "replay/measure.h"
#include "replay/room.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

struct run {
    const struct compare_options *options;
    const struct trace_facts *facts;
    char *beside; /* candidate_beside(); owned */
    struct recorded recorded;
    struct large large;
    struct script script;
    struct measured *measured; /* owned */
    size_t count;
    bool self;
    struct err self_error;
    unsigned scale;
};

static enum seep_err measure_all(struct run *r, struct err *err)
{
    const struct compare_options *o = r->options;
    const struct measure_options options = {
        .request = {.program = o->program,
                    .script = &r->script,
                    .beside = r->beside,
                    .cpus = r->facts->cpus ? r->facts->cpus : room_cpus(),
                    .here_cpus = room_cpus(),
                    .speed_percent = o->speed_percent},
        .free_running = o->free_running,
        .repeat = o->repeat,
        .stage = o->stage,
        .arg = o->arg};
    struct candidate self;
    enum seep_err code = SEEP_OK;
    r->measured = mem_zalloc(o->candidate_count + 1, sizeof *r->measured);
    r->self =
        !candidate_recorded(&self, r->facts, o->candidates, o->candidate_count, &r->self_error);
    if (r->self)
        r->measured[r->count++].candidate = self;
    else
        candidate_release(&self);
    for (size_t i = 0; i < o->candidate_count; i++) {
        /* without settings of its own, what it was recorded with is what is meant */
        const struct candidate *c = &o->candidates[i];
        bool same = r->self && strcmp(c->name, r->measured[0].candidate.name) == 0;
        if (same && (!c->settings[0] || candidate_is(c, &r->measured[0].candidate)))
            continue;
        r->measured[r->count++].candidate =
            (struct candidate){.name = mem_strdup(c->name),
                               .library = c->library ? mem_strdup(c->library) : NULL,
                               .settings = mem_strdup(c->settings)};
    }
    for (size_t i = 0; i < r->count && !code; i++)
        code = measure_run(&r->measured[i], &options, err);
    return code;
}

static struct result *make_tree(struct run *r)
{
    struct comparison c = {.options = r->options,
                           .facts = r->facts,
                           .recorded = &r->recorded,
                           .script = &r->script,
                           .measured = r->measured,
                           .count = r->count,
                           .self_missing = r->self ? NULL : r->self_error.message,
                           .here_cpus = room_cpus()};
    predict_init(&c.predict, &r->recorded, r->self ? &r->measured[0] : NULL, r->scale);
    return compare_tree(&c);
}

enum seep_err compare_analyse(struct result **out, struct trace_reader *reader,
                              const struct compare_options *options, struct err *err)
{
    struct run r = {.options = options,
                    .facts = trace_reader_facts(reader),
                    .script = {.fd = -1},
                    .scale = options->scale ? options->scale : 1};
    *out = NULL;
    large_init(&r.large, trace_reader_dict(reader));
    enum seep_err code =
        recorded_read(&r.recorded, &r.large, reader, options->progress, options->arg, err);
    if (!code)
        code = room_check(&r.recorded, r.scale, err);
    if (!code)
        code = script_write(&r.script, reader, &r.recorded, &r.large, r.scale, NULL,
                            options->progress, options->arg, err);
    r.beside = candidate_beside(r.facts, r.recorded.shared);
    if (!code)
        code = measure_all(&r, err);
    if (!code)
        *out = make_tree(&r);
    for (size_t i = 0; i < r.count; i++)
        measure_release(&r.measured[i]);
    free(r.measured);
    free(r.beside);
    script_release(&r.script);
    recorded_release(&r.recorded);
    large_release(&r.large);
    return code;
}
