/* SPDX-License-Identifier: MIT */
#include "analysis/costs.h"

#include "analysis/resolve.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536
#define FIRST_PASS 0.9 /* of the time that both passes take */

struct pass {
    struct costs *c;
    struct trace_reader *reader;
    struct filter *filter;            /* NULL: none */
    const struct cost_groups *groups; /* NULL: each stack by itself */
    unsigned need;
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
    uint32_t stack_count;
    size_t thread_bytes; /* of a bit for each thread */
    struct heap heap;
    uint64_t start_peak_bytes; /* live at the window's start */
    bool entered;
    /* the reader is one event too far where the window's end stopped it; 0: it is not */
    struct trace_event behind;
};

static bool goes_on(const struct pass *p, uint64_t events, double from, double share)
{
    return events % PROGRESS_EVENTS || !p->progress ||
           p->progress(p->progress_arg, from + share * trace_reader_progress(p->reader));
}

/* ------------------------------------------------------------------ blocks */

static bool is_like(const struct pass *p, const struct trace_block *b)
{
    return trace_block_in_pool(b) == ((p->need & COSTS_POOLS) != 0);
}

static bool is_asked_for(const struct pass *p, const struct trace_block *b)
{
    return is_like(p, b) && (!p->filter || filter_block(p->filter, b));
}

static bool by_lifetime(const struct pass *p)
{
    return p->filter && p->filter->lifetime.given;
}

static bool lived_as_asked(const struct pass *p, const struct trace_block *b, uint64_t until_ns)
{
    return !by_lifetime(p) ||
           filter_lifetime(p->filter, until_ns > b->time_ns ? until_ns - b->time_ns : 0);
}

/* Whether the block was made in the window. */
static bool is_new(const struct pass *p, const struct trace_block *b)
{
    return !(b->flags & TRACE_INHERITED) &&
           (!p->filter || filter_window(p->filter, b->birth, b->time_ns) == FILTER_INSIDE);
}

static uint32_t node_of(const struct pass *p, const struct trace_block *b)
{
    uint32_t node = b->stack <= p->stack_count ? b->stack : 0;
    return p->groups ? p->groups->of_node[node] : node;
}

static struct cost *cost_of(const struct pass *p, const struct trace_block *b)
{
    return &p->c->nodes[node_of(p, b)];
}

/* ------------------------------------------------------------------ details */

static void note_thread(const struct pass *p, struct cost_detail *d, uint32_t thread)
{
    if (!d->threads) {
        d->first_thread = thread;
        d->threads = 1;
    }
    if (thread == d->first_thread || thread / 8 >= p->thread_bytes)
        return;
    if (!d->more_threads)
        d->more_threads = mem_zalloc(p->thread_bytes, 1);
    uint8_t bit = (uint8_t)(1u << thread % 8);
    d->threads += !(d->more_threads[thread / 8] & bit);
    d->more_threads[thread / 8] |= bit;
}

static void detail_made(const struct pass *p, const struct trace_block *b)
{
    if (!p->c->details)
        return;
    struct cost_detail *d = &p->c->details[node_of(p, b)];
    histogram_add(&d->sizes, b->size, 1);
    size_classes_add(&d->asked, b->size, 1);
    d->usable_bytes += b->usable;
    if (p->need & COSTS_CLASSES)
        size_classes_add(&d->classes, b->usable, 1);
    if (b->call < 64)
        d->calls |= UINT64_C(1) << b->call;
    note_thread(p, d, b->thread);
}

static void detail_ended(const struct pass *p, const struct trace_block *b, uint64_t now)
{
    if (!p->c->details)
        return;
    struct cost_detail *d = &p->c->details[node_of(p, b)];
    uint64_t lived = now > b->time_ns ? now - b->time_ns : 0;
    histogram_add(&d->lifetimes, lived, 1);
    d->short_lived += lived < COSTS_SHORT_NS;
}

static void detail_changed(const struct pass *p, const struct trace_event *ev)
{
    if (!p->c->details || ev->after.size <= ev->before.size)
        return;
    struct cost_detail *d = &p->c->details[node_of(p, &ev->after)];
    d->grown++;
    if (ev->after.address != ev->before.address)
        d->copied_bytes += ev->before.size;
}

/* ------------------------------------------------------------------ events */

static void count_made(struct cost *cost, const struct trace_block *b)
{
    cost->allocations++;
    cost->allocated_bytes += b->size;
}

static void enter(const struct pass *p, const struct trace_event *ev)
{
    const struct trace_block *b = &ev->after;
    if (!is_asked_for(p, b))
        return;
    struct cost *cost = cost_of(p, b);
    cost->held_bytes += b->size;
    if (b->flags & TRACE_INHERITED)
        return;
    cost->live_blocks++;
    cost->live_bytes += b->size;
    if (cost->live_bytes > cost->own_peak_bytes)
        cost->own_peak_bytes = cost->live_bytes;
    if (by_lifetime(p))
        return; /* counted when it ends */
    count_made(cost, b);
    detail_made(p, b);
}

static void leave(const struct pass *p, const struct trace_event *ev)
{
    const struct trace_block *b = &ev->before;
    if (!is_asked_for(p, b))
        return;
    struct cost *cost = cost_of(p, b);
    cost->held_bytes -= b->size;
    if (!is_new(p, b))
        return;
    cost->live_blocks--;
    cost->live_bytes -= b->size;
    if (!lived_as_asked(p, b, ev->time_ns))
        return;
    if (by_lifetime(p)) {
        count_made(cost, b);
        detail_made(p, b);
    }
    detail_ended(p, b, ev->time_ns);
    cost->temporary += ev->type == TRACE_FREE && heap_is_temporary(&p->heap, ev);
}

static bool ends_block(const struct trace_event *ev)
{
    return ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT;
}

static bool makes_block(const struct trace_event *ev)
{
    return ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
}

/* Of an event before the window. */
static void take_before(const struct pass *p, const struct trace_event *ev)
{
    if (ends_block(ev) && is_asked_for(p, &ev->before))
        cost_of(p, &ev->before)->held_bytes -= ev->before.size;
    if (makes_block(ev) && is_asked_for(p, &ev->after))
        cost_of(p, &ev->after)->held_bytes += ev->after.size;
}

static void take_event(const struct pass *p, const struct trace_event *ev)
{
    if (ends_block(ev))
        leave(p, ev);
    if (makes_block(ev))
        enter(p, ev);
    if ((ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN) && is_asked_for(p, &ev->after))
        detail_changed(p, ev);
}

/* Makes what is live anew of the blocks that the reader holds. */
static void take_live(const struct pass *p)
{
    for (uint32_t i = 0; i < p->c->node_count; i++)
        p->c->nodes[i].live_blocks = p->c->nodes[i].live_bytes = p->c->nodes[i].held_bytes = 0;
    uint32_t slots = trace_reader_slot_count(p->reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(p->reader, slot);
        if (!b || !is_asked_for(p, b))
            continue;
        struct cost *cost = cost_of(p, b);
        cost->held_bytes += b->size;
        if (p->entered && is_new(p, b)) {
            cost->live_blocks++;
            cost->live_bytes += b->size;
        }
    }
}

/* ------------------------------------------------------------------ the window */

static struct heap_totals *totals_of(struct pass *p)
{
    return p->need & COSTS_POOLS ? &p->heap.pools : &p->heap.totals;
}

/* The window begins with the event at hand, which has not been taken yet. */
static void enter_window(struct pass *p, uint64_t now)
{
    struct heap_totals *t = totals_of(p);
    p->entered = true;
    p->c->from_ns = now;
    for (uint32_t i = 0; i < p->c->node_count; i++)
        p->c->nodes[i].start_bytes = p->c->nodes[i].held_bytes;
    t->peak_live_bytes = p->start_peak_bytes = t->live_bytes - t->ended_bytes;
    t->peak_live_blocks = t->live_blocks - t->ended_blocks;
    t->peak_time_ns = now;
}

static enum seep_err read_window(struct pass *p, struct err *err)
{
    struct trace_event ev;
    enum seep_err code;
    p->c->at_exit = true;
    heap_begin_window(&p->heap, p->reader);
    take_live(p);
    for (uint64_t n = 1; !(code = trace_reader_next(p->reader, &ev, err)); n++) {
        if (!goes_on(p, n, 0, FIRST_PASS))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        enum filter_place place =
            p->filter ? filter_window(p->filter, ev.number, ev.time_ns) : FILTER_INSIDE;
        bool event = ev.type != TRACE_BESIDE && ev.type != TRACE_GAP;
        if (place == FILTER_AFTER && event) {
            p->c->at_exit = false;
            p->behind = ev;
            return SEEP_OK;
        }
        if (place == FILTER_AFTER)
            continue;
        if (place == FILTER_INSIDE && event && !p->entered)
            enter_window(p, ev.time_ns);
        if (event)
            (p->entered ? take_event : take_before)(p, &ev);
        heap_apply(&p->heap, &ev);
        if (ev.type == TRACE_GAP) {
            heap_resync(&p->heap, p->reader);
            take_live(p);
        }
    }
    return code == SEEP_END ? SEEP_OK : code;
}

/* What is still live counts as having lived to the window's end. */
static void end_window(struct pass *p)
{
    struct costs *c = p->c;
    uint64_t duration_ns = trace_reader_summary(p->reader)->duration_ns;
    c->heap = *totals_of(p);
    c->end_ns = c->heap.last_time_ns;
    if (c->at_exit && duration_ns > c->end_ns)
        c->end_ns = duration_ns;
    if (p->filter && p->filter->to.text && p->filter->to.time_ns && !c->at_exit)
        c->end_ns = p->filter->to.time_ns;
    if (!p->entered) /* there was no event in the window */
        enter_window(p, c->end_ns);
}

/* A block that is still live at the window's end, with a filter by lifetime. */
static void apply_lifetime(const struct pass *p, const struct trace_block *b)
{
    if (!b || !is_asked_for(p, b) || !is_new(p, b))
        return;
    struct cost *cost = cost_of(p, b);
    if (lived_as_asked(p, b, p->c->end_ns)) {
        count_made(cost, b);
        detail_made(p, b);
    } else {
        cost->live_blocks--;
        cost->live_bytes -= b->size;
    }
}

static void apply_lifetimes(const struct pass *p)
{
    uint32_t slots = by_lifetime(p) ? trace_reader_slot_count(p->reader) : 0;
    for (uint32_t slot = 0; slot < slots; slot++)
        if (!makes_block(&p->behind) || slot != p->behind.slot)
            apply_lifetime(p, trace_reader_block(p->reader, slot));
    if (slots && ends_block(&p->behind))
        apply_lifetime(p, &p->behind.before);
}

/* ------------------------------------------------------------------ the peak */

static bool has_ended(const struct pass *p, const struct trace_block *b)
{
    const struct trace_dict *dict = trace_reader_dict(p->reader);
    uint32_t process = trace_process_of(b->address);
    uint64_t end =
        process && process <= dict->process_count ? dict->processes[process - 1].end_number : 0;
    return end && end <= p->c->heap.peak_number;
}

static void take_peak(const struct pass *p)
{
    uint32_t slots = trace_reader_slot_count(p->reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(p->reader, slot);
        if (!b || !is_asked_for(p, b) || !is_new(p, b) || has_ended(p, b))
            continue;
        struct cost *cost = cost_of(p, b);
        cost->peak_blocks++;
        cost->peak_bytes += b->size;
    }
}

/* Goes back to the peak. Where it is the window's start, nothing made in the window was live. */
static enum seep_err read_peak(struct pass *p, struct err *err)
{
    const struct heap_totals *t = &p->c->heap;
    struct trace_event ev;
    p->c->peak_known = t->peak_number || t->peak_live_blocks <= 1;
    if (t->peak_live_bytes <= p->start_peak_bytes || !p->c->peak_known)
        return SEEP_OK;
    enum seep_err code = trace_reader_rewind(p->reader, err);
    if (!code)
        code = trace_reader_seek_number(p->reader, t->peak_number, err);
    for (uint64_t n = 1; !code && !(code = trace_reader_next(p->reader, &ev, err)); n++) {
        if (!goes_on(p, n, FIRST_PASS, 1 - FIRST_PASS))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        if (ev.type == TRACE_BESIDE || ev.type == TRACE_GAP || ev.number != t->peak_number)
            continue;
        take_peak(p);
        break;
    }
    return code == SEEP_END ? SEEP_OK : code;
}

/* ------------------------------------------------------------------ the stacks that count */

static bool is_nothing(const struct cost *c)
{
    return !(c->allocations | c->live_blocks | c->peak_blocks | c->held_bytes | c->start_bytes);
}

static void add_cost(struct cost *to, const struct cost *c)
{
    to->allocations += c->allocations;
    to->allocated_bytes += c->allocated_bytes;
    to->temporary += c->temporary;
    to->live_blocks += c->live_blocks;
    to->live_bytes += c->live_bytes;
    to->peak_blocks += c->peak_blocks;
    to->peak_bytes += c->peak_bytes;
    to->own_peak_bytes += c->own_peak_bytes;
    to->held_bytes += c->held_bytes;
    to->start_bytes += c->start_bytes;
}

static void release_detail(struct cost_detail *d)
{
    histogram_release(&d->sizes);
    histogram_release(&d->lifetimes);
    size_classes_release(&d->asked);
    size_classes_release(&d->classes);
    free(d->more_threads);
    *d = (struct cost_detail){0};
}

static void leave_out(struct costs *c, uint32_t node)
{
    c->nodes[node] = (struct cost){0};
    if (c->details)
        release_detail(&c->details[node]);
}

/* Takes out the stacks that the filter does not want, and adds up the others. */
static enum seep_err filter_nodes(struct pass *p, struct err *err)
{
    struct costs *c = p->c;
    bool names = !p->groups && p->filter && filter_needs_names(p->filter);
    if (names) {
        uint8_t *marks = mem_zalloc(c->node_count, 1);
        for (uint32_t i = 0; i < c->node_count; i++)
            marks[i] = !is_nothing(&c->nodes[i]);
        enum seep_err code =
            resolve_marked(p->filter->symbols, trace_reader_dict(p->reader), marks, true, err);
        free(marks);
        if (code)
            return code;
    }
    if (p->groups)
        leave_out(c, 0);
    for (uint32_t i = 0; i < c->node_count; i++) {
        if (names && !is_nothing(&c->nodes[i]) && !filter_stack(p->filter, i))
            leave_out(c, i);
        add_cost(&c->total, &c->nodes[i]);
    }
    return SEEP_OK;
}

enum seep_err costs_read(struct costs *c, struct trace_reader *reader, struct filter *filter,
                         unsigned need, bool (*progress)(void *arg, double fraction),
                         void *progress_arg, struct err *err)
{
    return costs_read_groups(c, reader, filter, NULL, need, progress, progress_arg, err);
}

enum seep_err costs_read_groups(struct costs *c, struct trace_reader *reader, struct filter *filter,
                                const struct cost_groups *groups, unsigned need,
                                bool (*progress)(void *arg, double fraction), void *progress_arg,
                                struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    struct pass p = {.c = c,
                     .reader = reader,
                     .filter = filter && filter_active(filter) ? filter : NULL,
                     .groups = groups,
                     .need = need,
                     .progress = progress,
                     .progress_arg = progress_arg,
                     .stack_count = dict->stack_count,
                     .thread_bytes = dict->thread_count / 8 + 1};
    *c = (struct costs){.node_count = (groups ? groups->count : dict->stack_count) + 1};
    c->nodes = mem_zalloc(c->node_count, sizeof *c->nodes);
    if (need & COSTS_DETAILS)
        c->details = mem_zalloc(c->node_count, sizeof *c->details);
    heap_init(&p.heap);
    enum seep_err code = p.filter ? filter_seek(p.filter, reader, err) : SEEP_OK;
    if (!code)
        code = read_window(&p, err);
    if (!code) {
        end_window(&p);
        apply_lifetimes(&p);
    }
    if (!code && need & COSTS_PEAK)
        code = read_peak(&p, err);
    if (!code)
        code = filter_nodes(&p, err);
    heap_release(&p.heap);
    return code;
}

void costs_release(struct costs *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; c->details && i < c->node_count; i++)
        release_detail(&c->details[i]);
    free(c->details);
    free(c->nodes);
    *c = (struct costs){0};
}
