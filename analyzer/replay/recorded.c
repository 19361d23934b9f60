/* SPDX-License-Identifier: MIT */
#include "replay/recorded.h"

#include "model/memory_map.h"
#include "replay/candidate.h"
#include "replay/heap_pages.h"
#include "replay/size_askers.h"
#include "replay/unwind_tables.h"
#include "seep/memory_snapshot.h"
#include "trace/beside_read.h"
#include "trace/mapped.h"
#include "util/histogram.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536u

/* Calls in a row by one thread, whose times tell what recording took: in the fastest of such rows
 * the program did little else. Times are off by 1 us; so many calls make that a few ns each. */
#define ROW_CALLS 256u
#define ROW_SHARE 0.05      /* of the rows are faster than what is taken */
#define OWN_NS UINT64_C(25) /* that a call takes without the recorder */

struct row {
    uint32_t thread, calls;
    uint64_t begin_ns;
    struct histogram ns; /* of whole rows */
};

struct reading {
    struct recorded *out;
    struct memory_map own; /* the recorder's, alone */
    struct unwind_tables tables;
    struct size_askers askers;
    uint64_t recorder_bytes; /* of it resident in the last picture */
    uint64_t table_bytes;    /* of that the tables */
    struct large *large;
    struct trace_reader *reader;
    struct mapped mapped; /* by the program itself */
    uint64_t live_bytes, live_blocks;
    struct row row;
};

static struct recorded_instant *add_instant(const struct reading *r, uint64_t time_ns)
{
    struct recorded *o = r->out;
    MEM_GROW(o->instants, o->capacity, o->count + 1);
    o->instants[o->count] = (struct recorded_instant){.time_ns = time_ns,
                                                      .live_bytes = r->live_bytes,
                                                      .recorder_bytes = r->recorder_bytes,
                                                      .table_bytes = r->table_bytes};
    return &o->instants[o->count++];
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The bit of a library that allocators bring with them; 0: it is none. */
static unsigned shared_bit(const struct beside_mapping *m)
{
    const char *end = (const char *)m->name.bytes + m->name.length;
    const char *slash = memrchr(m->name.bytes, '/', m->name.length);
    for (unsigned i = 0; slash && i < CANDIDATE_SHARED; i++) {
        size_t length = strlen(candidate_shared[i]);
        if ((size_t)(end - slash - 1) >= length &&
            memcmp(slash + 1, candidate_shared[i], length) == 0)
            return 1u << i;
    }
    return 0;
}

/* Resident bytes of the recorder's own: where it said that its memory lies, in its spool's files,
 * and of the tables that it reads. */
static uint64_t recorder_resident(struct reading *r, const struct trace_beside *beside)
{
    struct beside_pages pages;
    struct beside_mapping m;
    uint64_t start, end, until, sum = 0;
    enum seep_residency kind;
    r->table_bytes = 0;
    if (!beside_pages_begin(&pages, beside))
        return 0;
    while (beside_pages_mapping(&pages, &m)) {
        const struct seep_mapping named = {.name = m.name.bytes, .name_length = m.name.length};
        bool in_spool = seep_mapping_in_spool(&named);
        r->out->shared |= shared_bit(&m);
        while (beside_pages_run(&pages, &start, &end, &kind)) {
            if (kind != SEEP_PAGE_RESIDENT && kind != SEEP_PAGE_FILE)
                continue;
            if (kind == SEEP_PAGE_FILE)
                r->table_bytes += unwind_tables_bytes(&r->tables, start, end);
            for (uint64_t at = start; at < end; at = until) {
                bool own = memory_map_at(&r->own, at, &until) != NULL;
                until = min(until, end);
                sum += own || in_spool ? until - at : 0;
            }
        }
    }
    return sum + r->table_bytes;
}

static void take_beside(struct reading *r, const struct trace_event *ev)
{
    struct beside_view view;
    if (!beside_read(&view, &ev->beside))
        return;
    if (view.kind == SEEP_BESIDE_MEMORY) {
        add_instant(r, ev->time_ns)->rss_bytes = view.memory[SEEP_MEMORY_RSS];
        r->out->peak_rss_bytes = max(r->out->peak_rss_bytes, view.memory[SEEP_MEMORY_PEAK_RSS]);
    } else if (view.kind == SEEP_BESIDE_MAPPINGS) {
        large_take_mappings(r->large, &ev->beside);
        large_look(r->large, ev->time_ns, NULL, NULL);
        r->recorder_bytes = recorder_resident(r, &ev->beside);
        add_instant(r, ev->time_ns)->heap_bytes =
            heap_pages_bytes(r->reader, r->large, &r->mapped, &r->own, &ev->beside);
    } else if (view.kind == SEEP_BESIDE_OWN_MEMORY) {
        memory_map_take(&r->own, &ev->beside);
    } else if (view.kind == SEEP_BESIDE_MAP_CALL && !view.by_allocator) {
        mapped_take(&r->mapped, ev->beside.bytes, ev->beside.length);
    } else if (view.kind == SEEP_BESIDE_EXIT) {
        /* the record before, of the same time, repeats what was known, but for the peak */
        struct recorded *o = r->out;
        if (o->count > 1 && o->instants[o->count - 1].time_ns == ev->time_ns)
            o->count--;
    }
}

static void begin(struct reading *r, uint32_t slot, const struct trace_block *b)
{
    if (trace_block_in_pool(b))
        return;
    r->live_bytes += b->size;
    r->live_blocks++;
    if (r->live_bytes > r->out->peak_live_bytes) {
        r->out->peak_live_bytes = r->live_bytes;
        r->out->peak_live_blocks = r->live_blocks;
    }
    r->out->moved_bytes += b->size;
    size_askers_count(&r->askers, b->stack, b->size);
    large_begin(r->large, slot, b);
}

static void end(struct reading *r, uint32_t slot, const struct trace_block *b)
{
    if (trace_block_in_pool(b))
        return;
    r->live_bytes -= b->size;
    r->live_blocks--;
    large_end(r->large, slot);
}

/* All that is live at the start of a window, or behind a gap. */
static void take_live(struct reading *r)
{
    r->live_bytes = r->live_blocks = 0;
    large_restart(r->large);
    for (uint32_t slot = 0; slot < trace_reader_slot_count(r->reader); slot++) {
        const struct trace_block *b = trace_reader_block(r->reader, slot);
        if (b)
            begin(r, slot, b);
    }
}

static void take_row(struct row *row, const struct trace_event *ev)
{
    if (ev->thread != row->thread || row->calls == ROW_CALLS) {
        if (row->calls == ROW_CALLS && ev->thread == row->thread)
            histogram_add(&row->ns, ev->time_ns - row->begin_ns, 1);
        row->thread = ev->thread;
        row->calls = 0;
        row->begin_ns = ev->time_ns;
    }
    row->calls++;
}

static void take(struct reading *r, const struct trace_event *ev)
{
    switch (ev->type) {
    case TRACE_ALLOC:
    case TRACE_REALLOC_IN: begin(r, ev->slot, &ev->after); break;
    case TRACE_FREE:
    case TRACE_REALLOC_OUT: end(r, ev->slot, &ev->before); break;
    case TRACE_REALLOC:
        end(r, ev->slot, &ev->before);
        begin(r, ev->slot, &ev->after);
        break;
    case TRACE_BESIDE: take_beside(r, ev); return;
    case TRACE_GAP: take_live(r); return;
    case TRACE_FAILED:
    case TRACE_FREE_UNKNOWN: return;
    }
    take_row(&r->row, ev);
    r->out->calls++;
    r->out->end_ns = ev->time_ns;
}

/* What is the recorder's before the first picture, and at the peak. `nominal`: of recordings that
 * do not tell where it lies; 0: of others. */
static void tell_recorder_bytes(struct recorded *o, uint64_t nominal)
{
    uint64_t first = nominal, peak = 0;
    o->recorder_bytes = nominal;
    for (size_t i = o->count; i > 0; i--)
        if (o->instants[i - 1].recorder_bytes)
            first = o->instants[i - 1].recorder_bytes;
    for (size_t i = 0; i < o->count; i++) {
        struct recorded_instant *in = &o->instants[i];
        if (!in->recorder_bytes || nominal)
            in->recorder_bytes = nominal ? nominal : first;
        if (in->rss_bytes >= peak) {
            peak = in->rss_bytes;
            o->recorder_bytes = in->recorder_bytes;
            o->table_bytes = nominal ? 0 : in->table_bytes;
        }
    }
}

enum seep_err recorded_read(struct recorded *out, struct large *large, struct trace_reader *reader,
                            bool (*progress)(void *arg, double fraction), void *arg,
                            struct err *err)
{
    struct reading r = {.out = out, .large = large, .reader = reader};
    struct trace_event ev;
    enum seep_err code;
    *out = (struct recorded){0};
    if (trace_reader_facts(reader)->processes)
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "the trace is of several processes; a replay is of one");
    unwind_tables_init(&r.tables, trace_reader_dict(reader));
    size_askers_init(&r.askers, trace_reader_dict(reader));
    take_live(&r);
    for (uint64_t n = 0; !(code = trace_reader_next(reader, &ev, err)); n++) {
        take(&r, &ev);
        if (n % PROGRESS_EVENTS == 0 && progress && !progress(arg, trace_reader_progress(reader))) {
            code = err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
            break;
        }
    }
    large_restart(large);
    mapped_release(&r.mapped);
    uint64_t row_ns = histogram_quantile(&r.row.ns, ROW_SHARE) / ROW_CALLS;
    out->slowed_ns = row_ns > OWN_NS ? row_ns - OWN_NS : 0;
    histogram_release(&r.row.ns);
    const struct trace_summary *summary = trace_reader_summary(reader);
    out->peak_rss_bytes = max(out->peak_rss_bytes, summary->peak_rss_bytes);
    tell_recorder_bytes(out, r.own.own_count ? 0 : summary->recorder_bytes);
    memory_map_release(&r.own);
    unwind_tables_release(&r.tables);
    out->size_asker = size_askers_name(&r.askers);
    size_askers_release(&r.askers);
    out->slot_count = trace_reader_slot_count(reader);
    out->thread_count = (uint32_t)trace_reader_dict(reader)->thread_count;
    return code == SEEP_END ? SEEP_OK : code;
}

void recorded_release(struct recorded *r)
{
    free(r->instants);
    *r = (struct recorded){0};
}

uint64_t recorded_need_bytes(const struct recorded *r, unsigned scale)
{
    /* a quarter for an allocator that wastes more than the recorded one */
    uint64_t heap = r->peak_rss_bytes ? r->peak_rss_bytes : r->peak_live_bytes;
    return heap / scale * 5 / 4 + (uint64_t)r->slot_count * sizeof(void *);
}

const struct recorded_instant *recorded_last(const struct recorded *r)
{
    for (size_t i = r->count; i > 0; i--)
        if (r->instants[i - 1].rss_bytes)
            return &r->instants[i - 1];
    return NULL;
}
