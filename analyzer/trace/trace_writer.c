/* SPDX-License-Identifier: MIT
 *
 * Events are gathered in columns until a part of a group is full. Before it is written, whatever
 * the dictionaries and the records beside the events have gathered is; so what a part needs stands
 * before it. The checkpoint of a group is encoded before its first event is applied. */
#include "trace/trace_writer.h"

#include "trace/checkpoint.h"
#include "trace/chunk.h"
#include "trace/dict.h"
#include "trace/event_coder.h"
#include "trace/peak.h"
#include "trace/records.h"
#include "trace/summary.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define DEFAULT_LEVEL 3
#define PART_EVENTS (256u << 10)
#define PART_BYTES                                                                                 \
    (1u << 20) /* a part ends where its columns are larger; zstd gains little then                 \
                */
#define PART_CHECK_EVENTS 4096
#define GROUP_EVENTS_MIN (256u << 10) /* a group is not closed earlier by its weight */
#define GROUP_WEIGHT 12               /* events weigh so many times a checkpoint */
#define CHECKPOINT_BLOCK_BYTES 3      /* of a live block, until the first one has shown it */
#define FETCH_KINDS_FROM 4096         /* fewer of them stay in the cache */
#define PENDING_BYTES_MAX (1u << 20)  /* records are written out from here on */

struct index_entry {
    uint64_t offset, first_event, start_ns;
    uint32_t events;
    uint16_t type;
};

struct trace_writer {
    char *path; /* owned */
    int fd;
    int level;
    uint32_t unit_us;
    uint32_t table_bits;
    uint64_t group_events, part_events;
    enum seep_err failed; /* what stopped writing; sticky */
    struct err failure;
    uint64_t offset;
    uint32_t chunk_number;
    struct index_entry *index; /* owned */
    size_t index_count, index_capacity;

    struct live live;
    struct columns columns; /* of the part in the making */
    struct event_coder coder;
    struct seep_group_header part;
    bool in_group;
    bool resumed;     /* the live blocks are told by no event: a checkpoint is due */
    uint64_t number;  /* of the next event */
    uint64_t records; /* beside the events, so far */
    uint64_t last_ns; /* of the last event or record */
    uint64_t last_event_ns;
    uint64_t group_first;      /* first event of the group */
    uint64_t event_bytes;      /* of the group, as stored */
    uint64_t checkpoint_bytes; /* as stored, of the last checkpoint, */
    uint64_t checkpoint_count; /* of so many live blocks */
    uint64_t counted;          /* allocations, frees and reallocations */
    struct peak_follower peak;
    struct last_made last_made;
    uint32_t group_kinds;     /* at the group's start */
    struct trace_block shown; /* the live block asked for last */

    struct columns other;           /* of the dictionary chunk in the making */
    struct trace_stack_node *nodes; /* not yet written; owned */
    size_t node_count, node_capacity;
    uint32_t node_last; /* id of the last node told */
    struct bytes modules, threads;
    uint32_t thread_records, thread_last;
    struct columns beside;
    struct record_place beside_place;
    struct bytes chunk; /* stored bytes in the making */
};

static enum seep_err fail(struct trace_writer *w, enum seep_err code, const char *what)
{
    if (!w->failed)
        w->failed = err_set(&w->failure, code, w->offset, "%s: %s", w->path, what);
    return w->failed;
}

static enum seep_err report(struct trace_writer *w, struct err *err)
{
    if (w->failed && err)
        *err = w->failure;
    return w->failed;
}

static enum seep_err write_all(struct trace_writer *w, const void *data, size_t length)
{
    const char *at = data;
    while (!w->failed && length) {
        ssize_t n = write(w->fd, at, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(w, SEEP_ERR_IO, strerror(errno));
        at += n;
        length -= (size_t)n;
        w->offset += (uint64_t)n;
    }
    return w->failed;
}

/* Writes w->chunk as a chunk; `part` is the head of a GROUP, else NULL. */
static enum seep_err write_chunk(struct trace_writer *w, enum seep_chunk_type type,
                                 const struct seep_group_header *part)
{
    struct index_entry entry = {
        .offset = w->offset,
        .type = (uint16_t)type,
        .first_event = part ? part->first_event : w->number,
        .events = part ? part->event_count : 0,
        .start_ns = part ? part->start_ns : event_clock_ns(&w->coder.clock),
    };
    struct seep_chunk_header header = chunk_header(type, w->chunk_number++, &w->chunk);
    if (write_all(w, &header, sizeof header) || write_all(w, w->chunk.data, w->chunk.length))
        return w->failed;
    MEM_GROW(w->index, w->index_capacity, w->index_count + 1);
    w->index[w->index_count++] = entry;
    return SEEP_OK;
}

/* Writes the columns of `c` as a chunk and empties them. */
static enum seep_err write_columns(struct trace_writer *w, enum seep_chunk_type type,
                                   struct columns *c)
{
    w->chunk.length = 0;
    columns_encode(c, 0, SEEP_COLUMNS_MAX, w->level, &w->chunk, NULL);
    columns_clear(c);
    return write_chunk(w, type, NULL);
}

/* The same with one column of records, which is emptied. */
static enum seep_err write_records(struct trace_writer *w, enum seep_chunk_type type,
                                   struct bytes *records)
{
    bytes_add(&w->other.column[SEEP_COLUMN_RECORDS], records->data, records->length);
    records->length = 0;
    return write_columns(w, type, &w->other);
}

static enum seep_err flush_stacks(struct trace_writer *w)
{
    size_t done = 0;
    while (done < w->node_count && !w->failed) {
        size_t count = w->node_count - done;
        if (count > SEEP_STACKS_MAX)
            count = SEEP_STACKS_MAX;
        dict_put_stacks(&w->other, w->nodes + done,
                        (uint32_t)(w->node_last - w->node_count + done + 1), (uint32_t)count);
        write_columns(w, SEEP_CHUNK_STACKS, &w->other);
        done += count;
    }
    w->node_count = 0;
    return w->failed;
}

static enum seep_err flush_modules(struct trace_writer *w)
{
    return w->modules.length ? write_records(w, SEEP_CHUNK_MODULES, &w->modules) : w->failed;
}

static enum seep_err flush_threads(struct trace_writer *w)
{
    w->thread_records = 0;
    return w->threads.length ? write_records(w, SEEP_CHUNK_THREADS, &w->threads) : w->failed;
}

static enum seep_err flush_beside(struct trace_writer *w)
{
    w->beside_place = (struct record_place){0};
    return w->beside.column[SEEP_COLUMN_RECORDS].length
               ? write_columns(w, SEEP_CHUNK_BESIDE, &w->beside)
               : w->failed;
}

static enum seep_err flush_dictionaries(struct trace_writer *w)
{
    if (flush_stacks(w) || flush_modules(w) || flush_threads(w))
        return w->failed;
    return flush_beside(w);
}

/* Whether the group's events weigh enough for the next checkpoint. */
static bool is_heavy(const struct trace_writer *w)
{
    double block_bytes = w->checkpoint_count
                             ? (double)w->checkpoint_bytes / (double)w->checkpoint_count
                             : CHECKPOINT_BLOCK_BYTES;
    return (double)w->event_bytes >= GROUP_WEIGHT * block_bytes * w->live.count;
}

/* Whether new kinds can no longer be guessed. Where it is the live blocks that have so many, a new
 * group would not help. */
static bool has_many_kinds(const struct trace_writer *w)
{
    uint32_t limit = w->group_kinds < SEEP_KINDS_MAX / 2 ? SEEP_KINDS_MAX : 2 * w->group_kinds;
    return w->live.kinds.count >= limit;
}

static void begin_part(struct trace_writer *w)
{
    w->part = (struct seep_group_header){
        .first_event = w->number,
        .start_ns = event_clock_ns(&w->coder.clock),
        .live_count = w->live.count,
        .slot_count = w->live.slot_count - 1,
        .flight_count = w->live.flight_count,
        .unit_us = w->unit_us,
        .table_bits = w->table_bits,
    };
    w->resumed = false;
    if (w->in_group)
        return;
    w->in_group = true;
    w->group_first = w->number;
    w->event_bytes = 0;
    w->part.flags = SEEP_GROUP_CHECKPOINT;
    live_renumber(&w->live);
    w->group_kinds = w->live.kinds.count;
    checkpoint_encode(&w->columns, &w->live, &w->peak.peak, &w->last_made, w->unit_us);
    event_coder_reset(&w->coder, &w->part);
}

/* Ends the part in the making, and the group with it where it is heavy enough. */
static enum seep_err flush_part(struct trace_writer *w)
{
    if (!w->part.event_count && !w->resumed)
        return w->failed;
    if (!w->part.event_count)
        begin_part(w);
    if (flush_dictionaries(w))
        return w->failed;
    event_coder_flush(&w->coder);
    w->part.end_ns = w->last_event_ns;
    chunk_seal_group(&w->part);
    uint64_t stored[SEEP_COLUMNS_MAX], checkpoint_bytes = 0;
    w->chunk.length = 0;
    bytes_add(&w->chunk, &w->part, sizeof w->part);
    columns_encode(&w->columns, 0, EVENT_COLUMNS_END, w->level, &w->chunk, stored);
    columns_clear(&w->columns);
    for (unsigned id = 0; id < EVENT_COLUMNS_END; id++)
        *(id < CHECKPOINT_COLUMNS_END ? &checkpoint_bytes : &w->event_bytes) += stored[id];
    if (checkpoint_bytes) {
        w->checkpoint_bytes = checkpoint_bytes;
        w->checkpoint_count = w->part.live_count;
    }
    write_chunk(w, SEEP_CHUNK_GROUP, &w->part);
    w->part.event_count = 0;
    uint64_t events = w->number - w->group_first;
    bool complete =
        w->group_events ? events >= w->group_events : events >= GROUP_EVENTS_MIN && is_heavy(w);
    w->in_group = !complete && !has_many_kinds(w);
    return w->failed;
}

/* Whether the columns hold as much as is worth compressing together. */
static bool is_full(const struct trace_writer *w)
{
    uint64_t events = w->part.event_count;
    if (events == w->part_events || w->number - w->group_first == w->group_events)
        return true;
    return events % PART_CHECK_EVENTS == 0 &&
           (columns_raw_bytes(&w->columns) >= PART_BYTES || has_many_kinds(w));
}

/* Small groups have small tables, which are soon cleared. */
static uint32_t table_bits_for(uint64_t group_events)
{
    uint32_t bits = SEEP_TABLE_BITS_MIN;
    if (!group_events)
        return SEEP_TABLE_BITS_MAX;
    while (bits < SEEP_TABLE_BITS_MAX && group_events >> (bits - 2))
        bits++;
    return bits;
}

enum seep_err trace_writer_open(struct trace_writer **out, const char *path,
                                const struct trace_writer_options *options, struct err *err)
{
    *out = NULL;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, errno == EEXIST ? SEEP_ERR_EXISTS : SEEP_ERR_IO, ERR_NO_OFFSET,
                       "%s: %s", path, strerror(errno));
    struct trace_writer *w = mem_zalloc(1, sizeof *w);
    w->path = mem_strdup(path);
    w->fd = fd;
    w->level = options && options->coding.level ? options->coding.level : DEFAULT_LEVEL;
    w->group_events = options ? options->group_events : 0;
    w->part_events = options && options->part_events ? options->part_events : PART_EVENTS;
    if (w->part_events > SEEP_PART_EVENTS_MAX)
        w->part_events = SEEP_PART_EVENTS_MAX;
    w->table_bits = table_bits_for(w->group_events);
    w->unit_us = options && options->coding.unit_us ? options->coding.unit_us : 1;
    live_init(&w->live);
    event_coder_init(&w->coder, &w->live, &w->columns);
    struct seep_file_header header = chunk_file_header();
    if (write_all(w, &header, sizeof header)) {
        enum seep_err code = report(w, err);
        trace_writer_abort(w);
        return code;
    }
    *out = w;
    return SEEP_OK;
}

enum seep_err trace_writer_facts(struct trace_writer *w, const uint8_t *facts, size_t length,
                                 struct err *err)
{
    struct bytes records = {0};
    bytes_add(&records, facts, length);
    if (length > SEEP_RECORDS_BYTES_MAX)
        fail(w, SEEP_ERR_USAGE, "too many facts about the process");
    else
        write_records(w, SEEP_CHUNK_FACTS, &records);
    bytes_release(&records);
    return report(w, err);
}

uint32_t trace_writer_stack(struct trace_writer *w, uint32_t parent, uint64_t pc, uint8_t flags)
{
    MEM_GROW(w->nodes, w->node_capacity, w->node_count + 1);
    w->nodes[w->node_count++] = (struct trace_stack_node){
        .pc = pc,
        .parent = parent,
        .flags = parent ? flags & ~SEEP_ROW_ROOT : flags | SEEP_ROW_ROOT,
    };
    return ++w->node_last;
}

void trace_writer_module(struct trace_writer *w, const struct trace_module *module)
{
    if (w->modules.length > PENDING_BYTES_MAX)
        flush_modules(w);
    dict_put_module(&w->modules, module);
}

void trace_writer_thread(struct trace_writer *w, const struct trace_thread *thread)
{
    if (!thread->number)
        return;
    /* readers hold an array by number: nobody is left out */
    while (w->thread_last < thread->number) {
        struct trace_thread unknown = {.number = ++w->thread_last, .end_ns = UINT64_MAX};
        if (unknown.number != thread->number)
            trace_writer_thread(w, &unknown);
    }
    if (w->threads.length > PENDING_BYTES_MAX || w->thread_records == SEEP_THREADS_MAX)
        flush_threads(w);
    dict_put_thread(&w->threads, thread);
    w->thread_records++;
}

void trace_writer_processes(struct trace_writer *w, struct bytes *records)
{
    write_records(w, SEEP_CHUNK_PROCESSES, records);
}

static enum seep_err put_beside(struct trace_writer *w, struct trace_event *ev)
{
    if (ev->beside.length > SEEP_BESIDE_BYTES_MAX)
        return fail(w, SEEP_ERR_USAGE, "a record beside the events is too long");
    const struct bytes *held = &w->beside.column[SEEP_COLUMN_RECORD_BYTES];
    if (held->length + ev->beside.length > PENDING_BYTES_MAX && flush_beside(w))
        return w->failed;
    ev->number = w->number;
    struct record record = {.beside = ev->beside, .number = w->number, .time_ns = ev->time_ns};
    records_put(&w->beside, &w->beside_place, &record);
    w->records++;
    return w->failed;
}

/* Whether the event can be told: its block is live, its reallocation in flight. */
static bool possible(const struct trace_writer *w, const struct trace_event *ev, uint32_t *flight)
{
    *flight = 0;
    switch (ev->type) {
    case TRACE_FREE:
    case TRACE_REALLOC: return live_has(&w->live, ev->slot);
    case TRACE_REALLOC_OUT:
        return live_has(&w->live, ev->slot) && ev->link && w->live.flight_count < SEEP_FLIGHTS_MAX;
    case TRACE_REALLOC_IN:
        *flight = live_find_flight(&w->live, ev->link);
        return *flight != LIVE_NO_FLIGHT;
    case TRACE_ALLOC: return w->live.count < SEEP_LIVE_MAX;
    case TRACE_FAILED:
    case TRACE_FREE_UNKNOWN: return true;
    case TRACE_BESIDE:
    case TRACE_GAP: break;
    }
    return false;
}

/* Inherited blocks were made in another process. */
static bool makes_block(const struct trace_event *ev)
{
    return ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN ||
           (ev->type == TRACE_ALLOC && !(ev->flags & TRACE_INHERITED));
}

static bool counts(const struct trace_event *ev)
{
    return ev->type == TRACE_FREE || makes_block(ev);
}

enum seep_err trace_writer_event(struct trace_writer *w, struct trace_event *ev, struct err *err)
{
    if (w->failed)
        return report(w, err);
    if (ev->time_ns < w->last_ns)
        ev->time_ns = w->last_ns;
    w->last_ns = ev->time_ns;
    if (ev->type == TRACE_BESIDE) {
        put_beside(w, ev);
        peak_apply(&w->peak, ev);
        return report(w, err);
    }
    uint32_t flight;
    if (!possible(w, ev, &flight)) {
        char what[128];
        snprintf(what, sizeof what, "event %" PRIu64 " (type %d) contradicts those before it",
                 w->number, ev->type);
        fail(w, SEEP_ERR_USAGE, what);
        return report(w, err);
    }
    if (ev->thread > w->thread_last)
        trace_writer_thread(w, &(struct trace_thread){.number = ev->thread, .end_ns = UINT64_MAX});
    if (!w->part.event_count)
        begin_part(w);
    w->last_event_ns = ev->time_ns;
    ev->number = w->number++;
    event_coder_put(&w->coder, ev, flight);
    peak_apply(&w->peak, ev);
    if (makes_block(ev))
        last_made_by(&w->last_made, ev->thread)[trace_block_in_pool(&ev->after)] = ev->number + 1;
    w->counted += counts(ev);
    w->part.event_count++;
    if (is_full(w))
        flush_part(w);
    return report(w, err);
}

enum seep_err trace_writer_graph(struct trace_writer *w, struct columns *columns, struct err *err)
{
    if (!flush_part(w) && !flush_dictionaries(w))
        write_columns(w, SEEP_CHUNK_GRAPH, columns);
    return report(w, err);
}

enum seep_err trace_writer_resume(struct trace_writer *w, struct live *live,
                                  const struct trace_peak *peak, const struct trace_dict *dict,
                                  uint64_t number, uint64_t time_ns, struct err *err)
{
    if (w->part.event_count)
        flush_part(w);
    live_release(&w->live);
    w->live = *live;
    live_init(live);
    w->number = number;
    if (w->last_ns < time_ns)
        w->last_ns = time_ns;
    w->last_event_ns = w->last_ns;
    const struct seep_group_header clock = {
        .start_ns = w->last_ns, .unit_us = w->unit_us, .table_bits = w->table_bits};
    event_coder_reset(&w->coder, &clock);
    last_made_release(&w->last_made);
    w->in_group = false;
    w->resumed = true;
    peak_restart(&w->peak, &w->live, peak, dict, number);
    return report(w, err);
}

void trace_writer_lose_end(struct trace_writer *w, uint64_t number)
{
    flush_part(w);
    w->number = number;
}

enum seep_err trace_writer_flush(struct trace_writer *w, struct err *err)
{
    if (!flush_part(w))
        flush_dictionaries(w);
    return report(w, err);
}

uint64_t trace_writer_event_count(const struct trace_writer *w)
{
    return w->number;
}

uint64_t trace_writer_record_count(const struct trace_writer *w)
{
    return w->records;
}

void trace_writer_fetch_block(const struct trace_writer *w, uint32_t slot)
{
    __builtin_prefetch(&w->live.slots[slot]);
    __builtin_prefetch(&w->live.links[slot]);
}

void trace_writer_fetch_beside(const struct trace_writer *w, uint32_t slot)
{
    if (!live_has(&w->live, slot))
        return;
    const struct live_links *links = &w->live.links[slot];
    __builtin_prefetch(&w->live.kinds.items[w->live.slots[slot].kind]);
    __builtin_prefetch(&w->live.links[links->older]);
    __builtin_prefetch(&w->live.links[links->younger]);
}

bool trace_writer_has_many_kinds(const struct trace_writer *w)
{
    return w->live.kinds.count >= FETCH_KINDS_FROM;
}

void trace_writer_fetch_kind_place(const struct trace_writer *w, uint32_t stack, uint64_t size,
                                   uint64_t usable)
{
    const struct kinds *k = &w->live.kinds;
    if (k->map)
        __builtin_prefetch(&k->map[kinds_home(k, stack, size, usable)]);
}

void trace_writer_fetch_kind(const struct trace_writer *w, uint32_t stack, uint64_t size,
                             uint64_t usable)
{
    const struct kinds *k = &w->live.kinds;
    if (!k->map)
        return;
    uint32_t number = k->map[kinds_home(k, stack, size, usable)];
    if (number)
        __builtin_prefetch(&k->items[number - 1]);
}

uint32_t trace_writer_slot_count(const struct trace_writer *w)
{
    return w->live.slot_count;
}

const struct trace_block *trace_writer_block(struct trace_writer *w, uint32_t slot)
{
    if (!live_has(&w->live, slot))
        return NULL;
    live_show(&w->live, &w->live.slots[slot], &w->shown);
    return &w->shown;
}

static void free_writer(struct trace_writer *w)
{
    event_coder_release(&w->coder);
    live_release(&w->live);
    peak_release(&w->peak);
    last_made_release(&w->last_made);
    columns_release(&w->columns);
    columns_release(&w->other);
    columns_release(&w->beside);
    bytes_release(&w->modules);
    bytes_release(&w->threads);
    bytes_release(&w->chunk);
    free(w->nodes);
    free(w->index);
    free(w->path);
    free(w);
}

static enum seep_err write_end(struct trace_writer *w, struct trace_summary *summary)
{
    struct bytes records = {0};
    if (flush_part(w) || flush_dictionaries(w))
        return w->failed;
    summary->events = w->counted;
    summary_encode(summary, w->number, &records);
    write_records(w, SEEP_CHUNK_SUMMARY, &records);
    struct index_entry previous = {0};
    for (size_t i = 0; i < w->index_count; i++) {
        const struct index_entry *entry = &w->index[i];
        bytes_varint(&records, entry->type);
        bytes_varint(&records, entry->offset - previous.offset);
        bytes_varint(&records, entry->first_event - previous.first_event);
        bytes_varint(&records, entry->events);
        bytes_varint(&records, entry->start_ns - previous.start_ns);
        previous = *entry;
    }
    struct seep_trailer trailer = chunk_trailer(w->offset);
    write_records(w, SEEP_CHUNK_INDEX, &records);
    write_all(w, &trailer, sizeof trailer);
    bytes_release(&records);
    summary->trace_bytes = w->offset;
    return w->failed;
}

enum seep_err trace_writer_finish(struct trace_writer *w, struct trace_summary *summary,
                                  struct err *err)
{
    write_end(w, summary);
    if (close(w->fd) < 0)
        fail(w, SEEP_ERR_IO, strerror(errno));
    enum seep_err code = report(w, err);
    free_writer(w);
    return code;
}

void trace_writer_abort(struct trace_writer *w)
{
    if (!w)
        return;
    close(w->fd);
    free_writer(w);
}
