/* SPDX-License-Identifier: MIT */
#include "replay/compare.h"

#include "replay/compare_tree.h"
#include "replay/measure.h"
#include "util/human.h"
#include "util/mem.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is left to the rest of the machine. */
#define SPARE_BYTES (UINT64_C(64) << 20)

static unsigned cpus_here(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* A number in a file of one number, or a line of /proc/meminfo; UINT64_MAX where there is none. */
static uint64_t read_number(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    uint64_t value = UINT64_MAX;
    char line[256];
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0 && strpbrk(line, "0123456789")) {
            value = strtoull(strpbrk(line, "0123456789"), NULL, 10);
            break;
        }
    if (file)
        fclose(file);
    return value;
}

/* Bytes that a replay may take here: what is available, within the limit of our cgroup. */
static uint64_t available_bytes(void)
{
    uint64_t available = read_number("/proc/meminfo", "MemAvailable:");
    uint64_t limit = read_number("/sys/fs/cgroup/memory.max", "");
    uint64_t used = read_number("/sys/fs/cgroup/memory.current", "");
    if (available != UINT64_MAX)
        available *= 1024;
    if (limit != UINT64_MAX && used != UINT64_MAX) {
        uint64_t left = limit > used ? limit - used : 0;
        available = left < available ? left : available;
    }
    return available;
}

/* Before anything is started: whether it fits. */
static enum seep_err check_memory(const struct recorded *recorded, unsigned scale, struct err *err)
{
    uint64_t need = recorded_need_bytes(recorded, scale) + SPARE_BYTES;
    uint64_t available = available_bytes();
    unsigned fits = scale;
    if (need <= available)
        return SEEP_OK;
    while (fits < 1u << 20 && recorded_need_bytes(recorded, fits) + SPARE_BYTES > available)
        fits *= 2;
    return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                   "a replay needs about %s, and %s are available; --scale=%u replays one in %u "
                   "blocks of each size",
                   human_bytes(need).text, human_bytes(available).text, fits, fits);
}

struct run {
    const struct compare_options *options;
    const struct trace_facts *facts;
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
                    .cpus = r->facts->cpus ? r->facts->cpus : cpus_here(),
                    .here_cpus = cpus_here(),
                    .speed_percent = o->speed_percent},
        .free_running = o->free_running,
        .repeat = o->repeat,
        .stage = o->stage,
        .arg = o->arg};
    struct candidate self;
    enum seep_err code = SEEP_OK;
    r->measured = mem_zalloc(o->candidate_count + 1, sizeof *r->measured);
    r->self = !candidate_recorded(&self, r->facts, &r->self_error);
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
                           .here_cpus = cpus_here()};
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
        code = check_memory(&r.recorded, r.scale, err);
    if (!code)
        code = script_write(&r.script, reader, &r.recorded, &r.large, r.scale, options->progress,
                            options->arg, err);
    if (!code)
        code = measure_all(&r, err);
    if (!code)
        *out = make_tree(&r);
    for (size_t i = 0; i < r.count; i++)
        measure_release(&r.measured[i]);
    free(r.measured);
    script_release(&r.script);
    recorded_release(&r.recorded);
    large_release(&r.large);
    return code;
}
