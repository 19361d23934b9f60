/* SPDX-License-Identifier: MIT */
#include "model/heap.h"

#include "model/calls.h"
#include "trace/beside_read.h"
#include "trace/event_sums.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

bool heap_mismatch(const struct trace_event *ev)
{
    bool ends =
        ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT;
    /* nobody saw an implied free: which call it was is not known */
    return ends && !(ev->flags & TRACE_IMPLIED) && call_mismatch(ev->before.call, ev->call);
}

void heap_init(struct heap *h)
{
    memset(h, 0, sizeof *h);
}

void heap_release(struct heap *h)
{
    if (!h)
        return;
    free(h->last_allocation);
    free(h->processes);
    memset(h, 0, sizeof *h);
}

static size_t last_index(uint32_t thread, bool in_pool)
{
    return (size_t)thread * 2 + in_pool;
}

/* Remembers the thread's last call that handed out memory. */
static void note_allocation(struct heap *h, uint32_t thread, bool in_pool, uint64_t number)
{
    size_t index = last_index(thread, in_pool), old = h->last_capacity;
    if (index >= old) {
        MEM_GROW(h->last_allocation, h->last_capacity, index + 1);
        memset(h->last_allocation + old, 0, (h->last_capacity - old) * sizeof(uint64_t));
    }
    h->last_allocation[index] = number + 1;
}

bool heap_is_temporary(const struct heap *h, const struct trace_event *ev)
{
    size_t index = last_index(ev->thread, trace_event_in_pool(ev));
    return index < h->last_capacity && h->last_allocation[index] == ev->before.birth + 1;
}

/* What a process has live. */
static struct heap_live *process_at(struct heap *h, uint32_t process, bool pool)
{
    size_t index = (size_t)process * 2 + pool, old = h->process_capacity;
    if (index >= old) {
        MEM_GROW(h->processes, h->process_capacity, index + 2);
        for (size_t i = old; i < h->process_capacity; i++)
            h->processes[i] = (struct heap_live){0};
    }
    return &h->processes[index];
}

/* Of a trace of several processes; apart, so that it does not burden the others. */
static __attribute__((noinline)) void enter_process(struct heap *h, const struct trace_block *b)
{
    struct heap_live *own = process_at(h, trace_process_of(b->address), trace_block_in_pool(b));
    own->blocks++;
    own->bytes += b->size;
}

static __attribute__((noinline)) void leave_process(struct heap *h, const struct trace_block *b)
{
    struct heap_live *own = process_at(h, trace_process_of(b->address), trace_block_in_pool(b));
    own->blocks--;
    own->bytes -= b->size;
}

static void end_process(struct heap *h, const struct trace_event *ev)
{
    struct beside_view view;
    if (ev->beside.kind != SEEP_BESIDE_PROCESS_END || !beside_read(&view, &ev->beside))
        return;
    for (size_t pools = 0; pools < 2 && view.process * 2 + pools < h->process_capacity; pools++) {
        struct heap_live *own = &h->processes[view.process * 2 + pools];
        struct heap_totals *t = pools ? &h->pools : &h->totals;
        t->ended_blocks += own->blocks;
        t->ended_bytes += own->bytes;
        *own = (struct heap_live){0};
    }
}

static inline void enter(struct heap *h, struct heap_totals *t, const struct trace_event *ev)
{
    t->live_blocks++;
    t->live_bytes += ev->after.size;
    t->live_usable_bytes += ev->after.usable;
    if (trace_process_of(ev->after.address))
        enter_process(h, &ev->after);
    if (t->live_bytes - t->ended_bytes > t->peak_live_bytes) {
        t->peak_live_bytes = t->live_bytes - t->ended_bytes;
        t->peak_live_blocks = t->live_blocks - t->ended_blocks;
        t->peak_time_ns = ev->time_ns;
        t->peak_number = ev->number;
    }
}

static inline void leave(struct heap *h, struct heap_totals *t, const struct trace_event *ev)
{
    if (trace_process_of(ev->before.address))
        leave_process(h, &ev->before);
    t->live_blocks--;
    t->live_bytes -= ev->before.size;
    t->live_usable_bytes -= ev->before.usable;
    if (heap_mismatch(ev))
        t->mismatched++;
}

void heap_apply(struct heap *h, const struct trace_event *ev)
{
    struct heap_totals *t = trace_event_in_pool(ev) ? &h->pools : &h->totals;
    h->totals.last_time_ns = h->pools.last_time_ns = ev->time_ns;
    switch (ev->type) {
    case TRACE_ALLOC:
        if (ev->flags & TRACE_INHERITED) {
            t->inherited_blocks++;
            t->inherited_bytes += ev->after.size;
        } else {
            t->allocations++;
            t->allocated_bytes += ev->after.size;
            note_allocation(h, ev->thread, trace_event_in_pool(ev), ev->number);
        }
        enter(h, t, ev);
        break;
    case TRACE_FREE:
        t->frees++;
        t->temporary += heap_is_temporary(h, ev);
        leave(h, t, ev);
        break;
    case TRACE_REALLOC_OUT: leave(h, t, ev); break;
    case TRACE_REALLOC:
        leave(h, t, ev);
        /* fall through */
    case TRACE_REALLOC_IN:
        t->reallocations++;
        t->allocated_bytes += ev->after.size;
        note_allocation(h, ev->thread, trace_event_in_pool(ev), ev->number);
        enter(h, t, ev);
        break;
    case TRACE_FAILED: t->failed++; break;
    case TRACE_FREE_UNKNOWN: t->inherited_frees += (ev->flags & TRACE_INHERITED) != 0; break;
    case TRACE_BESIDE: end_process(h, ev); break;
    case TRACE_GAP: break;
    }
}

/* The live totals by the blocks that the reader holds, and how many of them are inherited. */
static void take_live(struct heap *h, const struct trace_reader *reader,
                      struct heap_live inherited[2])
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    uint32_t slots = trace_reader_slot_count(reader);
    if (h->processes)
        memset(h->processes, 0, h->process_capacity * sizeof *h->processes);
    for (unsigned pools = 0; pools < 2; pools++) {
        struct heap_totals *t = pools ? &h->pools : &h->totals;
        t->live_blocks = t->live_bytes = t->live_usable_bytes = 0;
        t->ended_blocks = t->ended_bytes = 0;
        inherited[pools] = (struct heap_live){0};
    }
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(reader, slot);
        if (!b)
            continue;
        bool pool = trace_block_in_pool(b);
        struct heap_totals *t = pool ? &h->pools : &h->totals;
        t->live_blocks++;
        t->live_bytes += b->size;
        t->live_usable_bytes += b->usable;
        uint32_t process = trace_process_of(b->address);
        bool ended = process && process <= dict->process_count &&
                     dict->processes[process - 1].end_number &&
                     dict->processes[process - 1].end_number <= trace_reader_number(reader);
        if (ended) {
            t->ended_blocks++;
            t->ended_bytes += b->size;
        } else if (process) {
            enter_process(h, b);
        }
        inherited[pool].blocks += (b->flags & TRACE_INHERITED) != 0;
        inherited[pool].bytes += b->flags & TRACE_INHERITED ? b->size : 0;
    }
}

void heap_resync(struct heap *h, const struct trace_reader *reader)
{
    struct heap_live inherited[2];
    take_live(h, reader, inherited);
    for (unsigned pools = 0; pools < 2; pools++) {
        struct heap_totals *t = pools ? &h->pools : &h->totals;
        if (t->live_bytes - t->ended_bytes <= t->peak_live_bytes)
            continue;
        t->peak_live_bytes = t->live_bytes - t->ended_bytes;
        t->peak_live_blocks = t->live_blocks - t->ended_blocks;
        t->peak_time_ns = t->last_time_ns;
        t->peak_number = 0; /* not known: within what was lost */
    }
}

void heap_begin_window(struct heap *h, const struct trace_reader *reader)
{
    struct heap_live inherited[2];
    take_live(h, reader, inherited);
    for (unsigned pools = 0; pools < 2; pools++) {
        struct heap_totals *t = pools ? &h->pools : &h->totals;
        t->inherited_blocks = inherited[pools].blocks;
        t->inherited_bytes = inherited[pools].bytes;
        t->peak_live_bytes = t->live_bytes - t->ended_bytes;
        t->peak_live_blocks = t->live_blocks - t->ended_blocks;
        t->peak_time_ns = t->live_bytes ? trace_reader_time(reader) : 0;
    }
}

/* ------------------------------------------------------------------ all at once */

#define PROGRESS_EVENTS 65536

static void take_total(struct heap_totals *t, const struct event_total *sum, uint64_t last_ns)
{
    t->allocations = sum->allocations;
    t->frees = sum->frees;
    t->reallocations = sum->reallocations;
    t->failed = sum->failed;
    t->temporary = sum->temporary;
    t->inherited_blocks = sum->inherited_blocks;
    t->inherited_bytes = sum->inherited_bytes;
    t->inherited_frees = sum->inherited_frees;
    t->allocated_bytes = sum->allocated_bytes;
    t->peak_live_bytes = sum->peak.bytes;
    t->peak_live_blocks = sum->peak.blocks;
    t->peak_time_ns = sum->peak.time_ns;
    t->peak_number = sum->peak.number;
    t->last_time_ns = last_ns;
}

static void take_sums(struct heap *h, const struct event_sums *s, const struct trace_reader *reader)
{
    struct heap_live inherited[2];
    take_total(&h->totals, &s->total[0], s->last_ns);
    take_total(&h->pools, &s->total[1], s->last_ns);
    for (unsigned made = 0; made < EVENT_CALLS; made++)
        for (unsigned ended = 0; ended < EVENT_CALLS; ended++)
            if (s->ended[made][ended] && call_mismatch((uint8_t)made, (uint8_t)ended))
                h->totals.mismatched += s->ended[made][ended];
    take_live(h, reader, inherited);
}

static void watch_event(const struct heap_watch *watch, const struct trace_event *ev)
{
    if (ev->type == TRACE_BESIDE && watch->beside)
        watch->beside(watch->arg, &ev->beside);
    bool makes = ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN ||
                 (ev->type == TRACE_ALLOC && !(ev->flags & TRACE_INHERITED));
    if (makes && watch->made)
        watch->made(watch->arg, &ev->after, 1);
}

static enum seep_err read_one_by_one(struct heap *h, struct trace_reader *reader,
                                     const struct heap_watch *watch, struct err *err)
{
    struct trace_event ev;
    enum seep_err code;
    for (uint64_t n = 1; !(code = trace_reader_next(reader, &ev, err)); n++) {
        heap_apply(h, &ev);
        if (ev.type == TRACE_GAP)
            heap_resync(h, reader);
        watch_event(watch, &ev);
        if (watch->event)
            watch->event(watch->arg, &ev);
        if (n % PROGRESS_EVENTS == 0 && watch->progress &&
            !watch->progress(watch->arg, trace_reader_progress(reader)))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
    }
    return code == SEEP_END ? SEEP_OK : code;
}

enum seep_err heap_read(struct heap *h, struct trace_reader *reader, const struct heap_watch *watch,
                        struct err *err)
{
    const struct trace_play play = {.made = watch->made,
                                    .beside = watch->beside,
                                    .progress = watch->progress,
                                    .arg = watch->arg};
    struct event_sums *sums = mem_zalloc(1, sizeof *sums);
    bool sound = false;
    enum seep_err code =
        watch->event ? SEEP_OK : trace_reader_play(reader, &play, sums, &sound, err);
    if (!code && sound)
        take_sums(h, sums, reader);
    free(sums);
    if (code || sound)
        return code;
    if (watch->restart)
        watch->restart(watch->arg);
    return read_one_by_one(h, reader, watch, err);
}

void heap_begin(struct heap *h, const struct trace_reader *reader)
{
    struct heap_totals *t = &h->totals;
    const struct trace_peak *peak = trace_reader_peak_before(reader);
    heap_begin_window(h, reader);
    t->peak_live_bytes = peak->bytes;
    t->peak_live_blocks = peak->blocks;
    t->peak_time_ns = peak->time_ns;
    t->peak_number = peak->number;
    uint32_t slots = trace_reader_slot_count(reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(reader, slot);
        if (b && trace_reader_last_made(reader, b))
            note_allocation(h, b->thread, trace_block_in_pool(b), b->birth);
    }
}
