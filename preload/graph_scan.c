/* SPDX-License-Identifier: MIT */
#include "graph_scan.h"

#include "clock.h"
#include "graph_regions.h"
#include "seep/memory_snapshot.h"
#include "seep/trace_codec.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define PAGE_BYTES 4096u
#define OUT_BYTES (1u << 20)
#define RUNS 256   /* of pages that are there, asked for at a time */
#define WORDS 4096 /* of pagemap, where runs cannot be had */
#define MINCORE_PAGES 4096
#define NICE 10

/* The words that are told: those within one of the ranges, which are sorted. Most that are no
 * pointers fall outside all of them, most that are into the range that was hit last. */
struct targets {
    const struct rec_graph_region *ranges;
    size_t count;
    uintptr_t low, span;         /* of all */
    uintptr_t hit_low, hit_span; /* of the last */
};

struct scan {
    struct rec_graph_plan *plan;
    uint8_t *out, *at; /* what is not written yet: OUT_BYTES */
    uint64_t file_end;
    bool failed;
    uint64_t last_value;
    uintptr_t last_place; /* of the word told last, or one before the region */
    uintptr_t region_end; /* of the region told last */
    struct targets blocks, all;
    int pagemap; /* negative: none, all pages are taken to be there */
    bool no_runs;
    struct seep_page_run runs[RUNS];
    uint64_t words[WORDS];
    uint8_t resident[MINCORE_PAGES];
};

/* ------------------------------------------------------------------ the file */

static void flush(struct scan *s)
{
    for (const uint8_t *p = s->out; p < s->at && !s->failed;) {
        long n = sys_call(SYS_pwrite64, s->plan->fd, p, s->at - p, s->file_end);
        if (n <= 0) {
            s->failed = true;
            break;
        }
        p += n;
        s->file_end += (uint64_t)n;
    }
    s->at = s->out;
}

static void make_room(struct scan *s, size_t bytes)
{
    if ((size_t)(s->out + OUT_BYTES - s->at) < bytes)
        flush(s);
}

static void begin_region(struct scan *s, const struct rec_graph_region *r)
{
    make_room(s, 4 * SEEP_VARINT_MAX);
    uint8_t *p = seep_put_varint(s->at, r->kind);
    p = seep_put_svarint(p, (int64_t)(r->start - s->region_end));
    p = seep_put_varint(p, r->end - r->start);
    s->at = seep_put_varint(p, r->thread);
    s->region_end = r->end;
    s->last_place = r->start - sizeof(uintptr_t);
}

static void end_region(struct scan *s)
{
    make_room(s, 1);
    *s->at++ = 0;
}

static inline void tell(struct scan *s, uintptr_t place, uint64_t value)
{
    make_room(s, 2 * SEEP_VARINT_MAX);
    uint8_t *p = seep_put_varint(s->at, (place - s->last_place) / sizeof(uintptr_t));
    s->at = seep_put_svarint(p, (int64_t)(value - s->last_value));
    s->last_place = place;
    s->last_value = value;
    s->plan->header.words++;
}

/* ------------------------------------------------------------------ which words */

static void targets_init(struct targets *t, const struct rec_graph_region *ranges, size_t count)
{
    *t = (struct targets){.ranges = ranges, .count = count};
    if (count) {
        t->low = ranges[0].start;
        t->span = ranges[count - 1].end - t->low;
    }
}

static __attribute__((noinline)) bool find(struct targets *t, uintptr_t value)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->ranges[middle].end <= value)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == t->count || t->ranges[low].start > value)
        return false;
    t->hit_low = t->ranges[low].start;
    t->hit_span = t->ranges[low].end - t->hit_low;
    return true;
}

static inline bool is_target(struct targets *t, uintptr_t value)
{
    return value - t->low < t->span && (value - t->hit_low < t->hit_span || find(t, value));
}

static void scan_words(struct scan *s, struct targets *t, uintptr_t from, uintptr_t to)
{
    for (const uintptr_t *p = (const uintptr_t *)from; p < (const uintptr_t *)to; p++)
        if (__builtin_expect(is_target(t, *p), 0))
            tell(s, (uintptr_t)p, *p);
    s->plan->header.scanned_bytes += to - from;
    atomic_fetch_add_explicit(s->plan->progress, 1, memory_order_relaxed);
}

/* ------------------------------------------------------------------ which pages */

static void scan_piece(struct scan *s, struct targets *t, const struct rec_graph_region *r,
                       uintptr_t from, uintptr_t to)
{
    if (from < r->start)
        from = r->start;
    if (to > r->end)
        to = r->end;
    if (to > from)
        scan_words(s, t, from, to);
}

/* Of memory that is shared with others a fork copies no page table; but the kernel tells what it
 * holds of it. Pages behind the end of a file are not among those: reading them would be fatal. */
static void scan_shared(struct scan *s, struct targets *t, const struct rec_graph_region *r)
{
    uintptr_t at = r->start & ~(uintptr_t)(PAGE_BYTES - 1);
    while (at < r->end) {
        size_t pages = (r->end - at + PAGE_BYTES - 1) / PAGE_BYTES;
        if (pages > MINCORE_PAGES)
            pages = MINCORE_PAGES;
        if (sys_failed(sys_call(SYS_mincore, at, pages * PAGE_BYTES, s->resident)))
            return;
        for (size_t i = 0; i < pages; i++)
            if (s->resident[i] & 1)
                scan_piece(s, t, r, at + i * PAGE_BYTES, at + (i + 1) * PAGE_BYTES);
        at += pages * PAGE_BYTES;
    }
}

/* Asks the kernel for runs of pages that are there: it steps over gaps of any size at once.
 * False: it does not know how (before Linux 6.7); then *at is where nobody has looked yet. */
static bool scan_by_runs(struct scan *s, struct targets *t, const struct rec_graph_region *r,
                         uintptr_t *at)
{
    while (*at < r->end) {
        struct seep_page_scan ask = {
            .size = sizeof ask,
            .start = *at,
            .end = (r->end + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1),
            .runs = (uintptr_t)s->runs,
            .run_count = RUNS,
            .any_of = SEEP_PAGE_IS_PRESENT | SEEP_PAGE_IS_SWAPPED,
            .returned = SEEP_PAGE_IS_PRESENT | SEEP_PAGE_IS_SWAPPED | SEEP_PAGE_IS_ZERO,
        };
        long n = sys_call(SYS_ioctl, s->pagemap, SEEP_PAGE_SCAN_REQUEST, &ask);
        if (n == -EINTR)
            continue;
        if (sys_failed(n) || ask.walk_end <= *at)
            return false;
        for (long i = 0; i < n; i++)
            if (!(s->runs[i].categories & SEEP_PAGE_IS_ZERO))
                scan_piece(s, t, r, s->runs[i].start, s->runs[i].end);
        *at = ask.walk_end;
    }
    return true;
}

static void scan_by_words(struct scan *s, struct targets *t, const struct rec_graph_region *r,
                          uintptr_t at)
{
    while (at < r->end) {
        size_t pages = (r->end - at + PAGE_BYTES - 1) / PAGE_BYTES;
        if (pages > WORDS)
            pages = WORDS;
        long n = sys_call(SYS_pread64, s->pagemap, s->words, pages * sizeof s->words[0],
                          at / PAGE_BYTES * sizeof s->words[0]);
        bool known = n == (long)(pages * sizeof s->words[0]);
        for (size_t i = 0; i < pages; i++)
            if (!known || seep_pagemap_residency(s->words[i]) != SEEP_PAGE_ABSENT)
                scan_piece(s, t, r, at + i * PAGE_BYTES, at + (i + 1) * PAGE_BYTES);
        at += pages * PAGE_BYTES;
    }
}

static void scan_region(struct scan *s, const struct rec_graph_region *r)
{
    struct targets *t = r->kind == SEEP_GRAPH_HEAP ? &s->all : &s->blocks;
    begin_region(s, r);
    uintptr_t at = r->start & ~(uintptr_t)(PAGE_BYTES - 1);
    if (r->shared) {
        scan_shared(s, t, r);
    } else {
        s->no_runs = s->no_runs || !scan_by_runs(s, t, r, &at);
        scan_by_words(s, t, r, at);
    }
    end_region(s);
}

static void scan_registers(struct scan *s, const struct rec_graph_thread *t)
{
    struct rec_graph_region r = {.start = 0,
                                 .end = t->register_count * sizeof t->registers[0],
                                 .kind = SEEP_GRAPH_REGISTERS,
                                 .thread = t->number};
    begin_region(s, &r);
    for (uint32_t i = 0; i < t->register_count; i++)
        if (is_target(&s->blocks, t->registers[i]))
            tell(s, i * sizeof t->registers[0], t->registers[i]);
    end_region(s);
}

/* ------------------------------------------------------------------ all together */

/* Of the program's descriptors none may stay open here: whoever reads the other end of a pipe waits
 * for its end. */
static void close_others(int fd)
{
    if ((fd == 0 || !sys_failed(sys_call(SYS_close_range, 0, fd - 1, 0))) &&
        !sys_failed(sys_call(SYS_close_range, fd + 1, ~0u, 0)))
        return;
    struct rlimit limit = {.rlim_cur = 1u << 20};
    sys_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit);
    for (int i = 0; i < (int)(limit.rlim_cur < INT_MAX ? limit.rlim_cur : INT_MAX); i++)
        if (i != fd)
            sys_call(SYS_close, i);
}

static bool scan_all(struct scan *s)
{
    struct rec_graph_plan *plan = s->plan;
    struct rec_graph_regions regions;
    if (!rec_graph_regions_find(plan, &regions))
        return false;
    targets_init(&s->all, regions.targets.regions, regions.targets.count);
    struct rec_graph_list blocks;
    if (!rec_graph_regions_heap(&regions, &blocks))
        return false;
    targets_init(&s->blocks, blocks.regions, blocks.count);
    for (uint32_t i = 0; i < plan->thread_count; i++)
        if (plan->threads[i].tid)
            scan_registers(s, &plan->threads[i]);
    for (size_t i = 0; i < regions.all.count && !s->failed; i++)
        scan_region(s, &regions.all.regions[i]);
    make_room(s, 1);
    *s->at++ = SEEP_GRAPH_END;
    flush(s);
    return !s->failed;
}

static bool write_header(const struct rec_graph_plan *plan)
{
    return sys_call(SYS_pwrite64, plan->fd, &plan->header, sizeof plan->header, 0) ==
           (long)sizeof plan->header;
}

static bool scan(struct rec_graph_plan *plan)
{
    uint64_t start = rec_clock_ns(CLOCK_MONOTONIC);
    close_others(plan->fd);
    /* Nobody else is bound by what is changed here. */
    struct rlimit limit;
    sys_call(SYS_prlimit64, 0, RLIMIT_AS, 0, &limit);
    limit.rlim_cur = limit.rlim_max;
    sys_call(SYS_prlimit64, 0, RLIMIT_AS, &limit, 0);
    limit = (struct rlimit){0};
    sys_call(SYS_prlimit64, 0, RLIMIT_CORE, &limit, 0);
    if (!plan->is_waited_for)
        sys_call(SYS_setpriority, PRIO_PROCESS, 0, NICE);
    sys_call(SYS_setsid);
    sys_call(SYS_prctl, PR_SET_NAME, "seep-graph");
    struct scan *s = sys_memory_kept(sizeof *s);
    uint8_t *out = sys_memory_kept(OUT_BYTES);
    if (s == NULL || out == NULL || !write_header(plan))
        return false;
    s->plan = plan;
    s->out = s->at = out;
    s->file_end = sizeof plan->header;
    s->pagemap = (int)sys_call(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (!scan_all(s))
        return false;
    plan->header.bytes = s->file_end - sizeof plan->header;
    plan->header.scan_ns = rec_clock_ns(CLOCK_MONOTONIC) - start;
    plan->header.complete = 1;
    return write_header(plan);
}

void rec_graph_scan(struct rec_graph_plan *plan)
{
    bool done = scan(plan);
    for (;;)
        sys_call(SYS_exit_group, done ? 0 : 1);
}
