/* SPDX-License-Identifier: MIT
 *
 * All chunk headers are followed when a trace is opened, and the dictionaries read; groups when
 * their events are asked for. Two positions run through the list of chunks: that of the part being
 * read, and behind or at it that of the records beside the events, which are put in by number.
 *
 * A part is read only if the state before it is the one it was written in: it holds a checkpoint,
 * or it goes on where the part before ended. Everything else is skipped, and told as a gap. */
#include "trace/reader_state.h"

#include "trace/checkpoint.h"

void reader_note_damage(struct trace_reader *r)
{
    r->summary.damaged = r->written.damaged = true;
}

/* ------------------------------------------------------------------ records beside the events */

enum seep_err reader_peek_record(struct trace_reader *r, size_t limit, struct err *err)
{
    while (!r->has_record) {
        if (records_next(&r->records, &r->record)) {
            r->has_record = r->record.number >= r->records_from;
            continue;
        }
        while (r->beside_chunk < limit &&
               r->chunks.entries[r->beside_chunk].header.type != SEEP_CHUNK_BESIDE)
            r->beside_chunk++;
        if (r->beside_chunk >= limit)
            break;
        bool good;
        enum seep_err code =
            reader_load(r, &r->chunks.entries[r->beside_chunk++], &r->beside, &good, err);
        if (code)
            return code;
        if (!good)
            columns_clear(&r->beside);
        records_begin(&r->records, &r->beside);
    }
    return SEEP_OK;
}

static void take_record(struct trace_reader *r, struct trace_event *ev)
{
    r->has_record = false;
    if (r->record.time_ns > r->pass.last_ns)
        r->pass.last_ns = r->record.time_ns;
    ev->type = TRACE_BESIDE;
    ev->number = r->record.number;
    ev->time_ns = r->pass.last_ns;
    ev->beside = r->record.beside;
}

/* ------------------------------------------------------------------ groups */

/* Which ids the blocks of a checkpoint refer to. */
static void note_block(struct trace_reader *r, const struct live_slot *b)
{
    struct event_coder *c = &r->coder;
    uint32_t stack = r->live.kinds.items[b->kind].stack;
    c->highest_stack = stack > c->highest_stack ? stack : c->highest_stack;
    c->highest_thread = b->thread > c->highest_thread ? b->thread : c->highest_thread;
}

void reader_note_references(struct trace_reader *r)
{
    const struct live *l = &r->live;
    for (uint32_t slot = live_oldest(l); slot; slot = l->links[slot].younger)
        note_block(r, &l->slots[slot]);
    for (uint32_t i = 0; i < l->flight_slots; i++)
        if (l->flights[i].link)
            note_block(r, &l->flights[i].before);
}

/* Whether all ids that events and blocks refer to have their definitions, and stand for themselves.
 */
static bool as_written(const struct trace_reader *r)
{
    return !r->dict.lost_nodes && !r->dict.same &&
           r->coder.highest_stack <= r->dict.public.stack_count &&
           r->coder.highest_thread <= r->dict.public.thread_count;
}

/* Puts one id for all that are the same stack, and takes out what a lost dictionary defined. */
static void map_block(const struct trace_reader *r, struct trace_block *b)
{
    b->stack = dict_stack(&r->dict, b->stack);
    b->thread = dict_thread(&r->dict, b->thread);
}

void reader_fall_out(struct trace_reader *r)
{
    r->in_step = false;
    r->left = 0;
    r->plain_until = 0;
    reader_note_damage(r);
}

/* A gap up to event `number`. */
static void open_gap(struct trace_reader *r, uint64_t number)
{
    r->gap = true;
    r->gap_events = number - r->number;
    r->number = number;
    r->pass.lost += r->gap_events;
    if (r->pass.lost > r->summary.lost_damaged - r->written.lost_damaged)
        r->summary.lost_damaged = r->written.lost_damaged + r->pass.lost;
}

static bool same_state(const struct trace_reader *r, const struct seep_group_header *h)
{
    const struct live *l = &r->live;
    return r->in_step && h->first_event == r->number &&
           h->start_ns == event_clock_ns(&r->coder.clock) && l->count == h->live_count &&
           l->slot_count - 1 == h->slot_count && l->flight_count == h->flight_count;
}

/* Takes the state at a part's start over, from its checkpoint where ours is not it. */
static bool enter_part(struct trace_reader *r, const struct columns_table *table,
                       const struct seep_group_header *h)
{
    bool ours = same_state(r, h);
    if (!(h->flags & SEEP_GROUP_CHECKPOINT))
        return ours;
    if (!ours) {
        r->in_step = false;
        /* no more blocks than events could have made */
        if (h->first_event < r->number || h->slot_count > h->first_event ||
            !checkpoint_decode(&r->columns, table, h, &r->live, &r->peak, &r->last_made,
                               (uint32_t)r->dict.public.thread_count))
            return false;
        reader_note_references(r);
        reader_note_damage(r);
        open_gap(r, h->first_event);
    } else {
        live_renumber(&r->live);
    }
    event_coder_reset(&r->coder, h);
    return true;
}

static enum seep_err begin_part(struct trace_reader *r, const struct chunk_entry *entry,
                                struct err *err)
{
    const struct seep_group_header *h = &entry->group;
    struct columns_table table;
    bool good;
    if (!r->in_step && entry->group_ok && !(h->flags & SEEP_GROUP_CHECKPOINT)) {
        reader_fall_out(r); /* of no use to us */
        return SEEP_OK;
    }
    enum seep_err code = chunk_load(entry, &r->source, &r->payload, &good, err);
    if (code)
        return code;
    good = good && entry->group_ok &&
           columns_parse(&table, r->payload.data + sizeof *h, r->payload.length - sizeof *h);
    for (unsigned id = EVENT_COLUMNS_BEGIN; good && id < EVENT_COLUMNS_END; id++)
        good = columns_decode(&r->columns, &table, id, (uint64_t)h->event_count * SEEP_VARINT_MAX);
    if (!good || !enter_part(r, &table, h)) {
        reader_fall_out(r);
        return SEEP_OK;
    }
    event_coder_begin(&r->coder);
    r->in_step = true;
    r->left = h->event_count;
    return SEEP_OK;
}

enum seep_err reader_next_part(struct trace_reader *r, struct err *err)
{
    while (!r->left && !r->gap && r->next_chunk < r->chunks.count) {
        const struct chunk_entry *entry = &r->chunks.entries[r->next_chunk++];
        if (entry->header.type != SEEP_CHUNK_GROUP)
            continue;
        enum seep_err code = begin_part(r, entry, err);
        if (code)
            return code;
    }
    if (!r->left && !r->gap && (r->known_events > r->number || !r->in_step)) {
        if (!r->summary.truncated) /* else it is the cut that took them */
            reader_note_damage(r);
        open_gap(r, r->known_events > r->number ? r->known_events : r->number);
        r->in_step = true; /* told once; the live blocks stay those of the last event read */
    }
    return SEEP_OK;
}

static void count(struct trace_reader *r, const struct trace_event *ev)
{
    struct pass *p = &r->pass;
    p->events += ev->type == TRACE_FREE || ev->type == TRACE_REALLOC ||
                 ev->type == TRACE_REALLOC_IN ||
                 (ev->type == TRACE_ALLOC && !(ev->flags & TRACE_INHERITED));
    p->repaired += (ev->flags & TRACE_REPAIRED) != 0;
    p->raced += (ev->flags & TRACE_IMPLIED) != 0;
    p->unknown_frees += ev->type == TRACE_FREE_UNKNOWN;
}

/* Where the file has no summary, what was read is the best there is. */
static void recompute(struct trace_reader *r)
{
    struct trace_summary *s = &r->summary;
    const struct pass *p = &r->pass;
    if (r->has_summary)
        return;
#define AT_LEAST(field, value)                                                                     \
    if (s->field < (value))                                                                        \
    s->field = (value)
    AT_LEAST(events, p->events);
    AT_LEAST(repaired, p->repaired);
    AT_LEAST(raced, p->raced);
    AT_LEAST(unknown_frees, p->unknown_frees);
    AT_LEAST(duration_ns, p->last_ns);
#undef AT_LEAST
}

static bool take_event(struct trace_reader *r, struct trace_event *ev)
{
    ev->number = r->number;
    ev->link = 0;
    ev->address = ev->failed_size = 0;
    if (!event_coder_take(&r->coder, ev))
        return false;
    r->left--;
    r->number++;
    /* the clock may go back, time does not */
    if (ev->time_ns < r->pass.last_ns)
        ev->time_ns = r->pass.last_ns;
    return true;
}

static void map_event(const struct trace_reader *r, struct trace_event *ev)
{
    ev->stack = dict_stack(&r->dict, ev->stack);
    ev->thread = dict_thread(&r->dict, ev->thread);
    map_block(r, &ev->before);
    map_block(r, &ev->after);
}

/* The next event of the part. False where it makes no sense. */
static bool next_event(struct trace_reader *r, struct trace_event *ev)
{
    if (!take_event(r, ev))
        return false;
    if (!as_written(r))
        map_event(r, ev);
    if (!r->has_summary)
        count(r, ev);
    r->pass.last_ns = ev->time_ns;
    return true;
}

/* The next event of any kind, with all there is to look after. */
static enum seep_err next_in_order(struct trace_reader *r, struct trace_event *ev, struct err *err)
{
    for (;;) {
        enum seep_err code = SEEP_OK;
        memset(ev, 0, sizeof *ev);
        r->plain_until = 0;
        if (!r->left)
            code = reader_next_part(r, err);
        if (!code && !r->has_record)
            code = reader_peek_record(r, r->next_chunk, err);
        if (code)
            return code;
        bool end = !r->left && !r->gap;
        if (r->has_record && (end || r->record.number <= r->number)) {
            take_record(r, ev);
            return SEEP_OK;
        }
        if (r->gap) {
            r->gap = false;
            ev->type = TRACE_GAP;
            ev->number = r->number;
            if (r->in_step && event_clock_ns(&r->coder.clock) > r->pass.last_ns)
                r->pass.last_ns = event_clock_ns(&r->coder.clock);
            ev->time_ns = r->pass.last_ns;
            ev->lost_events = r->gap_events;
            return SEEP_OK;
        }
        if (end) {
            recompute(r);
            return SEEP_END;
        }
        /* up to the next record, or the part's end, nothing else comes in between */
        r->plain_until = r->number + r->left;
        if (r->has_record && r->record.number < r->plain_until)
            r->plain_until = r->record.number;
        if (next_event(r, ev))
            return SEEP_OK;
        reader_fall_out(r);
    }
}

enum seep_err trace_reader_next(struct trace_reader *r, struct trace_event *ev, struct err *err)
{
    if (r->number < r->plain_until) {
        if (next_event(r, ev))
            return SEEP_OK;
        reader_fall_out(r);
    }
    return next_in_order(r, ev, err);
}

/* ------------------------------------------------------------------ looking */

const struct trace_facts *trace_reader_facts(const struct trace_reader *r)
{
    return &r->facts;
}

const struct trace_dict *trace_reader_dict(const struct trace_reader *r)
{
    return &r->dict.public;
}

const struct trace_summary *trace_reader_summary(const struct trace_reader *r)
{
    return &r->summary;
}

uint32_t trace_reader_slot_count(const struct trace_reader *r)
{
    return r->live.slot_count;
}

const struct trace_block *trace_reader_block(const struct trace_reader *r, uint32_t slot)
{
    if (!live_has(&r->live, slot))
        return NULL;
    live_show(&r->live, &r->live.slots[slot], r->shown);
    if (!as_written(r))
        map_block(r, r->shown);
    return r->shown;
}

uint64_t trace_reader_number(const struct trace_reader *r)
{
    return r->number;
}

uint64_t trace_reader_time(const struct trace_reader *r)
{
    return r->pass.last_ns;
}

uint64_t trace_reader_end(const struct trace_reader *r)
{
    return r->known_events;
}

const struct bytes *trace_reader_stored_facts(const struct trace_reader *r)
{
    return &r->stored_facts;
}

const struct bytes *trace_reader_stored_processes(const struct trace_reader *r)
{
    return &r->stored_processes;
}

const struct live *trace_reader_live(const struct trace_reader *r)
{
    return &r->live;
}

double trace_reader_progress(const struct trace_reader *r)
{
    if (r->next_chunk >= r->chunks.count && !r->left)
        return 1;
    size_t at = r->next_chunk ? r->next_chunk - 1 : 0;
    const struct chunk_entry *entry = &r->chunks.entries[at];
    double bytes = (double)entry->offset;
    if (r->left)
        bytes += (double)entry->header.stored_bytes *
                 (1 - (double)r->left / (double)entry->group.event_count);
    return bytes / (double)r->source.size_bytes;
}
