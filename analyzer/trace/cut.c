/* SPDX-License-Identifier: MIT
 *
 * What is live before the window is followed beside the reader, slots and all: which event is the
 * window's first is only known when the reader has applied it. */
#include "trace/cut.h"

#include "trace/beside_read.h"
#include "trace/bytes.h"
#include "trace/facts.h"
#include "trace/graph.h"
#include "trace/live.h"
#include "trace/peak.h"
#include "trace/trace_writer.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536

enum place { BEFORE, INSIDE, AFTER };

struct cut {
    struct trace_reader *reader;
    const struct trace_dict *dict;
    const struct trace_facts *facts;
    const struct cut_options *options;
    struct cut_moment from, to;
    struct trace_writer *writer;
    uint64_t first; /* number of the window's first event */
    uint64_t start_ns, last_ns;
    struct live before;        /* what is live before the window */
    struct peak_follower peak; /* up to there */
    struct trace_event event;  /* read last on the way to the start; */
    bool pending;              /* it is not before the window */
    bool ends_early;           /* the trace goes on behind the window */
    uint32_t *stacks;          /* the window's node by that of the trace, 0: not told yet; owned */
    uint32_t threads;          /* told so far */
    bool *modules;             /* told; owned */
    uint64_t events;           /* read, for progress */
    struct trace_summary summary; /* what was learnt; lost and damaged: before reading, for readers
                                     of the window will meet the gaps themselves */
    struct bytes inherited;       /* payloads of the INHERITED records before the window, */
    size_t *ends;                 /* and where each ends; owned */
    size_t inherited_count, ends_capacity;
};

static enum place place_of(const struct cut *c, uint64_t number, uint64_t time_ns)
{
    const struct cut_moment *from = &c->from, *to = &c->to;
    if (from->text && (from->by_number ? number < from->number : time_ns < from->time_ns))
        return BEFORE;
    if (to->text && (to->by_number ? number >= to->number : time_ns > to->time_ns))
        return AFTER;
    return INSIDE;
}

static enum seep_err next(struct cut *c, struct trace_event *ev, struct err *err)
{
    const struct cut_options *o = c->options;
    if (++c->events % PROGRESS_EVENTS == 0 && o->progress &&
        !o->progress(o->progress_arg, trace_reader_progress(c->reader)))
        return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
    return trace_reader_next(c->reader, ev, err);
}

/* ------------------------------------------------------------------ to the window's start */

static enum seep_err seek(struct cut *c, struct err *err)
{
    const struct cut_moment *from = &c->from;
    if (!from->text)
        return trace_reader_rewind(c->reader, err);
    return from->by_number ? trace_reader_seek_number(c->reader, from->number, err)
                           : trace_reader_seek_time(c->reader, from->time_ns, err);
}

/* What a forked child has from its parent is told at the start of the trace. */
static enum seep_err keep_inherited(struct cut *c, struct err *err)
{
    struct trace_event ev = {0};
    if (!c->facts->fork_parent_pid)
        return SEEP_OK;
    enum seep_err code = trace_reader_rewind(c->reader, err);
    while (!code && !(code = next(c, &ev, err))) {
        bool record = ev.type == TRACE_BESIDE && ev.beside.kind == SEEP_BESIDE_INHERITED;
        if (place_of(c, ev.number, ev.time_ns) != BEFORE ||
            (ev.type != TRACE_BESIDE && !(ev.flags & TRACE_INHERITED)))
            break;
        if (!record)
            continue;
        bytes_add(&c->inherited, ev.beside.bytes, ev.beside.length);
        MEM_GROW(c->ends, c->ends_capacity, c->inherited_count + 1);
        c->ends[c->inherited_count++] = c->inherited.length;
    }
    return code == SEEP_END ? SEEP_OK : code;
}

/* Takes the reader's state for that before the window. */
static void restart(struct cut *c)
{
    live_release(&c->before);
    live_copy(&c->before, trace_reader_live(c->reader));
    c->start_ns = trace_reader_time(c->reader);
    peak_restart(&c->peak, &c->before, trace_reader_peak_before(c->reader), c->dict,
                 trace_reader_number(c->reader));
}

/* Reads up to the first thing that is not before the window, which is left in c->event, and finds
 * c->first. Of a gap that reaches into the window, what lies in the window is lost. */
static enum seep_err go_to_first(struct cut *c, struct err *err)
{
    const struct cut_moment *from = &c->from;
    const struct trace_event *ev = &c->event;
    enum seep_err code = seek(c, err);
    if (code)
        return code;
    restart(c);
    while (!(code = next(c, &c->event, err))) {
        c->pending = place_of(c, ev->number, ev->time_ns) != BEFORE;
        if (c->pending)
            break;
        if (ev->type == TRACE_GAP) {
            restart(c);
            continue;
        }
        live_apply(&c->before, ev);
        peak_apply(&c->peak, ev);
        c->start_ns = ev->time_ns;
    }
    c->first = trace_reader_number(c->reader); /* where the trace ends before the window begins */
    if (c->pending)
        c->first = ev->number - (ev->type == TRACE_GAP ? ev->lost_events : 0);
    if (c->pending && from->text && from->by_number)
        c->first = from->number;
    c->last_ns = c->start_ns;
    return code == SEEP_END ? SEEP_OK : code;
}

/* ------------------------------------------------------------------ dictionaries */

static uint32_t map_stack(struct cut *c, uint32_t stack)
{
    const struct trace_stack_node *nodes = c->dict->stacks;
    uint32_t path[SEEP_FRAME_LIMIT + 1];
    size_t depth = 0;
    if (stack > c->dict->stack_count)
        return 0;
    for (; stack && !c->stacks[stack] && depth <= SEEP_FRAME_LIMIT; stack = nodes[stack].parent)
        path[depth++] = stack;
    if (stack && !c->stacks[stack])
        return 0; /* deeper than any stack is */
    uint32_t mapped = c->stacks[stack];
    while (depth) {
        const struct trace_stack_node *n = &nodes[path[--depth]];
        if (n->pc == UINT64_MAX)
            return 0; /* its definition is lost, and with it what it leads to */
        mapped = trace_writer_stack(c->writer, mapped, n->pc, n->flags);
        c->stacks[path[depth]] = mapped;
    }
    return mapped;
}

static uint32_t map_thread(struct cut *c, uint32_t thread)
{
    if (thread > c->dict->thread_count)
        return 0;
    for (; c->threads < thread; c->threads++)
        trace_writer_thread(c->writer, &c->dict->threads[c->threads]);
    return thread;
}

/* Tells of the modules that were loaded by then. */
static void tell_modules(struct cut *c, uint64_t until_ns)
{
    for (size_t i = 0; i < c->dict->module_count; i++) {
        if (c->modules[i] || c->dict->modules[i].load_ns > until_ns)
            continue;
        trace_writer_module(c->writer, &c->dict->modules[i]);
        c->modules[i] = true;
    }
}

/* ------------------------------------------------------------------ the window */

/* Has the writer go on with those blocks, which it takes over. */
static enum seep_err take_state(struct cut *c, struct live *live, const struct trace_peak *peak,
                                uint64_t number, uint64_t time_ns, struct err *err)
{
    live_renumber(live); /* leaves the kinds of live blocks only */
    for (uint32_t i = 0; i < live->kinds.count; i++)
        live->kinds.items[i].stack = map_stack(c, live->kinds.items[i].stack);
    for (uint32_t slot = live_oldest(live); slot; slot = live->links[slot].younger)
        live->slots[slot].thread = map_thread(c, live->slots[slot].thread);
    for (uint32_t i = 0; i < live->flight_slots; i++)
        if (live->flights[i].link)
            live->flights[i].before.thread = map_thread(c, live->flights[i].before.thread);
    return trace_writer_resume(c->writer, live, peak, c->dict, number, time_ns, err);
}

/* The same behind a gap, with what the reader holds live. */
static enum seep_err take_gap(struct cut *c, const struct trace_event *ev, struct err *err)
{
    struct live live;
    live_copy(&live, trace_reader_live(c->reader));
    enum seep_err code =
        take_state(c, &live, trace_reader_peak_before(c->reader), ev->number, ev->time_ns, err);
    live_release(&live);
    return code;
}

static enum seep_err write_inherited(struct cut *c, struct err *err)
{
    enum seep_err code = SEEP_OK;
    size_t begin = 0;
    for (size_t i = 0; i < c->inherited_count && !code; begin = c->ends[i++]) {
        struct trace_event ev = {.type = TRACE_BESIDE};
        ev.beside = (struct trace_beside){SEEP_BESIDE_INHERITED, c->inherited.data + begin,
                                          c->ends[i] - begin};
        code = trace_writer_event(c->writer, &ev, err);
    }
    return code;
}

/* What the figures beside the events tell of the window. */
static void learn(struct cut *c, const struct trace_event *ev)
{
    struct trace_summary *s = &c->summary;
    struct beside_view view;
    if (ev->type != TRACE_BESIDE) {
        s->repaired += (ev->flags & TRACE_REPAIRED) != 0;
        s->raced += ev->flags & TRACE_IMPLIED && !trace_event_in_pool(ev);
        s->unknown_frees += ev->type == TRACE_FREE_UNKNOWN && !(ev->flags & TRACE_INHERITED);
    } else if (beside_read(&view, &ev->beside)) {
        if (view.kind == SEEP_BESIDE_MEMORY && !view.process &&
            view.memory_count > SEEP_MEMORY_PEAK_RSS &&
            view.memory[SEEP_MEMORY_PEAK_RSS] > s->peak_rss_bytes)
            s->peak_rss_bytes = view.memory[SEEP_MEMORY_PEAK_RSS];
    }
}

/* Where the window ends within a gap, `ev`, its last events are lost. */
static void lose_end(struct cut *c, const struct trace_event *ev)
{
    uint64_t end = c->to.by_number && c->to.number < ev->number ? c->to.number : ev->number;
    if (ev->type == TRACE_GAP && ev->number - ev->lost_events < end)
        trace_writer_lose_end(c->writer, end);
}

/* The graph of a snapshot within the window. Slots and addresses are the same there. */
static enum seep_err copy_graph(struct cut *c, const struct trace_event *ev, struct err *err)
{
    struct beside_view view;
    struct columns columns = {0};
    struct graph_head head;
    bool good;
    enum seep_err code = SEEP_OK;
    if (ev->type != TRACE_BESIDE || ev->beside.kind != SEEP_BESIDE_GRAPH ||
        !beside_read(&view, &ev->beside))
        return SEEP_OK;
    uint64_t number = ev->number;
    for (size_t at = 0; !code;) {
        code = trace_reader_graph(c->reader, &at, false, &columns, &good, err);
        if (!code && good && graph_take_head(&head, &columns) && head.number == view.number &&
            head.event == number)
            code = trace_writer_graph(c->writer, &columns, err);
    }
    columns_release(&columns);
    return code == SEEP_END ? SEEP_OK : code;
}

static enum seep_err copy_events(struct cut *c, struct err *err)
{
    struct trace_event ev = c->event;
    enum seep_err code = SEEP_OK;
    while (c->pending || !(code = next(c, &ev, err))) {
        c->pending = false;
        enum place place = place_of(c, ev.number, ev.time_ns);
        if (place == BEFORE) /* beside the first event, or a gap that ends before it */
            continue;
        if (place == AFTER) {
            lose_end(c, &ev);
            return SEEP_OK;
        }
        c->last_ns = ev.time_ns;
        if (ev.type == TRACE_GAP) {
            code = take_gap(c, &ev, err);
        } else {
            learn(c, &ev);
            ev.stack = map_stack(c, ev.stack);
            ev.thread = map_thread(c, ev.thread);
            code = trace_writer_event(c->writer, &ev, err);
            if (!code)
                code = copy_graph(c, &ev, err);
        }
        if (code)
            return code;
    }
    return code == SEEP_END ? SEEP_OK : code;
}

static enum seep_err finish(struct cut *c, struct err *err)
{
    struct trace_summary s = *trace_reader_summary(c->reader);
    s.lost_damaged = c->summary.lost_damaged;
    s.damaged = c->summary.damaged;
    if (c->ends_early)
        s.duration_ns = c->to.time_ns;
    if (s.duration_ns < c->last_ns)
        s.duration_ns = c->last_ns;
    s.repaired = c->summary.repaired;
    s.raced = c->summary.raced;
    s.unknown_frees = c->summary.unknown_frees;
    s.peak_rss_bytes = c->summary.peak_rss_bytes;
    if (c->ends_early) { /* before what ended the recording */
        s.truncated = false;
        s.stop_reason = SEEP_STOP_NONE;
        s.lost_stopped = 0;
    }
    tell_modules(c, s.duration_ns);
    for (uint32_t n = c->threads; n < c->dict->thread_count; n++)
        if (c->dict->threads[n].start_ns <= s.duration_ns)
            map_thread(c, n + 1);
    struct trace_writer *w = c->writer;
    c->writer = NULL;
    return trace_writer_finish(w, &s, err);
}

/* ------------------------------------------------------------------ the whole */

/* Whether the trace goes on behind the window. */
static bool ends_early(const struct cut *c)
{
    const struct cut_moment *to = &c->to;
    return to->text &&
           ((to->by_number && to->number < trace_reader_end(c->reader)) ||
            (to->time_ns && to->time_ns < trace_reader_summary(c->reader)->duration_ns));
}

/* Whether a window of a window, at whose start the reader is, begins no later than that. */
static bool starts_early(const struct cut *c)
{
    const struct cut_moment *from = &c->from;
    uint64_t start_ns = c->facts->cut_from_ns;
    return trace_facts_cut(c->facts) && from->text &&
           (from->by_number
                ? from->number <= c->facts->cut_first
                : from->time_ns <= (start_ns ? start_ns : trace_reader_time(c->reader)));
}

static bool is_not_of_cut(uint64_t fact)
{
    return fact < SEEP_FACT_CUT_OF || fact > SEEP_FACT_CUT_TO_NS;
}

/* A window of a window is one of the trace that the first one was cut out of. */
static enum seep_err write_facts(struct cut *c, struct err *err)
{
    const struct trace_facts *f = c->facts;
    const struct cut_moment *from = &c->from, *to = &c->to;
    struct bytes facts = {0};
    facts_put_wanted(&facts, trace_reader_stored_facts(c->reader), is_not_of_cut);
    facts_put_text(&facts, SEEP_FACT_CUT_OF, trace_facts_cut(f) ? f->cut_of : c->options->name);
    facts_put_text(&facts, SEEP_FACT_CUT_FROM, from->text ? from->text : f->cut_from);
    facts_put_number(&facts, SEEP_FACT_CUT_FIRST, c->first);
    uint64_t from_ns = from->text ? from->time_ns : f->cut_from_ns;
    if (from_ns)
        facts_put_number(&facts, SEEP_FACT_CUT_FROM_NS, from_ns);
    facts_put_text(&facts, SEEP_FACT_CUT_TO, c->ends_early ? to->text : f->cut_to);
    uint64_t to_ns = c->ends_early ? to->time_ns : f->cut_to_ns;
    if (to_ns)
        facts_put_number(&facts, SEEP_FACT_CUT_TO_NS, to_ns);
    enum seep_err code = trace_writer_facts(c->writer, facts.data, facts.length, err);
    bytes_release(&facts);
    return code;
}

static enum seep_err write_window(struct cut *c, const char *path, struct err *err)
{
    struct trace_writer_options options = {.coding = c->options->coding};
    enum seep_err code = trace_writer_open(&c->writer, path, &options, err);
    if (!code)
        code = write_facts(c, err);
    if (code)
        return code;
    struct bytes processes = {0};
    bytes_add(&processes, trace_reader_stored_processes(c->reader)->data,
              trace_reader_stored_processes(c->reader)->length);
    if (processes.length)
        trace_writer_processes(c->writer, &processes);
    bytes_release(&processes);
    tell_modules(c, c->start_ns);
    code = take_state(c, &c->before, &c->peak.peak, c->first, c->start_ns, err);
    if (!code)
        code = write_inherited(c, err);
    if (!code)
        code = copy_events(c, err);
    return code ? code : finish(c, err);
}

enum seep_err cut_trace(struct trace_reader *reader, const char *path,
                        const struct cut_options *options, struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    struct cut c = {
        .reader = reader,
        .dict = dict,
        .facts = trace_reader_facts(reader),
        .options = options,
        .from = options->from,
        .to = options->to,
        .stacks = mem_zalloc((size_t)dict->stack_count + 1, sizeof *c.stacks),
        .modules = mem_zalloc(dict->module_count + 1, sizeof *c.modules),
    };
    live_init(&c.before);
    c.ends_early = ends_early(&c);
    c.summary.lost_damaged = trace_reader_summary(reader)->lost_damaged;
    c.summary.damaged = trace_reader_summary(reader)->damaged;
    enum seep_err code = trace_reader_rewind(reader, err);
    if (!code && starts_early(&c))
        c.from = (struct cut_moment){0};
    if (!code)
        code = keep_inherited(&c, err);
    if (!code)
        code = go_to_first(&c, err);
    if (!code)
        code = write_window(&c, path, err);
    trace_writer_abort(c.writer);
    peak_release(&c.peak);
    live_release(&c.before);
    bytes_release(&c.inherited);
    free(c.ends);
    free(c.stacks);
    free(c.modules);
    return code;
}
