/* SPDX-License-Identifier: MIT
 *
 * Scripts for replays: random traces against a list of what was told, thread by thread and in all;
 * what large blocks are taken to have touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_trace.h"
#include "replay/script.h"
#include "seep/memory_snapshot.h"

#include <unistd.h>

#define THREADS 5
#define BLOCKS 300
#define MS 1000000u

/* What a call does, and to which block: blocks have numbers of their own. */
struct told {
    uint32_t thread; /* from 0 */
    uint8_t kind;    /* enum seep_replay_kind */
    uint64_t size;
    uint32_t block;
};

struct list {
    struct told *all;
    size_t count, capacity;
};

static void tell(struct list *l, uint32_t thread, uint8_t kind, uint64_t size, uint32_t block)
{
    MEM_GROW(l->all, l->capacity, l->count + 1);
    l->all[l->count++] = (struct told){thread, kind, size, block};
}

/* ------------------------------------------------------------------ reading a script back */

struct decoded {
    struct seep_replay_header header;
    struct seep_replay_op *ops; /* with the header in front */
    uint64_t *chains;
};

static void take(int fd, void *out, size_t bytes, uint64_t offset)
{
    assert_int_equal(pread(fd, out, bytes, (off_t)offset), (ssize_t)bytes);
}

static void decode(struct decoded *d, const struct script *s)
{
    take(s->fd, &d->header, sizeof d->header, 0);
    assert_true(d->header.magic == SEEP_REPLAY_MAGIC);
    assert_memory_equal(&d->header, &s->header, sizeof d->header);
    d->ops = mem_alloc(d->header.op_count * sizeof *d->ops);
    take(s->fd, d->ops, d->header.op_count * sizeof *d->ops, 0);
    d->chains = mem_alloc(d->header.thread_count * sizeof *d->chains);
    take(s->fd, d->chains, d->header.thread_count * sizeof *d->chains, d->header.chains_offset);
}

static void decoded_release(struct decoded *d)
{
    free(d->ops);
    free(d->chains);
}

/* Carries the script out with numbers for blocks, as seep-replay does with addresses. */
struct machine {
    uint32_t *slots;
    uint64_t *turns;
    uint32_t slot_count, made;
    uint32_t self; /* whose turn it is */
    bool started[THREADS + 1], ended[THREADS + 1];
    struct list calls;
};

static uint32_t *slot_of(struct machine *m, uint32_t slot)
{
    return &m->slots[slot & SEEP_REPLAY_FLIGHT ? (slot & ~SEEP_REPLAY_FLIGHT) + m->slot_count
                                               : slot];
}

static void carry_out(struct machine *m, const struct seep_replay_op *op)
{
    uint32_t *slot = slot_of(m, op->slot);
    uint64_t size = seep_replay_size(op);
    if (op->kind <= SEEP_REPLAY_MOVE)
        assert_true(m->turns[op->slot]++ == seep_replay_turn(op));
    switch (op->kind) {
    case SEEP_REPLAY_MALLOC:
    case SEEP_REPLAY_CALLOC:
    case SEEP_REPLAY_ALIGNED:
        assert_true(*slot == 0);
        *slot = ++m->made;
        tell(&m->calls, m->self, op->kind, size, *slot);
        break;
    case SEEP_REPLAY_REALLOC:
        assert_true(*slot != 0);
        tell(&m->calls, m->self, op->kind, size, *slot);
        break;
    case SEEP_REPLAY_FREE:
        assert_true(*slot != 0);
        tell(&m->calls, m->self, op->kind, 0, *slot);
        *slot = 0;
        break;
    case SEEP_REPLAY_MOVE: {
        uint32_t *flight = slot_of(m, (uint32_t)size | SEEP_REPLAY_FLIGHT);
        uint32_t *from = op->align_log2 ? flight : slot, *to = op->align_log2 ? slot : flight;
        assert_true(*from != 0 && *to == 0);
        *to = *from;
        *from = 0;
        break;
    }
    case SEEP_REPLAY_TOUCH: assert_true(*slot != 0); break;
    case SEEP_REPLAY_START:
        assert_false(m->started[op->slot]);
        m->started[op->slot] = true;
        break;
    case SEEP_REPLAY_TURN:
        assert_true(m->started[op->slot] && !m->ended[op->slot]);
        m->self = op->slot;
        break;
    case SEEP_REPLAY_FINISH:
        assert_int_equal(op[1].kind, SEEP_REPLAY_TURN);
        m->ended[m->self] = true;
        break;
    default: break;
    }
}

static struct list carry_out_all(const struct decoded *d)
{
    struct machine m = {.slot_count = d->header.slot_count, .self = d->header.main_thread};
    m.slots =
        mem_zalloc((size_t)d->header.slot_count + d->header.flight_count + 1, sizeof *m.slots);
    m.turns = mem_zalloc((size_t)d->header.slot_count + 1, sizeof *m.turns);
    m.started[m.self] = true;
    size_t at = sizeof d->header / sizeof d->ops[0];
    for (; at < d->header.op_count; at++)
        carry_out(&m, &d->ops[at]);
    assert_int_equal(d->ops[at - 1].kind, SEEP_REPLAY_END);
    assert_int_equal(m.self, d->header.main_thread);
    free(m.slots);
    free(m.turns);
    return m.calls;
}

/* Each thread's chain of turns leads to its own calls, and to all of them. */
static void check_chains(const struct decoded *d, const struct list *told)
{
    for (uint32_t thread = 0; thread < d->header.thread_count; thread++) {
        size_t next = 0;
        for (uint64_t at = d->chains[thread]; at; at = d->ops[at].value) {
            assert_int_equal(d->ops[at].kind, SEEP_REPLAY_TURN);
            assert_int_equal(d->ops[at].slot, thread);
            for (uint64_t i = at + 1; i < d->header.op_count && d->ops[i].kind != SEEP_REPLAY_TURN;
                 i++) {
                if (d->ops[i].kind > SEEP_REPLAY_FREE)
                    continue;
                while (next < told->count && told->all[next].thread != thread)
                    next++;
                assert_true(next < told->count);
                assert_int_equal(told->all[next++].kind, d->ops[i].kind);
            }
        }
        while (next < told->count && told->all[next].thread != thread)
            next++;
        assert_true(next == told->count);
    }
}

/* ------------------------------------------------------------------ random traces */

struct random_trace {
    struct trace_reader reader;
    struct list told;
    uint32_t slots[BLOCKS], blocks[BLOCKS]; /* of live blocks: slot, number */
    size_t live;
    uint32_t made;
    uint64_t time_ns;
};

static void add_one(struct random_trace *t)
{
    static const uint8_t calls[] = {SEEP_CALL_MALLOC, SEEP_CALL_CALLOC, SEEP_CALL_NEW,
                                    SEEP_CALL_MEMALIGN};
    struct trace_reader *r = &t->reader;
    uint32_t thread = (uint32_t)fake_random(r, THREADS);
    uint64_t what = fake_random(r, 10);
    size_t at = t->live ? fake_random(r, t->live) : 0;
    t->time_ns += fake_random(r, 50) == 0 ? 5 * MS : 1000;
    if ((what < 5 && t->live < BLOCKS) || t->live == 0) {
        uint8_t call = calls[fake_random(r, 4)];
        uint64_t size = fake_random(r, 20) ? fake_random(r, 500) : 40000 + fake_random(r, 100000);
        uint8_t kind = call == SEEP_CALL_CALLOC     ? SEEP_REPLAY_CALLOC
                       : call == SEEP_CALL_MEMALIGN ? SEEP_REPLAY_ALIGNED
                                                    : SEEP_REPLAY_MALLOC;
        t->slots[t->live] = fake_alloc(r, thread + 1, t->time_ns, 0, size, call, 0);
        if (kind == SEEP_REPLAY_ALIGNED)
            r->events[r->count - 1].after.alignment = 64;
        t->blocks[t->live++] = ++t->made;
        tell(&t->told, thread, kind, size, t->made);
    } else if (what < 8) {
        fake_free(r, thread + 1, t->time_ns, t->slots[at], SEEP_CALL_FREE, 0);
        tell(&t->told, thread, SEEP_REPLAY_FREE, 0, t->blocks[at]);
        t->slots[at] = t->slots[--t->live];
        t->blocks[at] = t->blocks[t->live];
    } else if (what < 9) {
        uint64_t size = fake_random(r, 60000);
        fake_realloc(r, thread + 1, t->time_ns, 0, t->slots[at], size);
        tell(&t->told, thread, SEEP_REPLAY_REALLOC, size, t->blocks[at]);
    } else { /* another block is made in its place before it enters again */
        uint64_t size = fake_random(r, 600);
        struct trace_event out = fake_realloc_out(r, thread + 1, t->time_ns, 0, t->slots[at]);
        uint32_t other = (thread + 1) % THREADS;
        uint32_t slot = fake_alloc(r, other + 1, t->time_ns, 0, 100, SEEP_CALL_MALLOC, 0);
        tell(&t->told, other, SEEP_REPLAY_MALLOC, 100, ++t->made);
        fake_realloc_in(r, &out, t->time_ns, size);
        t->slots[at] = r->events[r->count - 1].slot;
        tell(&t->told, thread, SEEP_REPLAY_REALLOC, size, t->blocks[at]);
        fake_free(r, other + 1, t->time_ns, slot, SEEP_CALL_FREE, 0);
        tell(&t->told, other, SEEP_REPLAY_FREE, 0, t->made);
    }
}

static void begin(struct random_trace *t, uint64_t seed)
{
    *t = (struct random_trace){0};
    fake_init(&t->reader, seed);
    t->reader.facts.pid = 7;
    for (uint32_t i = 0; i < THREADS; i++)
        fake_thread(&t->reader, 5 + i, ""); /* the third is the main thread */
}

static void write_script(struct script *s, struct trace_reader *r, unsigned scale)
{
    struct recorded recorded;
    struct large large;
    large_init(&large, &r->dict);
    assert_int_equal(recorded_read(&recorded, &large, r, NULL, NULL, NULL), SEEP_OK);
    assert_int_equal(script_write(s, r, &recorded, &large, scale, NULL, NULL, NULL, NULL), SEEP_OK);
    recorded_release(&recorded);
    large_release(&large);
}

static void test_random_traces(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random_trace t;
        struct script script;
        struct decoded d;
        begin(&t, seed);
        for (int i = 0; i < 3000; i++)
            add_one(&t);
        write_script(&script, &t.reader, 1);
        decode(&d, &script);
        assert_int_equal(d.header.main_thread, 2);
        struct list done = carry_out_all(&d);
        assert_int_equal(done.count, t.told.count);
        for (size_t i = 0; i < done.count; i++) {
            assert_int_equal(done.all[i].thread, t.told.all[i].thread);
            assert_int_equal(done.all[i].kind, t.told.all[i].kind);
            assert_true(done.all[i].size == t.told.all[i].size);
            assert_int_equal(done.all[i].block, t.told.all[i].block);
        }
        check_chains(&d, &t.told);
        free(done.all);
        free(t.told.all);
        decoded_release(&d);
        script_release(&script);
        fake_release(&t.reader);
    }
}

static void test_scale_takes_a_part_of_each_size(void **state)
{
    (void)state;
    struct random_trace t;
    struct script script;
    begin(&t, 3);
    for (int i = 0; i < 400; i++) {
        uint32_t slot = fake_alloc(&t.reader, 3, 1000, 0, i % 2 ? 64 : 5000, SEEP_CALL_MALLOC, 0);
        if (i < 40)
            fake_free(&t.reader, 3, 2000, slot, SEEP_CALL_FREE, 0);
    }
    write_script(&script, &t.reader, 4);
    assert_int_equal(script.header.calls[SEEP_REPLAY_MALLOC], 100);
    assert_int_equal(script.header.calls[SEEP_REPLAY_FREE], 10);
    script_release(&script);
    fake_release(&t.reader);
}

/* ------------------------------------------------------------------ what is touched */

/* A MAPPINGS record of one mapping, from its start resident for so many pages. */
static void tell_mappings(struct trace_reader *r, uint64_t time_ns, uint64_t start, uint64_t pages,
                          uint64_t resident, uint8_t *room)
{
    uint8_t *p = room;
    const uint64_t words[] = {
        4096, 1, start / 4096, pages, 3, 0, 1, resident << 2 | SEEP_PAGE_RESIDENT};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        p = seep_put_varint(p, words[i]);
    struct trace_event *ev = fake_event(r, TRACE_BESIDE, 0, time_ns);
    ev->beside = (struct trace_beside){SEEP_BESIDE_MAPPINGS, room, (size_t)(p - room)};
}

static size_t touches(const struct decoded *d, uint8_t kind, uint64_t *values)
{
    size_t count = 0;
    for (size_t i = sizeof d->header / sizeof d->ops[0]; i < d->header.op_count; i++)
        if (d->ops[i].kind == kind)
            values[count++] = d->ops[i].value;
    return count;
}

static void test_touches_what_was_resident(void **state)
{
    (void)state;
    struct trace_reader r;
    struct script script;
    struct decoded d;
    uint64_t values[8];
    uint8_t room[3][64];
    fake_init(&r, 1);
    r.dict.stack_count = 0;
    fake_thread(&r, 0, "");
    /* 100 pages of which 10 are touched when it is first seen, 40 later */
    fake_alloc(&r, 1, 1 * MS, 0, 409600, SEEP_CALL_MALLOC, 0);
    uint64_t address = r.events[0].after.address;
    tell_mappings(&r, 10 * MS, address, 100, 10, room[0]);
    tell_mappings(&r, 20 * MS, address, 100, 40, room[1]);
    /* one of the same site, half as large, that no snapshot sees */
    uint32_t slot = fake_alloc(&r, 1, 21 * MS, 0, 204800, SEEP_CALL_MALLOC, 0);
    fake_free(&r, 1, 21 * MS, slot, SEEP_CALL_FREE, 0);
    write_script(&script, &r, 1);
    decode(&d, &script);
    assert_int_equal(d.header.sample_count, 2);
    assert_int_equal(touches(&d, SEEP_REPLAY_TOUCH, values), 2);
    assert_true(values[0] == 10);
    assert_true(values[1] == 20);
    assert_int_equal(touches(&d, SEEP_REPLAY_GROWN, values), 1);
    assert_true(values[0] == (UINT64_C(10) << 32 | 40));
    decoded_release(&d);
    script_release(&script);
    fake_release(&r);
}

/* Two mappings in one place: no block has more resident than it is long. */
static void test_damaged_residency(void **state)
{
    (void)state;
    const uint64_t mappings[][6] = {
        {0x1000, 100, 3, 0, 1, 100 << 2 | SEEP_PAGE_RESIDENT},
        {(UINT64_C(1) << 52) - 100, 100, 3, 0, 1, 100 << 2 | SEEP_PAGE_RESIDENT}};
    uint8_t payload[128], *p = seep_put_varint(seep_put_varint(payload, 4096), 2);
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 6; k++)
            p = seep_put_varint(p, mappings[i][k]);
    const struct trace_beside beside = {SEEP_BESIDE_MAPPINGS, payload, (size_t)(p - payload)};
    const struct trace_dict dict = {0};
    struct large large;
    large_init(&large, &dict);
    large_take_mappings(&large, &beside);
    assert_int_equal(large.range_count, 2);
    assert_true(large.ranges[0].start == large.ranges[1].start);
    assert_int_equal(large_resident_bytes(&large, 0x1000000, 100 * 4096), 100 * 4096);
    large_release(&large);
}

static void test_time_without_what_recording_took(void **state)
{
    (void)state;
    struct trace_reader r;
    struct script script;
    struct decoded d;
    uint64_t values[64];
    fake_init(&r, 1);
    fake_thread(&r, 0, "");
    /* 10 ms in which calls follow each other as fast as they can, 400 ns; then 50 ms of rest */
    uint64_t time_ns = 0;
    for (; time_ns < 10 * MS; time_ns += 400)
        fake_alloc(&r, 1, time_ns, 0, 64, SEEP_CALL_MALLOC, 0);
    fake_alloc(&r, 1, time_ns + 50 * MS, 0, 64, SEEP_CALL_MALLOC, 0);
    write_script(&script, &r, 1);
    decode(&d, &script);
    size_t waits = touches(&d, SEEP_REPLAY_WAIT, values);
    assert_true(waits > 5);
    assert_true(values[waits - 2] < 2 * MS);
    assert_true(values[waits - 1] - values[waits - 2] >= 49 * MS);
    decoded_release(&d);
    script_release(&script);
    fake_release(&r);
}

/* Two threads rest for 25 ms, and end 0.3 ms after each other; the program goes on later. */
static void test_threads_rest_before_they_end(void **state)
{
    (void)state;
    struct trace_reader r;
    struct script script;
    struct decoded d;
    fake_init(&r, 1);
    for (uint32_t t = 0; t < 3; t++)
        fake_thread(&r, t, "");
    fake_alloc(&r, 1, 1 * MS, 0, 64, SEEP_CALL_MALLOC, 0); /* main's */
    for (uint32_t t = 2; t <= 3; t++)
        fake_alloc(&r, t, 2 * MS, 0, 64, SEEP_CALL_MALLOC, 0);
    for (uint8_t t = 2; t <= 3; t++) {
        static uint8_t numbers[4] = {0, 0, 2, 3}; /* as varints */
        struct trace_event *ev = fake_event(&r, TRACE_BESIDE, 0, 27 * MS + t * MS / 10 * 3);
        ev->beside = (struct trace_beside){SEEP_BESIDE_THREAD_END, &numbers[t], 1};
    }
    fake_alloc(&r, 1, 90 * MS, 0, 64, SEEP_CALL_MALLOC, 0);
    write_script(&script, &r, 1);
    decode(&d, &script);
    uint64_t waited_ns = 0, finished = 0;
    for (size_t i = sizeof d.header / sizeof d.ops[0]; i < d.header.op_count; i++) {
        if (d.ops[i].kind == SEEP_REPLAY_WAIT)
            waited_ns = d.ops[i].value;
        if (d.ops[i].kind == SEEP_REPLAY_FINISH) {
            finished++;
            assert_in_range(waited_ns, 27 * MS + 9 * MS / 10, 30 * MS);
        }
    }
    assert_int_equal(finished, 2);
    decoded_release(&d);
    script_release(&script);
    fake_release(&r);
}

static void test_buckets(void **state)
{
    (void)state;
    for (uint64_t ticks = 0; ticks < 100000; ticks++) {
        uint32_t bucket = seep_replay_bucket(ticks);
        assert_true(seep_replay_bucket_ticks(bucket) <= ticks);
        assert_true(ticks < seep_replay_bucket_ticks(bucket + 1));
    }
    assert_true(seep_replay_bucket(UINT64_MAX) == SEEP_REPLAY_BUCKETS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_traces),
        cmocka_unit_test(test_scale_takes_a_part_of_each_size),
        cmocka_unit_test(test_touches_what_was_resident),
        cmocka_unit_test(test_damaged_residency),
        cmocka_unit_test(test_time_without_what_recording_took),
        cmocka_unit_test(test_threads_rest_before_they_end),
        cmocka_unit_test(test_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
