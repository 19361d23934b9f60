/* SPDX-License-Identifier: MIT */
#include "run/collect.h"

#include "seep/trace_format.h"
#include "trace/family.h"
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

/* What packing goes through. */
struct work {
    struct collected *out;
    struct run_spools *spools;
    uint32_t main_pid;
    const struct collect_options *options;
    struct family family;
    enum seep_err first; /* what failed first */
    struct err *err;
};

static enum seep_err pack(const struct work *w, const struct run_spool *spool, const char *trace,
                          struct err *err)
{
    const char *slash = strrchr(trace, '/');
    struct task task = {
        .options = w->options,
        .done = (double)(w->out->other_count + w->out->left + (w->out->main ? 1 : 0)),
        .total = (double)w->spools->count,
    };
    snprintf(task.what, sizeof task.what, "packing %s", slash ? slash + 1 : trace);
    if (w->options->streams && !streams_finish(w->options->streams, spool, step, &task))
        return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
    struct pack_options how = {
        .overwrite = w->options->overwrite,
        .coding = w->options->coding,
        .progress = step,
        .progress_arg = &task,
        .family = &w->family,
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
static bool pack_one(struct work *w, const struct run_spool *spool, const char *trace)
{
    struct err detail;
    enum seep_err e =
        w->first == SEEP_ERR_INTERRUPTED ? SEEP_ERR_INTERRUPTED : pack(w, spool, trace, &detail);
    if (e == SEEP_OK)
        return true;
    w->out->left++;
    if (w->first == SEEP_OK || (e == SEEP_ERR_INTERRUPTED && w->first != e)) {
        w->first = e;
        *w->err = detail;
    }
    return false;
}

static bool is_main(const struct work *w, const struct run_spool *spool)
{
    return run_spools_last_image(w->spools, w->main_pid) == spool;
}

static void pack_main(struct work *w, const struct run_spool *spool)
{
    if (pack_one(w, spool, w->spools->file))
        w->out->main = mem_strdup(w->spools->file);
    else
        w->out->main_spool = mem_strdup(spool->path);
}

static void pack_other(struct work *w, const struct run_spool *spool)
{
    struct collected *out = w->out;
    char *trace = own_trace(spool);
    if (!pack_one(w, spool, trace)) {
        free(trace);
        return;
    }
    MEM_GROW(out->others, out->other_capacity, out->other_count + 1);
    out->others[out->other_count++] = (struct collect_trace){trace, spool->pid};
}

struct turn {
    uint64_t start_ns;
    size_t index;
};

static int compare_turns(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Packs the spools from index `from` on by the time at which they began: children are told what
 * they have from their parent while that is packed, so it goes first. */
static void pack_from(struct work *w, size_t from)
{
    const struct run_spools *spools = w->spools;
    const char *file = strrchr(spools->file, '/') + 1;
    size_t count = spools->count;
    struct turn *turns = mem_alloc((count - from + 1) * sizeof *turns);
    size_t turn_count = 0;
    for (size_t i = from; i < count; i++) {
        const struct run_spool *spool = &spools->all[i];
        if (!spool->known || spool->foreign)
            continue;
        family_add(&w->family, spool->path, spool->fork_parent, is_main(w, spool) ? file : NULL);
        turns[turn_count++] = (struct turn){spool->start_ns, i};
    }
    qsort(turns, turn_count, sizeof *turns, compare_turns);
    for (size_t i = 0; i < turn_count; i++) {
        const struct run_spool *spool = &spools->all[turns[i].index];
        if (is_main(w, spool))
            pack_main(w, spool);
        else if (!run_spool_is_running(spool))
            pack_other(w, spool);
    }
    free(turns);
}

enum seep_err collect(struct collected *out, struct run_spools *spools, uint32_t main_pid,
                      const struct collect_options *options, struct err *err)
{
    *out = (struct collected){0};
    struct work w = {
        .out = out, .spools = spools, .main_pid = main_pid, .options = options, .err = err};
    struct task task = {.options = options, .what = "packing", .total = 1};
    if (options->ahead)
        ahead_finish(options->ahead, step, &task);
    /* A process that was just starting when the main one ended shows up while we pack. */
    size_t from = 0;
    for (run_spools_scan(spools); from < spools->count; run_spools_scan(spools)) {
        size_t count = spools->count;
        pack_from(&w, from);
        from = count;
    }
    family_release(&w.family);
    out->running = run_spools_living(spools);
    return w.first;
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
