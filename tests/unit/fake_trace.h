/* SPDX-License-Identifier: MIT
 *
 * A trace in memory with names to go with it: stands in for the trace reader and the symboliser in
 * tests of what is built on them. Included by one file of a test program, which then links neither.
 *
 * Events are told one by one; the live blocks are replayed by a second, separate bookkeeping when
 * they are read, so that the view at any event is that of a real reader. */
#ifndef FAKE_TRACE_H
#define FAKE_TRACE_H

#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_PC                                                                                    \
    0x1000u /* pcs of stack nodes count from here: pc - FAKE_PC is the place's index               \
             */

struct fake_slots {
    struct trace_block *blocks;
    bool *live;
    uint32_t count;
    uint32_t taken; /* all slots below it are live */
    size_t blocks_capacity, live_capacity;
};

struct trace_reader {
    struct trace_dict dict;
    struct trace_facts facts;
    struct trace_summary summary;
    struct trace_event *events;
    size_t count, capacity, at;
    struct fake_slots told, read;
    uint64_t number, link, seed;
};

/* Places that stack nodes run through. */
struct symbols {
    const struct trace_dict *dict;
    struct symbol_address *places;
    size_t count, capacity;
    uint64_t lookups;  /* calls of symbols_of_node() */
    uint64_t resolved; /* nodes given to symbols_resolve() */
    bool interrupted;  /* symbols_resolve() says so */
};

static inline uint64_t fake_random(struct trace_reader *r, uint64_t below)
{
    r->seed = r->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (r->seed >> 33) % below;
}

/* ------------------------------------------------------------------ telling */

static inline void fake_init(struct trace_reader *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    r->seed = seed;
    r->summary.wait_status = -1;
    r->dict.stacks = mem_zalloc(1, sizeof *r->dict.stacks);
    r->facts.exe = r->facts.host = r->facts.kernel = r->facts.libc = r->facts.thp =
        r->facts.run_id = r->facts.allocator = r->facts.allocator_version =
            r->facts.allocator_path = r->facts.recorder_version = r->facts.working_directory =
                (char *)(uintptr_t) "";
}

static inline uint32_t fake_node(struct trace_reader *r, uint32_t parent, uint64_t pc,
                                 uint8_t flags)
{
    r->dict.stacks = mem_resize(r->dict.stacks, r->dict.stack_count + 2, sizeof *r->dict.stacks);
    r->dict.stacks[++r->dict.stack_count] =
        (struct trace_stack_node){.parent = parent, .pc = pc, .flags = flags};
    return r->dict.stack_count;
}

static inline void fake_module(struct trace_reader *r, const char *path)
{
    r->dict.modules =
        mem_resize(r->dict.modules, r->dict.module_count + 1, sizeof *r->dict.modules);
    r->dict.modules[r->dict.module_count++] = (struct trace_module){.path = mem_strdup(path)};
}

static inline void fake_thread(struct trace_reader *r, uint32_t tid, const char *name)
{
    size_t n = r->dict.thread_count++;
    r->dict.threads = mem_resize(r->dict.threads, n + 1, sizeof *r->dict.threads);
    r->dict.threads[n] =
        (struct trace_thread){.number = (uint32_t)n + 1, .tid = tid, .name = mem_strdup(name)};
}

static inline void fake_mark(struct trace_reader *r, const char *name, uint64_t time_ns)
{
    size_t n = r->dict.mark_count++;
    r->dict.marks = mem_resize(r->dict.marks, n + 1, sizeof *r->dict.marks);
    r->dict.marks[n] = (struct trace_mark){
        .name = mem_strdup(name), .number = r->number, .time_ns = time_ns, .thread = 1};
}

static inline struct trace_event *fake_event(struct trace_reader *r, enum trace_event_type type,
                                             uint32_t thread, uint64_t time_ns)
{
    MEM_GROW(r->events, r->capacity, r->count + 1);
    struct trace_event *ev = &r->events[r->count++];
    memset(ev, 0, sizeof *ev);
    ev->type = type;
    ev->thread = thread;
    ev->time_ns = time_ns;
    if (type != TRACE_BESIDE && type != TRACE_GAP)
        ev->number = r->number++;
    return ev;
}

static inline void fake_set_slot(struct fake_slots *s, uint32_t slot, const struct trace_block *b)
{
    if (slot >= s->count) {
        MEM_GROW(s->blocks, s->blocks_capacity, slot + 1);
        MEM_GROW(s->live, s->live_capacity, slot + 1);
        for (; s->count <= slot; s->count++)
            s->live[s->count] = false;
    }
    s->live[slot] = b != NULL;
    if (!b && slot < s->taken)
        s->taken = slot;
    if (b)
        s->blocks[slot] = *b;
}

static inline uint32_t fake_free_slot(struct fake_slots *s)
{
    while (s->taken < s->count && s->live[s->taken])
        s->taken++;
    return s->taken;
}

static inline struct trace_block fake_block(const struct trace_event *ev, uint64_t size)
{
    return (struct trace_block){.address = 0x10000 + ev->number * 0x1000,
                                .size = size,
                                .usable = SEEP_USABLE_GLIBC(size),
                                .time_ns = ev->time_ns,
                                .birth = ev->number,
                                .stack = ev->stack,
                                .thread = ev->thread,
                                .call = ev->call,
                                .flags = ev->flags};
}

static inline uint32_t fake_alloc(struct trace_reader *r, uint32_t thread, uint64_t time_ns,
                                  uint32_t stack, uint64_t size, uint8_t call, uint8_t flags)
{
    struct trace_event *ev = fake_event(r, TRACE_ALLOC, thread, time_ns);
    ev->stack = stack;
    ev->call = call;
    ev->flags = flags;
    ev->slot = fake_free_slot(&r->told);
    ev->after = fake_block(ev, size);
    fake_set_slot(&r->told, ev->slot, &ev->after);
    return ev->slot;
}

static inline void fake_free(struct trace_reader *r, uint32_t thread, uint64_t time_ns,
                             uint32_t slot, uint8_t call, uint8_t flags)
{
    struct trace_event *ev = fake_event(r, TRACE_FREE, thread, time_ns);
    ev->call = call;
    ev->flags = flags;
    ev->slot = slot;
    ev->before = r->told.blocks[slot];
    fake_set_slot(&r->told, slot, NULL);
}

static inline void fake_realloc(struct trace_reader *r, uint32_t thread, uint64_t time_ns,
                                uint32_t stack, uint32_t slot, uint64_t size)
{
    struct trace_event *ev = fake_event(r, TRACE_REALLOC, thread, time_ns);
    ev->call = SEEP_CALL_REALLOC;
    ev->stack = stack;
    ev->slot = slot;
    ev->before = r->told.blocks[slot];
    ev->after = fake_block(ev, size);
    fake_set_slot(&r->told, slot, &ev->after);
}

/* First place of a reallocation; fake_realloc_in() takes what it returns. */
static inline struct trace_event fake_realloc_out(struct trace_reader *r, uint32_t thread,
                                                  uint64_t time_ns, uint32_t stack, uint32_t slot)
{
    struct trace_event *ev = fake_event(r, TRACE_REALLOC_OUT, thread, time_ns);
    ev->call = SEEP_CALL_REALLOC;
    ev->stack = stack;
    ev->slot = slot;
    ev->link = (uint32_t)++r->link;
    ev->before = r->told.blocks[slot];
    fake_set_slot(&r->told, slot, NULL);
    return *ev;
}

static inline void fake_realloc_in(struct trace_reader *r, const struct trace_event *out,
                                   uint64_t time_ns, uint64_t size)
{
    struct trace_event *ev = fake_event(r, TRACE_REALLOC_IN, out->thread, time_ns);
    ev->call = out->call;
    ev->stack = out->stack;
    ev->link = out->link;
    ev->slot = fake_free_slot(&r->told);
    ev->before = out->before;
    ev->after = fake_block(ev, size);
    fake_set_slot(&r->told, ev->slot, &ev->after);
}

/* A damaged stretch in which live blocks vanished: `gone` of them, the lowest slots. */
static inline void fake_gap(struct trace_reader *r, uint64_t time_ns, uint32_t gone)
{
    struct trace_event *ev = fake_event(r, TRACE_GAP, 0, time_ns);
    ev->lost_events = gone;
    for (uint32_t slot = 0; slot < r->told.count && gone; slot++)
        if (r->told.live[slot]) {
            fake_set_slot(&r->told, slot, NULL);
            gone--;
        }
}

static inline void fake_release(struct trace_reader *r)
{
    for (size_t i = 0; i < r->dict.module_count; i++)
        free(r->dict.modules[i].path);
    for (size_t i = 0; i < r->dict.thread_count; i++)
        free(r->dict.threads[i].name);
    for (size_t i = 0; i < r->dict.mark_count; i++)
        free(r->dict.marks[i].name);
    free(r->dict.modules);
    free(r->dict.threads);
    free(r->dict.marks);
    free(r->dict.stacks);
    free(r->events);
    free(r->told.blocks);
    free(r->told.live);
    free(r->read.blocks);
    free(r->read.live);
}

/* ------------------------------------------------------------------ the reader */

const struct trace_facts *trace_reader_facts(const struct trace_reader *r)
{
    return &r->facts;
}

const struct trace_dict *trace_reader_dict(const struct trace_reader *r)
{
    return &r->dict;
}

const struct trace_summary *trace_reader_summary(const struct trace_reader *r)
{
    return &r->summary;
}

uint32_t trace_reader_slot_count(const struct trace_reader *r)
{
    return r->read.count;
}

const struct trace_block *trace_reader_block(const struct trace_reader *r, uint32_t slot)
{
    return slot < r->read.count && r->read.live[slot] ? &r->read.blocks[slot] : NULL;
}

double trace_reader_progress(const struct trace_reader *r)
{
    return r->count ? (double)r->at / (double)r->count : 1;
}

/* Without checkpoints: all is read from the start. */
/* It has no heap graph. */
struct columns;
enum seep_err trace_reader_graph(struct trace_reader *r, size_t *at, bool head_only,
                                 struct columns *columns, bool *good, struct err *err);
enum seep_err trace_reader_graph(struct trace_reader *r, size_t *at, bool head_only,
                                 struct columns *columns, bool *good, struct err *err)
{
    (void)r, (void)at, (void)head_only, (void)columns, (void)good, (void)err;
    return SEEP_END;
}

uint64_t trace_reader_graph_bytes(const struct trace_reader *r, size_t at)
{
    (void)r, (void)at;
    return 0;
}

enum seep_err trace_reader_seek_time(struct trace_reader *r, uint64_t time_ns, struct err *err)
{
    (void)r, (void)time_ns, (void)err;
    return SEEP_OK;
}

enum seep_err trace_reader_seek_number(struct trace_reader *r, uint64_t number, struct err *err)
{
    (void)r, (void)number, (void)err;
    return SEEP_OK;
}

uint64_t trace_reader_number(const struct trace_reader *r)
{
    return r->number;
}

uint64_t trace_reader_end(const struct trace_reader *r)
{
    return r->number;
}

uint64_t trace_reader_time(const struct trace_reader *r)
{
    (void)r;
    return 0;
}

enum seep_err trace_reader_play(struct trace_reader *r, const struct trace_play *play,
                                struct event_sums *sums, bool *sound, struct err *err)
{
    (void)r, (void)play, (void)sums, (void)err;
    *sound = false;
    return SEEP_OK;
}

bool trace_reader_last_made(const struct trace_reader *r, const struct trace_block *block)
{
    (void)r, (void)block;
    return false;
}

const struct trace_peak *trace_reader_peak_before(const struct trace_reader *r)
{
    static const struct trace_peak none;
    (void)r;
    return &none;
}

enum seep_err trace_reader_next(struct trace_reader *r, struct trace_event *ev, struct err *err)
{
    (void)err;
    if (r->at == r->count)
        return SEEP_END;
    *ev = r->events[r->at++];
    uint64_t gone = ev->lost_events;
    switch (ev->type) {
    case TRACE_ALLOC:
    case TRACE_REALLOC:
    case TRACE_REALLOC_IN: fake_set_slot(&r->read, ev->slot, &ev->after); break;
    case TRACE_FREE:
    case TRACE_REALLOC_OUT: fake_set_slot(&r->read, ev->slot, NULL); break;
    case TRACE_GAP:
        for (uint32_t slot = 0; slot < r->read.count && gone; slot++)
            if (r->read.live[slot]) {
                r->read.live[slot] = false;
                gone--;
            }
        break;
    default: break;
    }
    return SEEP_OK;
}

enum seep_err trace_reader_rewind(struct trace_reader *r, struct err *err)
{
    (void)err;
    r->at = 0;
    for (uint32_t slot = 0; slot < r->read.count; slot++)
        r->read.live[slot] = false;
    r->read.count = r->read.taken = 0;
    return SEEP_OK;
}

/* ------------------------------------------------------------------ the symboliser */

/* Adds a place of `count` frames, innermost first, copied; its texts stay the caller's. Returns the
 * pc that stack nodes there have. */
static inline uint64_t fake_place(struct symbols *s, const struct symbol_frame *frames,
                                  uint32_t count, enum symbol_suspicion suspicion)
{
    struct symbol_frame *copy = mem_alloc(count * sizeof *copy);
    memcpy(copy, frames, count * sizeof *copy);
    MEM_GROW(s->places, s->capacity, s->count + 1);
    s->places[s->count] =
        (struct symbol_address){.frames = copy, .count = count, .suspicion = suspicion};
    return FAKE_PC + s->count++;
}

static inline uint64_t fake_function(struct symbols *s, const char *function, const char *file,
                                     const char *module)
{
    struct symbol_frame f = {
        .function = function, .file = file, .line = file ? 10 : 0, .module = module, .named = true};
    return fake_place(s, &f, 1, SYMBOL_PROVED);
}

static inline void fake_symbols_release(struct symbols *s)
{
    for (size_t i = 0; i < s->count; i++)
        free((void *)(uintptr_t)s->places[i].frames);
    free(s->places);
}

const struct symbol_address *symbols_of_node(struct symbols *s, uint32_t stack)
{
    s->lookups++;
    return &s->places[s->dict->stacks[stack].pc - FAKE_PC];
}

const struct symbol_address *symbols_of_return(struct symbols *s, uint64_t pc, uint64_t time_ns)
{
    (void)time_ns;
    return &s->places[pc - FAKE_PC];
}

enum seep_err symbols_resolve(struct symbols *s, const uint32_t *stacks, size_t count)
{
    s->resolved += count;
    for (size_t i = 0; i < count; i++)
        symbols_of_node(s, stacks[i]);
    return s->interrupted ? SEEP_ERR_INTERRUPTED : SEEP_OK;
}

/* Any frame with alloc_fn set. */
bool symbols_have_alloc_fns(const struct symbols *s)
{
    for (size_t i = 0; i < s->count; i++)
        for (uint32_t k = 0; k < s->places[i].count; k++)
            if (s->places[i].frames[k].alloc_fn)
                return true;
    return false;
}

const struct trace_module *symbols_module_of_node(struct symbols *s, uint32_t stack)
{
    const struct symbol_address *a = &s->places[s->dict->stacks[stack].pc - FAKE_PC];
    const char *path = a->frames[a->count - 1].module;
    for (size_t i = 0; path && i < s->dict->module_count; i++)
        if (strcmp(s->dict->modules[i].path, path) == 0)
            return &s->dict->modules[i];
    return NULL;
}

#endif
