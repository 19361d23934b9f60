/* SPDX-License-Identifier: MIT
 *
 * All chunk headers are followed when a trace is opened, and the dictionaries read; groups when
 * their events are asked for. Two positions run through the list of chunks: that of the part being
 * read, and behind or at it that of the records beside the events, which are put in by number.
 *
 * A part is read only if the state before it is the one it was written in: it holds a checkpoint,
 * or it goes on where the part before ended. Everything else is skipped, and told as a gap. */
#include "trace/trace_reader.h"

#include "trace/checkpoint.h"
#include "trace/chunk_list.h"
#include "trace/dict.h"
#include "trace/event_coder.h"
#include "trace/facts.h"
#include "trace/group_player.h"
#include "trace/records.h"
#include "trace/summary.h"

#include <sched.h>

/* What one pass over the events has shown. */
struct pass {
    uint64_t events, lost, repaired, raced, unknown_frees, last_ns;
};

struct trace_reader {
    struct source source;
    struct chunk_list chunks;
    struct trace_facts facts;
    struct bytes stored_facts, stored_processes;
    struct dict dict;
    struct trace_summary summary, written; /* `written`: what the file says, before losses */
    bool has_summary;
    uint64_t known_events; /* how many events there must be at least */
    struct bytes payload;
    struct columns other; /* while opening */

    struct live live;
    struct columns columns; /* of the part */
    struct event_coder coder;
    size_t next_chunk;    /* first one not yet looked at */
    uint32_t left;        /* events left in the part */
    bool in_step;         /* the state is that before event `number` */
    bool gap;             /* a gap is to be told, */
    uint64_t gap_events;  /* of so many events */
    uint64_t number;      /* of the next event */
    uint64_t plain_until; /* up to this one there are events of the part only */
    struct pass pass;
    struct trace_peak peak;     /* before the checkpoint read last, */
    struct last_made last_made; /* and who last made what then */
    struct trace_block *shown;  /* the live block asked for last; owned */

    size_t beside_chunk;   /* first one not yet looked at */
    struct columns beside; /* of the chunk being read */
    struct records records;
    struct record record; /* the next one, if has_record */
    bool has_record;
    uint64_t records_from; /* those before event `records_from` are not told */
};

static void note_damage(struct trace_reader *r)
{
    r->summary.damaged = r->written.damaged = true;
}

/* ------------------------------------------------------------------ opening */

/* Loads a chunk other than a group and decodes its columns; *good is false where they cannot be. */
static enum seep_err load(struct trace_reader *r, const struct chunk_entry *entry,
                          struct columns *c, bool *good, struct err *err)
{
    struct columns_table table;
    columns_clear(c);
    enum seep_err code = chunk_load(entry, &r->source, &r->payload, good, err);
    if (code)
        return code;
    *good = *good && columns_parse(&table, r->payload.data, r->payload.length);
    for (unsigned id = SEEP_COLUMN_RECORDS; *good && id < SEEP_COLUMNS_MAX; id++)
        *good = columns_decode(c, &table, id, SEEP_RECORDS_BYTES_MAX);
    return SEEP_OK;
}

/* What records beside the events tell about the whole, for files without a summary. */
static void learn(struct trace_summary *s, const struct record *record)
{
    struct cursor c = cursor_at(record->beside.bytes, record->beside.length);
    switch (record->beside.kind) {
    case SEEP_BESIDE_MEMORY: {
        uint64_t count = cursor_varint(&c);
        for (uint64_t i = 0; i < count && i <= SEEP_MEMORY_PEAK_RSS; i++) {
            uint64_t v = cursor_varint(&c);
            if (i == SEEP_MEMORY_PEAK_RSS && v > s->peak_rss_bytes)
                s->peak_rss_bytes = v;
        }
        break;
    }
    case SEEP_BESIDE_EXIT: {
        int64_t status = cursor_svarint(&c);
        s->wait_status = c.bad || status < 0 || status > INT32_MAX ? -1 : (int32_t)status;
        break;
    }
    case SEEP_BESIDE_RECORDER: {
        uint64_t bytes = cursor_varint(&c);
        if (bytes > s->recorder_bytes)
            s->recorder_bytes = bytes;
        break;
    }
    case SEEP_BESIDE_LOST: {
        uint64_t count = cursor_varint(&c), reason = cursor_varint(&c);
        if (c.bad)
            break;
        if (reason == SEEP_LOST_NESTED)
            s->lost_nested += count;
        else if (reason == SEEP_LOST_STOPPED)
            s->lost_stopped += count;
        else if (reason == SEEP_LOST_EARLY)
            s->lost_early += count;
        else if (reason == SEEP_LOST_NO_LANE)
            s->lost_no_lane += count;
        else if (reason == SEEP_LOST_FULL)
            s->lost_full += count;
        break;
    }
    default: break;
    }
    if (record->time_ns > s->duration_ns)
        s->duration_ns = record->time_ns;
}

static bool take_beside(struct trace_reader *r, struct trace_summary *learnt)
{
    struct records records;
    struct record record;
    records_begin(&records, &r->other);
    while (records_next(&records, &record)) {
        learn(learnt, &record);
        if (record.beside.kind == SEEP_BESIDE_MARK)
            dict_add_mark(&r->dict, record.time_ns, record.number, record.beside.bytes,
                          record.beside.length);
    }
    return !records.heads.bad && !records.bytes.bad;
}

static bool take_chunk(struct trace_reader *r, enum seep_chunk_type type,
                       struct trace_summary *learnt)
{
    const struct bytes *records = &r->other.column[SEEP_COLUMN_RECORDS];
    switch (type) {
    case SEEP_CHUNK_FACTS:
        facts_release(&r->facts);
        r->stored_facts.length = 0;
        bytes_add(&r->stored_facts, records->data, records->length);
        return facts_decode(&r->facts, records->data, records->length);
    case SEEP_CHUNK_MODULES: return dict_take_modules(&r->dict, records);
    case SEEP_CHUNK_STACKS: return dict_take_stacks(&r->dict, &r->other);
    case SEEP_CHUNK_THREADS: return dict_take_threads(&r->dict, records);
    case SEEP_CHUNK_PROCESSES:
        bytes_add(&r->stored_processes, records->data, records->length);
        return dict_take_processes(&r->dict, records);
    case SEEP_CHUNK_BESIDE: return take_beside(r, learnt);
    case SEEP_CHUNK_SUMMARY: {
        struct trace_summary s = {.wait_status = -1};
        uint64_t numbers = 0;
        if (!summary_decode(&s, &numbers, records))
            return false;
        r->written = s;
        r->has_summary = true;
        r->known_events = numbers;
        return true;
    }
    default: return true;
    }
}

/* Reads everything but the groups. */
static enum seep_err read_dictionaries(struct trace_reader *r, struct err *err)
{
    struct trace_summary learnt = {.wait_status = -1};
    bool damaged = r->chunks.damaged;
    r->known_events = r->chunks.known_events;
    facts_decode(&r->facts, (const uint8_t *)"", 0);
    for (size_t i = 0; i < r->chunks.count; i++) {
        const struct chunk_entry *entry = &r->chunks.entries[i];
        r->dict.lost_chunks += entry->missing;
        if (entry->group_ok && entry->group.end_ns > learnt.duration_ns)
            learnt.duration_ns = entry->group.end_ns;
        if (entry->header.type == SEEP_CHUNK_GROUP)
            continue;
        bool good;
        enum seep_err code = load(r, entry, &r->other, &good, err);
        if (code)
            return code;
        if (!good || !take_chunk(r, entry->header.type, &learnt)) {
            damaged = true;
            r->dict.lost_chunks++;
        }
    }
    if (!r->has_summary)
        r->written = learnt;
    r->written.trace_bytes = r->source.size_bytes;
    r->written.truncated |= r->chunks.truncated;
    r->written.damaged |= damaged;
    r->summary = r->written;
    columns_release(&r->other);
    return SEEP_OK;
}

/* Opens what r->source names; takes `r` over. */
static enum seep_err open_source(struct trace_reader **out, struct trace_reader *r, struct err *err)
{
    uint8_t start[sizeof(struct seep_file_header)];
    size_t length =
        r->source.size_bytes < sizeof start ? (size_t)r->source.size_bytes : sizeof start;
    bool got;
    r->shown = mem_alloc(sizeof *r->shown);
    live_init(&r->live);
    event_coder_init(&r->coder, &r->live, &r->columns);
    enum seep_err code = source_read(&r->source, 0, start, length, &got, err);
    if (!code)
        code = chunk_check_file_header(start, got ? length : 0, r->source.name, err);
    if (!code)
        code = chunk_list_read(&r->chunks, &r->source, err);
    if (!code)
        code = read_dictionaries(r, err);
    if (!code)
        code = trace_reader_rewind(r, err);
    if (code)
        trace_reader_free(r);
    else
        *out = r;
    return code;
}

enum seep_err trace_reader_open(struct trace_reader **out, const char *path, struct err *err)
{
    *out = NULL;
    struct source source;
    enum seep_err code = source_open(&source, path, err);
    if (code)
        return code;
    struct trace_reader *r = mem_zalloc(1, sizeof *r);
    r->source = source;
    return open_source(out, r, err);
}

enum seep_err trace_reader_open_bytes(struct trace_reader **out, const void *bytes, size_t length,
                                      const char *name, struct err *err)
{
    *out = NULL;
    struct trace_reader *r = mem_zalloc(1, sizeof *r);
    source_open_bytes(&r->source, bytes, length, name);
    return open_source(out, r, err);
}

void trace_reader_free(struct trace_reader *r)
{
    if (!r)
        return;
    source_close(&r->source);
    chunk_list_release(&r->chunks);
    facts_release(&r->facts);
    bytes_release(&r->stored_facts);
    bytes_release(&r->stored_processes);
    dict_release(&r->dict);
    bytes_release(&r->payload);
    columns_release(&r->other);
    columns_release(&r->columns);
    columns_release(&r->beside);
    event_coder_release(&r->coder);
    live_release(&r->live);
    last_made_release(&r->last_made);
    free(r->shown);
    free(r);
}

/* ------------------------------------------------------------------ records beside the events */

/* Makes r->record the next one that stands before the chunk `limit`, if there is one. */
static enum seep_err peek_record(struct trace_reader *r, size_t limit, struct err *err)
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
        enum seep_err code = load(r, &r->chunks.entries[r->beside_chunk++], &r->beside, &good, err);
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

static void note_references(struct trace_reader *r)
{
    const struct live *l = &r->live;
    for (uint32_t slot = live_oldest(l); slot; slot = l->links[slot].younger)
        note_block(r, &l->slots[slot]);
    for (uint32_t i = 0; i < l->flight_slots; i++)
        if (l->flights[i].link)
            note_block(r, &l->flights[i].before);
}

/* Whether all ids that events and blocks refer to have their definitions. */
static bool all_defined(const struct trace_reader *r)
{
    return !r->dict.lost_nodes && r->coder.highest_stack <= r->dict.public.stack_count &&
           r->coder.highest_thread <= r->dict.public.thread_count;
}

/* Takes out what a lost dictionary defined. */
static void map_block(const struct trace_reader *r, struct trace_block *b)
{
    b->stack = dict_stack(&r->dict, b->stack);
    b->thread = dict_thread(&r->dict, b->thread);
}

/* From here on nothing is known until the next checkpoint. */
static void fall_out(struct trace_reader *r)
{
    r->in_step = false;
    r->left = 0;
    r->plain_until = 0;
    note_damage(r);
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
        note_references(r);
        note_damage(r);
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
        fall_out(r); /* of no use to us */
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
        fall_out(r);
        return SEEP_OK;
    }
    event_coder_begin(&r->coder);
    r->in_step = true;
    r->left = h->event_count;
    return SEEP_OK;
}

/* Moves on to a part with events, a gap to be told, or the end of the file. */
static enum seep_err next_part(struct trace_reader *r, struct err *err)
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
            note_damage(r);
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

/* An event may refer to what a lost dictionary defined. */
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
    if (!all_defined(r))
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
            code = next_part(r, err);
        if (!code && !r->has_record)
            code = peek_record(r, r->next_chunk, err);
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
        fall_out(r);
    }
}

enum seep_err trace_reader_next(struct trace_reader *r, struct trace_event *ev, struct err *err)
{
    if (r->number < r->plain_until) {
        if (next_event(r, ev))
            return SEEP_OK;
        fall_out(r);
    }
    return next_in_order(r, ev, err);
}

/* ------------------------------------------------------------------ moving */

/* Before the first part, or behind the last: only the clock counts. */
static void stand_still(struct trace_reader *r, uint64_t time_ns)
{
    const struct seep_group_header h = {
        .start_ns = time_ns, .unit_us = 1, .table_bits = SEEP_TABLE_BITS_MIN};
    event_coder_reset(&r->coder, &h);
}

static void go_to(struct trace_reader *r, size_t chunk)
{
    r->next_chunk = r->beside_chunk = chunk;
    r->left = 0;
    r->plain_until = 0;
    r->gap = r->has_record = false;
    r->records_from = 0;
    r->pass = (struct pass){0};
    columns_clear(&r->beside);
    records_begin(&r->records, &r->beside);
}

/* Before the first event, with nothing live. */
static void go_to_start(struct trace_reader *r)
{
    go_to(r, 0);
    r->peak = (struct trace_peak){0};
    last_made_release(&r->last_made);
    live_clear(&r->live);
    stand_still(r, 0);
    r->in_step = true;
    r->number = 0;
}

/* Makes the checkpoint of a part the state; *good says whether it could be read. */
static enum seep_err load_checkpoint(struct trace_reader *r, const struct chunk_entry *entry,
                                     bool *good, struct err *err)
{
    struct columns_table table;
    const struct seep_group_header *h = &entry->group;
    enum seep_err code = chunk_load(entry, &r->source, &r->payload, good, err);
    if (code || !*good)
        return code;
    *good = h->slot_count <= h->first_event &&
            columns_parse(&table, r->payload.data + sizeof *h, r->payload.length - sizeof *h) &&
            checkpoint_decode(&r->columns, &table, h, &r->live, &r->peak, &r->last_made,
                              (uint32_t)r->dict.public.thread_count);
    if (*good)
        note_references(r);
    return SEEP_OK;
}

/* A window begins with the checkpoint of its first part. Where that is lost, the events up to the
 * next checkpoint are. */
static enum seep_err go_to_window(struct trace_reader *r, struct err *err)
{
    uint64_t first = r->facts.cut_first;
    size_t i = 0;
    while (i < r->chunks.count && r->chunks.entries[i].header.type != SEEP_CHUNK_GROUP)
        i++;
    const struct chunk_entry *entry = i < r->chunks.count ? &r->chunks.entries[i] : NULL;
    if (entry && entry->group_ok && entry->group.flags & SEEP_GROUP_CHECKPOINT &&
        entry->group.first_event == first) {
        bool good;
        enum seep_err code = load_checkpoint(r, entry, &good, err);
        if (code)
            return code;
        if (!good)
            go_to_start(r);
        r->pass.last_ns = entry->group.start_ns;
        event_coder_reset(&r->coder, &entry->group);
    }
    r->number = first;
    return SEEP_OK;
}

enum seep_err trace_reader_rewind(struct trace_reader *r, struct err *err)
{
    go_to_start(r);
    return trace_facts_cut(&r->facts) ? go_to_window(r, err) : SEEP_OK;
}

/* Whether the group begins before all that is sought. Its clock may be ahead of the true time. */
static bool begins_before(const struct seep_group_header *h, uint64_t number, uint64_t time_ns)
{
    return h->first_event <= number && h->start_ns + h->unit_us * UINT64_C(1000) < time_ns;
}

/* The records of a part stand between it and the part before: where they begin. */
static size_t records_of(const struct trace_reader *r, size_t chunk)
{
    while (chunk && r->chunks.entries[chunk - 1].header.type != SEEP_CHUNK_GROUP)
        chunk--;
    return chunk;
}

/* Plays events of the group that has been entered as long as they are before what is sought. What
 * cannot be read is left to be met by who reads on; so are the ends of processes, with which the
 * peak changes. */
static enum seep_err skip(struct trace_reader *r, uint64_t number, uint64_t time_ns,
                          struct err *err)
{
    struct event_sums *sums = event_sums_new();
    enum seep_err code = SEEP_OK;
    event_sums_begin(sums, &r->live, &r->peak);
    sums->last_made = r->last_made;
    r->coder.play_threads = (uint32_t)r->dict.public.thread_count;
    while (!code && !r->gap && r->number < number && !r->dict.public.process_count) {
        if (!r->left) {
            r->last_made = sums->last_made; /* a checkpoint may make it anew */
            code = next_part(r, err);
            sums->last_made = r->last_made;
        }
        if (code || r->gap || !r->left)
            break;
        uint64_t at = r->number, end = at + r->left;
        bool good =
            event_coder_play(&r->coder, &r->number, end < number ? end : number, time_ns, sums);
        r->left -= (uint32_t)(r->number - at);
        if (!good)
            fall_out(r);
        if (!good || r->number == at || r->left)
            break;
    }
    r->peak = sums->total[0].peak;
    r->pass.last_ns = sums->last_ns;
    r->last_made = sums->last_made;
    sums->last_made = (struct last_made){0};
    event_sums_free(sums);
    return code;
}

static enum seep_err seek(struct trace_reader *r, uint64_t number, uint64_t time_ns,
                          struct err *err)
{
    for (size_t i = r->chunks.count; i-- > 0;) {
        const struct chunk_entry *entry = &r->chunks.entries[i];
        if (entry->header.type != SEEP_CHUNK_GROUP || !entry->group_ok ||
            !(entry->group.flags & SEEP_GROUP_CHECKPOINT) ||
            !begins_before(&entry->group, number, time_ns))
            continue;
        bool good;
        enum seep_err code = load_checkpoint(r, entry, &good, err);
        if (code)
            return code;
        if (!good)
            continue;
        go_to(r, records_of(r, i));
        r->number = entry->group.first_event;
        event_coder_reset(&r->coder, &entry->group);
        r->in_step = true;
        code = skip(r, number, time_ns, err);
        r->records_from = r->number;
        if (entry->group.start_ns > r->pass.last_ns)
            r->pass.last_ns = entry->group.start_ns;
        return code;
    }
    return trace_reader_rewind(r, err);
}

enum seep_err trace_reader_seek_time(struct trace_reader *r, uint64_t time_ns, struct err *err)
{
    return seek(r, UINT64_MAX, time_ns, err);
}

enum seep_err trace_reader_seek_number(struct trace_reader *r, uint64_t number, struct err *err)
{
    return seek(r, number, UINT64_MAX, err);
}

/* ------------------------------------------------------------------ playing */

/* Memory for reading in several threads: a live heap each. */
#define WORKERS_BYTES (UINT64_C(32) << 20)

static unsigned workers_for(const struct trace_reader *r)
{
    uint64_t blocks = 1;
    for (size_t i = 0; i < r->chunks.count; i++)
        if (r->chunks.entries[i].group_ok && r->chunks.entries[i].group.slot_count > blocks)
            blocks = r->chunks.entries[i].group.slot_count;
    cpu_set_t set;
    uint64_t room =
        WORKERS_BYTES / (blocks * (sizeof(struct live_slot) + sizeof(struct live_links)));
    int processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return room < (uint64_t)processors ? (unsigned)room + 1 : (unsigned)processors;
}

static void tell_kind(void *arg, const struct kind *k)
{
    const struct trace_play *play = arg;
    struct trace_block like = {.size = k->size,
                               .usable = k->usable,
                               .stack = k->stack,
                               .alignment = k->alignment,
                               .call = k->call};
    play->made(play->arg, &like, k->made);
}

static bool tell_progress(void *arg, double fraction)
{
    const struct trace_play *play = arg;
    return play->progress(play->arg, fraction);
}

/* Tells all records. */
static enum seep_err play_records(struct trace_reader *r, const struct trace_play *play,
                                  struct event_sums *sums, struct err *err)
{
    enum seep_err code = SEEP_OK;
    while (!code) {
        code = peek_record(r, r->chunks.count, err);
        if (code || !r->has_record)
            break;
        r->has_record = false;
        if (r->record.time_ns > sums->last_ns)
            sums->last_ns = r->record.time_ns;
        if (play->beside)
            play->beside(play->arg, &r->record.beside);
    }
    return code;
}

enum seep_err trace_reader_play(struct trace_reader *r, const struct trace_play *play,
                                struct event_sums *sums, bool *sound, struct err *err)
{
    struct group_player p = {
        .chunks = &r->chunks,
        .source = &r->source,
        .events = r->known_events,
        .stacks = r->dict.public.stack_count,
        .threads = (uint32_t)r->dict.public.thread_count,
        .workers = play->threads ? play->threads : workers_for(r),
        .made = play->made ? tell_kind : NULL,
        .progress = play->progress ? tell_progress : NULL,
        .arg = (void *)play,
        .sums = sums,
    };
    *sound = !trace_facts_cut(&r->facts) && !r->dict.public.process_count && r->has_summary &&
             !r->summary.damaged && !r->summary.truncated && !r->dict.lost_nodes;
    if (!*sound)
        return SEEP_OK;
    live_init(&p.live);
    enum seep_err code = group_player_run(&p, sound, err);
    if (!code && *sound)
        code = play_records(r, play, sums, err);
    if (!code && *sound) {
        struct live live = r->live;
        r->live = p.live;
        p.live = live;
        go_to(r, r->chunks.count);
        r->number = r->known_events;
        r->pass.last_ns = sums->last_ns;
        stand_still(r, p.end_ns);
    }
    live_release(&p.live);
    return code || *sound ? code : trace_reader_rewind(r, err);
}

const struct trace_peak *trace_reader_peak_before(const struct trace_reader *r)
{
    return &r->peak;
}

bool trace_reader_last_made(const struct trace_reader *r, const struct trace_block *block)
{
    size_t index = (size_t)block->thread * 2 + trace_block_in_pool(block);
    return index < r->last_made.capacity && r->last_made.next[index] == block->birth + 1;
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
    if (!all_defined(r))
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
