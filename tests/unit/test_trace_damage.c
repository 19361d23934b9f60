/* SPDX-License-Identifier: MIT
 *
 * Cut, flipped, garbled and hostile traces. Whatever is read of them is what was told, or missing
 * and said to be: a damaged part costs the rest of its group and nothing else. */
#include "trace_stream.h"

#include "trace/event_sums.h"

#include "util/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static const struct stream_profile small = {.name = "small",
                                            .events = 90,
                                            .free = 350,
                                            .realloc = 80,
                                            .split_realloc = 60,
                                            .failed = 20,
                                            .unknown_free = 20,
                                            .beside = 40,
                                            .keep = 15,
                                            .threads = 3,
                                            .stacks = 12,
                                            .group_events = 30,
                                            .part_events = 10,
                                            .level = 1};

struct trace {
    struct stream stream;
    uint8_t *bytes;
    size_t length;
    struct stream_chunk *chunks;
    size_t chunk_count;
    struct trace_event **by_number; /* owned; those with a number */
    uint64_t numbers;
};

static void trace_make(struct trace *t, const struct stream_profile *profile, uint64_t seed)
{
    stream_write(&t->stream, profile, seed);
    t->bytes = stream_bytes(&t->stream, &t->length);
    t->chunks = stream_chunks(t->bytes, t->length, &t->chunk_count);
    t->by_number = mem_zalloc(t->stream.count, sizeof *t->by_number);
    t->numbers = 0;
    for (size_t i = 0; i < t->stream.count; i++)
        if (t->stream.events[i].type != TRACE_BESIDE)
            t->by_number[t->numbers++] = &t->stream.events[i];
}

static void trace_free(struct trace *t)
{
    free(t->by_number);
    free(t->chunks);
    free(t->bytes);
    stream_release(&t->stream);
}

/* What one reading gave. */
struct reading {
    enum seep_err opened;
    struct err err;
    uint64_t events, gaps, told_lost;
    uint64_t missing_first, missing_end; /* numbers not read lie in here; 0, 0: none */
    struct trace_summary summary;
};

static uint64_t count_live(const struct trace_reader *reader)
{
    uint64_t count = 0;
    for (uint32_t slot = 0; slot < trace_reader_slot_count(reader); slot++)
        count += trace_reader_block(reader, slot) != NULL;
    return count;
}

/* Whether the live blocks are, as naive as can be, what the told events up to `number` left. */
static bool live_is(const struct trace *t, uint64_t number, const struct trace_reader *reader)
{
    const struct trace_block **slots = mem_zalloc(t->numbers + 1, sizeof *slots);
    bool same = true;
    for (uint64_t n = 0; n < number; n++) {
        const struct trace_event *ev = t->by_number[n];
        if (ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN)
            slots[ev->slot] = &ev->after;
        else if (ev->type == TRACE_FREE || ev->type == TRACE_REALLOC_OUT)
            slots[ev->slot] = NULL;
    }
    for (uint32_t slot = 0; slot < t->numbers + 1; slot++) {
        const struct trace_block *got = trace_reader_block(reader, slot);
        same &= (got != NULL) == (slots[slot] != NULL);
        same &= !got || !slots[slot] || got->address == slots[slot]->address;
    }
    free(slots);
    return same;
}

/* Plays all of it at once, two groups at a time: either all that was told is there, or the reader
 * says that it is not, and stands at the start as if nothing had been. */
static void play_trace(const struct trace *t, struct trace_reader *reader)
{
    static unsigned turn;
    if (turn++ % 16) /* threads are dear where there are so many traces */
        return;
    struct event_sums *sums = event_sums_new();
    bool sound;
    assert_int_equal(
        trace_reader_play(reader, &(struct trace_play){.threads = 2}, sums, &sound, NULL), SEEP_OK);
    if (sound) {
        assert_true(live_is(t, t->numbers, reader));
        assert_int_equal(sums->total[0].live_blocks + sums->total[1].live_blocks,
                         count_live(reader));
        assert_int_equal(trace_reader_rewind(reader, NULL), SEEP_OK);
    }
    event_sums_free(sums);
}

/* Reads all of it and holds every event against what was told. */
static struct reading read_trace(const struct trace *t, const uint8_t *bytes, size_t length)
{
    struct reading reading = {0};
    struct trace_reader *reader;
    reading.opened = trace_reader_open_bytes(&reader, bytes, length, "the trace", &reading.err);
    if (reading.opened)
        return reading;
    play_trace(t, reader);
    struct trace_event ev;
    uint64_t next = 0, last_ns = 0;
    size_t record = 0;
    bool last_gap = false;
    while (trace_reader_next(reader, &ev, NULL) == SEEP_OK) {
        assert_true(ev.time_ns >= last_ns);
        last_ns = ev.time_ns;
        if (ev.type == TRACE_GAP) {
            reading.gaps++;
            reading.told_lost += ev.lost_events;
            assert_int_equal(ev.number, next + ev.lost_events);
            if (!reading.missing_end)
                reading.missing_first = next;
            reading.missing_end = ev.number;
            /* those of the next checkpoint, or of the last event where there is none any more */
            last_gap = !live_is(t, ev.number, reader);
            assert_true(!last_gap || live_is(t, next, reader));
            next = ev.number;
            continue;
        }
        if (ev.type == TRACE_BESIDE) {
            /* in order, perhaps not all of them */
            const struct trace_event *told;
            do {
                assert_true(record < t->stream.count);
                told = &t->stream.events[record++];
            } while (stream_difference(told, &ev, true));
            continue;
        }
        assert_false(last_gap);
        assert_int_equal(ev.number, next);
        assert_true(next < t->numbers);
        const char *difference =
            stream_difference(t->by_number[next], &ev, trace_reader_summary(reader)->damaged);
        if (difference)
            fail_msg("event %llu: %s differs", (unsigned long long)next, difference);
        next++;
        reading.events++;
    }
    if (next < t->numbers && !reading.missing_end)
        reading.missing_first = next;
    if (next < t->numbers)
        reading.missing_end = t->numbers;
    reading.summary = *trace_reader_summary(reader);
    assert_true(reading.summary.lost_damaged >= reading.told_lost);
    trace_reader_free(reader);
    return reading;
}

static void sound(void **state)
{
    (void)state;
    struct trace t;
    trace_make(&t, &small, 5);
    struct reading reading = read_trace(&t, t.bytes, t.length);
    assert_int_equal(reading.opened, SEEP_OK);
    assert_int_equal(reading.events, t.numbers);
    assert_int_equal(reading.gaps, 0);
    assert_true(trace_summary_complete(&reading.summary));
    size_t groups = 0, parts = 0;
    for (size_t i = 0; i < t.chunk_count; i++) {
        parts += t.chunks[i].type == SEEP_CHUNK_GROUP;
        groups += t.chunks[i].type == SEEP_CHUNK_GROUP && t.chunks[i].checkpoint;
    }
    assert_true(groups >= 3 && parts >= 8); /* else the tests below test little */
    trace_free(&t);
}

/* Cut at every byte: every complete part is read, nothing else, and the cut is told. */
static void truncation(void **state)
{
    (void)state;
    struct trace t;
    trace_make(&t, &small, 5);
    for (size_t length = 0; length < t.length; length++) {
        uint8_t *cut = mem_alloc(length); /* so that a checker sees what is read behind it */
        memcpy(cut, t.bytes, length);
        struct reading reading = read_trace(&t, cut, length);
        free(cut);
        if (length < sizeof(struct seep_file_header)) {
            assert_true(reading.opened == SEEP_ERR_NOT_TRACE || reading.opened == SEEP_ERR_DAMAGED);
            assert_non_null(strstr(reading.err.message, "the trace"));
            assert_int_equal(reading.err.offset, length);
            continue;
        }
        assert_int_equal(reading.opened, SEEP_OK);
        uint64_t complete = 0;
        for (size_t i = 0; i < t.chunk_count; i++)
            if (t.chunks[i].end <= length)
                complete += t.chunks[i].events;
        assert_int_equal(reading.events, complete);
        assert_true(reading.summary.truncated);
        assert_false(reading.summary.damaged);
        assert_false(trace_summary_complete(&reading.summary));
    }
    trace_free(&t);
}

/* The events that may be missing when this chunk cannot be read: for a part of a group, those from
 * its first to the group's last; else none. */
static void cost_of(const struct trace *t, size_t chunk, uint64_t *first, uint64_t *end)
{
    *first = *end = 0;
    if (t->chunks[chunk].type != SEEP_CHUNK_GROUP)
        return;
    *first = t->chunks[chunk].first_event;
    *end = *first + t->chunks[chunk].events;
    for (size_t i = chunk + 1; i < t->chunk_count && !t->chunks[i].checkpoint; i++)
        *end += t->chunks[i].events;
}

static void flips(void **state)
{
    (void)state;
    struct trace t;
    trace_make(&t, &small, 5);
    for (size_t bit = 0; bit < 8 * t.length; bit++) {
        size_t at = bit / 8;
        t.bytes[at] ^= (uint8_t)(1 << bit % 8);
        struct reading reading = read_trace(&t, t.bytes, t.length);
        t.bytes[at] ^= (uint8_t)(1 << bit % 8);
        if (at < sizeof(struct seep_file_header)) {
            assert_int_equal(reading.opened, at < 8 ? SEEP_ERR_NOT_TRACE : SEEP_ERR_DAMAGED);
            assert_non_null(strstr(reading.err.message, "the trace"));
            assert_int_equal(reading.err.offset, at < 8 ? at : 0);
            continue;
        }
        assert_int_equal(reading.opened, SEEP_OK);
        assert_false(trace_summary_complete(&reading.summary));
        uint64_t first = 0, end = 0;
        for (size_t i = 0; i < t.chunk_count; i++)
            if (at >= t.chunks[i].offset && at < t.chunks[i].end)
                cost_of(&t, i, &first, &end);
        if (first == end)
            assert_int_equal(reading.events, t.numbers);
        else {
            assert_int_equal(reading.missing_first, first);
            assert_int_equal(reading.missing_end, end);
            assert_int_equal(reading.told_lost, end - first);
            assert_int_equal(reading.gaps, 1);
            assert_int_equal(reading.summary.lost_damaged, end - first);
        }
    }
    trace_free(&t);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Stretches overwritten, taken out, put in and doubled. */
static void garbling(void **state)
{
    (void)state;
    struct trace t;
    trace_make(&t, &small, 6);
    uint64_t random = 1;
    for (int round = 0; round < 1500; round++) {
        size_t at = sizeof(struct seep_file_header) +
                    next_random(&random) % (t.length - sizeof(struct seep_file_header));
        size_t n = 1 + next_random(&random) % (round % 2 ? 8 : 600);
        size_t rest = t.length - at, take = n < rest ? n : rest;
        uint8_t *bytes = mem_alloc(t.length + n);
        size_t length = t.length;
        memcpy(bytes, t.bytes, t.length);
        switch (round % 4) {
        case 0:
        case 1: /* overwritten; the same byte by chance now and then */
            for (size_t i = 0; i < take; i++)
                bytes[at + i] = (uint8_t)next_random(&random);
            break;
        case 2: /* taken out */
            memmove(bytes + at, bytes + at + take, rest - take);
            length -= take;
            break;
        case 3: /* doubled: old chunks stand behind newer ones */
            memmove(bytes + at + take, bytes + at, rest);
            length += take;
            break;
        }
        struct reading reading = read_trace(&t, bytes, length);
        assert_int_equal(reading.opened, SEEP_OK);
        if (length != t.length || memcmp(bytes, t.bytes, length) != 0)
            assert_false(trace_summary_complete(&reading.summary));
        free(bytes);
    }
    trace_free(&t);
}

/* No memory beyond what the trace's own size excuses, or the reader ends the program. */
static void limit_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__)
    struct rlimit limit = {.rlim_cur = 512 << 20, .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
#endif
}

static void read_hostile(const uint8_t *bytes, size_t length)
{
    struct trace_reader *reader;
    struct trace_event ev;
    if (trace_reader_open_bytes(&reader, bytes, length, "hostile", NULL))
        return;
    for (int pass = 0; pass < 2; pass++) {
        while (trace_reader_next(reader, &ev, NULL) == SEEP_OK)
            ;
        assert_int_equal(trace_reader_seek_time(reader, UINT64_MAX, NULL), SEEP_OK);
        while (trace_reader_next(reader, &ev, NULL) == SEEP_OK)
            ;
        assert_int_equal(trace_reader_rewind(reader, NULL), SEEP_OK);
    }
    trace_reader_free(reader);
}

/* Bytes changed with all checksums right: no crash, no endless loop, bounded memory. */
static void hostile_bytes(void **state)
{
    (void)state;
    limit_memory();
    uint64_t random = 2;
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct trace t;
        struct stream_profile profile = small;
        profile.level = seed % 2 ? 1 : -100; /* almost uncompressed: changes reach the decoder */
        trace_make(&t, &profile, seed);
        uint8_t *bytes = mem_alloc(t.length);
        for (int round = 0; round < 400; round++) {
            memcpy(bytes, t.bytes, t.length);
            for (uint64_t n = 1 + next_random(&random) % 4; n; n--) {
                size_t at = 32 + next_random(&random) % (t.length - 32);
                uint8_t change = (uint8_t)next_random(&random);
                bytes[at] = next_random(&random) % 2 ? change : bytes[at] ^ (1 << change % 8);
            }
            stream_reseal(bytes, t.length);
            read_hostile(bytes, t.length);
        }
        free(bytes);
        trace_free(&t);
    }
}

/* Sizes and counts set to extremes, one field at a time, with all checksums right. */
static void hostile_sizes(void **state)
{
    (void)state;
    limit_memory();
    static const uint64_t extremes[] = {0,          1,          0x7f,       0xff,
                                        0xffff,     0x0fffffff, 0x10000000, 0x7fffffff,
                                        0x80000000, 0xffffffff, UINT64_MAX, INT64_MAX};
    struct trace t;
    trace_make(&t, &small, 7);
    uint8_t *bytes = mem_alloc(t.length);
    for (size_t i = 0; i < t.chunk_count; i++) {
        /* header, group head and the first columns' entries */
        size_t end = t.chunks[i].offset + 32 + 64 + 4 + 3 * 12;
        if (end > t.chunks[i].end)
            end = t.chunks[i].end;
        for (size_t at = t.chunks[i].offset + 4; at + 4 <= end; at += 4)
            for (size_t e = 0; e < sizeof extremes / sizeof *extremes; e++) {
                memcpy(bytes, t.bytes, t.length);
                size_t width = end - at < 8 ? 4 : (e % 2 ? 8 : 4);
                memcpy(bytes + at, &extremes[e], width);
                stream_reseal(bytes, t.length);
                read_hostile(bytes, t.length);
            }
    }
    free(bytes);
    trace_free(&t);
}

static void other_files(void **state)
{
    (void)state;
    struct trace t;
    trace_make(&t, &small, 8);
    struct trace_reader *reader;
    struct err err;
    assert_int_equal(trace_reader_open(&reader, "/no/such/file.seep", &err), SEEP_ERR_IO);
    assert_string_equal(err.message, "/no/such/file.seep: No such file or directory");
    assert_int_equal(trace_reader_open(&reader, "/", &err), SEEP_ERR_IO);
    assert_string_equal(err.message, "/: Is a directory");
    assert_int_equal(trace_reader_open(&reader, "/dev/null", &err), SEEP_ERR_NOT_TRACE);
    assert_string_equal(err.message, "/dev/null: not a regular file");
    assert_int_equal(trace_reader_open(&reader, "/bin/true", &err), SEEP_ERR_NOT_TRACE);
    assert_string_equal(err.message, "/bin/true: not a trace");
    assert_int_equal(err.offset, 0);

    uint32_t version = 7;
    memcpy(t.bytes + offsetof(struct seep_file_header, version), &version, 4);
    stream_reseal(t.bytes, t.length);
    assert_int_equal(trace_reader_open_bytes(&reader, t.bytes, t.length, "new.seep", &err),
                     SEEP_ERR_VERSION);
    assert_string_equal(err.message,
                        "new.seep: trace format version 7, this program knows up to version 1");
    assert_int_equal(err.offset, 8);
    trace_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound),         cmocka_unit_test(truncation),
        cmocka_unit_test(flips),         cmocka_unit_test(garbling),
        cmocka_unit_test(other_files),   cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(hostile_sizes),
    };
    return cmocka_run_group_tests_name("trace_damage", tests, NULL, NULL);
}
