/* SPDX-License-Identifier: MIT */
#include "analysis/lives_grid.h"

#include "model/heap.h"
#include "util/bisect.h"
#include "util/mem.h"

#include <stdlib.h>

#define PROGRESS_EVENTS 65536

struct pass {
    struct lives_grid *g;
    struct trace_reader *reader;
    const struct trace_dict *dict;
    struct heap heap;
    uint32_t parts;
    double first_number, numbers, first_ns, duration_ns;
    size_t mark; /* the next one */
    /* the interval at hand */
    bool open;
    uint32_t part;
    struct lives_border high; /* behind the event with the most live */
    uint64_t start_bytes;
};

static void add_border(struct lives_grid *g, const struct lives_border *b)
{
    bool first = g->capacity == 0;
    if (!first && g->borders[g->intervals].number == b->number)
        return;
    uint32_t at = first ? 0 : ++g->intervals;
    MEM_GROW(g->borders, g->capacity, (size_t)at + 1);
    g->borders[at] = *b;
}

static struct lives_border border_here(const struct pass *p, uint64_t number, uint64_t time_ns)
{
    const struct heap_totals *t = &p->heap.totals;
    return (struct lives_border){number, time_ns, t->live_bytes - t->ended_bytes,
                                 t->live_blocks - t->ended_blocks};
}

static void begin_interval(struct pass *p, uint64_t number, uint64_t time_ns, uint32_t part)
{
    struct lives_border start = border_here(p, number, time_ns);
    if (p->open && p->high.live_bytes > p->start_bytes)
        add_border(p->g, &p->high);
    add_border(p->g, &start);
    p->open = true;
    p->part = part;
    p->high = start;
    p->start_bytes = start.live_bytes;
}

static uint32_t part_of(const struct pass *p, const struct trace_event *ev)
{
    double at = ((double)ev->number - p->first_number) / p->numbers +
                ((double)ev->time_ns - p->first_ns) / p->duration_ns;
    double part = at / 2 * p->parts;
    return part < 0 ? 0 : part >= p->parts ? p->parts - 1 : (uint32_t)part;
}

static void take_event(struct pass *p, const struct trace_event *ev)
{
    uint32_t part = part_of(p, ev);
    const struct trace_mark *passed = NULL;
    while (p->mark < p->dict->mark_count && p->mark < LIVES_MARKS &&
           p->dict->marks[p->mark].number <= ev->number)
        passed = &p->dict->marks[p->mark++];
    if (passed)
        begin_interval(p, ev->number, passed->time_ns, part);
    else if (!p->open || part > p->part)
        begin_interval(p, ev->number, ev->time_ns, part);
    heap_apply(&p->heap, ev);
    struct lives_border now = border_here(p, ev->number + 1, ev->time_ns);
    if (now.live_bytes > p->high.live_bytes)
        p->high = now;
}

enum seep_err lives_grid_read(struct lives_grid *g, struct trace_reader *reader, uint32_t parts,
                              bool (*progress)(void *arg, double fraction), void *progress_arg,
                              struct err *err)
{
    const struct trace_facts *facts = trace_reader_facts(reader);
    uint64_t first = trace_reader_number(reader), end = trace_reader_end(reader);
    uint64_t first_ns = trace_facts_cut(facts) ? facts->cut_from_ns : 0;
    uint64_t duration_ns = trace_reader_summary(reader)->duration_ns;
    struct pass p = {.g = g,
                     .reader = reader,
                     .dict = trace_reader_dict(reader),
                     .parts = parts,
                     .first_number = (double)first,
                     .numbers = end > first ? (double)(end - first) : 1,
                     .first_ns = (double)first_ns,
                     .duration_ns = duration_ns ? (double)duration_ns : 1};
    struct trace_event ev;
    enum seep_err code;
    uint64_t number = first;
    *g = (struct lives_grid){0};
    heap_init(&p.heap);
    heap_begin(&p.heap, reader);
    for (uint64_t n = 1; !(code = trace_reader_next(reader, &ev, err)); n++) {
        if (n % PROGRESS_EVENTS == 0 && progress &&
            !progress(progress_arg, trace_reader_progress(reader))) {
            code = err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
            break;
        }
        if (ev.type == TRACE_BESIDE || ev.type == TRACE_GAP) {
            heap_apply(&p.heap, &ev);
            if (ev.type == TRACE_GAP)
                heap_resync(&p.heap, reader);
            g->gaps |= ev.type == TRACE_GAP;
            continue;
        }
        take_event(&p, &ev);
        number = ev.number + 1;
    }
    if (code == SEEP_END) {
        code = SEEP_OK;
        uint64_t end_ns = p.heap.totals.last_time_ns;
        if (end_ns < first_ns + duration_ns && !trace_facts_cut(facts))
            end_ns = duration_ns;
        /* without an event there is one interval all the same */
        if (!p.open)
            begin_interval(&p, number, first_ns, 0);
        begin_interval(&p, number + (g->intervals == 0 && number == g->borders[0].number), end_ns,
                       0);
    }
    heap_release(&p.heap);
    return code;
}

void lives_grid_release(struct lives_grid *g)
{
    free(g->borders);
    *g = (struct lives_grid){0};
}

/* The first border behind `number`, if not after `last`. */
uint32_t lives_grid_find(const struct lives_grid *g, uint64_t number, uint32_t last)
{
    return BISECT(i, last, g->borders[i].number <= number);
}
