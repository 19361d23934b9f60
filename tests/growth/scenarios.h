/* SPDX-License-Identifier: MIT
 *
 * Programs of known behaviour, for the classes that `seep growth` tells: each a state machine that
 * makes and drops blocks step by step, by functions that its host gives. A test hosts them in
 * made-up traces with a clock of their own, a program (growth_program.c) with malloc, free and real
 * time.
 *
 * Rates, sizes and noise come from the seed. Every scenario runs for SCENARIO_STEPS steps; then the
 * program ends, with or without freeing what it has. */
#ifndef GROWTH_SCENARIOS_H
#define GROWTH_SCENARIOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SCENARIO_STEPS 2000u

struct scenario_host {
    void *(*make)(void *arg, size_t bytes);
    void *(*change)(void *arg, void *block, size_t bytes);
    void (*drop)(void *arg, void *block);
    void *arg;
};

struct scenario {
    const struct scenario_kind *kind;
    struct scenario_host host;
    uint64_t seed;
    void **blocks; /* in order of age */
    size_t count, capacity;
    unsigned *until; /* the step at which a block is dropped, where a scenario has such */
    size_t until_capacity;
    /* drawn from the seed */
    size_t bytes;    /* of a block, typically */
    double noise;    /* by how much sizes and numbers vary, 0 .. 1 */
    double rate;     /* blocks a step */
    size_t limit;    /* blocks */
    unsigned period; /* steps */
    unsigned phase;  /* a step at which something begins or ends */
    bool frees_at_end;
    double owed; /* parts of blocks */
    bool seen[4096];
};

struct scenario_kind {
    const char *name;
    const char *class; /* what it is, by the name that the analysis has for it */
    void (*begin)(struct scenario *s);
    void (*step)(struct scenario *s, unsigned step);
};

static inline uint64_t scenario_random(struct scenario *s, uint64_t below)
{
    s->seed = s->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (s->seed >> 33) % below;
}

/* 0 .. 1 */
static inline double scenario_part(struct scenario *s)
{
    return (double)scenario_random(s, 1u << 30) / (1u << 30);
}

static inline double scenario_between(struct scenario *s, double low, double high)
{
    return low + scenario_part(s) * (high - low);
}

static inline size_t scenario_size(struct scenario *s)
{
    double factor = 1 + s->noise * (2 * scenario_part(s) - 1);
    return 16 + (size_t)((double)s->bytes * factor);
}

static inline void scenario_make(struct scenario *s)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 64;
        s->blocks = realloc(s->blocks, s->capacity * sizeof *s->blocks);
        s->until = realloc(s->until, s->capacity * sizeof *s->until);
    }
    s->until[s->count] = 0;
    s->blocks[s->count++] = s->host.make(s->host.arg, scenario_size(s));
}

static inline void scenario_drop(struct scenario *s, size_t at)
{
    s->host.drop(s->host.arg, s->blocks[at]);
    memmove(s->blocks + at, s->blocks + at + 1, (s->count - at - 1) * sizeof *s->blocks);
    memmove(s->until + at, s->until + at + 1, (s->count - at - 1) * sizeof *s->until);
    s->count--;
}

static inline void scenario_drop_all(struct scenario *s, size_t keep)
{
    while (s->count > keep)
        scenario_drop(s, s->count - 1);
}

/* How many blocks fall to this step at s->rate, with noise. */
static inline unsigned scenario_due(struct scenario *s, double rate)
{
    s->owed += rate * (1 + s->noise * (2 * scenario_part(s) - 1));
    unsigned due = (unsigned)s->owed;
    s->owed -= due;
    return due;
}

static inline void scenario_churn(struct scenario *s, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        s->host.drop(s->host.arg, s->host.make(s->host.arg, scenario_size(s)));
}

/* ------------------------------------------------------------------ growing */

static inline void begin_any(struct scenario *s)
{
    s->bytes = 32u << scenario_random(s, 6);
    s->noise = scenario_between(s, 0, 0.9);
    s->rate = scenario_between(s, 0.1, 3);
    s->frees_at_end = scenario_random(s, 2);
}

static inline void step_leak(struct scenario *s, unsigned step)
{
    (void)step;
    for (unsigned due = scenario_due(s, s->rate); due > 0; due--)
        scenario_make(s);
}

/* Most of what is made is freed at once. */
static inline void step_leak_churn(struct scenario *s, unsigned step)
{
    (void)step;
    scenario_churn(s, 1 + (unsigned)scenario_random(s, 6));
    if (scenario_part(s) < s->rate / 3)
        scenario_make(s);
}

/* A cache of stable size, of which some entries are never dropped. */
static inline void begin_leak_cache(struct scenario *s)
{
    begin_any(s);
    s->limit = 50 + scenario_random(s, 100);
}

static inline void step_leak_cache(struct scenario *s, unsigned step)
{
    (void)step;
    scenario_make(s);
    if (s->count > s->limit) {
        if (scenario_part(s) < 0.3)
            s->limit++; /* this one is forgotten */
        else
            scenario_drop(s, s->count - 1 - scenario_random(s, 20));
    }
}

/* Much at the start, and a slow growth from then on. */
static inline void step_leak_warm(struct scenario *s, unsigned step)
{
    if (step < 60)
        for (int i = 0; i < 20; i++)
            scenario_make(s);
    else
        step_leak(s, step);
}

/* Batches that are freed but for a part. */
static inline void begin_batches(struct scenario *s)
{
    begin_any(s);
    s->period = 20 + (unsigned)scenario_random(s, 60);
    s->limit = 2 + scenario_random(s, 10);
}

static inline void step_leak_batches(struct scenario *s, unsigned step)
{
    scenario_make(s);
    if (step % s->period == s->period - 1)
        scenario_drop_all(s, (step / s->period + 1) * s->limit);
}

static inline void step_leak_bursts(struct scenario *s, unsigned step)
{
    if (step == s->phase) {
        for (uint64_t n = 10 + scenario_random(s, 20); n > 0; n--)
            scenario_make(s);
        s->phase += 20 + (unsigned)scenario_random(s, s->period * 2);
    }
}

static inline void step_leak_rare(struct scenario *s, unsigned step)
{
    (void)step;
    if (scenario_random(s, 40) == 0)
        scenario_make(s);
}

static inline void step_leak_faster(struct scenario *s, unsigned step)
{
    for (unsigned due = scenario_due(s, 2 * s->rate * step / SCENARIO_STEPS); due > 0; due--)
        scenario_make(s);
}

/* One block that becomes larger and larger. */
static inline void step_leak_realloc(struct scenario *s, unsigned step)
{
    if (s->count == 0)
        scenario_make(s);
    if (step % 7 == 0)
        s->blocks[0] = s->host.change(s->host.arg, s->blocks[0], (step + 1) * s->bytes);
}

/* Begins late. */
static inline void begin_late(struct scenario *s)
{
    begin_any(s);
    s->phase = SCENARIO_STEPS / 10 * (2 + (unsigned)scenario_random(s, 4));
}

static inline void step_leak_late(struct scenario *s, unsigned step)
{
    if (step > s->phase)
        step_leak(s, step);
}

/* ------------------------------------------------------------------ bounded */

/* Caches that are full after a twentieth to nine tenths of the time. */
static inline void begin_cache(struct scenario *s)
{
    begin_any(s);
    s->rate = scenario_between(s, 0.3, 3);
    s->limit = (size_t)(s->rate * SCENARIO_STEPS * scenario_between(s, 0.05, 0.9)) + 5;
}

static inline void step_cache_oldest(struct scenario *s, unsigned step)
{
    (void)step;
    for (unsigned due = scenario_due(s, s->rate); due > 0; due--) {
        if (s->count >= s->limit)
            scenario_drop(s, 0);
        scenario_make(s);
    }
}

static inline void step_cache_random(struct scenario *s, unsigned step)
{
    (void)step;
    for (unsigned due = scenario_due(s, s->rate); due > 0; due--) {
        scenario_make(s);
        if (s->count > s->limit)
            scenario_drop(s, scenario_random(s, s->count));
    }
}

/* When it is full, a part of it is thrown out. */
static inline void step_cache_bulk(struct scenario *s, unsigned step)
{
    (void)step;
    for (unsigned due = scenario_due(s, s->rate); due > 0; due--) {
        scenario_make(s);
        if (s->count > s->limit)
            for (size_t n = s->limit / 8 + 1; n > 0; n--)
                scenario_drop(s, 0);
    }
}

/* Entries live for a time of their own. */
static inline void begin_expiring(struct scenario *s)
{
    begin_any(s);
    s->rate = scenario_between(s, 0.3, 3);
    s->period = 50 + (unsigned)scenario_random(s, 400);
}

static inline void step_cache_expiring(struct scenario *s, unsigned step)
{
    for (size_t i = 0; i < s->count;)
        if (s->until[i] <= step)
            scenario_drop(s, i);
        else
            i++;
    for (unsigned due = scenario_due(s, s->rate); due > 0; due--) {
        scenario_make(s);
        s->until[s->count - 1] = step + s->period / 2 + (unsigned)scenario_random(s, s->period);
    }
}

/* The load goes up and down, three times or more over the run. */
static inline void step_cache_tides(struct scenario *s, unsigned step)
{
    double rate = s->rate;
    unsigned tide = SCENARIO_STEPS / (3 + s->period % 4), at = step % tide;
    double level = 2. * (at < tide / 2 ? at : tide - at) / tide; /* 0 .. 1 */
    s->rate = rate * (0.5 + level);
    step_cache_expiring(s, step);
    s->rate = rate;
}

/* Results of a number of keys are kept for good: fewer and fewer are new. */
static inline void begin_keys(struct scenario *s)
{
    begin_any(s);
    s->rate = scenario_between(s, 0.5, 3);
    s->limit = (size_t)(s->rate * SCENARIO_STEPS * scenario_between(s, 0.05, 0.33));
    if (s->limit > 4096)
        s->limit = 4096;
}

static inline void step_cache_keys(struct scenario *s, unsigned step)
{
    (void)step;
    for (unsigned due = scenario_due(s, s->rate); due > 0; due--) {
        uint64_t key = scenario_random(s, s->limit);
        if (!s->seen[key])
            scenario_make(s);
        s->seen[key] = true;
    }
}

/* A table of which a random place is replaced: empty at first, it fills ever more slowly. */
static inline void begin_slots(struct scenario *s)
{
    begin_any(s);
    s->rate = scenario_between(s, 0.3, 3);
    s->limit = (size_t)(s->rate * SCENARIO_STEPS * scenario_between(s, 0.03, 0.33)) + 3;
}

static inline void step_cache_slots(struct scenario *s, unsigned step)
{
    (void)step;
    for (unsigned due = scenario_due(s, s->rate); due > 0; due--) {
        uint64_t place = scenario_random(s, s->limit);
        if (place < s->count)
            scenario_drop(s, place);
        scenario_make(s);
    }
}

/* The same where a part only of what is put there is made at this call site. `until` has each
 * block's place + 1. */
static inline void step_cache_shared(struct scenario *s, unsigned step)
{
    (void)step;
    for (unsigned due = scenario_due(s, s->rate * 3); due > 0; due--) {
        unsigned place = 1 + (unsigned)scenario_random(s, s->limit * 3);
        for (size_t i = 0; i < s->count; i++)
            if (s->until[i] == place) {
                scenario_drop(s, i);
                break;
            }
        if (scenario_random(s, 4))
            continue;
        scenario_make(s);
        s->until[s->count - 1] = place;
    }
}

/* Places whose contents are replaced, in turn. */
static inline void step_cache_replaced(struct scenario *s, unsigned step)
{
    if (step == 0)
        for (size_t i = 0; i < 100; i++)
            scenario_make(s);
    scenario_drop(s, scenario_random(s, s->count));
    scenario_make(s);
}

/* ------------------------------------------------------------------ the others */

static inline void begin_start(struct scenario *s)
{
    begin_any(s);
    s->phase = 1 + (unsigned)scenario_random(s, SCENARIO_STEPS / 8);
    s->frees_at_end = false;
}

static inline void step_start(struct scenario *s, unsigned step)
{
    if (step < s->phase)
        for (int i = 0; i < 3; i++)
            scenario_make(s);
}

static inline void step_start_middle(struct scenario *s, unsigned step)
{
    unsigned from = SCENARIO_STEPS / 10 + s->phase * 3;
    if (step >= from && step < from + 100)
        scenario_make(s);
}

static inline void begin_shutdown(struct scenario *s)
{
    begin_start(s);
    s->frees_at_end = true;
}

static inline void begin_teeth(struct scenario *s)
{
    begin_any(s);
    s->period = 20 + (unsigned)scenario_random(s, 380);
}

static inline void step_teeth(struct scenario *s, unsigned step)
{
    for (unsigned due = scenario_due(s, s->rate + 0.5); due > 0; due--)
        scenario_make(s);
    if (step % s->period == s->period - 1)
        scenario_drop_all(s, 0);
}

static inline void step_temporary(struct scenario *s, unsigned step)
{
    (void)step;
    scenario_churn(s, 1 + (unsigned)scenario_random(s, 4));
}

/* Grows, then nothing more is made. */
static inline void begin_stopped(struct scenario *s)
{
    begin_any(s);
    s->phase = SCENARIO_STEPS / 20 * (7 + (unsigned)scenario_random(s, 9));
    s->frees_at_end = false;
}

static inline void step_stopped(struct scenario *s, unsigned step)
{
    if (step < s->phase)
        step_leak(s, step);
}

/* Made in one part of the run and freed in another. */
static inline void step_phase(struct scenario *s, unsigned step)
{
    if (step < 500)
        scenario_make(s);
    else if (step > 900 && s->count)
        scenario_drop(s, s->count - 1);
}

static const struct scenario_kind scenario_kinds[] = {
    {"leak", "growing", begin_any, step_leak},
    {"leak-churn", "growing", begin_any, step_leak_churn},
    {"leak-cache", "growing", begin_leak_cache, step_leak_cache},
    {"leak-warm", "growing", begin_any, step_leak_warm},
    {"leak-batches", "growing", begin_batches, step_leak_batches},
    {"leak-bursts", "growing", begin_batches, step_leak_bursts},
    {"leak-rare", "growing", begin_any, step_leak_rare},
    {"leak-faster", "growing", begin_any, step_leak_faster},
    {"leak-realloc", "growing", begin_any, step_leak_realloc},
    {"leak-late", "growing", begin_late, step_leak_late},
    {"cache-oldest", "bounded", begin_cache, step_cache_oldest},
    {"cache-random", "bounded", begin_cache, step_cache_random},
    {"cache-bulk", "bounded", begin_cache, step_cache_bulk},
    {"cache-expiring", "bounded", begin_expiring, step_cache_expiring},
    {"cache-tides", "bounded", begin_expiring, step_cache_tides},
    {"cache-keys", "bounded", begin_keys, step_cache_keys},
    {"cache-slots", "bounded", begin_slots, step_cache_slots},
    {"cache-shared", "bounded", begin_slots, step_cache_shared},
    {"cache-replaced", "bounded", begin_any, step_cache_replaced},
    {"start", "one-time", begin_start, step_start},
    {"start-middle", "one-time", begin_start, step_start_middle},
    {"start-freed", "shutdown", begin_shutdown, step_start},
    {"teeth", "sawtooth", begin_teeth, step_teeth},
    {"temporary", "temporary", begin_any, step_temporary},
    {"stopped", "stopped", begin_stopped, step_stopped},
    {"phase", "irregular", begin_any, step_phase},
};
#define SCENARIO_KINDS (sizeof scenario_kinds / sizeof scenario_kinds[0])

static inline void scenario_begin(struct scenario *s, const struct scenario_kind *kind,
                                  uint64_t seed, const struct scenario_host *host)
{
    memset(s, 0, sizeof *s);
    s->kind = kind;
    s->seed = seed * 0x9e3779b97f4a7c15ull + 1;
    s->host = *host;
    scenario_random(s, 2);
    kind->begin(s);
}

static inline void scenario_end(struct scenario *s)
{
    if (s->frees_at_end)
        scenario_drop_all(s, 0);
    free(s->blocks);
    free(s->until);
}

#endif
