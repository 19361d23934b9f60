/* SPDX-License-Identifier: MIT */
#include "trace/reader_state.h"

#include "trace/checkpoint.h"

void reader_stand_still(struct trace_reader *r, uint64_t time_ns)
{
    const struct seep_group_header h = {
        .start_ns = time_ns, .unit_us = 1, .table_bits = SEEP_TABLE_BITS_MIN};
    event_coder_reset(&r->coder, &h);
}

void reader_go_to(struct trace_reader *r, size_t chunk)
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
    reader_go_to(r, 0);
    r->peak = (struct trace_peak){0};
    last_made_release(&r->last_made);
    live_clear(&r->live);
    reader_stand_still(r, 0);
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
        reader_note_references(r);
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
            code = reader_next_part(r, err);
            sums->last_made = r->last_made;
        }
        if (code || r->gap || !r->left)
            break;
        uint64_t at = r->number, end = at + r->left;
        bool good =
            event_coder_play(&r->coder, &r->number, end < number ? end : number, time_ns, sums);
        r->left -= (uint32_t)(r->number - at);
        if (!good)
            reader_fall_out(r);
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
        reader_go_to(r, records_of(r, i));
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

const struct trace_peak *trace_reader_peak_before(const struct trace_reader *r)
{
    return &r->peak;
}

bool trace_reader_last_made(const struct trace_reader *r, const struct trace_block *block)
{
    size_t index = (size_t)block->thread * 2 + trace_block_in_pool(block);
    return index < r->last_made.capacity && r->last_made.next[index] == block->birth + 1;
}
