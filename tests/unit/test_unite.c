/* SPDX-License-Identifier: MIT
 *
 * Random traces made one: each process's events come out in their order as they were told, under
 * other numbers, and all in the order of one clock. */
#include "trace_stream.h"

#include "seep/trace_codec.h"
#include "trace/unite.h"
#include "util/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PROCESSES 4
#define UNIT_NS UINT64_C(1000)
#define CODE (UINT64_C(1) << 60) /* where the first module is in a united trace */

static const struct stream_profile profiles[PROCESSES] = {
    {.name = "first",
     .events = 3000,
     .free = 400,
     .realloc = 80,
     .split_realloc = 60,
     .failed = 20,
     .unknown_free = 20,
     .beside = 40,
     .keep = 60,
     .threads = 5,
     .stacks = 40,
     .group_events = 300,
     .part_events = 70,
     .pid = 1,
     .start_ns = 1000000000},
    {.name = "lifo",
     .events = 2000,
     .free = 450,
     .realloc = 40,
     .beside = 20,
     .keep = 200,
     .lifo = true,
     .threads = 2,
     .stacks = 10,
     .group_events = 400,
     .pid = 2,
     .start_ns = 1000040000},
    {.name = "split",
     .events = 2500,
     .free = 350,
     .split_realloc = 300,
     .keep = 30,
     .threads = 1,
     .stacks = 10,
     .group_events = 200,
     .pid = 3,
     .start_ns = 1000100000},
    {.name = "short",
     .events = 3,
     .keep = 30,
     .threads = 1,
     .stacks = 3,
     .pid = 4,
     .start_ns = 1000200000},
};

/* One process: what was told of it, and how far the united trace has come. */
struct one {
    struct stream stream;
    struct trace_reader *reader;
    uint64_t *numbers;  /* by its event number: that in the united trace; owned */
    uint32_t *slots;    /* by its slot: that in the united trace; owned */
    uint32_t links[64]; /* by its link mod 64 */
    size_t at;
};

static struct one all[PROCESSES];

static struct trace_reader *open_reader(const char *path)
{
    struct trace_reader *reader;
    struct err err;
    if (trace_reader_open(&reader, path, &err) != SEEP_OK)
        fail_msg("%s", err.message);
    return reader;
}

static void unite(const char *path)
{
    struct unite_input inputs[PROCESSES];
    struct unite_options options = {0};
    struct err err;
    unlink(path);
    for (size_t i = 0; i < PROCESSES; i++) /* in any order */
        inputs[PROCESSES - 1 - i] = (struct unite_input){open_reader(all[i].stream.path), "one"};
    if (unite_traces(inputs, PROCESSES, path, &options, &err) != SEEP_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < PROCESSES; i++)
        assert_null(inputs[i].reader);
}

static void make(uint64_t seed)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        struct one *o = &all[i];
        *o = (struct one){0};
        stream_write(&o->stream, &profiles[i], seed * PROCESSES + i);
        o->reader = open_reader(o->stream.path);
        o->numbers = mem_zalloc(o->stream.count + 1, sizeof *o->numbers);
        o->slots = mem_zalloc(o->stream.count + 1, sizeof *o->slots);
    }
}

static void release(void)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        trace_reader_free(all[i].reader);
        stream_release(&all[i].stream);
        free(all[i].numbers);
        free(all[i].slots);
    }
}

/* Roots have one generation, and all code of the traces lies in one module at 0x400000. */
static void check_stack(const struct one *o, uint32_t told, const struct trace_dict *dict,
                        uint32_t got)
{
    const struct trace_stack_node *nodes = o->stream.nodes;
    for (; told && got; told = nodes[told].parent, got = dict->stacks[got].parent) {
        const struct trace_stack_node *n = &dict->stacks[got];
        assert_int_equal(n->flags, nodes[told].flags);
        assert_int_equal(n->pc, n->flags & SEEP_ROW_ROOT ? 0 : nodes[told].pc - 0x400000 + CODE);
    }
    assert_int_equal(told, got);
}

static uint64_t map_address(size_t process, uint64_t address)
{
    return address ? (address & ((UINT64_C(1) << 48) - 1)) | (uint64_t)(process + 1) << 48 : 0;
}

static void take_time(uint64_t told, uint64_t *got)
{
    assert_true((told > *got ? told - *got : *got - told) <= 2 * UNIT_NS);
    *got = told;
}

static void check_block(size_t process, const struct trace_block *told,
                        const struct trace_dict *dict, struct trace_block got)
{
    const struct one *o = &all[process];
    check_stack(o, told->stack, dict, got.stack);
    take_time(told->time_ns + profiles[process].start_ns - profiles[0].start_ns, &got.time_ns);
    assert_int_equal(got.address, map_address(process, told->address));
    assert_int_equal(got.size, told->size);
    assert_int_equal(got.usable, told->usable);
    assert_int_equal(got.alignment, told->alignment);
    assert_int_equal(got.birth, o->numbers[told->birth]);
    assert_int_equal(got.thread - dict->processes[process].first_thread, told->thread);
    assert_int_equal(got.call, told->call);
    assert_int_equal(got.flags, told->flags);
}

static bool has_before(const struct trace_event *ev)
{
    return ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT ||
           ev->type == TRACE_REALLOC_IN;
}

static bool has_after(const struct trace_event *ev)
{
    return ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
}

static void check_numbers(struct one *o, const struct trace_event *told,
                          const struct trace_event *got)
{
    o->numbers[told->number] = got->number;
    if (told->type == TRACE_ALLOC || told->type == TRACE_REALLOC_IN)
        o->slots[told->slot] = got->slot;
    else if (has_before(told))
        assert_int_equal(got->slot, o->slots[told->slot]);
    if (told->type == TRACE_REALLOC_OUT)
        o->links[told->link % 64] = got->link;
    else if (told->type == TRACE_REALLOC_IN)
        assert_int_equal(got->link, o->links[told->link % 64]);
}

static void check_event(size_t process, const struct trace_event *told,
                        const struct trace_dict *dict, struct trace_event got)
{
    struct one *o = &all[process];
    assert_int_equal(got.type, told->type);
    take_time(told->time_ns + profiles[process].start_ns - profiles[0].start_ns, &got.time_ns);
    check_numbers(o, told, &got);
    check_stack(o, told->stack, dict, got.stack);
    assert_int_equal(got.thread - dict->processes[process].first_thread, told->thread);
    assert_int_equal(got.call, told->call);
    assert_int_equal(got.flags, told->flags);
    if (has_before(told))
        check_block(process, &told->before, dict, got.before);
    if (has_after(told))
        check_block(process, &told->after, dict, got.after);
    if (told->type == TRACE_FAILED || told->type == TRACE_FREE_UNKNOWN) {
        assert_int_equal(got.address, map_address(process, told->address));
        assert_int_equal(got.failed_size, told->failed_size);
    }
}

/* Marks name a thread; the rest stands within a record of the process. Of random bytes that are
 * said to be mappings only the end is looked at. */
static size_t check_record(const struct trace_dict *dict, const struct trace_beside *got)
{
    const uint8_t *at = got->bytes, *end = got->bytes + got->length;
    uint64_t number = 0, kind = 0;
    assert_true(seep_get_varint(&at, end, &number));
    size_t process = got->kind == SEEP_BESIDE_MARK
                         ? trace_dict_process_of(dict, (uint32_t)number) - 1
                         : (size_t)number - 1;
    assert_true(process < PROCESSES);
    if (got->kind == SEEP_BESIDE_PROCESS_END)
        return process;
    struct one *o = &all[process];
    const struct trace_event *told = &o->stream.events[o->at++];
    assert_int_equal(told->type, TRACE_BESIDE);
    if (got->kind == SEEP_BESIDE_OF_PROCESS) {
        assert_true(seep_get_varint(&at, end, &kind));
        assert_int_equal(kind, told->beside.kind);
    } else {
        assert_int_equal(got->kind, told->beside.kind);
    }
    size_t same = told->beside.length < 32 ? 0 : told->beside.length - 32;
    assert_true((size_t)(end - at) >= same);
    if (same)
        assert_memory_equal(end - same, told->beside.bytes + told->beside.length - same, same);
    return process;
}

static void test_events(void **state)
{
    (void)state;
    char path[] = "/tmp/seep-unite-XXXXXX";
    close(mkstemp(path));
    for (uint64_t seed = 1; seed <= 6; seed++) {
        make(seed);
        unite(path);
        struct trace_reader *reader = open_reader(path);
        const struct trace_dict *dict = trace_reader_dict(reader);
        assert_int_equal(dict->process_count, PROCESSES);
        assert_int_equal(trace_reader_facts(reader)->processes, PROCESSES);
        /* the same module and stacks were told of all */
        assert_int_equal(dict->module_count, 1);
        struct trace_event ev;
        uint64_t last_ns = 0, ended = 0;
        while (trace_reader_next(reader, &ev, NULL) == SEEP_OK) {
            assert_true(ev.time_ns >= last_ns);
            last_ns = ev.time_ns;
            if (ev.type == TRACE_BESIDE) {
                size_t process = check_record(dict, &ev.beside);
                if (ev.beside.kind != SEEP_BESIDE_PROCESS_END)
                    continue;
                assert_int_equal(all[process].at, all[process].stream.count);
                assert_int_equal(dict->processes[process].end_number, ev.number);
                ended++;
                continue;
            }
            size_t process = trace_dict_process_of(dict, ev.thread) - 1;
            assert_true(process < PROCESSES);
            struct one *o = &all[process];
            assert_true(o->at < o->stream.count);
            check_event(process, &o->stream.events[o->at++], dict, ev);
        }
        assert_int_equal(ended, PROCESSES);
        uint64_t events = 0;
        for (size_t i = 0; i < PROCESSES; i++)
            events += all[i].stream.summary.events;
        assert_int_equal(trace_reader_summary(reader)->events, events);
        assert_true(trace_summary_complete(trace_reader_summary(reader)));
        trace_reader_free(reader);
        release();
    }
    unlink(path);
}

/* Reads to the end; how many blocks, and bytes of them, are live then. */
static void count_live(struct trace_reader *reader, uint64_t *blocks, uint64_t *bytes)
{
    struct trace_event ev;
    while (trace_reader_next(reader, &ev, NULL) == SEEP_OK)
        ;
    for (uint32_t slot = 0; slot < trace_reader_slot_count(reader); slot++) {
        const struct trace_block *b = trace_reader_block(reader, slot);
        *blocks += b != NULL;
        *bytes += b ? b->size : 0;
    }
}

/* Behind what is lost in one trace, the united one goes on with what is live there. */
static void test_damaged(void **state)
{
    (void)state;
    char path[] = "/tmp/seep-unite-XXXXXX";
    close(mkstemp(path));
    for (unsigned group = 0; group < 8; group++) {
        make(group + 100);
        size_t length, count, n = group, chunk = 0;
        uint8_t *bytes = stream_bytes(&all[0].stream, &length);
        struct stream_chunk *chunks = stream_chunks(bytes, length, &count);
        for (size_t i = 0; i < count && n < 100; i++)
            if (chunks[i].type == SEEP_CHUNK_GROUP && n-- == 0)
                chunk = i;
        bytes[chunks[chunk].end - 1] ^= 0x55;
        FILE *file = fopen(all[0].stream.path, "wb");
        assert_int_equal(fwrite(bytes, 1, length, file), length);
        fclose(file);
        trace_reader_free(all[0].reader);
        all[0].reader = open_reader(all[0].stream.path);
        uint64_t blocks = 0, size = 0, lost, got_blocks = 0, got_size = 0;
        for (size_t i = 0; i < PROCESSES; i++)
            count_live(all[i].reader, &blocks, &size);
        lost = trace_reader_summary(all[0].reader)->lost_damaged;
        assert_true(lost > 0);
        unite(path);
        struct trace_reader *reader = open_reader(path);
        assert_int_equal(trace_reader_summary(reader)->lost_damaged, lost);
        count_live(reader, &got_blocks, &got_size);
        assert_int_equal(got_blocks, blocks);
        assert_int_equal(got_size, size);
        assert_int_equal(trace_reader_summary(reader)->lost_damaged, lost);
        assert_int_equal(trace_reader_dict(reader)->processes[0].summary->lost_damaged, lost);
        trace_reader_free(reader);
        free(chunks);
        free(bytes);
        release();
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
