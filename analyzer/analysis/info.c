/* SPDX-License-Identifier: MIT */
#include "analysis/info.h"

#include "analysis/exit.h"
#include "analysis/fork.h"

#include "analysis/completeness.h"
#include "analysis/processes.h"
#include "analysis/resolve.h"
#include "analysis/snapshots.h"
#include "model/decoder.h"
#include "model/heap.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ------------------------------------------------------------------ the process */

static void add_text(struct result *r, const char *name, const char *text)
{
    result_text(r, name, text && *text ? text : NULL);
}

static void add_known(struct result *r, const char *name, uint32_t value)
{
    if (value)
        result_integer(r, name, value);
    else
        result_null(r, name);
}

static void add_list(struct result *r, const char *name, char **list)
{
    struct result *array = result_array(r, name);
    for (; list && *list; list++)
        result_text(array, NULL, *list);
}

/* One argument as a shell takes it back. */
static void add_quoted(struct strbuf *b, const char *argument)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./=:,+@%^";
    if (*argument && strspn(argument, plain) == strlen(argument)) {
        strbuf_adds(b, argument);
        return;
    }
    strbuf_addc(b, '\'');
    for (; *argument; argument++) {
        if (*argument == '\'')
            strbuf_adds(b, "'\\''");
        else
            strbuf_addc(b, *argument);
    }
    strbuf_addc(b, '\'');
}

static void add_command(struct result *r, char **command)
{
    struct strbuf b = {0};
    for (char **argument = command; argument && *argument; argument++) {
        if (argument != command)
            strbuf_addc(&b, ' ');
        add_quoted(&b, *argument);
    }
    result_text(r, "command", b.text);
    strbuf_release(&b);
    add_list(r, "arguments", command);
}

static void add_start(struct result *r, uint64_t realtime_ns)
{
    time_t seconds = (time_t)(realtime_ns / 1000000000u);
    struct tm tm;
    char text[40];
    if (!realtime_ns || !gmtime_r(&seconds, &tm) ||
        !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
        result_null(r, "start_realtime_ns");
        result_null(r, "start");
        return;
    }
    result_integer(r, "start_realtime_ns", (int64_t)realtime_ns);
    result_text(r, "start", text);
}

static void add_process(struct result *parent, const struct trace_facts *f)
{
    struct result *r = result_object(parent, "process");
    add_command(r, f->command);
    add_text(r, "exe", f->exe);
    add_text(r, "working_directory", f->working_directory);
    add_known(r, "pid", f->pid);
    add_known(r, "parent_pid", f->parent_pid);
    result_integer(r, "image", f->image);
    fork_add(r, f);
    add_text(r, "host", f->host);
    add_text(r, "kernel", f->kernel);
    add_text(r, "libc", f->libc);
    add_known(r, "cpus", f->cpus);
    if (f->page_bytes)
        result_bytes(r, "page_bytes", f->page_bytes);
    else
        result_null(r, "page_bytes");
    add_text(r, "thp", f->thp);
    add_start(r, f->start_realtime_ns);
    add_text(r, "run_id", f->run_id);
    add_text(r, "recorder_version", f->recorder_version);
    add_list(r, "options", f->options);
    add_list(r, "environment", f->environment);
}

/* ------------------------------------------------------------------ the events */

struct reading {
    struct processes *processes;
    const struct info_options *options;
};

static void take_event(void *arg, const struct trace_event *ev)
{
    processes_apply(((struct reading *)arg)->processes, ev);
}

static bool tell_progress(void *arg, double fraction)
{
    const struct info_options *options = ((struct reading *)arg)->options;
    return options->progress(options->progress_arg, fraction);
}

static enum seep_err read_events(struct heap *heap, struct processes *processes,
                                 struct trace_reader *reader, const struct info_options *options,
                                 struct err *err)
{
    struct reading reading = {processes, options};
    const struct heap_watch watch = {
        .event = trace_reader_dict(reader)->process_count ? take_event : NULL,
        .progress = options->progress ? tell_progress : NULL,
        .arg = &reading,
    };
    heap_begin_window(heap, reader);
    return heap_read(heap, reader, &watch, err);
}

struct frame_counts {
    uint64_t nodes, suspect, unprovable;
};

static enum seep_err prove_frames(struct frame_counts *counts, const struct trace_dict *dict,
                                  struct symbols *symbols, struct err *err)
{
    uint8_t *marks = mem_alloc((size_t)dict->stack_count + 1);
    memset(marks, 1, (size_t)dict->stack_count + 1);
    enum seep_err code = symbols ? resolve_marked(symbols, dict, marks, false, err) : SEEP_OK;
    free(marks);
    for (uint32_t node = 1; node <= dict->stack_count && !code; node++) {
        if (dict->stacks[node].flags & SEEP_ROW_ROOT)
            continue;
        counts->nodes++;
        if (!symbols)
            continue;
        enum symbol_suspicion suspicion = symbols_of_node(symbols, node)->suspicion;
        counts->suspect += suspicion == SYMBOL_SUSPECT;
        counts->unprovable += suspicion == SYMBOL_UNPROVABLE;
    }
    return code;
}

static void add_totals(struct result *r, const struct heap_totals *t)
{
    result_count(r, "events", heap_events(t));
    result_count(r, "allocations", t->allocations);
    result_count(r, "frees", t->frees);
    result_count(r, "reallocations", t->reallocations);
    result_count(r, "failed", t->failed);
    result_count(r, "temporary", t->temporary);
    result_count(r, "mismatched_frees", t->mismatched);
    result_bytes(r, "allocated_bytes", t->allocated_bytes);
    result_bytes(r, "peak_live_bytes", t->peak_live_bytes);
    result_count(r, "peak_live_blocks", t->peak_live_blocks);
    result_ns(r, "peak_time_ns", t->peak_time_ns);
    result_count(r, "live_blocks", t->live_blocks);
    result_bytes(r, "live_bytes", t->live_bytes);
    result_bytes(r, "live_usable_bytes", t->live_usable_bytes);
    result_count(r, "inherited_blocks", t->inherited_blocks);
    result_bytes(r, "inherited_bytes", t->inherited_bytes);
    result_count(r, "inherited_frees", t->inherited_frees);
}

static void add_pools(struct result *r, const struct heap_totals *t)
{
    if (!heap_is_used(t)) {
        result_null(r, "pools");
        return;
    }
    struct result *o = result_object(r, "pools");
    result_count(o, "allocations", t->allocations);
    result_count(o, "frees", t->frees);
    result_count(o, "reallocations", t->reallocations);
    result_bytes(o, "allocated_bytes", t->allocated_bytes);
    result_bytes(o, "peak_live_bytes", t->peak_live_bytes);
    result_count(o, "peak_live_blocks", t->peak_live_blocks);
    result_ns(o, "peak_time_ns", t->peak_time_ns);
    result_count(o, "live_blocks", t->live_blocks);
    result_bytes(o, "live_bytes", t->live_bytes);
    result_count(o, "inherited_blocks", t->inherited_blocks);
    result_bytes(o, "inherited_bytes", t->inherited_bytes);
}

static void add_frames(struct result *r, const struct frame_counts *counts, bool proved,
                       const struct trace_dict *dict, const struct trace_summary *s)
{
    result_count(r, "stacks", counts->nodes);
    result_count(r, "modules", dict->module_count);
    result_count(r, "cut_stacks", s->cut_stacks);
    result_count(r, "guessed_frames", s->guessed_frames);
    if (proved) {
        result_count(r, "suspect_frames", counts->suspect);
        result_count(r, "unprovable_frames", counts->unprovable);
        result_text(r, "missing_library",
                    counts->unprovable && !decoder_load() ? DECODER_LIBRARY : NULL);
    } else {
        result_null(r, "suspect_frames");
        result_null(r, "unprovable_frames");
        result_null(r, "missing_library");
    }
}

/* Of what trace this is a window, and which. Returns when it begins. */
static uint64_t add_window(struct result *r, const struct trace_facts *f, uint64_t end_ns,
                           uint64_t start_ns)
{
    if (!trace_facts_cut(f)) {
        result_null(r, "window");
        return 0;
    }
    uint64_t from_ns = f->cut_from_ns ? f->cut_from_ns : start_ns;
    if (from_ns > end_ns) /* asked for, but never reached */
        from_ns = end_ns;
    struct result *w = result_object(r, "window");
    result_text(w, "of", f->cut_of);
    add_text(w, "from", f->cut_from);
    add_text(w, "to", f->cut_to);
    result_ns(w, "from_ns", from_ns);
    result_ns(w, "to_ns", end_ns);
    result_count(w, "first_event", f->cut_first);
    return from_ns;
}

static void add_recording(struct result *r, const struct heap *heap, const struct trace_dict *dict,
                          const struct trace_facts *facts, const struct trace_summary *s,
                          uint64_t start_ns)
{
    const struct heap_totals *t = &heap->totals;
    uint64_t events = heap_events(t) + heap_events(&heap->pools);
    result_count(r, "lost_events", completeness_lost(s));
    result_count(r, "raced", s->raced);
    result_count(r, "repaired", s->repaired);
    result_count(r, "unknown_frees", s->unknown_frees);
    result_count(r, "threads", dict->thread_count - dict->process_count);
    uint64_t end_ns = s->duration_ns ? s->duration_ns : t->last_time_ns;
    uint64_t from_ns = add_window(r, facts, end_ns, start_ns);
    result_ns(r, "duration_ns", end_ns > from_ns ? end_ns - from_ns : 0);
    result_bytes(r, "trace_bytes", s->trace_bytes);
    if (events)
        result_real(r, "bytes_per_event", (double)s->trace_bytes / (double)events);
    else
        result_null(r, "bytes_per_event");
    if (s->peak_rss_bytes)
        result_bytes(r, "peak_rss_bytes", s->peak_rss_bytes);
    else
        result_null(r, "peak_rss_bytes");
    result_bytes(r, "recorder_bytes", s->recorder_bytes);
    add_text(r, "allocator", facts->allocator);
    add_text(r, "allocator_version", facts->allocator_version);
    add_text(r, "allocator_path", facts->allocator_path);
}

static void add_marks(struct result *r, const struct trace_dict *dict)
{
    struct result *marks = result_array(r, "marks");
    for (size_t i = 0; i < dict->mark_count; i++) {
        struct result *m = result_object(marks, NULL);
        result_text(m, "name", dict->marks[i].name);
        result_ns(m, "time_ns", dict->marks[i].time_ns);
        result_count(m, "event", dict->marks[i].number);
        result_integer(m, "thread", dict->marks[i].thread);
    }
}

enum seep_err info_analyse(struct result **out, struct trace_reader *reader,
                           struct symbols *symbols, const struct info_options *options,
                           struct err *err)
{
    static const struct info_options none = {0};
    const struct trace_dict *dict = trace_reader_dict(reader);
    struct frame_counts frames = {0};
    struct heap heap;
    if (!options)
        options = &none;
    struct processes processes;
    heap_init(&heap);
    processes_init(&processes, dict);
    uint64_t start_ns = trace_reader_time(reader);
    enum seep_err code = read_events(&heap, &processes, reader, options, err);
    if (!code)
        code = prove_frames(&frames, dict, symbols, err);
    if (code)
        goto done;
    const struct trace_summary *summary = trace_reader_summary(reader);
    const struct trace_facts *facts = trace_reader_facts(reader);
    struct result *r = result_new_object();
    add_totals(r, &heap.totals);
    add_pools(r, &heap.pools);
    add_recording(r, &heap, dict, facts, summary, start_ns);
    add_frames(r, &frames, symbols != NULL, dict, summary);
    add_process(r, facts);
    exit_add(r, "exit", summary);
    completeness_add(r, "completeness", summary);
    add_marks(r, dict);
    processes_add(r, "processes", &processes);
    code = snapshots_add(r, "snapshots", reader, err);
    if (code)
        result_free(r);
    else
        *out = r;
done:
    processes_release(&processes);
    heap_release(&heap);
    return code;
}
