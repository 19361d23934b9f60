/* SPDX-License-Identifier: MIT
 *
 * The heap model against an oracle that remembers every call of a random program and counts anew,
 * from the beginning, after each event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_trace.h"
#include "model/calls.h"
#include "model/heap.h"

#define THREADS 4

/* What the oracle remembers of a call: no event, no slot. */
struct call {
    enum { MADE, CHANGED, TAKEN, ENDED, FAILED, OTHER } what; /* TAKEN: a realloc's first place */
    uint32_t thread;
    int block; /* identity of the block, dense from 0 */
    uint64_t size;
    uint64_t time_ns;
    uint8_t kind;
    bool inherited, implied;
};

struct program {
    struct trace_reader trace;
    struct call calls[1200];
    int count, blocks;
    uint32_t slot_of[1200];        /* of live blocks */
    int live[1200], live_count;    /* blocks that may be freed now */
    struct trace_event pending[8]; /* reallocations between their places */
    int pending_block[8], pending_count;
    uint64_t now;
};

static const uint8_t makers[] = {SEEP_CALL_MALLOC, SEEP_CALL_CALLOC, SEEP_CALL_NEW,
                                 SEEP_CALL_NEW_ARRAY, SEEP_CALL_POSIX_MEMALIGN};
static const uint8_t enders[] = {SEEP_CALL_FREE, SEEP_CALL_DELETE, SEEP_CALL_DELETE_ARRAY,
                                 SEEP_CALL_FREE_SIZED};

static struct call *note(struct program *p, int what, uint32_t thread, int block, uint64_t size)
{
    struct call *c = &p->calls[p->count++];
    *c = (struct call){
        .what = what, .thread = thread, .block = block, .size = size, .time_ns = p->now};
    return c;
}

static int take_live(struct program *p)
{
    int at = (int)fake_random(&p->trace, (uint64_t)p->live_count), block = p->live[at];
    p->live[at] = p->live[--p->live_count];
    return block;
}

static uint32_t slot_of_last_event(const struct program *p)
{
    return p->trace.events[p->trace.count - 1].slot;
}

/* One random event. */
static void step(struct program *p)
{
    struct trace_reader *t = &p->trace;
    uint32_t thread = 1 + (uint32_t)fake_random(t, THREADS);
    uint64_t size = fake_random(t, 5000), roll = fake_random(t, 100);
    p->now += fake_random(t, 3);
    if (roll < 42) {
        struct call *c = note(p, MADE, thread, p->blocks, size);
        c->inherited = fake_random(t, 50) == 0;
        c->kind = makers[fake_random(t, sizeof makers)];
        p->slot_of[p->blocks] =
            fake_alloc(t, thread, p->now, 0, size, c->kind, c->inherited ? TRACE_INHERITED : 0);
        p->live[p->live_count++] = p->blocks++;
    } else if (roll < 75 && p->live_count) {
        /* mostly the youngest, so that temporary blocks are common */
        int block = fake_random(t, 2) ? p->live[--p->live_count] : take_live(p);
        struct call *c = note(p, ENDED, thread, block, 0);
        c->implied = fake_random(t, 20) == 0;
        c->kind = enders[fake_random(t, sizeof enders)];
        fake_free(t, thread, p->now, p->slot_of[block], c->kind, c->implied ? TRACE_IMPLIED : 0);
    } else if (roll < 82 && p->live_count) {
        int block = p->live[fake_random(t, (uint64_t)p->live_count)];
        note(p, CHANGED, thread, block, size)->kind = SEEP_CALL_REALLOC;
        fake_realloc(t, thread, p->now, 0, p->slot_of[block], size);
    } else if (roll < 88 && p->live_count && p->pending_count < 8) {
        int block = take_live(p);
        note(p, TAKEN, thread, block, 0)->kind = SEEP_CALL_REALLOC;
        p->pending_block[p->pending_count] = block;
        p->pending[p->pending_count++] = fake_realloc_out(t, thread, p->now, 0, p->slot_of[block]);
    } else if (roll < 94 && p->pending_count) {
        int block = p->pending_block[--p->pending_count];
        const struct trace_event *out = &p->pending[p->pending_count];
        note(p, CHANGED, out->thread, block, size)->kind = SEEP_CALL_REALLOC;
        fake_realloc_in(t, out, p->now, size);
        p->slot_of[block] = slot_of_last_event(p);
        p->live[p->live_count++] = block;
    } else if (roll < 96) {
        note(p, FAILED, thread, -1, size);
        fake_event(t, TRACE_FAILED, thread, p->now)->failed_size = size;
    } else {
        note(p, OTHER, thread, -1, 0);
        fake_event(t, roll < 98 ? TRACE_FREE_UNKNOWN : TRACE_BESIDE, thread, p->now);
    }
}

/* Size of `block` just after call `last`; false if it is not live then. */
static bool size_at(const struct program *p, int block, int last, uint64_t *size)
{
    for (int i = last; i >= 0; i--) {
        const struct call *c = &p->calls[i];
        if (c->block != block)
            continue;
        *size = c->size;
        return c->what == MADE || c->what == CHANGED;
    }
    return false;
}

/* The kind of the call that made or last changed the block before call `i`. */
static uint8_t maker_of(const struct program *p, int i)
{
    int block = p->calls[i].block;
    while (p->calls[--i].block != block || p->calls[i].what == TAKEN)
        ;
    return p->calls[i].kind;
}

/* Going back from the free: is the first allocation or reallocation by its thread the block's own,
 * before any by another thread gave the block its present form? */
static bool is_temporary(const struct program *p, int i)
{
    const struct call *end = &p->calls[i];
    for (int k = i - 1; k >= 0; k--) {
        const struct call *c = &p->calls[k];
        if (c->what != MADE && c->what != CHANGED)
            continue;
        if (c->block == end->block)
            return c->thread == end->thread && !c->inherited;
        if (c->thread == end->thread && !c->inherited)
            return false;
    }
    return false;
}

/* May `kind` end or change what `maker` made? Written out, as the C and C++ standards have it. */
static bool fits(uint8_t maker, uint8_t kind)
{
    if (maker == SEEP_CALL_NEW)
        return kind == SEEP_CALL_DELETE;
    if (maker == SEEP_CALL_NEW_ARRAY)
        return kind == SEEP_CALL_DELETE_ARRAY;
    return kind == SEEP_CALL_FREE || kind == SEEP_CALL_FREE_SIZED || kind == SEEP_CALL_REALLOC;
}

/* Everything up to and with call `last`, counted from nothing. */
static struct heap_totals count_calls(const struct program *p, int last, struct heap_totals before)
{
    struct heap_totals t = {.peak_live_bytes = before.peak_live_bytes,
                            .peak_live_blocks = before.peak_live_blocks,
                            .peak_time_ns = before.peak_time_ns};
    for (int i = 0; i <= last; i++) {
        const struct call *c = &p->calls[i];
        t.allocations += c->what == MADE && !c->inherited;
        t.inherited_blocks += c->what == MADE && c->inherited;
        t.inherited_bytes += c->what == MADE && c->inherited ? c->size : 0;
        t.frees += c->what == ENDED;
        t.reallocations += c->what == CHANGED;
        t.failed += c->what == FAILED;
        if ((c->what == MADE && !c->inherited) || c->what == CHANGED)
            t.allocated_bytes += c->size;
        if (c->what == ENDED)
            t.temporary += is_temporary(p, i);
        /* a reallocation in two places is judged where it begins */
        bool second_place = false;
        for (int k = i - 1; c->what == CHANGED && k >= 0; k--)
            if (p->calls[k].block == c->block) {
                second_place = p->calls[k].what == TAKEN;
                break;
            }
        if ((c->what == ENDED || c->what == TAKEN || (c->what == CHANGED && !second_place)) &&
            !c->implied)
            t.mismatched += !fits(maker_of(p, i), c->kind);
    }
    for (int block = 0; block < p->blocks; block++) {
        uint64_t size;
        if (!size_at(p, block, last, &size))
            continue;
        t.live_blocks++;
        t.live_bytes += size;
        t.live_usable_bytes += SEEP_USABLE_GLIBC(size);
    }
    if (t.live_bytes > t.peak_live_bytes) {
        t.peak_live_bytes = t.live_bytes;
        t.peak_live_blocks = t.live_blocks;
        t.peak_time_ns = p->calls[last].time_ns;
    }
    t.last_time_ns = p->calls[last].time_ns;
    return t;
}

static void agrees_with_oracle(void **state)
{
    (void)state;
    uint64_t temporary = 0, mismatched = 0, inherited = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct program *p = mem_zalloc(1, sizeof *p);
        fake_init(&p->trace, seed);
        while (p->count < 400)
            step(p);
        struct heap heap;
        heap_init(&heap);
        struct heap_totals expected = {0};
        struct trace_event ev = {0};
        for (int i = 0; i < p->count; i++) {
            assert_int_equal(trace_reader_next(&p->trace, &ev, NULL), SEEP_OK);
            heap_apply(&heap, &ev);
            uint64_t peak = expected.peak_live_bytes;
            expected = count_calls(p, i, expected);
            struct heap_totals got = heap.totals;
            got.peak_number = 0;
            assert_memory_equal(&got, &expected, sizeof got);
            assert_int_equal(heap_events(&got), got.allocations + got.frees + got.reallocations);
            if (expected.peak_live_bytes > peak)
                assert_int_equal(heap.totals.peak_number, ev.number);
        }
        assert_int_equal(trace_reader_next(&p->trace, &ev, NULL), SEEP_END);
        temporary += heap.totals.temporary;
        mismatched += heap.totals.mismatched;
        inherited += heap.totals.inherited_blocks;
        heap_release(&heap);
        fake_release(&p->trace);
        free(p);
    }
    /* the random programs did reach what is rare */
    assert_true(temporary > 50 && mismatched > 50 && inherited > 5);
}

/* Blocks of a pool, the first of them at the address of what it lies in, count among themselves. */
static void counts_pools_apart(void **state)
{
    (void)state;
    struct trace_reader t;
    struct heap heap;
    struct trace_event ev;
    fake_init(&t, 1);
    fake_alloc(&t, 1, 1, 0, 4096, SEEP_CALL_MALLOC, 0);
    uint32_t inherited = fake_alloc(&t, 1, 2, 0, 10, SEEP_CALL_POOL, TRACE_INHERITED);
    uint32_t around = fake_alloc(&t, 1, 3, 0, 100, SEEP_CALL_MALLOC, 0);
    uint32_t within = fake_alloc(&t, 1, 4, 0, 20, SEEP_CALL_POOL, 0);
    fake_free(&t, 1, 5, around, SEEP_CALL_FREE, 0); /* temporary: only a pool block came between */
    fake_free(&t, 1, 6, within, SEEP_CALL_POOL, 0);
    fake_alloc(&t, 1, 7, 0, 30, SEEP_CALL_POOL, 0);
    fake_free(&t, 1, 8, inherited, SEEP_CALL_POOL, 0);
    heap_init(&heap);
    while (trace_reader_next(&t, &ev, NULL) == SEEP_OK)
        heap_apply(&heap, &ev);
    const struct heap_totals *h = &heap.totals, *p = &heap.pools;
    for (int again = 0; again < 2; again++) {
        assert_int_equal(h->live_blocks, 1);
        assert_int_equal(h->live_bytes, 4096);
        assert_int_equal(p->live_blocks, 1);
        assert_int_equal(p->live_bytes, 30);
        heap_resync(&heap, &t);
    }
    assert_int_equal(heap_events(h), 3);
    assert_int_equal(h->temporary, 1);
    assert_int_equal(h->inherited_blocks, 0);
    assert_int_equal(h->peak_live_bytes, 4196);
    assert_int_equal(h->allocated_bytes, 4196);
    assert_int_equal(heap_events(p), 4);
    assert_int_equal(p->temporary, 1);
    assert_int_equal(p->inherited_blocks, 1);
    assert_int_equal(p->peak_live_bytes, 40);
    assert_int_equal(p->allocated_bytes, 50);
    assert_true(heap_is_used(p));
    heap_release(&heap);
    fake_release(&t);
}

static void resyncs_after_a_gap(void **state)
{
    (void)state;
    struct trace_reader t;
    struct heap heap;
    struct trace_event ev;
    fake_init(&t, 1);
    for (uint64_t i = 0; i < 10; i++)
        fake_alloc(&t, 1, i, 0, 100 + i, SEEP_CALL_MALLOC, 0);
    fake_gap(&t, 20, 4);
    fake_free(&t, 1, 30, 9, SEEP_CALL_FREE, 0);
    heap_init(&heap);
    while (trace_reader_next(&t, &ev, NULL) == SEEP_OK) {
        heap_apply(&heap, &ev);
        if (ev.type == TRACE_GAP) {
            assert_int_equal(heap.totals.live_blocks, 10); /* wrong until */
            heap_resync(&heap, &t);
            assert_int_equal(heap.totals.live_blocks, 6);
            assert_int_equal(heap.totals.live_bytes, 104 + 105 + 106 + 107 + 108 + 109);
        }
    }
    assert_int_equal(heap.totals.live_blocks, 5);
    assert_int_equal(heap.totals.live_bytes, 104 + 105 + 106 + 107 + 108);
    assert_int_equal(heap.totals.live_usable_bytes, 104 + 4 * 120);
    assert_int_equal(heap.totals.frees, 1);
    assert_int_equal(heap.totals.peak_live_bytes, 1045);
    heap_release(&heap);
    heap_release(&heap);
    heap_release(NULL);
    fake_release(&t);
}

static void tells_which_calls_fit(void **state)
{
    (void)state;
    static const struct {
        uint8_t maker, ender;
        bool mismatch;
    } cases[] = {
        {SEEP_CALL_MALLOC, SEEP_CALL_FREE, false},
        {SEEP_CALL_ALIGNED_ALLOC, SEEP_CALL_FREE, false},
        {SEEP_CALL_REALLOC, SEEP_CALL_FREE_SIZED, false},
        {SEEP_CALL_NEW, SEEP_CALL_DELETE, false},
        {SEEP_CALL_NEW_ARRAY, SEEP_CALL_DELETE_ARRAY, false},
        {SEEP_CALL_MALLOCX, SEEP_CALL_DALLOCX, false},
        {SEEP_CALL_MALLOCX, SEEP_CALL_FREE, false},
        {SEEP_CALL_POOL, SEEP_CALL_FREE, false},
        {SEEP_CALL_MALLOC, 200, false},
        {SEEP_CALL_MALLOC, SEEP_CALL_DELETE, true},
        {SEEP_CALL_NEW, SEEP_CALL_FREE, true},
        {SEEP_CALL_NEW, SEEP_CALL_DELETE_ARRAY, true},
        {SEEP_CALL_NEW_ARRAY, SEEP_CALL_DELETE, true},
        {SEEP_CALL_NEW, SEEP_CALL_REALLOC, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(call_mismatch(cases[i].maker, cases[i].ender), cases[i].mismatch);
    for (int call = 0; call < 256; call++) {
        const char *name = call_name((uint8_t)call);
        if (strcmp(name, "unknown") != 0)
            assert_int_equal(call_by_name(name), call);
    }
    assert_int_equal(call_by_name("new[]"), SEEP_CALL_NEW_ARRAY);
    assert_int_equal(call_by_name("unknown"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_oracle),
        cmocka_unit_test(counts_pools_apart),
        cmocka_unit_test(resyncs_after_a_gap),
        cmocka_unit_test(tells_which_calls_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
