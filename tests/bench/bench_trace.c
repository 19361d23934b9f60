/* SPDX-License-Identifier: MIT
 *
 * Speed and size of the trace format: bench_trace [TRACE...]
 *
 * Each trace is read, and read and written again, the best of three times, and a table printed:
 * events a second, and bytes an event by column. Without an argument, a made-up program stands in:
 * a few hundred call sites with sizes of their own, mostly short-lived blocks, addresses as a
 * simple allocator with size classes gives them. */
#include "trace/columns.h"
#include "trace/trace_reader.h"
#include "trace/trace_writer.h"
#include "util/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SYNTHETIC_EVENTS 3000000

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

struct program {
    uint64_t random, top, time_ns;
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
    uint64_t roll = next_random(&p->random);
    p->time_ns += 40 + roll % 64 + (roll % 512 == 0 ? 3000 : 0);
    ev.time_ns = p->time_ns;
    /* phases: the live blocks grow and shrink */
    bool grow = number / 200000 % 3 != 2;
    if (p->live_count < 100 || (roll >> 8) % 100 < (grow ? 51 : 47)) {
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
        if ((roll >> 32) % 3 == 0)
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

static void make_program(const char *path)
{
    struct program p = {.random = 88172645463325252u, .top = 0x555555560010};
    struct err err;
    if (trace_writer_open(&p.w, path, NULL, &err))
        die(&err);
    uint32_t root = trace_writer_stack(p.w, 0, 0, SEEP_ROW_ROOT);
    for (unsigned i = 1; i < SITES; i++)
        trace_writer_stack(p.w, root, 0x400000 + 64 * i, 0);
    for (uint64_t n = 0; n < SYNTHETIC_EVENTS; n++)
        program_step(&p, n);
    struct trace_summary summary = {.wait_status = -1};
    if (trace_writer_finish(p.w, &summary, &err))
        die(&err);
    for (unsigned i = 0; i < CLASSES; i++)
        free(p.freed[i]);
    free(p.live);
}

/* ---- measuring */

/* Reads all events and, with `copy`, writes them there. Returns how many, and how long it took. */
static uint64_t pass(const char *path, const char *copy, double *seconds)
{
    struct trace_reader *reader;
    struct trace_writer *w = NULL;
    struct trace_event ev;
    struct err err;
    uint64_t count = 0;
    if (copy)
        unlink(copy);
    double start = now_s();
    if (trace_reader_open(&reader, path, &err) || (copy && trace_writer_open(&w, copy, NULL, &err)))
        die(&err);
    while (trace_reader_next(reader, &ev, &err) == SEEP_OK) {
        if (ev.type == TRACE_BESIDE || ev.type == TRACE_GAP)
            continue;
        count++;
        if (w && trace_writer_event(w, &ev, &err))
            die(&err);
    }
    struct trace_summary summary = {.wait_status = -1};
    if (w && trace_writer_finish(w, &summary, &err))
        die(&err);
    trace_reader_free(reader);
    *seconds = now_s() - start;
    return count;
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

static void print_columns(const char *path, uint64_t events)
{
    uint64_t stored[SEEP_COLUMNS_MAX] = {0}, checkpoints = 0, groups = 0, parts = 0, all = 32;
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
        }
        free(payload);
    }
    fclose(file);
    printf("  %" PRIu64 " groups, %" PRIu64 " parts, %" PRIu64 " bytes: %.3f an event\n", groups,
           parts, all, (double)all / (double)events);
    for (unsigned id = 0; id < SEEP_COLUMNS_MAX; id++)
        if (stored[id])
            printf("    %-14s %6.3f\n", column_names[id] ? column_names[id] : "?",
                   (double)stored[id] / (double)events);
    printf("    %-14s %6.3f\n", "checkpoints", (double)checkpoints / (double)events);
}

static void measure(const char *name, const char *path, const char *copy)
{
    double read = 1e9, copied = 1e9, seconds;
    uint64_t events = 0;
    for (int round = 0; round < 3; round++) {
        events = pass(path, NULL, &seconds);
        read = seconds < read ? seconds : read;
        pass(path, copy, &seconds);
        copied = seconds < copied ? seconds : copied;
    }
    printf("%s: %" PRIu64 " events, encoded %.1f M/s, decoded %.1f M/s\n", name, events,
           (double)events / (copied - read) / 1e6, (double)events / read / 1e6);
    print_columns(copy, events);
}

int main(int argc, char **argv)
{
    char made[] = "/tmp/bench-trace-XXXXXX", copy[] = "/tmp/bench-trace-XXXXXX";
    close(mkstemp(made));
    close(mkstemp(copy));
    unlink(made);
    if (argc < 2) {
        make_program(made);
        measure("made-up program", made, copy);
    }
    for (int i = 1; i < argc; i++)
        measure(argv[i], argv[i], copy);
    unlink(made);
    unlink(copy);
    return 0;
}
