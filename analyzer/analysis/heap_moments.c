/* SPDX-License-Identifier: MIT */
#include "analysis/heap_moments.h"

#include "analysis/costs.h"
#include "analysis/frame_tree.h"
#include "analysis/resolve.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536

/* What is live; told of in one reading for the peak, in a second for the moments. */
struct watch {
    const struct heap_moments_options *o;
    struct trace_reader *reader;
    const struct trace_dict *dict;
    struct symbols *symbols;
    struct filter *filter; /* NULL: none */
    struct cost *nodes;    /* by stack: live_bytes; owned */
    uint64_t bytes, usable;
    uint64_t
        next_end; /* number of the event before which the next process ends; UINT64_MAX: none */
    uint64_t from_ns, last_ns; /* of the window's events */
    bool entered;
    uint64_t peak_bytes, peak_number; /* the event behind which it is so; UINT64_MAX: the start */
};

static bool is_asked_for(const struct watch *w, const struct trace_block *b)
{
    return trace_block_in_pool(b) == w->o->pools &&
           (!w->filter || (filter_block(w->filter, b) && filter_stack(w->filter, b->stack)));
}

static struct cost *cost_of(const struct watch *w, const struct trace_block *b)
{
    return &w->nodes[b->stack <= w->dict->stack_count ? b->stack : 0];
}

static void take_block(struct watch *w, const struct trace_block *b, bool enters)
{
    if (!is_asked_for(w, b))
        return;
    uint64_t sign = enters ? 1 : UINT64_MAX; /* minus one */
    cost_of(w, b)->live_bytes += sign * b->size;
    w->bytes += sign * b->size;
    w->usable += sign * b->usable;
}

static void take_event(struct watch *w, const struct trace_event *ev)
{
    if (ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT)
        take_block(w, &ev->before, false);
    if (ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN)
        take_block(w, &ev->after, true);
}

static uint64_t end_of(const struct watch *w, const struct trace_block *b)
{
    uint32_t process = trace_process_of(b->address);
    uint64_t end = process && process <= w->dict->process_count
                       ? w->dict->processes[process - 1].end_number
                       : 0;
    return end ? end : UINT64_MAX;
}

/* Anew, of the blocks that the reader holds, without what processes left that ended up to the event
 * of that number. */
static void take_live(struct watch *w, uint64_t number)
{
    w->next_end = UINT64_MAX;
    for (size_t i = 0; i < w->dict->process_count; i++) {
        uint64_t end = w->dict->processes[i].end_number;
        if (end > number && end < w->next_end)
            w->next_end = end;
    }
    memset(w->nodes, 0, ((size_t)w->dict->stack_count + 1) * sizeof *w->nodes);
    w->bytes = w->usable = 0;
    uint32_t slots = trace_reader_slot_count(w->reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(w->reader, slot);
        if (b && end_of(w, b) > number)
            take_block(w, b, true);
    }
}

/* Reads the window once from its start. `before` is called with each event of it that has not been
 * taken into account yet, `behind` when it has. */
static enum seep_err
read_window(struct watch *w, double from, void *arg,
            enum seep_err (*before)(struct watch *w, void *arg, const struct trace_event *ev,
                                    struct err *err),
            enum seep_err (*behind)(struct watch *w, void *arg, const struct trace_event *ev,
                                    struct err *err),
            struct err *err)
{
    struct trace_event ev;
    enum seep_err code = trace_reader_rewind(w->reader, err);
    if (!code && w->filter)
        code = filter_seek(w->filter, w->reader, err);
    if (code)
        return code;
    take_live(w, trace_reader_number(w->reader)); /* not what ended before it left */
    w->entered = false;
    for (uint64_t n = 1; !code && !(code = trace_reader_next(w->reader, &ev, err)); n++) {
        if (n % PROGRESS_EVENTS == 0 && w->o->progress &&
            !w->o->progress(w->o->progress_arg, from + trace_reader_progress(w->reader) / 2))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        if (ev.type == TRACE_GAP)
            take_live(w, trace_reader_number(w->reader));
        if (ev.type == TRACE_GAP || ev.type == TRACE_BESIDE)
            continue;
        enum filter_place place =
            w->filter ? filter_window(w->filter, ev.number, ev.time_ns) : FILTER_INSIDE;
        if (place == FILTER_AFTER)
            return SEEP_OK;
        if (place == FILTER_INSIDE && before)
            code = before(w, arg, &ev, err);
        if (ev.number < w->next_end)
            take_event(w, &ev);
        else
            take_live(w, ev.number);
        if (place == FILTER_INSIDE && !code)
            code = behind(w, arg, &ev, err);
        w->entered |= place == FILTER_INSIDE;
    }
    return code == SEEP_END ? SEEP_OK : code;
}

/* ------------------------------------------------------------------ the first reading */

static enum seep_err note_start(struct watch *w, void *arg, const struct trace_event *ev,
                                struct err *err)
{
    (void)arg;
    (void)err;
    if (!w->entered) {
        w->from_ns = ev->time_ns;
        w->peak_bytes = w->bytes;
        w->peak_number = UINT64_MAX;
    }
    return SEEP_OK;
}

static enum seep_err note_peak(struct watch *w, void *arg, const struct trace_event *ev,
                               struct err *err)
{
    (void)arg;
    (void)err;
    w->last_ns = ev->time_ns;
    if (w->bytes > w->peak_bytes) {
        w->peak_bytes = w->bytes;
        w->peak_number = ev->number;
    }
    return SEEP_OK;
}

/* ------------------------------------------------------------------ trees */

static void add_callers(struct result *r, const struct frame_tree *t, uint32_t of, uint64_t least)
{
    struct result *list = result_array(r, "callers");
    uint64_t places = 0, bytes = 0;
    for (uint32_t at = t->nodes[of].first_child; at; at = t->nodes[at].next) {
        const struct frame_node *node = &t->nodes[at];
        const struct symbol_frame *f = node->frame;
        if (node->total < least) {
            places++;
            bytes += node->total;
            continue;
        }
        struct result *child = result_object(list, NULL);
        result_text(child, "function", f ? f->function : NULL);
        result_text(child, "module", f ? f->module : NULL);
        result_text(child, "file", f ? f->file : NULL);
        if (f && f->line)
            result_integer(child, "line", f->line);
        else
            result_null(child, "line");
        result_bytes(child, "total", node->total);
        add_callers(child, t, at, least); /* as deep as the path is long */
    }
    struct result *small = result_object(r, "small");
    result_count(small, "places", places);
    result_bytes(small, "bytes", bytes);
}

static enum seep_err add_tree(struct watch *w, struct result *moment, struct err *err)
{
    struct costs costs = {.nodes = w->nodes, .node_count = w->dict->stack_count + 1};
    struct frame_path path = {.outward = true, .depth = w->o->depth};
    struct frame_tree tree;
    enum seep_err code =
        frame_tree_build_path(&tree, &costs, COST_LIVE, &path, w->dict, w->symbols, err);
    if (!code) {
        struct result *r = result_object(moment, "tree");
        uint64_t total = tree.nodes[0].total;
        double least = w->o->min_share * (double)total;
        result_bytes(r, "total", total);
        add_callers(r, &tree, 0, (uint64_t)least + ((double)(uint64_t)least < least));
    }
    frame_tree_release(&tree);
    return code;
}

/* ------------------------------------------------------------------ the second reading */

struct moments {
    struct result *list;
    unsigned next; /* which of them is next */
    uint64_t now_ns;
};

static enum seep_err add_moment(struct watch *w, struct moments *m, uint64_t time_ns, bool peak,
                                bool detailed, struct err *err)
{
    struct result *r = result_object(m->list, NULL);
    result_ns(r, "time_ns", time_ns);
    result_bytes(r, "bytes", w->bytes);
    result_bytes(r, "extra_bytes", w->usable > w->bytes ? w->usable - w->bytes : 0);
    result_bool(r, "peak", peak);
    if (peak || detailed)
        return add_tree(w, r, err);
    result_null(r, "tree");
    return SEEP_OK;
}

/* The times lie evenly between the first event and the last. */
static uint64_t time_of(const struct watch *w, unsigned moment)
{
    uint64_t length = w->last_ns - w->from_ns;
    return w->from_ns + (uint64_t)((double)length * moment / w->o->count);
}

/* The moments that the event lies behind. */
static enum seep_err pass_moments(struct watch *w, void *arg, const struct trace_event *ev,
                                  struct err *err)
{
    struct moments *m = arg;
    enum seep_err code = SEEP_OK;
    if (!w->entered && w->peak_number == UINT64_MAX && w->peak_bytes) {
        m->next = 1;
        code = add_moment(w, m, w->from_ns, true, true, err);
    }
    while (!code && m->next < w->o->count && ev->time_ns > time_of(w, m->next)) {
        unsigned at = m->next++;
        code = add_moment(w, m, time_of(w, at), false,
                          w->o->detailed && at % w->o->detailed == w->o->detailed - 1, err);
    }
    if (!code && m->next == 0) {
        m->next = 1;
        code = add_moment(w, m, w->from_ns, false, false, err);
    }
    return code;
}

static enum seep_err pass_peak(struct watch *w, void *arg, const struct trace_event *ev,
                               struct err *err)
{
    struct moments *m = arg;
    m->now_ns = ev->time_ns;
    return ev->number == w->peak_number ? add_moment(w, m, ev->time_ns, true, true, err) : SEEP_OK;
}

/* ------------------------------------------------------------------ all of it */

static enum seep_err bind_filter(struct watch *w, struct err *err)
{
    struct filter *f = w->o->filter;
    if (!f)
        return SEEP_OK;
    if (f->lifetime.given)
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "--lifetime: how long a block will live is not known while it does; "
                       "snapshots of the heap cannot choose by it");
    enum seep_err code = filter_bind(f, w->dict, w->symbols, err);
    if (!code)
        filter_start_at_cut(f, trace_reader_facts(w->reader));
    if (!code && filter_needs_names(f)) { /* the events ask for them one by one */
        uint8_t *marks = mem_alloc((size_t)w->dict->stack_count + 1);
        memset(marks, 1, (size_t)w->dict->stack_count + 1);
        code = resolve_marked(w->symbols, w->dict, marks, false, err);
        free(marks);
    }
    w->filter = filter_active(f) ? f : NULL;
    return code;
}

enum seep_err heap_moments_analyse(struct result **out, struct trace_reader *reader,
                                   struct symbols *symbols, const struct heap_moments_options *o,
                                   struct err *err)
{
    struct watch w = {
        .o = o, .reader = reader, .dict = trace_reader_dict(reader), .symbols = symbols};
    const struct trace_facts *facts = trace_reader_facts(reader);
    struct result *r = result_new_object();
    struct moments m = {0};
    w.nodes = mem_zalloc((size_t)w.dict->stack_count + 1, sizeof *w.nodes);
    result_text(r, "exe", facts->exe);
    struct result *command = result_array(r, "command");
    for (char **word = facts->command; word && *word; word++)
        result_text(command, NULL, *word);
    result_real(r, "min_share", o->min_share);
    m.list = result_array(r, "moments");
    enum seep_err code = bind_filter(&w, err);
    if (!code)
        code = read_window(&w, 0, NULL, note_start, note_peak, err);
    if (!code)
        code = read_window(&w, 0.5, &m, pass_moments, pass_peak, err);
    if (!code && (m.next || m.now_ns))
        code = add_moment(&w, &m, m.now_ns, false, true, err); /* how it ended */
    if (code)
        result_free(r);
    else
        *out = r;
    free(w.nodes);
    return code;
}
