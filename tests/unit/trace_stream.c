/* SPDX-License-Identifier: MIT */
#include "trace_stream.h"

#include "seep/crc32c.h"
#include "seep/trace_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct flight {
    uint32_t link;
};

struct making {
    struct stream *s;
    const struct stream_profile *p;
    struct trace_writer *w;
    uint64_t random;
    uint64_t time_ns;
    uint32_t *slots; /* of live blocks, oldest first */
    size_t live, slot_capacity;
    uint32_t links[8]; /* in flight */
    unsigned flights;
    uint32_t last_link;
    uint64_t addresses; /* given out so far */
    uint64_t freed[64];
    unsigned freed_count;
};

static uint64_t tolerance_ns; /* of the stream written last */

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "trace_stream: %s\n", what);
    abort();
}

static uint64_t next_random(struct making *m)
{
    m->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = m->random;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t below(struct making *m, uint64_t n)
{
    return n ? next_random(m) % n : 0;
}

/* An address no live block has: mostly one that was freed. */
static uint64_t new_address(struct making *m)
{
    if (m->freed_count && below(m, 4)) {
        unsigned i = (unsigned)below(m, m->freed_count);
        uint64_t address = m->freed[i];
        m->freed[i] = m->freed[--m->freed_count];
        return address;
    }
    uint64_t address = UINT64_C(0x5555aaaa0000) + 4096 * m->addresses++;
    if (below(m, 50) == 0)
        address += UINT64_C(0x7f0000000000); /* as mmap gives them */
    return m->p->aligned ? address + below(m, 8) : address + 16 * below(m, 8);
}

static void give_back(struct making *m, uint64_t address)
{
    if (m->freed_count < 64)
        m->freed[m->freed_count++] = address;
}

static struct trace_block new_block(struct making *m)
{
    struct trace_block b = {.address = new_address(m)};
    switch (below(m, 8)) {
    case 0: b.size = next_random(m) >> (11 + below(m, 50)); break;
    case 1: b.size = 0; break;
    default: b.size = 16 + 24 * below(m, 10);
    }
    b.usable = SEEP_USABLE_GLIBC(b.size);
    if (below(m, 10) == 0)
        b.usable = b.size + below(m, 64);
    if (m->p->aligned && below(m, 3) == 0)
        b.alignment = 1u << below(m, 32);
    return b;
}

static void put(struct making *m, struct trace_event *ev)
{
    struct stream *s = m->s;
    static const uint8_t calls[] = {SEEP_CALL_MALLOC, SEEP_CALL_CALLOC, SEEP_CALL_NEW,
                                    SEEP_CALL_FREE,   SEEP_CALL_DELETE, SEEP_CALL_POOL};
    switch (below(m, 6)) {
    case 0: m->time_ns += below(m, 100000); break;
    case 1: break;
    default: m->time_ns += below(m, 300);
    }
    if (below(m, 1000) == 0)
        m->time_ns += UINT64_C(7000000000);
    ev->time_ns = m->time_ns;
    if (ev->type != TRACE_BESIDE) {
        ev->thread = 1 + (uint32_t)below(m, below(m, 4) ? 2 : m->p->threads);
        if (m->p->threads < 2)
            ev->thread = m->p->threads;
        bool ends = ev->type == TRACE_FREE || ev->type == TRACE_FREE_UNKNOWN;
        if (!ends || below(m, 20) == 0)
            ev->stack = (uint32_t)below(m, s->node_count + 1);
        ev->call = below(m, 3) ? (ends ? SEEP_CALL_FREE : SEEP_CALL_MALLOC) : calls[below(m, 6)];
        if (below(m, 100) == 0)
            ev->flags = (uint8_t)below(m, 8);
    }
    struct trace_event told = *ev;
    struct err err;
    check(!trace_writer_event(m->w, ev, &err), err.message);
    /* what the writer fills in is kept, what it was told stays as told */
    told.number = ev->number;
    told.slot = ev->slot;
    told.link = ev->link;
    told.before = ev->before;
    told.after = ev->after;
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 1024;
        s->events = realloc(s->events, s->capacity * sizeof *s->events);
        check(s->events != NULL, "memory");
    }
    s->events[s->count++] = told;
}

static void add_slot(struct making *m, uint32_t slot)
{
    if (m->live == m->slot_capacity) {
        m->slot_capacity = m->slot_capacity ? m->slot_capacity * 2 : 1024;
        m->slots = realloc(m->slots, m->slot_capacity * sizeof *m->slots);
        check(m->slots != NULL, "memory");
    }
    m->slots[m->live++] = slot;
}

static size_t pick(struct making *m)
{
    if (m->p->lifo && below(m, 10))
        return m->live - 1;
    if (m->p->fifo && below(m, 10))
        return 0;
    return (size_t)below(m, m->live);
}

static uint32_t take_slot(struct making *m)
{
    size_t at = pick(m);
    uint32_t slot = m->slots[at];
    memmove(m->slots + at, m->slots + at + 1, (m->live - at - 1) * sizeof *m->slots);
    m->live--;
    return slot;
}

static void alloc(struct making *m)
{
    struct trace_event ev = {.type = TRACE_ALLOC, .after = new_block(m)};
    put(m, &ev);
    add_slot(m, ev.slot);
}

static void end(struct making *m)
{
    struct trace_event ev = {.type = TRACE_FREE, .slot = take_slot(m)};
    give_back(m, trace_writer_block(m->w, ev.slot)->address);
    put(m, &ev);
}

static void change(struct making *m)
{
    struct trace_event ev = {.type = TRACE_REALLOC, .slot = take_slot(m), .after = new_block(m)};
    uint64_t old = trace_writer_block(m->w, ev.slot)->address;
    if (below(m, 2)) {
        give_back(m, ev.after.address);
        ev.after.address = old;
    } else {
        give_back(m, old);
    }
    put(m, &ev);
    add_slot(m, ev.slot);
}

static void change_in_two(struct making *m)
{
    if (m->flights < 8 && below(m, 2) && m->live) {
        m->last_link += 1 + (uint32_t)below(m, 3);
        struct trace_event ev = {
            .type = TRACE_REALLOC_OUT, .slot = take_slot(m), .link = m->last_link};
        give_back(m, trace_writer_block(m->w, ev.slot)->address);
        put(m, &ev);
        m->links[m->flights++] = m->last_link;
    } else if (m->flights) {
        unsigned i = (unsigned)below(m, m->flights);
        struct trace_event ev = {
            .type = TRACE_REALLOC_IN, .link = m->links[i], .after = new_block(m)};
        m->links[i] = m->links[--m->flights];
        put(m, &ev);
        add_slot(m, ev.slot);
    }
}

static void put_beside(struct making *m)
{
    size_t length = (size_t)below(m, below(m, 20) ? 40 : 3000);
    uint8_t *bytes = malloc(length + 1);
    check(bytes != NULL, "memory");
    bool mark = below(m, 3) == 0;
    for (size_t i = 0; i < length; i++)
        bytes[i] = mark ? 'a' + (uint8_t)below(m, 26) : (uint8_t)next_random(m);
    if (mark && length)
        bytes[0] = 1; /* thread */
    struct trace_event ev = {.type = TRACE_BESIDE,
                             .beside = {.kind = mark ? SEEP_BESIDE_MARK : SEEP_BESIDE_MAPPINGS,
                                        .bytes = bytes,
                                        .length = length}};
    put(m, &ev);
}

static void step(struct making *m)
{
    const struct stream_profile *p = m->p;
    unsigned roll = (unsigned)below(m, 1000);
    bool full = m->live > p->keep;
    if (roll < p->beside)
        put_beside(m);
    else if ((roll -= p->beside) < p->failed)
        put(m, &(struct trace_event){.type = TRACE_FAILED,
                                     .failed_size = next_random(m) >> below(m, 64),
                                     .address = below(m, 2) ? 0 : next_random(m) >> 16});
    else if ((roll -= p->failed) < p->unknown_free)
        put(m, &(struct trace_event){.type = TRACE_FREE_UNKNOWN, .address = next_random(m) >> 16});
    else if ((roll -= p->unknown_free) < p->split_realloc)
        change_in_two(m);
    else if ((roll -= p->split_realloc) < p->realloc && m->live)
        change(m);
    else if (m->live && (full || (roll - p->realloc) < p->free))
        end(m);
    else
        alloc(m);
}

static void add_stacks(struct making *m, unsigned count)
{
    struct stream *s = m->s;
    s->nodes = realloc(s->nodes, (s->node_count + count + 1) * sizeof *s->nodes);
    check(s->nodes != NULL, "memory");
    for (unsigned i = 0; i < count; i++) {
        struct trace_stack_node n = {.parent = (uint32_t)below(m, s->node_count + 1)};
        /* one generation, of several the reader shows the same code as one (test_same_code.c) */
        uint64_t address = 0x400000 + below(m, n.parent ? 1 << 20 : 3);
        n.pc = n.parent ? address : m->p->stacks % 3;
        n.flags = n.parent ? (below(m, 9) ? 0 : SEEP_ROW_GUESSED) : SEEP_ROW_ROOT;
        uint32_t id = trace_writer_stack(m->w, n.parent, n.pc, n.flags);
        check(id == s->node_count + 1, "stack ids are not dense");
        s->nodes[++s->node_count] = n;
    }
}

static void tell_about_process(struct making *m)
{
    static const uint8_t facts[] = {
        SEEP_FACT_EXE, 4, '/', 'b', '/', 'x', SEEP_FACT_COMMAND, 4, 'x', 0, '-', 'v', 99, 1, 7};
    uint8_t all[64] = {SEEP_FACT_PID, 1, (uint8_t)(m->p->pid ? m->p->pid : 42)}, *at = all + 3;
    if (m->p->start_ns) {
        uint8_t number[10];
        size_t length = (size_t)(seep_put_varint(number, m->p->start_ns) - number);
        *at++ = SEEP_FACT_START_NS;
        *at++ = (uint8_t)length;
        at = memcpy(at, number, length);
        at += length;
    }
    memcpy(at, facts, sizeof facts);
    size_t length = (size_t)(at - all) + sizeof facts;
    check(!trace_writer_facts(m->w, all, length, NULL), "facts");
    struct trace_segment segment = {.address = 0x1000, .bytes = 0x2000, .flags = 5};
    uint8_t id[] = {1, 2, 3};
    struct trace_module module = {.path = (char[]){"/b/x"},
                                  .build_id = id,
                                  .build_id_bytes = 3,
                                  .base = 0x400000,
                                  .start = 0x400000,
                                  .end = 0x600000,
                                  .generation_to = UINT32_MAX,
                                  .unload_ns = UINT64_MAX,
                                  .segments = &segment,
                                  .segment_count = 1};
    trace_writer_module(m->w, &module);
    module.path = (char[]){"/b/lib.so"};
    module.start = 0x700000;
    trace_writer_module(m->w, &module);
    module.generation_to = 3;
    module.unload_ns = 12345;
    trace_writer_module(m->w, &module); /* the same again: replaces */
    struct trace_thread thread = {
        .number = 1, .tid = 42, .name = (char[]){"main"}, .end_ns = UINT64_MAX};
    trace_writer_thread(m->w, &thread);
}

void stream_write(struct stream *s, const struct stream_profile *profile, uint64_t seed)
{
    *s = (struct stream){.path = strdup("/tmp/seep-stream-XXXXXX")};
    int fd = mkstemp(s->path);
    check(fd >= 0, "mkstemp");
    close(fd);
    unlink(s->path);
    tolerance_ns = profile->unit_us ? profile->unit_us * UINT64_C(1000) : 1000;
    struct making m = {.s = s, .p = profile, .random = seed};
    struct trace_writer_options options = {.coding = {profile->unit_us, profile->level},
                                           .group_events = profile->group_events,
                                           .part_events = profile->part_events};
    struct err err;
    check(!trace_writer_open(&m.w, s->path, &options, &err), err.message);
    tell_about_process(&m);
    add_stacks(&m, profile->stacks / 2);
    for (unsigned i = 0; i < profile->events; i++) {
        if (i == profile->events / 2)
            add_stacks(&m, profile->stacks - profile->stacks / 2);
        step(&m);
    }
    s->summary = (struct trace_summary){.wait_status = 9,
                                        .cut_stacks = 5,
                                        .stop_reason = 0,
                                        .spool_state = SEEP_SPOOL_CLOSED,
                                        .duration_ns = m.time_ns + 1,
                                        .peak_rss_bytes = 1 << 20};
    check(!trace_writer_finish(m.w, &s->summary, &err), err.message);
    free(m.slots);
}

void stream_release(struct stream *s)
{
    unlink(s->path);
    free(s->path);
    for (size_t i = 0; i < s->count; i++)
        free((void *)s->events[i].beside.bytes);
    free(s->events);
    free(s->nodes);
    *s = (struct stream){0};
}

uint8_t *stream_bytes(const struct stream *s, size_t *length)
{
    FILE *file = fopen(s->path, "rb");
    check(file && fseek(file, 0, SEEK_END) == 0, "open");
    *length = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*length);
    check(bytes && fread(bytes, 1, *length, file) == *length, "read");
    fclose(file);
    return bytes;
}

void stream_reseal(uint8_t *bytes, size_t length)
{
    struct seep_file_header file;
    if (length < sizeof file)
        return;
    memcpy(&file, bytes, sizeof file);
    file.checksum = seep_crc32c(0, &file, sizeof file - 4);
    memcpy(bytes, &file, sizeof file);
    size_t at = sizeof file;
    struct seep_chunk_header h;
    while (length - at >= sizeof h) {
        memcpy(&h, bytes + at, sizeof h);
        uint8_t *stored = bytes + at + sizeof h;
        size_t room = length - at - sizeof h;
        if (h.magic != SEEP_CHUNK_MAGIC)
            break;
        size_t n = h.stored_bytes < room ? (size_t)h.stored_bytes : room;
        struct seep_group_header group;
        if (h.type == SEEP_CHUNK_GROUP && n >= sizeof group) {
            memcpy(&group, stored, sizeof group);
            group.checksum = seep_crc32c(0, &group, sizeof group - 4);
            memcpy(stored, &group, sizeof group);
        }
        h.payload_checksum = seep_crc32c(0, stored, n);
        h.header_checksum = seep_crc32c(0, &h, sizeof h - 4);
        memcpy(bytes + at, &h, sizeof h);
        at += sizeof h + n;
    }
    struct seep_trailer trailer;
    if (length - at == sizeof trailer) {
        memcpy(&trailer, bytes + at, sizeof trailer);
        trailer.checksum = seep_crc32c(0, &trailer, offsetof(struct seep_trailer, checksum));
        memcpy(bytes + at, &trailer, sizeof trailer);
    }
}

struct stream_chunk *stream_chunks(const uint8_t *bytes, size_t length, size_t *count)
{
    struct stream_chunk *chunks = NULL;
    *count = 0;
    struct seep_chunk_header h;
    for (size_t at = sizeof(struct seep_file_header); length - at > sizeof h;
         at = chunks[*count - 1].end) {
        memcpy(&h, bytes + at, sizeof h);
        chunks = realloc(chunks, (*count + 1) * sizeof *chunks);
        check(chunks && h.magic == SEEP_CHUNK_MAGIC, "not a chunk");
        struct stream_chunk *c = &chunks[(*count)++];
        *c = (struct stream_chunk){
            .offset = at, .end = at + sizeof h + (size_t)h.stored_bytes, .type = h.type};
        if (h.type == SEEP_CHUNK_GROUP) {
            struct seep_group_header group;
            memcpy(&group, bytes + at + sizeof h, sizeof group);
            c->first_event = group.first_event;
            c->events = group.event_count;
            c->checkpoint = group.flags & SEEP_GROUP_CHECKPOINT;
        }
    }
    return chunks;
}

static bool near(uint64_t a, uint64_t b)
{
    return (a > b ? a - b : b - a) <= tolerance_ns;
}

static const char *block_difference(const struct trace_block *told, const struct trace_block *got,
                                    bool lost)
{
    return told->address != got->address                            ? "address"
           : told->size != got->size                                ? "size"
           : told->usable != got->usable                            ? "usable"
           : !near(told->time_ns, got->time_ns)                     ? "block time"
           : told->birth != got->birth                              ? "birth"
           : told->thread != got->thread && !(lost && !got->thread) ? "block thread"
           : told->alignment != got->alignment                      ? "alignment"
           : told->call != got->call                                ? "block call"
           : told->flags != got->flags                              ? "block flags"
           : told->stack != got->stack && !(lost && !got->stack)    ? "block stack"
                                                                    : NULL;
}

const char *stream_difference(const struct trace_event *told, const struct trace_event *got,
                              bool lost)
{
    if (told->type != got->type)
        return "type";
    if (!near(told->time_ns, got->time_ns))
        return "time";
    if (told->type == TRACE_BESIDE)
        return told->beside.kind != got->beside.kind || told->beside.length != got->beside.length ||
                       memcmp(told->beside.bytes, got->beside.bytes, told->beside.length) != 0
                   ? "record"
                   : NULL;
    if (told->number != got->number)
        return "number";
    if (told->call != got->call)
        return "call";
    if (told->flags != got->flags)
        return "flags";
    if (told->thread != got->thread && !(lost && !got->thread))
        return "thread";
    if (told->stack != got->stack && !(lost && !got->stack))
        return "stack";
    const char *difference = NULL;
    switch (told->type) {
    case TRACE_FAILED:
        if (told->failed_size != got->failed_size)
            return "failed size";
        /* fall through */
    case TRACE_FREE_UNKNOWN: return told->address != got->address ? "address" : NULL;
    case TRACE_ALLOC: difference = block_difference(&told->after, &got->after, lost); break;
    case TRACE_FREE: difference = block_difference(&told->before, &got->before, lost); break;
    case TRACE_REALLOC_OUT:
        if (told->link != got->link)
            return "link";
        difference = block_difference(&told->before, &got->before, lost);
        break;
    case TRACE_REALLOC_IN:
        if (told->link != got->link)
            return "link";
        /* fall through */
    default:
        difference = block_difference(&told->before, &got->before, lost);
        if (!difference)
            difference = block_difference(&told->after, &got->after, lost);
    }
    return difference ? difference : told->slot != got->slot ? "slot" : NULL;
}
