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
#define RECORD_BYTES (512u << 10)
#define PAGE_BYTES 4096

/* Working memory, taken when first needed and kept. */
static struct work {
    char text[TEXT_BYTES];
    uint64_t words[WORDS];
    uint8_t record[RECORD_BYTES];
} * work;

static atomic_bool taken; /* one thread at a time; others do without */
static uint64_t started_ns, spent_ns;
static uint64_t mappings_at_ns, mappings_cost_ns;

void rec_snapshot_init(void)
{
    atomic_store(&taken, false);
    started_ns = rec_clock_ns(CLOCK_MONOTONIC);
    spent_ns = mappings_at_ns = mappings_cost_ns = 0;
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

static void add_runs(struct seep_mappings *record, int pagemap, const struct seep_mapping *m)
{
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

static void take(bool whatever_it_costs)
{
    bool parent_does = *rec_option_text(REC_OPTION_RUN_ID) != '\0';
    if ((parent_does && !whatever_it_costs) || atomic_exchange(&taken, true))
        return;
    uint64_t now = rec_clock_ns(CLOCK_MONOTONIC);
    if (work == NULL)
        work = sys_memory(sizeof *work);
    if (work && (whatever_it_costs || spent_ns * BUDGET_SHARE <= now - started_ns)) {
        uint64_t mask = sys_signals_block();
        take_memory(now);
        if (whatever_it_costs || mappings_cost_ns * MAPPINGS_SHARE <= now - mappings_at_ns) {
            uint64_t from = rec_clock_ns(CLOCK_MONOTONIC);
            take_mappings(from);
            mappings_at_ns = rec_clock_ns(CLOCK_MONOTONIC);
            mappings_cost_ns = mappings_at_ns - from;
        }
        spent_ns += rec_clock_ns(CLOCK_MONOTONIC) - now;
        sys_signals_restore(mask);
    }
    atomic_store(&taken, false);
}

void rec_snapshot_if_due(void)
{
    take(false);
}

void rec_snapshot_last(void)
{
    take(true);
}
