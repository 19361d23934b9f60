/* SPDX-License-Identifier: MIT
 *
 * Speed and size of the trace format: bench_trace [--events=N] [TRACE...]
 *
 * Each trace is played (all events taken in for what is live at the end, as seep leaks does), read
 * event by event, read and written again, and a hundredth of its time is read, the best of three
 * times, of long traces once; and a table printed: events a second, memory of playing, and bytes an
 * event by column. Without a trace, a made-up program of N events (3 million) stands in: a few
 * hundred call sites with sizes of their own, mostly short-lived blocks, in a pattern that is often
 * disturbed, addresses as a simple allocator with size classes gives them. Its live blocks come and
 * go but do not grow with N. */
#include "trace/columns.h"
#include "trace/event_sums.h"
#include "trace/trace_reader.h"
#include "trace/trace_writer.h"
#include "util/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SYNTHETIC_EVENTS 3000000
#define LONG_EVENTS 50000000 /* measured once, and not written again */

/* Of the processor, so that what else runs makes less difference. */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const struct err *err)
{
    fprintf(stderr, "bench_trace: %s\n", err->message);
    exit(1);
}

/* ---- a made-up program */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#define SITES 400
#define CLASSES 64

#define PATTERN 1024
#define LIVE_MOST 20000

struct program {
    uint64_t random, top, time_ns, position;
    uint64_t pattern[PATTERN];
    uint64_t *freed[CLASSES]; /* LIFO per class */
    size_t freed_count[CLASSES], freed_capacity[CLASSES];
    uint32_t *live;
    size_t live_count, live_capacity;
    struct trace_writer *w;
};

static uint64_t place(struct program *p, uint64_t usable)
{
    size_t class = usable / 16 % CLASSES;
    if (p->freed_count[class])
        return p->freed[class][--p->freed_count[class]];
    uint64_t address = p->top;
    p->top += usable + 8;
    return address;
}

static void program_step(struct program *p, uint64_t number)
{
    struct trace_event ev = {.thread = 1};
    struct err err;
    /* mostly the same again and again, now and then something else, and on from elsewhere */
    uint64_t roll = p->pattern[p->position++ % PATTERN];
    if (next_random(&p->random) % 64 == 0) {
        roll = next_random(&p->random);
        p->position += roll % 4 == 0 ? roll >> 8 : 0;
    }
    p->time_ns += 40 + roll % 64 + (roll % 512 == 0 ? 3000 : 0);
    ev.time_ns = p->time_ns;
    /* phases: the live blocks grow and shrink */
    bool grow = number / 200000 % 3 != 2;
    bool make = (roll >> 8) % 100 < (grow ? 51 : 47);
    if (p->live_count < 100 || (make && p->live_count < LIVE_MOST)) {
        /* sites follow each other in runs of the same order, with a jump now and then */
        static uint64_t site;
        site = roll >> 20 & 15 ? (site * 5 + 1) % SITES : roll >> 24;
        ev.type = TRACE_ALLOC;
        ev.stack = 1 + (uint32_t)(site % SITES);
        ev.after.size = ev.stack % 7 ? 8 + ev.stack % 29 * 8 : 16 + (roll >> 40) % 100;
        ev.after.usable = SEEP_USABLE_GLIBC(ev.after.size);
        ev.after.address = place(p, ev.after.usable);
        if (trace_writer_event(p->w, &ev, &err))
            die(&err);
        MEM_GROW(p->live, p->live_capacity, p->live_count + 1);
        p->live[p->live_count++] = ev.slot;
    } else {
        size_t at = p->live_count - 1;
        if ((roll >> 32) % 40 == 0)
            at = (roll >> 40) % p->live_count;
        else if ((roll >> 32) % 3 == 1)
            at -= (roll >> 40) % 4;
        ev.type = TRACE_FREE;
        ev.call = SEEP_CALL_FREE;
        ev.slot = p->live[at];
        memmove(p->live + at, p->live + at + 1, (p->live_count - at - 1) * sizeof *p->live);
        p->live_count--;
        if (trace_writer_event(p->w, &ev, &err))
            die(&err);
        size_t class = ev.before.usable / 16 % CLASSES;
        MEM_GROW(p->freed[class], p->freed_capacity[class], p->freed_count[class] + 1);
        p->freed[class][p->freed_count[class]++] = ev.before.address;
    }
}

static void make_program(const char *path, uint64_t events)
{
    struct program p = {.random = 88172645463325252u, .top = 0x555555560010};
    struct err err;
    for (unsigned i = 0; i < PATTERN; i++)
        p.pattern[i] = next_random(&p.random);
    if (trace_writer_open(&p.w, path, NULL, &err))
        die(&err);
    uint32_t root = trace_writer_stack(p.w, 0, 0, SEEP_ROW_ROOT);
    for (unsigned i = 1; i < SITES; i++)
        trace_writer_stack(p.w, root, 0x400000 + 64 * i, 0);
    for (uint64_t n = 0; n < events; n++)
        program_step(&p, n);
    struct trace_summary summary = {.wait_status = -1};
    if (trace_writer_finish(p.w, &summary, &err))
        die(&err);
    for (unsigned i = 0; i < CLASSES; i++)
        free(p.freed[i]);
    free(p.live);
}

/* ---- measuring */

/* What one pass has seen. */
struct pass {
    uint64_t events, last_ns;
    double seconds;
};

/* Reads the events up to `to_ns` from the last group before `from_ns` on and, with `copy`, writes
 * them there. */
static struct pass pass(const char *path, const char *copy, uint64_t from_ns, uint64_t to_ns)
{
    struct trace_reader *reader;
    struct trace_writer *w = NULL;
    struct trace_event ev;
    struct err err;
    struct pass p = {0};
    if (copy)
        unlink(copy);
    double start = now_s();
    if (trace_reader_open(&reader, path, &err) || trace_reader_seek_time(reader, from_ns, &err) ||
        (copy && trace_writer_open(&w, copy, NULL, &err)))
        die(&err);
    while (p.last_ns <= to_ns && trace_reader_next(reader, &ev, &err) == SEEP_OK) {
        p.last_ns = ev.time_ns;
        if (ev.type == TRACE_BESIDE || ev.type == TRACE_GAP)
            continue;
        p.events++;
        if (w && trace_writer_event(w, &ev, &err))
            die(&err);
    }
    struct trace_summary summary = {.wait_status = -1};
    if (w && trace_writer_finish(w, &summary, &err))
        die(&err);
    trace_reader_free(reader);
    p.seconds = now_s() - start;
    return p;
}

static double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Plays the trace; its time is that of the clock on the wall, or else of the processors. */
static struct pass play(const char *path, unsigned threads, bool wall)
{
    struct trace_reader *reader;
    struct trace_play how = {.threads = threads};
    struct event_sums *sums = event_sums_new();
    struct err err;
    bool sound;
    if (trace_reader_open(&reader, path, &err))
        die(&err);
    double start = wall ? wall_s() : now_s();
    if (trace_reader_play(reader, &how, sums, &sound, &err))
        die(&err);
    struct pass p = {.events = sound ? trace_reader_end(reader) : 0,
                     .last_ns = sums->last_ns,
                     .seconds = (wall ? wall_s() : now_s()) - start};
    trace_reader_free(reader);
    event_sums_free(sums);
    return p;
}

static void keep_best(struct pass *best, struct pass p)
{
    if (!best->events || p.seconds < best->seconds)
        *best = p;
}

/* Memory of a process that does nothing but play the trace. */
static double play_mib(const char *path)
{
    struct rusage usage = {0};
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        play(path, 0, false);
        _exit(0);
    }
    if (child < 0 || wait4(child, NULL, 0, &usage) < 0)
        return 0;
    return (double)usage.ru_maxrss / 1024;
}

static const char *const column_names[SEEP_COLUMNS_MAX] = {
    [SEEP_COLUMN_RUN] = "run",
    [SEEP_COLUMN_TOKEN] = "token",
    [SEEP_COLUMN_TIME_GAP] = "time gap",
    [SEEP_COLUMN_TIME] = "time",
    [SEEP_COLUMN_THREAD] = "thread",
    [SEEP_COLUMN_SLOT_LOW] = "slot low",
    [SEEP_COLUMN_SLOT_MIDDLE] = "slot middle",
    [SEEP_COLUMN_SLOT_HIGH] = "slot high",
    [SEEP_COLUMN_KIND_LOW] = "kind low",
    [SEEP_COLUMN_KIND_HIGH] = "kind high",
    [SEEP_COLUMN_STACK] = "stack",
    [SEEP_COLUMN_SIZE] = "size",
    [SEEP_COLUMN_USABLE] = "usable",
    [SEEP_COLUMN_CALL] = "call",
    [SEEP_COLUMN_ALIGN] = "align",
    [SEEP_COLUMN_ADDRESS] = "address",
    [SEEP_COLUMN_OP] = "op",
    [SEEP_COLUMN_LINK] = "link",
};

static const char *const chunk_names[] = {
    [SEEP_CHUNK_FACTS] = "facts",   [SEEP_CHUNK_MODULES] = "modules",
    [SEEP_CHUNK_STACKS] = "stacks", [SEEP_CHUNK_THREADS] = "threads",
    [SEEP_CHUNK_BESIDE] = "beside", [SEEP_CHUNK_SUMMARY] = "summary",
    [SEEP_CHUNK_INDEX] = "index",
};
#define CHUNK_NAMES (sizeof chunk_names / sizeof *chunk_names)

static void print_share(const char *name, uint64_t bytes, uint64_t events)
{
    if (bytes)
        printf("    %-14s %7.4f\n", name ? name : "?", (double)bytes / (double)events);
}

static void print_columns(const char *path, uint64_t events)
{
    uint64_t stored[SEEP_COLUMNS_MAX] = {0}, chunks[CHUNK_NAMES] = {0};
    uint64_t checkpoints = 0, groups = 0, parts = 0, all = 32;
    FILE *file = fopen(path, "rb");
    struct seep_chunk_header h;
    if (!file || fseek(file, sizeof(struct seep_file_header), SEEK_SET) != 0)
        return;
    while (fread(&h, sizeof h, 1, file) == 1 && h.magic == SEEP_CHUNK_MAGIC) {
        uint8_t *payload = mem_alloc(h.stored_bytes);
        if (fread(payload, 1, h.stored_bytes, file) != h.stored_bytes)
            break;
        all += sizeof h + h.stored_bytes;
        if (h.type == SEEP_CHUNK_GROUP) {
            struct columns_table table;
            struct seep_group_header group;
            memcpy(&group, payload, sizeof group);
            groups += group.flags & SEEP_GROUP_CHECKPOINT;
            parts++;
            if (columns_parse(&table, payload + sizeof group, h.stored_bytes - sizeof group))
                for (unsigned id = 0; id < SEEP_COLUMNS_MAX; id++)
                    *(id < SEEP_COLUMN_RUN ? &checkpoints : &stored[id]) +=
                        table.entry[id].stored_bytes;
        } else if (h.type < CHUNK_NAMES) {
            chunks[h.type] += sizeof h + h.stored_bytes;
        }
        free(payload);
    }
    fclose(file);
    printf("  %" PRIu64 " groups, %" PRIu64 " parts, %" PRIu64 " bytes: %.4f an event\n", groups,
           parts, all, (double)all / (double)events);
    for (unsigned id = 0; id < SEEP_COLUMNS_MAX; id++)
        print_share(column_names[id], stored[id], events);
    print_share("checkpoints", checkpoints, events);
    for (unsigned type = 0; type < CHUNK_NAMES; type++)
        print_share(chunk_names[type], chunks[type], events);
}

static double rate(struct pass p)
{
    return (double)p.events / p.seconds / 1e6;
}

static void measure(const char *name, const char *path, const char *copy)
{
    struct pass read = {0}, copied = {0}, window = {0}, played = {0}, one = {0}, all = {0};
    double mib = play_mib(path);
    int rounds = 3;
    for (int round = 0; round < rounds; round++) {
        keep_best(&played, play(path, 1, false));
        keep_best(&one, play(path, 1, true));
        keep_best(&all, play(path, 0, true));
        if (played.events > LONG_EVENTS)
            rounds = 1;
        keep_best(&read, pass(path, NULL, 0, UINT64_MAX));
        if (rounds > 1)
            keep_best(&copied, pass(path, copy, 0, UINT64_MAX));
        keep_best(&window, pass(path, NULL, read.last_ns / 100 * 50, read.last_ns / 100 * 51));
    }
    printf("%s: %" PRIu64 " events; M/s: played %.1f, by all processors %.2f times as fast, told "
           "%.1f",
           name, read.events, rate(played), one.seconds / all.seconds, rate(read));
    if (copied.events)
        printf(", written %.1f", (double)read.events / (copied.seconds - read.seconds) / 1e6);
    printf("; %.0f MiB; a hundredth of the time in %.1f %% of telling\n", mib,
           100 * window.seconds / read.seconds);
    print_columns(path, read.events);
}

int main(int argc, char **argv)
{
    char made[] = "/tmp/bench-trace-XXXXXX", copy[] = "/tmp/bench-trace-XXXXXX";
    uint64_t events = SYNTHETIC_EVENTS;
    int first = 1;
    if (argc > 1 && strncmp(argv[1], "--events=", 9) == 0) {
        events = strtoull(argv[1] + 9, NULL, 10);
        first = 2;
    }
    close(mkstemp(made));
    close(mkstemp(copy));
    unlink(made);
    if (argc <= first) {
        make_program(made, events);
        measure("made-up program", made, copy);
    }
    for (int i = first; i < argc; i++)
        measure(argv[i], argv[i], copy);
    unlink(made);
    unlink(copy);
    return 0;
}
