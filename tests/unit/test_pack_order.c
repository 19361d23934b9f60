/* SPDX-License-Identifier: MIT
 *
 * Random programs of many threads, simulated with one clock, so that their true order is known;
 * written as a spool; packed; the trace must tell the same story.
 *
 * The simulation moves one thread by one step at each tick. A free is stamped in one step and gives
 * the address back in the next; an allocation takes an address, is stamped, and writes its row in
 * three; a reallocation likewise with a stamp at either end. A thread may be interrupted between
 * any two steps by a handler that does the same. The allocator hands addresses out again at once,
 * to whoever asks. */
#include "packed.h"
#include "spool_builder.h"
#include "trace/pack.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 12
#define NEST_MAX 3
#define ADDRESSES 400
#define STACKS 60
#define STACK_DEPTH 5

static uint64_t seed;

static uint32_t roll(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % below;
}

/* ------------------------------------------------------------------ the true order */

struct truth {
    enum trace_event_type type; /* REALLOC: at its end; REALLOC_OUT: its start */
    uint64_t stamp;
    uint64_t address, old_address, size, usable;
    uint64_t partner; /* stamp of the other end of a reallocation */
    uint32_t thread, stack, alignment;
    uint8_t call;
    bool repaired;
};

enum step { STEP_NONE, STEP_TAKE, STEP_STAMP, STEP_WRITE, STEP_GIVE };

struct hook {
    enum step step;
    struct truth t;
};

struct thread {
    uint32_t lane, number;
    struct hook hooks[NEST_MAX]; /* the outermost first */
    uint32_t depth;
};

struct simulation {
    struct spool_builder b;
    uint64_t now;
    struct thread threads[THREADS_MAX];
    uint32_t thread_count;
    uint64_t pool[ADDRESSES]; /* free ones, the youngest last */
    uint32_t pool_count;
    struct {
        uint64_t address;
        uint32_t owner; /* lane */
    } live[ADDRESSES];
    uint32_t live_count;
    struct truth *truth;
    size_t truth_count, truth_capacity;
    uint64_t frames[STACKS][STACK_DEPTH]; /* leaf first */
    uint32_t ids[STACKS];                 /* recorder's, 0: not defined yet */
    uint32_t next_id;
    uint32_t root_id;
};

static void add_truth(struct simulation *s, const struct truth *t)
{
    if (s->truth_count == s->truth_capacity) {
        s->truth_capacity = s->truth_capacity ? 2 * s->truth_capacity : 1024;
        s->truth = realloc(s->truth, s->truth_capacity * sizeof *s->truth);
    }
    s->truth[s->truth_count++] = *t;
}

/* The recorder's id of stack `n`, defined by this lane if nobody has; now and then a second time.
 */
static uint32_t stack_id(struct simulation *s, uint32_t lane, uint32_t n)
{
    if (s->root_id == 0) {
        s->root_id = s->next_id++;
        sb_root(&s->b, lane, s->root_id, 0);
    }
    if (s->ids[n] == 0 || roll(200) == 0) {
        uint32_t parent = s->root_id;
        for (int i = STACK_DEPTH - 1; i >= 0; i--) {
            sb_stack(&s->b, lane, s->next_id, parent, s->frames[n][i], 0);
            parent = s->next_id++;
        }
        s->ids[n] = parent;
    }
    return s->ids[n];
}

static void begin_hook(struct simulation *s, struct thread *th, struct hook *h)
{
    memset(h, 0, sizeof *h);
    struct truth *t = &h->t;
    t->thread = th->number;
    t->stack = roll(STACKS);
    t->size = roll(3) ? roll(200) : roll(1000000);
    t->usable = roll(4) ? SEEP_USABLE_GLIBC(t->size) : t->size + roll(64);
    uint32_t what = roll(100);
    if (s->live_count == 0 || (what < 45 && s->pool_count > 20)) {
        t->type = TRACE_ALLOC;
        t->call = roll(3) ? SEEP_CALL_MALLOC : SEEP_CALL_NEW;
        t->alignment = roll(20) ? 0 : 64;
        h->step = STEP_TAKE;
        return;
    }
    uint32_t i = roll(s->live_count);
    t->old_address = s->live[i].address;
    s->live[i] = s->live[--s->live_count];
    if (what < 85) {
        t->type = TRACE_FREE;
        t->address = t->old_address;
        t->size = t->usable = 0;
        t->call = roll(3) ? SEEP_CALL_FREE : SEEP_CALL_DELETE;
        h->step = STEP_STAMP;
        return;
    }
    t->type = TRACE_REALLOC;
    t->call = SEEP_CALL_REALLOC;
    h->step = STEP_STAMP;
}

static void write_row(struct simulation *s, struct thread *th, const struct truth *t)
{
    struct builder_block block = {t->address, t->size, t->usable, t->alignment, t->call};
    if (t->type == TRACE_FREE)
        sb_free(&s->b, th->lane, t->stamp, t->call, t->address);
    else if (t->type == TRACE_ALLOC)
        sb_alloc(&s->b, th->lane, t->stamp, stack_id(s, th->lane, t->stack), &block);
    else
        sb_realloc(&s->b, th->lane, t->partner, t->stamp, stack_id(s, th->lane, t->stack),
                   t->old_address, &block);
    if (roll(150) == 0)
        sb_flush(&s->b, th->lane);
}

static void step(struct simulation *s, struct thread *th)
{
    struct hook *h = &th->hooks[th->depth - 1];
    struct truth *t = &h->t;
    switch (h->step) {
    case STEP_TAKE:
        t->address = s->pool[--s->pool_count];
        h->step = STEP_STAMP;
        return;
    case STEP_STAMP:
        if (t->type == TRACE_REALLOC && t->partner == 0) {
            t->partner = s->now;
            struct truth start = *t;
            start.type = TRACE_REALLOC_OUT;
            start.stamp = s->now;
            start.address = t->old_address;
            add_truth(s, &start);
            h->step = STEP_GIVE;
            return;
        }
        t->stamp = s->now;
        add_truth(s, t);
        h->step = STEP_WRITE;
        return;
    case STEP_GIVE:
        if (t->type == TRACE_FREE) {
            s->pool[s->pool_count++] = t->address;
            th->depth--;
            return;
        }
        if (roll(3) == 0) { /* in place */
            t->address = t->old_address;
        } else { /* the old address is free for others before this one returns */
            t->address = s->pool[--s->pool_count];
            s->pool[s->pool_count++] = t->old_address;
        }
        h->step = STEP_STAMP;
        return;
    case STEP_WRITE:
        write_row(s, th, t);
        if (t->type == TRACE_FREE) {
            h->step = STEP_GIVE;
            return;
        }
        s->live[s->live_count].address = t->address;
        s->live[s->live_count++].owner = th->lane;
        th->depth--;
        return;
    case STEP_NONE: return;
    }
}

static void simulate(struct simulation *s, const char *path, uint32_t threads, uint32_t ticks)
{
    memset(s, 0, sizeof *s);
    sb_begin(&s->b, path);
    s->b.tail_bytes = 600 + roll(8000);
    s->now = s->b.control.start_stamp + 1;
    s->next_id = 1;
    s->thread_count = threads;
    for (uint32_t i = 0; i < ADDRESSES; i++)
        s->pool[s->pool_count++] = 0x1000 + (uint64_t)i * 64 + (roll(50) == 0);
    for (uint32_t i = 0; i < STACKS; i++)
        for (uint32_t k = 0; k < STACK_DEPTH; k++)
            s->frames[i][k] = 0x400000 + (i >> k) * 16 + k;
    for (uint32_t i = 0; i < threads; i++) {
        s->threads[i].number = i + 1;
        s->threads[i].lane = sb_lane(&s->b, i + 1);
        sb_thread(&s->b, s->threads[i].lane, s->now++, i + 1, 1000 + i, "worker");
    }
    for (uint32_t tick = 0; tick < ticks; tick++) {
        s->now += 1 + roll(8) * roll(8);
        struct thread *th = &s->threads[roll(4) ? roll(threads) : 0];
        if (th->depth == 0 || (th->depth < NEST_MAX && roll(30) == 0))
            begin_hook(s, th, &th->hooks[th->depth++]);
        step(s, th);
    }
    for (uint32_t i = 0; i < threads; i++) /* nobody is left inside a hook */
        while (s->threads[i].depth > 0) {
            s->now += 3;
            step(s, &s->threads[i]);
        }
}

/* ------------------------------------------------------------------ what must come out */

/* A reallocation is two events where anything happened on its old address between its ends; the
 * first of them stands right before that. `truth` holds both of its ends. */
static size_t expected_events(const struct simulation *s, struct truth **out)
{
    struct truth *list = calloc(s->truth_count, sizeof *list);
    bool *split = calloc(s->truth_count, sizeof *split);         /* by place of the REALLOC_OUT */
    size_t *before = calloc(s->truth_count + 1, sizeof *before); /* 1 + place of an OUT due first */
    size_t count = 0;
    for (size_t i = 0; i < s->truth_count; i++) {
        const struct truth *t = &s->truth[i];
        if (t->type != TRACE_REALLOC_OUT)
            continue;
        for (size_t k = i + 1; k < s->truth_count; k++) {
            const struct truth *u = &s->truth[k];
            if (u->type == TRACE_REALLOC && u->partner == t->stamp)
                break;
            if (u->address == t->address) {
                split[i] = true;
                before[k] = i + 1;
                break;
            }
        }
    }
    for (size_t i = 0; i < s->truth_count; i++) {
        if (before[i] != 0)
            list[count++] = s->truth[before[i] - 1];
        struct truth t = s->truth[i];
        if (t.type == TRACE_REALLOC_OUT)
            continue;
        if (t.type == TRACE_REALLOC) {
            for (size_t k = i; k-- > 0;) {
                if (s->truth[k].type == TRACE_REALLOC_OUT && s->truth[k].stamp == t.partner) {
                    if (split[k])
                        t.type = TRACE_REALLOC_IN;
                    break;
                }
            }
        }
        list[count++] = t;
    }
    free(split);
    free(before);
    *out = list;
    return count;
}

static void check_stack(const struct simulation *s, const struct packed *p, uint32_t stack,
                        uint32_t truth)
{
    uint64_t pcs[STACK_DEPTH + 1];
    assert_int_equal(packed_frames(p, stack, pcs, STACK_DEPTH + 1), STACK_DEPTH);
    assert_memory_equal(pcs, s->frames[truth], sizeof s->frames[truth]);
}

static void check_event(const struct simulation *s, const struct packed *p,
                        const struct trace_event *ev, const struct truth *t)
{
    assert_int_equal(ev->type, t->type);
    assert_int_equal(ev->thread, t->thread);
    assert_int_equal(ev->call, t->call);
    bool enters = t->type == TRACE_ALLOC || t->type == TRACE_REALLOC || t->type == TRACE_REALLOC_IN;
    if (enters) {
        assert_int_equal(ev->after.address, t->address);
        assert_int_equal(ev->after.size, t->size);
        assert_int_equal(ev->after.usable, t->usable);
        assert_int_equal(ev->after.alignment, t->alignment);
        check_stack(s, p, ev->stack, t->stack);
    }
    if (t->type == TRACE_FREE || t->type == TRACE_REALLOC_OUT)
        assert_int_equal(ev->before.address, t->address);
    if (t->type == TRACE_REALLOC || t->type == TRACE_REALLOC_IN)
        assert_int_equal(ev->before.address, t->old_address);
}

static void check_stacks_are_folded(const struct packed *p)
{
    for (uint32_t i = 1; i <= p->stack_count; i++) {
        assert_true(p->stacks[i].parent < i);
        for (uint32_t k = 1; k < i; k++)
            assert_false(p->stacks[i].pc == p->stacks[k].pc &&
                         p->stacks[i].parent == p->stacks[k].parent &&
                         p->stacks[i].flags == p->stacks[k].flags);
    }
}

static void check(const struct simulation *s, const struct packed *p, bool times)
{
    struct truth *expected;
    size_t count = expected_events(s, &expected), at = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct trace_event *ev = &p->events[i];
        if (ev->type == TRACE_BESIDE)
            continue;
        assert_true(at < count);
        check_event(s, p, ev, &expected[at]);
        assert_int_equal(!!(ev->flags & TRACE_REPAIRED), expected[at].repaired);
        if (times && ev->type != TRACE_REALLOC_OUT) {
            double ns = (double)(expected[at].stamp - s->b.control.start_stamp) / 2;
            assert_true((double)ev->time_ns > ns - 1002 && (double)ev->time_ns < ns + 1002);
        }
        at++;
    }
    assert_int_equal(at, count);
    assert_int_equal(p->summary.lost_damaged, 0);
    assert_int_equal(p->summary.raced, 0);
    assert_int_equal(p->summary.unknown_frees, 0);
    assert_int_equal(p->thread_count, s->thread_count);
    for (uint32_t i = 0; i < s->thread_count; i++) {
        assert_int_equal(p->threads[i].tid, 1000 + i);
        assert_string_equal(p->threads[i].name, "worker");
    }
    check_stacks_are_folded(p);
    free(expected);
}

static void pack_and_load(const char *directory, struct packed *p)
{
    char spool[300], trace[300];
    snprintf(spool, sizeof spool, "%s/a.spool", directory);
    snprintf(trace, sizeof trace, "%s/a.seep", directory);
    struct err err = {0};
    enum seep_err e = pack_spool(spool, trace, NULL, &err);
    if (e != SEEP_OK)
        fail_msg("%s", err.message);
    assert_int_not_equal(access(spool, F_OK), 0);
    packed_load(p, trace);
    assert_int_equal(unlink(trace), 0);
}

static void run_simulations(uint32_t threads, uint32_t rounds, uint32_t ticks)
{
    char directory[] = "/tmp/seep-test-XXXXXX", path[300];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/a.spool", directory);
    static struct simulation s;
    struct packed p;
    for (uint32_t round = 0; round < rounds; round++) {
        seed = 0x123456789 + round * 977 + threads;
        simulate(&s, path, threads, ticks);
        sb_finish(&s.b);
        pack_and_load(directory, &p);
        check(&s, &p, true);
        assert_int_equal(p.summary.repaired, 0);
        packed_release(&p);
        free(s.truth);
    }
    assert_int_equal(rmdir(directory), 0);
}

static void one_thread_in_order(void **state)
{
    (void)state;
    run_simulations(1, 20, 5000);
}

static void many_threads_in_order(void **state)
{
    (void)state;
    run_simulations(2, 10, 8000);
    run_simulations(THREADS_MAX, 10, 20000);
}

/* ------------------------------------------------------------------ clocks that disagree */

/* A free by one thread and the allocation by another that got its address, with the stamps of the
 * two exchanged: must come out in the true order, the free marked as repaired. Rows are written
 * from a list, whose stamps are changed first. */
static void swapped_stamps_are_repaired(void **state)
{
    (void)state;
    char directory[] = "/tmp/seep-test-XXXXXX", path[300];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/a.spool", directory);
    seed = 99;
    struct spool_builder b;
    sb_begin(&b, path);
    sb_lane(&b, 1);
    sb_lane(&b, 2);
    uint64_t now = b.control.start_stamp + 10;
    uint32_t swapped = 0, rounds = 2000;
    bool *was_swapped = calloc(rounds, sizeof *was_swapped);
    for (uint32_t i = 0; i < rounds; i++) {
        /* lane 0 allocates and frees, lane 1 gets the address and frees it */
        struct builder_block block = {.address = 0x5000, .size = i};
        sb_alloc(&b, 0, now, 0, &block);
        uint64_t freed = now + 100, taken = now + 120;
        was_swapped[i] = roll(3) == 0;
        swapped += was_swapped[i];
        if (was_swapped[i]) {
            freed = now + 120;
            taken = now + 100;
        }
        block.size = 1000000 + i;
        sb_free(&b, 0, freed, SEEP_CALL_FREE, 0x5000);
        sb_alloc(&b, 1, taken, 0, &block);
        sb_free(&b, 1, now + 30000, SEEP_CALL_FREE, 0x5000);
        now += 60000;
    }
    sb_finish(&b);
    struct packed p;
    pack_and_load(directory, &p);
    assert_int_equal(p.count, 4 * rounds);
    for (uint32_t i = 0; i < rounds; i++) {
        const struct trace_event *ev = &p.events[4 * i];
        assert_int_equal(ev[0].type, TRACE_ALLOC);
        assert_int_equal(ev[0].after.size, i);
        assert_int_equal(ev[1].type, TRACE_FREE);
        assert_int_equal(ev[1].before.size, i);
        assert_int_equal(ev[1].flags, was_swapped[i] ? TRACE_REPAIRED : 0);
        assert_int_equal(ev[2].type, TRACE_ALLOC);
        assert_int_equal(ev[2].after.size, 1000000 + i);
        assert_int_equal(ev[3].type, TRACE_FREE);
        assert_int_equal(ev[3].before.size, 1000000 + i);
    }
    assert_int_equal(p.summary.repaired, swapped);
    assert_int_equal(p.summary.raced, 0);
    assert_int_equal(p.summary.unknown_frees, 0);
    packed_release(&p);
    free(was_swapped);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_in_order),
        cmocka_unit_test(many_threads_in_order),
        cmocka_unit_test(swapped_stamps_are_repaired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
