/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include "clock.h"
#include "facts.h"
#include "options.h"
#include "seep/memory_snapshot.h"
#include "spool.h"
#include "sys.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#define BUDGET_SHARE 100 /* one part in so many of the time that passes */
#define MAPPINGS_SHARE                                                                             \
    250 /* the same for the mappings alone: the cheaper records come more often */
#define TEXT_BYTES (2u << 20) /* some 30,000 mappings; more make no record that fits */
#define WORDS 2048            /* of pagemap at a time: 8 MiB of address space */
/* Of address space at a time, where the kernel finds runs. 64 MiB took up to 2 ms of a busy
 * machine: a slice ends behind the part that it is at. */
#define SCAN_BYTES (UINT64_C(4) << 20)
#define RUNS (WORDS * sizeof(uint64_t) / sizeof(struct seep_page_run)) /* of a scan at a time */
#define RECORD_BYTES (512u << 10)
#define PAGE_BYTES 4096
/* In a hook a picture of the mappings is taken in slices, for the program waits: some 3 to 10 ms a
 * GiB. */
#define SLICE_NS 250000
#define SLICE_GAP_NS 500000 /* at least, between two */
#define SLICE_GAP_TICKS (1u << 20)

/* Working memory, taken when first needed and kept. */
static struct work {
    char text[TEXT_BYTES];
    union {
        uint64_t words[WORDS];
        struct seep_page_run runs[RUNS];
    };
    uint8_t record[RECORD_BYTES];
} * work;

/* The first byte of this library in memory, and the first behind it. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

/* How residency is asked for: what an older kernel refuses is not tried again. */
static enum { SCAN_GUARDS, SCAN, PAGEMAP } way;
static size_t own_told; /* sys_memory_version() of the last OWN_MEMORY record */
static atomic_bool taken;
static uint64_t started_ns, spent_ns;
static uint64_t mappings_at_ns, mappings_cost_ns;

/* A picture of the mappings in the making. Which mappings there are is read at its beginning; where
 * one is gone before its turn comes, its pages are absent. The MEMORY records before and behind
 * tell how long it took. */
static struct {
    bool goes_on; /* in a later hook */
    struct seep_mappings record;
    const char *line, *end;      /* what is left of the text of the mappings */
    struct seep_mapping mapping; /* the one at hand */
    uint64_t at;                 /* address up to which it was looked at */
    uint64_t covered;            /* address up to which runs were added */
    uint64_t begin_ns, slice_ns; /* when it began, and when the last slice ended */
    uint64_t cost_ns;
} picture;

void rec_snapshot_init(void)
{
    atomic_store(&taken, false);
    started_ns = rec_clock_ns(CLOCK_MONOTONIC);
    spent_ns = mappings_at_ns = mappings_cost_ns = own_told = 0;
    picture.goes_on = false;
}

static void take_memory(uint64_t now)
{
    uint64_t values[SEEP_MEMORY_COUNT];
    size_t n = rec_read_file("/proc/self/status", work->text, TEXT_BYTES);
    if (!seep_memory_parse(work->text, n, values))
        return;
    uint8_t *end = seep_put_memory(work->record, values);
    rec_spool_snapshot(SEEP_BESIDE_MEMORY, now, work->record, (uint32_t)(end - work->record));
}

/* Where the recorder's own memory lies, if that has changed. */
static void take_own(uint64_t now)
{
    size_t version = sys_memory_version(), position = 0;
    if (version == own_told)
        return;
    uint8_t *start = work->record + SEEP_VARINT_MAX, *p = start;
    uintptr_t from = (uintptr_t)__ehdr_start, to = (uintptr_t)_end;
    uint64_t count = 0;
    do {
        p = seep_put_varint(p, from);
        p = seep_put_varint(p, to - from);
        count++;
    } while ((size_t)(work->record + RECORD_BYTES - p) >= 2 * SEEP_VARINT_MAX &&
             sys_memory_next(&position, &from, &to));
    uint8_t head[SEEP_VARINT_MAX];
    size_t head_bytes = (size_t)(seep_put_varint(head, count) - head);
    memcpy(start - head_bytes, head, head_bytes);
    rec_spool_snapshot(SEEP_BESIDE_OWN_MEMORY, now, start - head_bytes,
                       (uint32_t)(p - start + (long)head_bytes));
    own_told = version;
}

/* The next part of the mapping at hand. False: the kernel cannot in this way, or not here. */
static bool scan_part(int pagemap)
{
    uint64_t end = picture.mapping.end, from = picture.at;
    struct seep_page_scan scan = {
        .size = sizeof scan,
        .start = from,
        .end = end - from > SCAN_BYTES ? from + SCAN_BYTES : end,
        .runs = (uintptr_t)work->runs,
        .run_count = RUNS,
        .any_of = SEEP_PAGE_IS_PRESENT | SEEP_PAGE_IS_SWAPPED,
        .returned = SEEP_PAGE_IS_PRESENT | SEEP_PAGE_IS_SWAPPED | SEEP_PAGE_IS_FILE |
                    SEEP_PAGE_IS_ZERO | (way == SCAN_GUARDS ? SEEP_PAGE_IS_GUARD : 0),
    };
    long n = sys_call(SYS_ioctl, pagemap, SEEP_PAGE_SCAN_REQUEST, &scan);
    if (sys_failed(n) || scan.walk_end <= from)
        return false;
    for (long i = 0; i < n; i++) {
        const struct seep_page_run *run = &work->runs[i];
        seep_mappings_run(&picture.record, (run->start - picture.covered) / PAGE_BYTES,
                          SEEP_PAGE_ABSENT);
        seep_mappings_run(&picture.record, (run->end - run->start) / PAGE_BYTES,
                          seep_scan_residency(run->categories));
        picture.covered = run->end;
    }
    picture.at = scan.walk_end;
    return true;
}

static bool read_part(int pagemap)
{
    uint64_t count = (picture.mapping.end - picture.at) / PAGE_BYTES;
    long n = sys_call(SYS_pread64, pagemap, work->words,
                      (count < WORDS ? count : WORDS) * sizeof(uint64_t),
                      picture.at / PAGE_BYTES * sizeof(uint64_t));
    if (n < (long)sizeof(uint64_t))
        return false;
    seep_mappings_pagemap(&picture.record, work->words, (size_t)n / sizeof(uint64_t));
    picture.at += (uint64_t)n / sizeof(uint64_t) * PAGE_BYTES;
    return true;
}

/* Adds the runs of a part of the mapping at hand; what cannot be read is left out. */
static void add_part(int pagemap)
{
    for (; way != PAGEMAP; way++) {
        if (scan_part(pagemap))
            return;
        if (picture.at != picture.mapping.start) {
            picture.at = picture.mapping.end;
            return;
        }
    }
    if (!read_part(pagemap))
        picture.at = picture.mapping.end;
}

/* Reads which mappings there are. False: they cannot be read, or are too many. */
static bool begin_picture(uint64_t now)
{
    long maps = sys_call(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (sys_failed(maps))
        return false;
    size_t have = 0;
    long n;
    while (have < TEXT_BYTES &&
           (n = sys_call(SYS_read, maps, work->text + have, TEXT_BYTES - have)) > 0)
        have += (size_t)n;
    sys_call(SYS_close, maps);
    seep_mappings_begin(&picture.record, work->record, RECORD_BYTES, PAGE_BYTES);
    picture.line = work->text;
    picture.end = work->text + have;
    picture.at = picture.mapping.end = 0;
    picture.begin_ns = now;
    picture.cost_ns = 0;
    return have < TEXT_BYTES;
}

/* Goes on with the picture until it is complete; returns false if it is not by `until_ns`. */
static bool go_on(uint64_t until_ns)
{
    long pagemap = sys_call(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bool complete = false, late = false;
    while (!complete && !late) {
        if (picture.at < picture.mapping.end) {
            add_part((int)pagemap);
            late = rec_clock_ns(CLOCK_MONOTONIC) >= until_ns;
        } else if (!seep_mapping_parse(&picture.line, picture.end, &picture.mapping)) {
            complete = true;
        } else {
            bool runs = seep_mappings_add(&picture.record, &picture.mapping) &&
                        seep_mapping_has_runs(&picture.mapping) && !sys_failed(pagemap);
            picture.at = runs ? picture.mapping.start : picture.mapping.end;
            picture.covered = picture.mapping.start;
        }
    }
    if (!sys_failed(pagemap))
        sys_call(SYS_close, pagemap);
    return complete;
}

/* Begins a picture of the mappings, or goes on with one, in one slice or to its end. */
static void take_mappings(bool at_once)
{
    uint64_t from = rec_clock_ns(CLOCK_MONOTONIC);
    if (!picture.goes_on && !begin_picture(from)) {
        mappings_at_ns = rec_clock_ns(CLOCK_MONOTONIC);
        mappings_cost_ns = mappings_at_ns - from;
        return;
    }
    bool complete = go_on(at_once ? UINT64_MAX : from + SLICE_NS);
    uint64_t now = rec_clock_ns(CLOCK_MONOTONIC);
    picture.cost_ns += now - from;
    picture.slice_ns = now;
    picture.goes_on = !complete;
    if (!complete)
        return;
    size_t length = seep_mappings_end(&picture.record);
    if (length)
        rec_spool_snapshot(SEEP_BESIDE_MAPPINGS, picture.begin_ns, work->record, (uint32_t)length);
    mappings_at_ns = now;
    mappings_cost_ns = picture.cost_ns;
    take_memory(now); /* tells how long it took, and what RSS did meanwhile */
}

static bool parent_does(void)
{
    return *rec_option_text(REC_OPTION_RUN_ID) != '\0';
}

/* What is worth a picture, taken by one thread at a time; others do without. Returns whether one
 * is in the making. */
static bool take(bool whatever_it_costs)
{
    bool due = whatever_it_costs || !parent_does();
    if ((!due && own_told == sys_memory_version()) || atomic_exchange(&taken, true))
        return false;
    uint64_t now = rec_clock_ns(CLOCK_MONOTONIC);
    uint64_t mask = sys_signals_block();
    if (work == NULL)
        work = sys_memory(sizeof *work);
    if (whatever_it_costs)
        picture.goes_on = false; /* a whole one takes its place */
    if (work && picture.goes_on) {
        if (now - picture.slice_ns >= SLICE_GAP_NS) {
            take_mappings(false);
            spent_ns += rec_clock_ns(CLOCK_MONOTONIC) - now;
        }
    } else if (work) {
        take_own(now);
        if (due && (whatever_it_costs || spent_ns * BUDGET_SHARE <= now - started_ns)) {
            take_memory(now);
            if (whatever_it_costs || mappings_cost_ns * MAPPINGS_SHARE <= now - mappings_at_ns)
                take_mappings(whatever_it_costs);
            spent_ns += rec_clock_ns(CLOCK_MONOTONIC) - now;
        }
    }
    sys_signals_restore(mask);
    bool goes_on = picture.goes_on;
    atomic_store(&taken, false);
    return goes_on;
}

uint64_t rec_snapshot_if_due(void)
{
    return take(false) ? SLICE_GAP_TICKS : UINT64_MAX;
}

void rec_snapshot_now(void)
{
    take(true);
}
