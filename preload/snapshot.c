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
#define TEXT_BYTES (64u << 10)
#define WORDS 2048 /* of pagemap at a time: 8 MiB of address space */
#define RUNS (WORDS * sizeof(uint64_t) / sizeof(struct seep_page_run)) /* of a scan at a time */
#define RECORD_BYTES (512u << 10)
#define PAGE_BYTES 4096

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

void rec_snapshot_init(void)
{
    atomic_store(&taken, false);
    started_ns = rec_clock_ns(CLOCK_MONOTONIC);
    spent_ns = mappings_at_ns = mappings_cost_ns = own_told = 0;
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

/* False: the kernel cannot in this way, and nothing was added. */
static bool scan_runs(struct seep_mappings *record, int pagemap, const struct seep_mapping *m)
{
    struct seep_page_scan scan = {
        .size = sizeof scan,
        .start = m->start,
        .end = m->end,
        .runs = (uintptr_t)work->runs,
        .run_count = RUNS,
        .any_of = SEEP_PAGE_IS_PRESENT | SEEP_PAGE_IS_SWAPPED,
        .returned = SEEP_PAGE_IS_PRESENT | SEEP_PAGE_IS_SWAPPED | SEEP_PAGE_IS_FILE |
                    SEEP_PAGE_IS_ZERO | (way == SCAN_GUARDS ? SEEP_PAGE_IS_GUARD : 0),
    };
    uint64_t at = m->start;
    while (scan.start < m->end) {
        long n = sys_call(SYS_ioctl, pagemap, SEEP_PAGE_SCAN_REQUEST, &scan);
        if (sys_failed(n))
            return at != m->start;
        for (long i = 0; i < n; i++) {
            const struct seep_page_run *run = &work->runs[i];
            seep_mappings_run(record, (run->start - at) / PAGE_BYTES, SEEP_PAGE_ABSENT);
            seep_mappings_run(record, (run->end - run->start) / PAGE_BYTES,
                              seep_scan_residency(run->categories));
            at = run->end;
        }
        if (scan.walk_end <= scan.start)
            break;
        scan.start = scan.walk_end;
    }
    return true;
}

static void add_runs(struct seep_mappings *record, int pagemap, const struct seep_mapping *m)
{
    for (; way != PAGEMAP; way++)
        if (scan_runs(record, pagemap, m))
            return;
    for (uint64_t page = m->start / PAGE_BYTES, end = m->end / PAGE_BYTES; page < end;) {
        uint64_t count = end - page < WORDS ? end - page : WORDS;
        long n = sys_call(SYS_pread64, pagemap, work->words, count * sizeof(uint64_t),
                          page * sizeof(uint64_t));
        if (n < (long)sizeof(uint64_t))
            return;
        seep_mappings_pagemap(record, work->words, (size_t)n / sizeof(uint64_t));
        page += (uint64_t)n / sizeof(uint64_t);
    }
}

static void take_mappings(uint64_t now)
{
    long maps = sys_call(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
    long pagemap = sys_call(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    struct seep_mappings record;
    seep_mappings_begin(&record, work->record, RECORD_BYTES, PAGE_BYTES);
    size_t have = 0;
    long n;
    while (!sys_failed(maps) &&
           (n = sys_call(SYS_read, maps, work->text + have, TEXT_BYTES - have)) > 0) {
        have += (size_t)n;
        const char *at = work->text, *end = work->text + have;
        struct seep_mapping m;
        while (seep_mapping_parse(&at, end, &m))
            if (seep_mappings_add(&record, &m) && seep_mapping_has_runs(&m) && !sys_failed(pagemap))
                add_runs(&record, (int)pagemap, &m);
        have = (size_t)(end - at);
        memmove(work->text, at, have);
    }
    if (!sys_failed(pagemap))
        sys_call(SYS_close, pagemap);
    if (!sys_failed(maps))
        sys_call(SYS_close, maps);
    size_t length = seep_mappings_end(&record);
    if (length)
        rec_spool_snapshot(SEEP_BESIDE_MAPPINGS, now, work->record, (uint32_t)length);
}

static bool parent_does(void)
{
    return *rec_option_text(REC_OPTION_RUN_ID) != '\0';
}

/* What is worth a picture, taken by one thread at a time; others do without. */
static void take(bool whatever_it_costs)
{
    bool due = whatever_it_costs || !parent_does();
    if ((!due && own_told == sys_memory_version()) || atomic_exchange(&taken, true))
        return;
    uint64_t now = rec_clock_ns(CLOCK_MONOTONIC);
    uint64_t mask = sys_signals_block();
    if (work == NULL)
        work = sys_memory(sizeof *work);
    if (work)
        take_own(now);
    if (work && due && (whatever_it_costs || spent_ns * BUDGET_SHARE <= now - started_ns)) {
        take_memory(now);
        if (whatever_it_costs || mappings_cost_ns * MAPPINGS_SHARE <= now - mappings_at_ns) {
            uint64_t from = rec_clock_ns(CLOCK_MONOTONIC);
            take_mappings(from);
            mappings_at_ns = rec_clock_ns(CLOCK_MONOTONIC);
            mappings_cost_ns = mappings_at_ns - from;
            take_memory(mappings_at_ns); /* tells how long it took, and what RSS did meanwhile */
        }
        spent_ns += rec_clock_ns(CLOCK_MONOTONIC) - now;
    }
    sys_signals_restore(mask);
    atomic_store(&taken, false);
}

void rec_snapshot_if_due(void)
{
    take(false);
}

void rec_snapshot_now(void)
{
    take(true);
}
