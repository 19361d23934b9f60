/* SPDX-License-Identifier: MIT */
#include "trace/beside_read.h"

#include "seep/trace_codec.h"

#include <string.h>

struct cursor {
    const uint8_t *at, *end;
};

static bool get(struct cursor *c, uint64_t *out)
{
    return seep_get_varint(&c->at, c->end, out);
}

static void rest(struct cursor *c, struct beside_text *out)
{
    out->bytes = (const char *)c->at;
    out->length = (size_t)(c->end - c->at);
}

/* A length and so many bytes. */
static bool counted(struct cursor *c, const uint8_t **bytes, size_t *length)
{
    uint64_t n;
    if (!get(c, &n) || n > (uint64_t)(c->end - c->at))
        return false;
    *bytes = c->at;
    *length = (size_t)n;
    c->at += n;
    return true;
}

static bool read_module(struct beside_view *v, struct cursor *c)
{
    const uint8_t *path;
    if (!get(c, &v->generation) || !get(c, &v->base) || !get(c, &v->start) || !get(c, &v->end) ||
        !counted(c, &path, &v->text.length) || !counted(c, &v->build_id, &v->build_id_bytes))
        return false;
    v->text.bytes = (const char *)path;
    return true;
}

static bool read_memory(struct beside_view *v, struct cursor *c)
{
    uint64_t n, value;
    if (!get(c, &n))
        return false;
    for (uint64_t i = 0; i < n && i < SEEP_MEMORY_COUNT; i++) {
        if (!get(c, &value))
            return false;
        v->memory[v->memory_count++] = value;
    }
    return true;
}

static bool read_mappings(struct beside_view *v, struct cursor *c)
{
    uint64_t page, count, ignored, pages, runs, run;
    if (!get(c, &page) || !get(c, &count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *name;
        size_t length;
        if (!get(c, &ignored) || !get(c, &pages) || !get(c, &ignored) ||
            !counted(c, &name, &length) || !get(c, &runs))
            return false;
        v->mapping_count++;
        v->mapped_bytes += pages * page;
        for (uint64_t j = 0; j < runs; j++) {
            if (!get(c, &run))
                return false;
            v->residency_bytes[run & 3] += (run >> 2) * page;
        }
    }
    return true;
}

static bool read_map_call(struct beside_view *v, struct cursor *c)
{
    uint64_t allocator, ignored;
    if (!get(c, &v->map_call) || !get(c, &allocator) || !get(c, &v->address) || !get(c, &v->bytes))
        return false;
    v->by_allocator = allocator != 0;
    bool good =
        v->map_call == SEEP_MAP_MUNMAP ||
        (v->map_call == SEEP_MAP_MMAP && get(c, &v->protection) && get(c, &ignored)) ||
        (v->map_call == SEEP_MAP_MREMAP && get(c, &v->new_address) && get(c, &v->new_bytes));
    if (good && !get(c, &v->pc))
        v->pc = 0; /* older recordings end here */
    return good;
}

static bool read_graph(struct beside_view *v, struct cursor *c)
{
    return get(c, &v->number) && get(c, &v->state) && get(c, &v->trigger) &&
           get(c, &v->stopped_threads) && get(c, &v->missed_threads) && get(c, &v->held_ns) &&
           get(c, &v->fork_ns);
}

static bool read_own_memory(struct beside_view *v, struct cursor *c)
{
    uint64_t start, bytes;
    if (!get(c, &v->count))
        return false;
    for (uint64_t i = 0; i < v->count; i++) {
        if (!get(c, &start) || !get(c, &bytes))
            return false;
        v->bytes += bytes;
    }
    return true;
}

static bool read_payload(struct beside_view *v, struct cursor *c)
{
    uint64_t status, first, on;
    switch (v->kind) {
    case SEEP_BESIDE_THREAD_START:
        if (!get(c, &v->thread) || !get(c, &v->tid))
            return false;
        rest(c, &v->text);
        return true;
    case SEEP_BESIDE_THREAD_END: return get(c, &v->thread);
    case SEEP_BESIDE_THREAD_NAME:
    case SEEP_BESIDE_MARK:
        if (!get(c, &v->thread))
            return false;
        rest(c, &v->text);
        return true;
    case SEEP_BESIDE_MODULE: return read_module(v, c);
    case SEEP_BESIDE_UNLOAD: return get(c, &v->generation) && get(c, &v->start);
    case SEEP_BESIDE_MEMORY: return read_memory(v, c);
    case SEEP_BESIDE_MAPPINGS: return read_mappings(v, c);
    case SEEP_BESIDE_LOST: return get(c, &v->count) && get(c, &v->reason);
    case SEEP_BESIDE_EXIT:
        if (!get(c, &status))
            return false;
        v->wait_status = seep_unzigzag(status);
        return true;
    case SEEP_BESIDE_RECORDER: return get(c, &v->bytes);
    case SEEP_BESIDE_INHERITED: return get(c, &first) && get(c, &v->count);
    case SEEP_BESIDE_PROCESS_END: return get(c, &v->process);
    case SEEP_BESIDE_MAP_CALL: return read_map_call(v, c);
    case SEEP_BESIDE_GRAPH: return read_graph(v, c);
    case SEEP_BESIDE_IGNORE: return get(c, &v->address);
    case SEEP_BESIDE_IGNORE_THREAD:
        if (!get(c, &v->thread) || !get(c, &on))
            return false;
        v->on = on != 0;
        return true;
    case SEEP_BESIDE_SUPPRESSIONS: rest(c, &v->text); return true;
    case SEEP_BESIDE_OWN_MEMORY: return read_own_memory(v, c);
    case SEEP_BESIDE_THREAD_STACK:
        return get(c, &v->thread) && get(c, &v->address) && get(c, &v->thread_pointer);
    default: return false;
    }
}

bool beside_read(struct beside_view *out, const struct trace_beside *beside)
{
    memset(out, 0, sizeof *out);
    out->kind = beside->kind;
    if (!beside->bytes)
        return false;
    struct cursor c = {beside->bytes, beside->bytes + beside->length};
    uint64_t process = 0, kind = beside->kind;
    bool good = true;
    if (beside->kind == SEEP_BESIDE_OF_PROCESS)
        good = get(&c, &process) && get(&c, &kind) && kind < SEEP_BESIDE_OF_PROCESS;
    out->process = process;
    out->kind = (enum seep_beside)kind;
    if (good && read_payload(out, &c))
        return true;
    memset(out, 0, sizeof *out);
    out->kind = beside->kind;
    return false;
}

/* ------------------------------------------------------------------ pages */

static bool begin_pages(struct beside_pages *p, const struct trace_beside *beside,
                        enum seep_beside kind)
{
    *p = (struct beside_pages){0};
    if (beside->kind != kind || !beside->bytes)
        return false;
    p->at = beside->bytes;
    p->end = beside->bytes + beside->length;
    return true;
}

static bool take(struct beside_pages *p, uint64_t *out)
{
    return seep_get_varint(&p->at, p->end, out);
}

bool beside_pages_begin(struct beside_pages *p, const struct trace_beside *beside)
{
    return begin_pages(p, beside, SEEP_BESIDE_MAPPINGS) && take(p, &p->page_bytes) &&
           p->page_bytes && take(p, &p->left);
}

bool beside_pages_mapping(struct beside_pages *p, struct beside_mapping *out)
{
    uint64_t gap, pages, length, skipped;
    for (; p->runs_left; p->runs_left--)
        if (!take(p, &skipped))
            return false;
    if (!p->left || !take(p, &gap) || !take(p, &pages) || !take(p, &out->protection) ||
        !take(p, &length) || length > (uint64_t)(p->end - p->at))
        return false;
    p->left--;
    out->name = (struct beside_text){(const char *)p->at, (size_t)length};
    p->at += length;
    out->start = p->mapping_end + gap * p->page_bytes;
    out->end = out->start + pages * p->page_bytes;
    if (!take(p, &p->runs_left))
        return false;
    out->runs = p->runs_left;
    p->address = out->start;
    p->mapping_end = out->end;
    return true;
}

bool beside_pages_run(struct beside_pages *p, uint64_t *start, uint64_t *end,
                      enum seep_residency *kind)
{
    uint64_t run;
    if (!p->runs_left || !take(p, &run))
        return false;
    p->runs_left--;
    *kind = (enum seep_residency)(run & 3);
    *start = p->address;
    uint64_t most = (p->mapping_end - p->address) / p->page_bytes;
    p->address += ((run >> 2) < most ? run >> 2 : most) * p->page_bytes;
    *end = p->address;
    return true;
}

bool beside_own_begin(struct beside_pages *p, const struct trace_beside *beside)
{
    return begin_pages(p, beside, SEEP_BESIDE_OWN_MEMORY) && take(p, &p->left);
}

bool beside_own_next(struct beside_pages *p, uint64_t *start, uint64_t *end)
{
    uint64_t bytes;
    if (!p->left || !take(p, start) || !take(p, &bytes))
        return false;
    p->left--;
    *end = *start + bytes;
    return true;
}
