/* SPDX-License-Identifier: MIT
 *
 * Random programs told to a made-up trace, and what each stack of them cost, computed the plain way
 * from a list of lives that is gone through for every question anew. */
#ifndef COST_ORACLE_H
#define COST_ORACLE_H

#include "analysis/costs.h"
#include "fake_trace.h"

#include <inttypes.h>
#include <stdio.h>

#define NODES 24u
#define LIVES 4000

struct life {
    uint32_t stack, thread, freed_by;
    uint64_t size, old_size; /* old_size: a reallocation made it of so many; 0: none did */
    uint64_t start, end;     /* event numbers; end UINT64_MAX: never */
    uint64_t start_ns, end_ns;
    bool freed, moved; /* ended by a free, not by a reallocation; made by one, elsewhere */
};

struct program {
    struct trace_reader trace;
    struct symbols symbols;
    struct life lives[LIVES];
    int life_count;
    int live[LIVES], live_count;
    uint32_t slot[LIVES];
    uint64_t events, last_ns; /* events in all */
};

static inline void make_stacks(struct program *p)
{
    static const char *const names[] = {"main", "parse", "load", "grow", "node_new", "insert"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        fake_function(&p->symbols, names[i], "/src/x.c", i % 2 ? "/bin/prog" : "/lib/libx.so");
    struct symbol_frame inlined[] = {
        {.function = "inner", .module = "/bin/prog", .inlined = true, .named = true},
        {.function = "outer", .module = "/bin/prog", .named = true},
    };
    fake_place(&p->symbols, inlined, 2, SYMBOL_PROVED);
    fake_node(&p->trace, 0, 1, SEEP_ROW_ROOT);
    fake_node(&p->trace, 0, 1, SEEP_ROW_ROOT | SEEP_ROW_CUT);
    while (p->trace.dict.stack_count < NODES) {
        uint32_t parent = 1 + (uint32_t)fake_random(&p->trace, p->trace.dict.stack_count);
        fake_node(&p->trace, parent, FAKE_PC + fake_random(&p->trace, p->symbols.count), 0);
    }
}

static inline struct life *begin_life(struct program *p, uint32_t slot)
{
    const struct trace_event *ev = &p->trace.events[p->trace.count - 1];
    p->lives[p->life_count] = (struct life){.stack = ev->stack,
                                            .thread = ev->thread,
                                            .size = ev->after.size,
                                            .start = ev->number,
                                            .start_ns = ev->time_ns,
                                            .end = UINT64_MAX};
    p->slot[p->life_count] = slot;
    p->live[p->live_count++] = p->life_count;
    return &p->lives[p->life_count++];
}

static inline int end_some(struct program *p, uint32_t thread, uint64_t now, bool freed)
{
    int at = (int)fake_random(&p->trace, (uint64_t)p->live_count);
    /* often the youngest, so that there are temporary ones */
    int life = p->live[fake_random(&p->trace, 3) ? p->live_count - 1 : at];
    for (at = 0; p->live[at] != life; at++)
        ;
    p->live[at] = p->live[--p->live_count];
    p->lives[life].end = p->trace.number;
    p->lives[life].end_ns = now;
    p->lives[life].freed = freed;
    p->lives[life].freed_by = thread;
    return life;
}

static inline void make_program(struct program *p, uint64_t seed, int events)
{
    struct trace_reader *t = &p->trace;
    memset(p, 0, sizeof *p);
    fake_init(t, seed);
    p->symbols.dict = &t->dict;
    make_stacks(p);
    for (int i = 0; i < 3; i++)
        fake_thread(t, 100 + (uint32_t)i, "thread");
    uint64_t now = 0, lean = 3 + fake_random(t, 5);
    for (int i = 0; i < events; i++) {
        uint32_t thread = 1 + (uint32_t)fake_random(t, 3), stack = (uint32_t)fake_random(t, NODES);
        uint64_t size = 1 + fake_random(t, 300), roll = fake_random(t, 10);
        stack = stack < 3 ? 0 : stack;
        now += fake_random(t, 4) * 400000;
        if (roll < lean || !p->live_count) {
            begin_life(p, fake_alloc(t, thread, now, stack, size, SEEP_CALL_MALLOC, 0));
        } else if (roll < 8) {
            int life = end_some(p, thread, now, true);
            fake_free(t, thread, now, p->slot[life], SEEP_CALL_FREE, 0);
        } else if (roll < 9) {
            int life = end_some(p, thread, now, false);
            fake_realloc(t, thread, now, stack, p->slot[life], size);
            struct life *made = begin_life(p, p->slot[life]);
            made->old_size = p->lives[life].size;
            made->moved = true; /* the fake's addresses follow the event */
        } else {
            int life = end_some(p, thread, now, false);
            struct trace_event out = fake_realloc_out(t, thread, now, stack, p->slot[life]);
            fake_realloc_in(t, &out, now + 1, size);
            struct life *made = begin_life(p, t->events[t->count - 1].slot);
            made->old_size = p->lives[life].size;
            made->moved = true;
        }
    }
    p->events = t->number;
    p->last_ns = now;
    t->summary.duration_ns = now + 5000;
}

static inline void release_program(struct program *p)
{
    fake_symbols_release(&p->symbols);
    fake_release(&p->trace);
}

/* ------------------------------------------------------------------ the naive side */

struct question {
    uint64_t from, to;             /* event numbers; those in [from, to) are in the window */
    uint64_t size_max;             /* of blocks asked for */
    uint64_t lived_min, lived_max; /* ns */
    uint64_t end_ns;
};

static inline bool is_in(const struct question *q, const struct life *l)
{
    return l->start >= q->from && l->start < q->to;
}

static inline bool is_live(const struct life *l, uint64_t number) /* behind that event */
{
    return l->start <= number && l->end > number;
}

static inline uint64_t live_bytes(const struct program *p, uint64_t number)
{
    uint64_t sum = 0;
    for (int i = 0; i < p->life_count; i++)
        sum += is_live(&p->lives[i], number) ? p->lives[i].size : 0;
    return sum;
}

/* The first event of the window behind which most is live; *none where that was so before it. */
static inline uint64_t peak_of(const struct program *p, const struct question *q, bool *none)
{
    uint64_t most = q->from ? live_bytes(p, q->from - 1) : 0, peak = 0;
    *none = true;
    for (uint64_t n = q->from; n < q->to && n < p->events; n++) {
        uint64_t bytes = live_bytes(p, n);
        if (bytes > most) {
            most = bytes;
            peak = n;
            *none = false;
        }
    }
    return peak;
}

static inline bool made_between(const struct program *p, uint32_t thread, uint64_t from,
                                uint64_t to)
{
    for (int i = 0; i < p->life_count; i++)
        if (p->lives[i].thread == thread && p->lives[i].start > from && p->lives[i].start < to)
            return true;
    return false;
}

static inline bool lived_as_asked(const struct question *q, const struct life *l)
{
    uint64_t until = l->end < q->to ? l->end_ns : q->end_ns;
    uint64_t lived = until > l->start_ns ? until - l->start_ns : 0;
    return lived >= q->lived_min && lived <= q->lived_max;
}

static inline void naive_cost(const struct program *p, const struct question *q, uint32_t node,
                              struct cost *c, struct cost_detail *d)
{
    bool none;
    uint64_t peak = peak_of(p, q, &none), last = q->to < p->events ? q->to : p->events;
    memset(c, 0, sizeof *c);
    memset(d, 0, sizeof *d);
    for (int i = 0; i < p->life_count; i++) {
        const struct life *l = &p->lives[i];
        if (l->stack != node || l->size > q->size_max)
            continue;
        c->start_bytes += q->from && is_live(l, q->from - 1) ? l->size : 0;
        c->held_bytes += last && is_live(l, last - 1) ? l->size : 0;
        if (!is_in(q, l))
            continue;
        if (!none && is_live(l, peak)) {
            c->peak_blocks++;
            c->peak_bytes += l->size;
        }
        if (!lived_as_asked(q, l))
            continue;
        c->allocations++;
        c->allocated_bytes += l->size;
        if (l->end >= q->to) {
            c->live_blocks++;
            c->live_bytes += l->size;
            continue;
        }
        c->temporary +=
            l->freed && l->freed_by == l->thread && !made_between(p, l->thread, l->start, l->end);
        d->short_lived += l->end_ns < l->start_ns + COSTS_SHORT_NS;
    }
    for (int i = 0; i < p->life_count; i++) {
        const struct life *l = &p->lives[i];
        if (l->stack == node && l->size <= q->size_max && is_in(q, l) && l->old_size &&
            l->size > l->old_size) {
            d->grown++;
            d->copied_bytes += l->moved ? l->old_size : 0;
        }
    }
    for (uint64_t n = q->from; n < last; n++) { /* the most live at once */
        uint64_t bytes = 0;
        for (int i = 0; i < p->life_count; i++) {
            const struct life *l = &p->lives[i];
            bytes += l->stack == node && l->size <= q->size_max && is_in(q, l) && is_live(l, n)
                         ? l->size
                         : 0;
        }
        c->own_peak_bytes = bytes > c->own_peak_bytes ? bytes : c->own_peak_bytes;
    }
}

/* ------------------------------------------------------------------ asking */

static inline void set(struct filter *f, const char *name, const char *format, uint64_t a,
                       uint64_t b)
{
    char value[64];
    struct err err;
    snprintf(value, sizeof value, format, a, b);
    assert_int_equal(filter_set(f, name, value, &err), SEEP_OK);
}

/* Makes the filter that asks that, bound to the program's trace; released by the caller. */
static inline void make_filter(struct program *p, const struct question *q, struct filter *f)
{
    filter_init(f);
    if (q->from)
        set(f, "from", "#%" PRIu64, q->from, 0);
    if (q->to < p->events)
        set(f, "to", "#%" PRIu64, q->to - 1, 0); /* the last one that is inside */
    if (q->size_max < 1000)
        set(f, "size", "..%" PRIu64, q->size_max, 0);
    if (q->lived_min)
        set(f, "lifetime", "%" PRIu64 "ns..%" PRIu64 "ns", q->lived_min, q->lived_max);
}

static inline struct question make_question(struct program *p)
{
    struct trace_reader *t = &p->trace;
    struct question q = {.to = p->events, .size_max = 1000, .lived_max = UINT64_MAX};
    if (fake_random(t, 2)) {
        q.from = fake_random(t, p->events);
        q.to = q.from + 1 + fake_random(t, p->events - q.from);
    }
    if (!fake_random(t, 3))
        q.size_max = fake_random(t, 300);
    if (!fake_random(t, 3)) {
        q.lived_min = 400000 * (1 + fake_random(t, 5));
        q.lived_max = q.lived_min * (1 + fake_random(t, 5));
    }
    return q;
}

#endif
