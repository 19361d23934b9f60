/* SPDX-License-Identifier: MIT */
#include "trace/reader_state.h"

#include "trace/facts.h"
#include "trace/same_code.h"
#include "trace/summary.h"

enum seep_err reader_load(struct trace_reader *r, const struct chunk_entry *entry,
                          struct columns *c, bool *good, struct err *err)
{
    return reader_load_columns(r, entry, SEEP_COLUMNS_MAX, c, good, err);
}

enum seep_err reader_load_columns(struct trace_reader *r, const struct chunk_entry *entry,
                                  unsigned end, struct columns *c, bool *good, struct err *err)
{
    struct columns_table table;
    columns_clear(c);
    enum seep_err code = chunk_load(entry, &r->source, &r->payload, good, err);
    if (code)
        return code;
    *good = *good && columns_parse(&table, r->payload.data, r->payload.length);
    for (unsigned id = SEEP_COLUMN_RECORDS; *good && id < end; id++)
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
        else if (record.beside.kind == SEEP_BESIDE_GRAPH)
            dict_add_snapshot(&r->dict, record.time_ns, record.number, &record.beside);
        else if (record.beside.kind == SEEP_BESIDE_MEMORY)
            dict_note_memory(&r->dict, &record.beside);
        else if (record.beside.kind == SEEP_BESIDE_MAPPINGS)
            dict_add_picture(&r->dict, record.time_ns, record.number);
        else if (record.beside.kind == SEEP_BESIDE_SUPPRESSIONS)
            dict_add_suppressions(&r->dict, &record.beside);
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
        /* graphs are read when they are asked for */
        if (entry->header.type == SEEP_CHUNK_GROUP || entry->header.type == SEEP_CHUNK_GRAPH)
            continue;
        bool good;
        enum seep_err code = reader_load(r, entry, &r->other, &good, err);
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
    r->dict.same = same_code_stacks(&r->dict.public);
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
