/* SPDX-License-Identifier: MIT */
#include "model/heap.h"

#include "model/calls.h"
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
    memset(h, 0, sizeof *h);
}

static size_t last_index(const struct trace_event *ev)
{
    return (size_t)ev->thread * 2 + trace_event_in_pool(ev);
}

/* Remembers the thread's last call that handed out memory. */
static void note_allocation(struct heap *h, const struct trace_event *ev)
{
    size_t index = last_index(ev), old = h->last_capacity;
    if (index >= old) {
        MEM_GROW(h->last_allocation, h->last_capacity, index + 1);
        memset(h->last_allocation + old, 0, (h->last_capacity - old) * sizeof(uint64_t));
    }
    h->last_allocation[index] = ev->number + 1;
}

static bool is_temporary(const struct heap *h, const struct trace_event *ev)
{
    size_t index = last_index(ev);
    return index < h->last_capacity && h->last_allocation[index] == ev->before.birth + 1;
}

static void enter(struct heap_totals *t, const struct trace_event *ev)
{
    t->live_blocks++;
    t->live_bytes += ev->after.size;
    t->live_usable_bytes += ev->after.usable;
    if (t->live_bytes > t->peak_live_bytes) {
        t->peak_live_bytes = t->live_bytes;
        t->peak_live_blocks = t->live_blocks;
        t->peak_time_ns = ev->time_ns;
        t->peak_number = ev->number;
    }
}

static void leave(struct heap_totals *t, const struct trace_event *ev)
{
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
            note_allocation(h, ev);
        }
        enter(t, ev);
        break;
    case TRACE_FREE:
        t->frees++;
        t->temporary += is_temporary(h, ev);
        leave(t, ev);
        break;
    case TRACE_REALLOC_OUT: leave(t, ev); break;
    case TRACE_REALLOC:
        leave(t, ev);
        /* fall through */
    case TRACE_REALLOC_IN:
        t->reallocations++;
        t->allocated_bytes += ev->after.size;
        note_allocation(h, ev);
        enter(t, ev);
        break;
    case TRACE_FAILED: t->failed++; break;
    case TRACE_FREE_UNKNOWN: t->inherited_frees += (ev->flags & TRACE_INHERITED) != 0; break;
    case TRACE_BESIDE:
    case TRACE_GAP: break;
    }
}

static void take_live(struct heap_totals *t, bool pools, const struct trace_reader *reader)
{
    t->live_blocks = t->live_bytes = t->live_usable_bytes = 0;
    uint32_t slots = trace_reader_slot_count(reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(reader, slot);
        if (!b || trace_block_in_pool(b) != pools)
            continue;
        t->live_blocks++;
        t->live_bytes += b->size;
        t->live_usable_bytes += b->usable;
    }
}

static void resync(struct heap_totals *t, bool pools, const struct trace_reader *reader)
{
    take_live(t, pools, reader);
    if (t->live_bytes > t->peak_live_bytes) {
        t->peak_live_bytes = t->live_bytes;
        t->peak_live_blocks = t->live_blocks;
        t->peak_time_ns = t->last_time_ns;
        t->peak_number = 0; /* not known: within what was lost */
    }
}

void heap_resync(struct heap *h, const struct trace_reader *reader)
{
    resync(&h->totals, false, reader);
    resync(&h->pools, true, reader);
}

static void begin(struct heap_totals *t, bool pools, const struct trace_reader *reader)
{
    take_live(t, pools, reader);
    t->peak_live_bytes = t->live_bytes;
    t->peak_live_blocks = t->live_blocks;
    t->peak_time_ns = t->live_bytes ? trace_reader_time(reader) : 0;
    uint32_t slots = trace_reader_slot_count(reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(reader, slot);
        if (!b || trace_block_in_pool(b) != pools || !(b->flags & TRACE_INHERITED))
            continue;
        t->inherited_blocks++;
        t->inherited_bytes += b->size;
    }
}

void heap_begin_window(struct heap *h, const struct trace_reader *reader)
{
    begin(&h->totals, false, reader);
    begin(&h->pools, true, reader);
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
}
