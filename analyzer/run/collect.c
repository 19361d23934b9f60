/* SPDX-License-Identifier: MIT */
#include "run/collect.h"

#include "seep/trace_format.h"
#include "trace/pack.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct task {
    const struct collect_options *options;
    char what[64];
    double done, total; /* spools */
};

static bool step(void *arg, double fraction)
{
    const struct task *t = arg;
    return !t->options->progress ||
           t->options->progress(t->options->progress_arg, t->what, (t->done + fraction) / t->total);
}

static enum seep_err pack(const struct collected *out, const struct run_spools *spools,
                          const struct run_spool *spool, const char *trace,
                          const struct collect_options *options, struct err *err)
{
    const char *slash = strrchr(trace, '/');
    struct task task = {
        .options = options,
        .done = (double)(out->other_count + out->left + (out->main ? 1 : 0)),
        .total = (double)spools->count,
    };
    snprintf(task.what, sizeof task.what, "packing %s", slash ? slash + 1 : trace);
    struct pack_options how = {
        .overwrite = options->overwrite,
        .progress = step,
        .progress_arg = &task,
    };
    return pack_spool(spool->path, trace, &how, err);
}

/* NAME.spool becomes NAME.seep. */
static char *own_trace(const struct run_spool *spool)
{
    struct strbuf b = {0};
    strbuf_add(&b, spool->path, strlen(spool->path) - strlen(SEEP_SPOOL_SUFFIX));
    strbuf_adds(&b, SEEP_TRACE_SUFFIX);
    return strbuf_detach(&b);
}

/* Packs one spool into `trace` and takes note of what came of it. */
static bool pack_one(struct collected *out, const struct run_spools *spools,
                     const struct run_spool *spool, const char *trace,
                     const struct collect_options *options, enum seep_err *first, struct err *err)
{
    struct err detail;
    enum seep_err e = *first == SEEP_ERR_INTERRUPTED
                          ? SEEP_ERR_INTERRUPTED
                          : pack(out, spools, spool, trace, options, &detail);
    if (e == SEEP_OK)
        return true;
    out->left++;
    if (*first == SEEP_OK || (e == SEEP_ERR_INTERRUPTED && *first != e)) {
        *first = e;
        *err = detail;
    }
    return false;
}

static void pack_other(struct collected *out, const struct run_spools *spools,
                       const struct run_spool *spool, const struct collect_options *options,
                       enum seep_err *first, struct err *err)
{
    char *trace = own_trace(spool);
    if (!pack_one(out, spools, spool, trace, options, first, err)) {
        free(trace);
        return;
    }
    MEM_GROW(out->others, out->other_capacity, out->other_count + 1);
    out->others[out->other_count++] = (struct collect_trace){trace, spool->pid};
}

enum seep_err collect(struct collected *out, struct run_spools *spools, uint32_t main_pid,
                      const struct collect_options *options, struct err *err)
{
    *out = (struct collected){0};
    run_spools_scan(spools);
    enum seep_err first = SEEP_OK;
    const struct run_spool *main_spool = run_spools_last_image(spools, main_pid);
    if (main_spool && pack_one(out, spools, main_spool, spools->file, options, &first, err))
        out->main = mem_strdup(spools->file);
    else if (main_spool)
        out->main_spool = mem_strdup(main_spool->path);
    size_t main_index = main_spool ? (size_t)(main_spool - spools->all) : SIZE_MAX;
    for (size_t i = 0; i < spools->count; i++) {
        const struct run_spool *spool = &spools->all[i];
        if (spool->known && !spool->foreign && i != main_index && !run_spool_is_running(spool))
            pack_other(out, spools, spool, options, &first, err);
        /* A process that was just starting when the main one ended shows up while we pack. */
        if (i + 1 == spools->count)
            run_spools_scan(spools);
    }
    out->running = run_spools_living(spools);
    return first;
}

void collected_release(struct collected *c)
{
    for (size_t i = 0; i < c->other_count; i++)
        free(c->others[i].path);
    free(c->others);
    free(c->main);
    free(c->main_spool);
    *c = (struct collected){0};
}
