/* SPDX-License-Identifier: MIT
 *
 * make_traces DIRECTORY: makes the golden traces (tests/golden/trace): a sound one with the list of
 * what was told in it, a window of it and one of two processes with what is read in them
 * (test_trace_cut.c and test_unite.c hold that against what was told), and bad ones. Run by hand
 * when the format changes; what the bad ones must read as stands in expected.txt, which is written
 * by hand.
 *
 * In vN/ stand traces of version N with what they must read as for ever: where that directory is
 * there already, nothing in it is made anew. */
#include "trace_stream.h"
#include "trace_text.h"

#include "trace/cut.h"
#include "trace/unite.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct stream_profile profile = {.name = "golden",
                                              .events = 80,
                                              .free = 350,
                                              .realloc = 80,
                                              .split_realloc = 60,
                                              .failed = 20,
                                              .unknown_free = 20,
                                              .beside = 40,
                                              .keep = 15,
                                              .aligned = true,
                                              .threads = 3,
                                              .stacks = 12,
                                              .group_events = 25,
                                              .part_events = 10};

static struct stream stream;
static uint8_t *sound;
static size_t sound_length;
static struct stream_chunk *chunks;
static size_t chunk_count;

static void put(const char *name, const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) {
        perror(name);
        exit(1);
    }
}

/* A copy of the sound trace; static, one at a time. */
static uint8_t *copy(void)
{
    static uint8_t *bytes;
    bytes = realloc(bytes, 2 * sound_length);
    memcpy(bytes, sound, sound_length);
    return bytes;
}

/* The n-th chunk of a type. */
static const struct stream_chunk *nth(unsigned type, unsigned n)
{
    for (size_t i = 0; i < chunk_count; i++)
        if (chunks[i].type == type && n-- == 0)
            return &chunks[i];
    abort();
}

static void put_field(uint8_t *bytes, size_t at, uint64_t value, size_t width)
{
    memcpy(bytes + at, &value, width);
}

#define STORED sizeof(struct seep_chunk_header)
#define COLUMNS (STORED + sizeof(struct seep_group_header) + 4)

static void make_bad(void)
{
    uint8_t *b;
    put("bad-empty.seep", sound, 0);
    put("bad-text.seep", (const uint8_t *)"SEEP, but only a text\n", 22);
    put("bad-short.seep", sound, 20);

    b = copy();
    b[13] ^= 4; /* flags of the file header */
    put("bad-file-header.seep", b, sound_length);
    b = copy();
    put_field(b, offsetof(struct seep_file_header, version), 3, 4);
    stream_reseal(b, sound_length);
    put("bad-future.seep", b, sound_length);
    put_field(b, offsetof(struct seep_file_header, version), 0, 4);
    stream_reseal(b, sound_length);
    put("bad-old.seep", b, sound_length);

    put("bad-cut-in-part.seep", copy(), nth(SEEP_CHUNK_GROUP, 4)->offset + 120);
    put("bad-cut-between.seep", copy(), nth(SEEP_CHUNK_GROUP, 4)->end);
    put("bad-no-trailer.seep", copy(), sound_length - sizeof(struct seep_trailer));
    put("bad-no-summary.seep", copy(), nth(SEEP_CHUNK_SUMMARY, 0)->offset);

    b = copy();
    b[nth(SEEP_CHUNK_GROUP, 1)->offset + 200] ^= 1;
    put("bad-part.seep", b, sound_length);
    b = copy();
    b[nth(SEEP_CHUNK_GROUP, 3)->offset + 9] ^= 1;
    put("bad-chunk-header.seep", b, sound_length);
    b = copy();
    b[nth(SEEP_CHUNK_STACKS, 0)->offset + 50] ^= 1;
    put("bad-stacks.seep", b, sound_length);
    b = copy();
    size_t last = nth(SEEP_CHUNK_SUMMARY, 0)->offset - 20;
    memset(b + last, 0xff, 10);
    put("bad-last-part.seep", b, sound_length);

    b = copy();
    memset(b + nth(SEEP_CHUNK_GROUP, 0)->offset, 0, 4000);
    put("bad-zeros.seep", b, sound_length);
    b = copy();
    memmove(b + sound_length, b + 32, sound_length - 32);
    put("bad-twice.seep", b, 2 * sound_length - 32);

    /* hostile: all checksums right */
    b = copy();
    put_field(b, nth(SEEP_CHUNK_GROUP, 1)->offset + COLUMNS + 4, UINT32_MAX, 4);
    stream_reseal(b, sound_length);
    put("bad-huge-column.seep", b, sound_length);
    b = copy();
    put_field(b,
              nth(SEEP_CHUNK_GROUP, 0)->offset + STORED +
                  offsetof(struct seep_group_header, event_count),
              SEEP_PART_EVENTS_MAX, 4);
    stream_reseal(b, sound_length);
    put("bad-many-events.seep", b, sound_length);
    b = copy();
    put_field(b,
              nth(SEEP_CHUNK_GROUP, 3)->offset + STORED +
                  offsetof(struct seep_group_header, slot_count),
              SEEP_LIVE_MAX, 4);
    stream_reseal(b, sound_length);
    put("bad-many-slots.seep", b, sound_length);
    b = copy();
    put_field(b,
              nth(SEEP_CHUNK_GROUP, 2)->offset + offsetof(struct seep_chunk_header, stored_bytes),
              INT64_MAX, 8);
    stream_reseal(b, sound_length);
    put("bad-huge-chunk.seep", b, sound_length);
}

static struct trace_reader *open_or_die(const char *path)
{
    struct trace_reader *reader;
    struct err err;
    if (trace_reader_open(&reader, path, &err) != SEEP_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return reader;
}

static void list(const char *trace, const char *name)
{
    struct trace_reader *reader = open_or_die(trace);
    struct trace_event ev;
    FILE *text = fopen(name, "w");
    if (!text)
        exit(1);
    while (trace_reader_next(reader, &ev, NULL) == SEEP_OK)
        trace_text_event(text, &ev);
    fclose(text);
    trace_reader_free(reader);
}

static void make_derived(void)
{
    struct trace_reader *reader = open_or_die(stream.path);
    struct cut_options options = {
        .from = {"#20", true, 20, 0}, .to = {"#60", true, 61, 0}, .name = "sound.seep"};
    unlink("window.seep");
    if (cut_trace(reader, "window.seep", &options, NULL) != SEEP_OK)
        exit(1);
    trace_reader_free(reader);
    list("window.seep", "window.txt");

    struct stream streams[2];
    struct unite_input inputs[2];
    for (unsigned i = 0; i < 2; i++) {
        struct stream_profile own = profile;
        own.pid = i + 1;
        own.start_ns = 1000000000 + i * 10000;
        stream_write(&streams[i], &own, 2 + i);
        inputs[i] = (struct unite_input){open_or_die(streams[i].path), "stream"};
    }
    unlink("merged.seep");
    struct unite_options none = {0};
    if (unite_traces(inputs, 2, "merged.seep", &none, NULL) != SEEP_OK)
        exit(1);
    list("merged.seep", "merged.txt");
    for (unsigned i = 0; i < 2; i++)
        stream_release(&streams[i]);
}

/* A program that does the same again and again, so that guesses come to be right: blocks of three
 * sizes at the addresses freed last, now and then one that stays or is changed, two threads. */
struct steady {
    struct trace_writer *w;
    FILE *text;
    uint64_t time_ns;
    uint32_t thread;
};

static void tell(struct steady *s, struct trace_event *ev)
{
    ev->thread = s->thread;
    ev->time_ns = s->time_ns += 130 + 20 * ev->type;
    if (trace_writer_event(s->w, ev, NULL))
        exit(1);
    trace_text_event(s->text, ev);
}

static uint32_t make_block(struct steady *s, uint32_t stack, uint64_t address, uint64_t size)
{
    struct trace_event ev = {
        .type = TRACE_ALLOC,
        .stack = stack,
        .after = {.address = address, .size = size, .usable = SEEP_USABLE_GLIBC(size)}};
    tell(s, &ev);
    return ev.slot;
}

static void change_block(struct steady *s, uint32_t slot, uint64_t address, uint64_t size)
{
    struct trace_event ev = {
        .type = TRACE_REALLOC,
        .call = SEEP_CALL_REALLOC,
        .stack = 4,
        .slot = slot,
        .after = {.address = address, .size = size, .usable = SEEP_USABLE_GLIBC(size)}};
    tell(s, &ev);
}

static void end_block(struct steady *s, uint32_t slot)
{
    struct trace_event ev = {.type = TRACE_FREE, .call = SEEP_CALL_FREE, .slot = slot};
    tell(s, &ev);
}

static void run_steady(struct steady *s)
{
    uint64_t top = 0x555500010000;
    uint32_t root = trace_writer_stack(s->w, 0, 0, SEEP_ROW_ROOT);
    for (uint64_t pc = 0x1000; pc < 0x1040; pc += 16)
        trace_writer_stack(s->w, root, pc, 0);
    for (unsigned i = 0; i < 120; i++) {
        s->thread = i / 40 % 2 + 1;
        uint32_t outer = make_block(s, 2, i % 10 == 9 ? (top += 64) : 0x555500000010, 40);
        uint32_t inner = make_block(s, 3, 0x555500000110, 200);
        end_block(s, inner);
        inner = make_block(s, 4, 0x555500000310, 1000);
        if (i % 8 == 7)
            change_block(s, inner, 0x555500000310, 1010);
        if (i % 10 != 9)
            end_block(s, outer);
        end_block(s, inner);
    }
}

/* Traces that stay: NAME.seep, and NAME.txt with what was told in it. */
static void make_lasting(void)
{
    char name[64];
    snprintf(name, sizeof name, "v%u", SEEP_TRACE_VERSION);
    if (mkdir(name, 0777) != 0 || chdir(name) != 0)
        return;
    put("varied.seep", sound, sound_length);
    FILE *text = fopen("varied.txt", "w");
    for (size_t i = 0; i < stream.count; i++)
        trace_text_event(text, &stream.events[i]);
    fclose(text);
    struct steady s = {.text = fopen("steady.txt", "w")};
    struct trace_summary summary = {.wait_status = -1};
    if (trace_writer_open(&s.w, "steady.seep", NULL, NULL))
        exit(1);
    run_steady(&s);
    if (trace_writer_finish(s.w, &summary, NULL) || fclose(s.text) != 0)
        exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 2 || chdir(argv[1]) != 0) {
        fprintf(stderr, "usage: make_traces DIRECTORY\n");
        return 2;
    }
    stream_write(&stream, &profile, 1);
    sound = stream_bytes(&stream, &sound_length);
    chunks = stream_chunks(sound, sound_length, &chunk_count);
    put("sound.seep", sound, sound_length);
    FILE *text = fopen("sound.txt", "w");
    if (!text)
        return 1;
    for (size_t i = 0; i < stream.count; i++)
        trace_text_event(text, &stream.events[i]);
    fclose(text);
    make_derived();
    make_bad();
    make_lasting();
    free(chunks);
    free(sound);
    stream_release(&stream);
    return 0;
}
