/* SPDX-License-Identifier: MIT */
#include "trace/beside.h"

#include "seep/trace_codec.h"
#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_HEADER_BYTES 16
#define KIND_LIMIT 4096u /* kinds and times beyond are damage */
#define TIME_LIMIT_NS ((uint64_t)9e18)
#define MODULE_LIMIT 16384u
#define SEGMENT_LIMIT 64u
#define BUILD_ID_LIMIT 64u

void beside_release(struct beside *b)
{
    for (size_t i = 0; i < b->thread_count; i++)
        free(b->threads[i].name);
    for (size_t i = 0; i < b->module_count; i++) {
        free(b->modules[i].path);
        free(b->modules[i].build_id);
        free(b->modules[i].segments);
    }
    free(b->threads);
    free(b->modules);
    free(b->unloads);
    free(b->snapshot);
    *b = (struct beside){0};
}

static void note(const struct beside *b, const char *text)
{
    if (b->notes != NULL && b->notes->note != NULL)
        b->notes->note(b->notes->arg, text);
}

/* ------------------------------------------------------------------ threads */

static void tell_thread(struct beside *b, uint32_t number)
{
    struct beside_thread *t = &b->threads[number];
    t->told = true;
    trace_writer_thread(b->writer,
                        &(struct trace_thread){.number = number,
                                               .tid = t->tid,
                                               .name = t->name != NULL ? t->name : (char[]){""},
                                               .start_ns = t->start_ns,
                                               .end_ns = t->end_ns});
}

/* NULL where the number is out of bounds. */
static struct beside_thread *thread_of(struct beside *b, uint64_t number, uint64_t time_ns)
{
    if (number == 0 || number >= BESIDE_THREAD_LIMIT)
        return NULL;
    if (number >= b->thread_count) {
        MEM_GROW(b->threads, b->thread_capacity, number + 1);
        while (b->thread_count <= number)
            b->threads[b->thread_count++] = (struct beside_thread){.end_ns = UINT64_MAX};
    }
    struct beside_thread *t = &b->threads[number];
    if (!t->told)
        t->start_ns = time_ns;
    return t;
}

uint32_t beside_meet_thread(struct beside *b, uint32_t thread, uint64_t time_ns)
{
    if (thread_of(b, thread, time_ns) == NULL)
        return 0;
    tell_thread(b, thread);
    return thread;
}

static void set_name(struct beside_thread *t, const uint8_t *text, const uint8_t *end)
{
    free(t->name);
    t->name = mem_strndup((const char *)text, (size_t)(end - text));
}

static bool take_thread(struct beside *b, enum seep_beside kind, const uint8_t *p,
                        const uint8_t *end, uint64_t time_ns)
{
    uint64_t number, tid = 0;
    if (!seep_get_varint(&p, end, &number) ||
        (kind == SEEP_BESIDE_THREAD_START && !seep_get_varint(&p, end, &tid)))
        return false;
    struct beside_thread *t = thread_of(b, number, time_ns);
    if (t == NULL)
        return false;
    if (kind == SEEP_BESIDE_THREAD_START)
        t->tid = (uint32_t)tid;
    if (kind == SEEP_BESIDE_THREAD_END)
        t->end_ns = time_ns;
    else if (p < end || kind == SEEP_BESIDE_THREAD_NAME)
        set_name(t, p, end);
    tell_thread(b, (uint32_t)number);
    return true;
}

/* ------------------------------------------------------------------ modules */

static bool get_bytes(const uint8_t **p, const uint8_t *end, const uint8_t **out, uint64_t *length)
{
    if (!seep_get_varint(p, end, length) || *length > (uint64_t)(end - *p))
        return false;
    *out = *p;
    *p += *length;
    return true;
}

static bool same_module(const struct trace_module *a, const struct trace_module *m)
{
    return a->base == m->base && a->end == m->end && a->build_id_bytes == m->build_id_bytes &&
           (m->build_id_bytes == 0 || memcmp(a->build_id, m->build_id, m->build_id_bytes) == 0) &&
           strcmp(a->path, m->path) == 0;
}

static void release_module(struct trace_module *m)
{
    free(m->path);
    free(m->build_id);
    free(m->segments);
}

/* A module is told anew in each generation it is met in; only what is new there is kept. */
static void add_module(struct beside *b, struct trace_module *m)
{
    for (size_t i = b->module_count; i-- > 0;) {
        struct trace_module *old = &b->modules[i];
        if (old->start != m->start || old->generation_to < m->generation_from ||
            old->generation_from > m->generation_from)
            continue;
        if (same_module(old, m) || old->generation_from == m->generation_from) {
            release_module(m);
            return;
        }
        /* another file at its place, and no UNLOAD said so */
        old->generation_to = m->generation_from - 1;
        trace_writer_module(b->writer, old);
        break;
    }
    /* an UNLOAD of it may have come before, in another lane */
    for (size_t i = 0; i < b->unload_count; i++) {
        const struct beside_unload *u = &b->unloads[i];
        if (u->start == m->start && u->generation > m->generation_from &&
            u->generation - 1 < m->generation_to) {
            m->generation_to = u->generation - 1;
            m->unload_ns = m->load_ns;
        }
    }
    if (b->module_count == MODULE_LIMIT) {
        release_module(m);
        return;
    }
    MEM_GROW(b->modules, b->module_capacity, b->module_count + 1);
    b->modules[b->module_count++] = *m;
    trace_writer_module(b->writer, m);
}

void beside_inherit_module(struct beside *b, const struct trace_module *module)
{
    struct trace_module m = *module;
    m.path = mem_strdup(module->path);
    m.build_id = mem_alloc(module->build_id_bytes + 1);
    if (module->build_id_bytes > 0)
        memcpy(m.build_id, module->build_id, module->build_id_bytes);
    m.segments = mem_alloc((module->segment_count + 1) * sizeof *m.segments);
    if (module->segment_count > 0)
        memcpy(m.segments, module->segments, module->segment_count * sizeof *m.segments);
    add_module(b, &m);
}

static bool take_module(struct beside *b, const uint8_t *p, const uint8_t *end, uint64_t time_ns)
{
    const uint8_t *path, *build_id;
    uint64_t generation, path_bytes, id_bytes, segments;
    struct trace_module m = {
        .generation_to = UINT32_MAX, .load_ns = time_ns, .unload_ns = UINT64_MAX};
    if (!seep_get_varint(&p, end, &generation) || generation >= UINT32_MAX ||
        !seep_get_varint(&p, end, &m.base) || !seep_get_varint(&p, end, &m.start) ||
        !seep_get_varint(&p, end, &m.end) || !get_bytes(&p, end, &path, &path_bytes) ||
        !get_bytes(&p, end, &build_id, &id_bytes) || id_bytes > BUILD_ID_LIMIT ||
        !seep_get_varint(&p, end, &segments) || segments > SEGMENT_LIMIT)
        return false;
    struct trace_segment segment[SEGMENT_LIMIT];
    for (uint64_t i = 0; i < segments; i++) {
        uint64_t flags;
        if (!seep_get_varint(&p, end, &segment[i].address) ||
            !seep_get_varint(&p, end, &segment[i].bytes) ||
            !seep_get_varint(&p, end, &segment[i].file_offset) || !seep_get_varint(&p, end, &flags))
            return false;
        segment[i].flags = (uint32_t)flags;
    }
    m.generation_from = (uint32_t)generation + b->spool->generation_shift;
    m.path = mem_strndup((const char *)path, (size_t)path_bytes);
    if (id_bytes > 0) {
        m.build_id = mem_alloc((size_t)id_bytes);
        memcpy(m.build_id, build_id, (size_t)id_bytes);
        m.build_id_bytes = (size_t)id_bytes;
    }
    m.segments = mem_alloc((size_t)segments * sizeof *segment);
    memcpy(m.segments, segment, (size_t)segments * sizeof *segment);
    m.segment_count = (size_t)segments;
    add_module(b, &m);
    return true;
}

static bool take_unload(struct beside *b, const uint8_t *p, const uint8_t *end, uint64_t time_ns)
{
    uint64_t generation, start;
    if (!seep_get_varint(&p, end, &generation) || !seep_get_varint(&p, end, &start) ||
        generation == 0 || generation >= UINT32_MAX)
        return false;
    generation += b->spool->generation_shift;
    if (b->unload_count < MODULE_LIMIT) {
        MEM_GROW(b->unloads, b->unload_capacity, b->unload_count + 1);
        b->unloads[b->unload_count++] = (struct beside_unload){start, (uint32_t)generation};
    }
    for (size_t i = b->module_count; i-- > 0;) {
        struct trace_module *m = &b->modules[i];
        if (m->start == start && m->generation_from < generation &&
            m->generation_to == UINT32_MAX) {
            m->generation_to = (uint32_t)generation - 1;
            m->unload_ns = time_ns;
            trace_writer_module(b->writer, m);
        }
    }
    return true;
}

/* ------------------------------------------------------------------ all kinds */

static bool take_memory(struct beside *b, const uint8_t *p, const uint8_t *end)
{
    uint64_t count, value;
    if (!seep_get_varint(&p, end, &count))
        return false;
    for (uint64_t i = 0; i < count && i < SEEP_MEMORY_COUNT; i++) {
        if (!seep_get_varint(&p, end, &value))
            return false;
        if ((i == SEEP_MEMORY_PEAK_RSS || i == SEEP_MEMORY_RSS) && value > b->peak_rss_bytes)
            b->peak_rss_bytes = value;
    }
    return true;
}

static bool take_numbers(struct beside *b, enum seep_beside kind, const uint8_t *p,
                         const uint8_t *end)
{
    uint64_t first, reason;
    int64_t status;
    switch (kind) {
    case SEEP_BESIDE_LOST:
        if (!seep_get_varint(&p, end, &first) || !seep_get_varint(&p, end, &reason) ||
            reason == 0 || reason > SEEP_LOST_FULL)
            return false;
        b->lost[reason] += first;
        return true;
    case SEEP_BESIDE_EXIT:
        if (!seep_get_svarint(&p, end, &status))
            return false;
        b->wait_status = (int32_t)status;
        return true;
    default:
        if (!seep_get_varint(&p, end, &first))
            return false;
        if (first > b->recorder_bytes)
            b->recorder_bytes = first;
        return true;
    }
}

/* False: the payload is not what its kind says, and is left out of the trace. */
static bool take_payload(struct beside *b, enum seep_beside kind, const uint8_t *p,
                         const uint8_t *end, uint64_t time_ns)
{
    switch (kind) {
    case SEEP_BESIDE_THREAD_START:
    case SEEP_BESIDE_THREAD_END:
    case SEEP_BESIDE_THREAD_NAME: return take_thread(b, kind, p, end, time_ns);
    case SEEP_BESIDE_MODULE: return take_module(b, p, end, time_ns);
    case SEEP_BESIDE_UNLOAD: return take_unload(b, p, end, time_ns);
    case SEEP_BESIDE_MEMORY: return take_memory(b, p, end);
    case SEEP_BESIDE_LOST:
    case SEEP_BESIDE_EXIT:
    case SEEP_BESIDE_RECORDER: return take_numbers(b, kind, p, end);
    default: return true;
    }
}

enum seep_err beside_take(struct beside *b, enum seep_beside kind, const uint8_t *payload,
                          size_t length, uint32_t thread, uint64_t time_ns, struct err *err)
{
    if (kind == 0 || (unsigned)kind >= KIND_LIMIT ||
        !take_payload(b, kind, payload, payload + length, time_ns)) {
        b->damaged++;
        return SEEP_OK;
    }
    struct trace_event ev = {.type = TRACE_BESIDE, .time_ns = time_ns};
    ev.thread = beside_thread(b, thread, time_ns);
    ev.beside = (struct trace_beside){.kind = kind, .bytes = payload, .length = length};
    b->time_ns = time_ns;
    enum seep_err e = trace_writer_event(b->writer, &ev, err);
    if (e == SEEP_OK && b->graphs != NULL)
        e = graph_packer_take(b->graphs, kind, payload, length, b->modules, b->module_count, err);
    return e;
}

/* ------------------------------------------------------------------ the snapshots file */

struct snapshot_header {
    uint64_t ns; /* monotonic */
    uint32_t kind, length;
};

/* False at the end of the file, or where what follows is no record. */
static bool read_snapshot_header(const struct spool *s, uint64_t at, struct snapshot_header *h)
{
    uint8_t bytes[SNAPSHOT_HEADER_BYTES];
    if (at + sizeof bytes > s->snapshots_bytes ||
        !spool_pread(s->snapshots, bytes, sizeof bytes, at))
        return false;
    memcpy(&h->ns, bytes, 8);
    memcpy(&h->kind, bytes + 8, 4);
    memcpy(&h->length, bytes + 12, 4);
    return h->ns < TIME_LIMIT_NS && h->kind != 0 && h->kind < KIND_LIMIT &&
           h->length <= SEEP_BESIDE_BYTES_MAX &&
           h->length <= s->snapshots_bytes - at - sizeof bytes;
}

uint64_t beside_last_snapshot_ns(const struct spool *s)
{
    struct snapshot_header h;
    uint64_t last = 0;
    for (uint64_t at = 0; read_snapshot_header(s, at, &h); at += SNAPSHOT_HEADER_BYTES + h.length)
        last = h.ns > last ? h.ns : last;
    return last;
}

/* Reads the record at snapshot_at. What follows a record that is none cannot be found. */
static void next_snapshot(struct beside *b)
{
    struct snapshot_header h;
    b->snapshot_ns = UINT64_MAX;
    if (b->spool->snapshots < 0 || b->snapshot_at >= b->spool->snapshots_bytes)
        return;
    bool sound = read_snapshot_header(b->spool, b->snapshot_at, &h);
    if (sound) {
        MEM_GROW(b->snapshot, b->snapshot_capacity, h.length);
        sound = spool_pread(b->spool->snapshots, b->snapshot, h.length,
                            b->snapshot_at + SNAPSHOT_HEADER_BYTES);
    }
    if (!sound && b->spool->running)
        return; /* it is being written */
    if (!sound) {
        char text[80];
        snprintf(text, sizeof text, "snapshots: nothing can be read from byte %llu on",
                 (unsigned long long)b->snapshot_at);
        /* a record cut short by the process's end is no damage */
        if (b->snapshot_at + SNAPSHOT_HEADER_BYTES <= b->spool->snapshots_bytes) {
            note(b, text);
            b->damaged++;
        }
        b->snapshot_at = b->spool->snapshots_bytes;
        return;
    }
    uint64_t start = b->spool->control.start_ns;
    b->snapshot_at += SNAPSHOT_HEADER_BYTES + h.length;
    b->snapshot_bytes = h.length;
    b->snapshot_kind = h.kind;
    b->snapshot_ns = h.ns > start ? h.ns - start : 0;
}

void beside_init(struct beside *b, struct trace_writer *writer, const struct spool *spool,
                 const struct spool_notes *notes)
{
    *b = (struct beside){.writer = writer,
                         .spool = spool,
                         .notes = notes,
                         .wait_status = -1,
                         .recorder_bytes = spool->control.recorder_bytes};
    next_snapshot(b);
}

uint64_t beside_next_snapshot(const struct beside *b)
{
    return b->snapshot_ns == UINT64_MAX
               ? b->snapshot_at
               : b->snapshot_at - SNAPSHOT_HEADER_BYTES - b->snapshot_bytes;
}

void beside_seek_snapshot(struct beside *b, uint64_t at)
{
    b->snapshot_at = at;
    next_snapshot(b);
}

void beside_renew(struct beside *b)
{
    b->recorder_bytes = b->spool->control.recorder_bytes;
    if (b->snapshot_ns == UINT64_MAX)
        next_snapshot(b);
}

enum seep_err beside_snapshots(struct beside *b, uint64_t time_ns, struct err *err)
{
    while (b->snapshot_ns <= time_ns && b->snapshot_ns != UINT64_MAX) {
        /* appended by one writer, so times rise; were they not to, order in the file counts */
        uint64_t at = b->snapshot_ns > b->time_ns ? b->snapshot_ns : b->time_ns;
        enum seep_err e =
            beside_take(b, b->snapshot_kind, b->snapshot, b->snapshot_bytes, 0, at, err);
        if (e != SEEP_OK)
            return e;
        next_snapshot(b);
    }
    return SEEP_OK;
}
