/* SPDX-License-Identifier: MIT */
#include "run/process_memory.h"

#include "seep/memory_snapshot.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define RECORD_MIN_BYTES (64u << 10)
#define RECORD_MAX_BYTES (256u << 20)
#define WORDS_AT_ONCE 8192
#define RUNS_AT_ONCE 2048

void process_buffer_release(struct process_buffer *b)
{
    free(b->bytes);
    *b = (struct process_buffer){0};
}

bool process_read_file(const char *path, struct process_buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    out->length = 0;
    ssize_t n;
    do {
        MEM_GROW(out->bytes, out->capacity, out->length + RECORD_MIN_BYTES);
        n = read(fd, out->bytes + out->length, out->capacity - out->length);
        if (n > 0)
            out->length += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    close(fd);
    return n == 0;
}

static int open_proc(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Reads at most `room` bytes; -1 where that failed. */
static ssize_t read_proc(pid_t pid, const char *name, char *out, size_t room)
{
    int fd = open_proc(pid, name);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, out, room);
    close(fd);
    return n;
}

uint64_t process_rss_bytes(pid_t pid)
{
    char text[128];
    ssize_t n = read_proc(pid, "statm", text, sizeof text);
    if (n <= 0)
        return 0;
    const char *p = text, *end = text + n;
    seep_text_number(&p, end);
    return seep_text_number(&p, end) * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool process_memory(pid_t pid, uint64_t out[SEEP_MEMORY_COUNT])
{
    char text[4096];
    ssize_t n = read_proc(pid, "status", text, sizeof text);
    return n > 0 && seep_memory_parse(text, (size_t)n, out);
}

/* ------------------------------------------------------------------ mappings */

static bool read_maps(pid_t pid, struct process_buffer *b)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    return process_read_file(path, b) && b->length > 0;
}

static bool scan_runs(int pagemap, bool guards, const struct seep_mapping *mapping,
                      struct seep_mappings *m)
{
    struct seep_page_run runs[RUNS_AT_ONCE];
    struct seep_page_scan scan = {
        .size = sizeof scan,
        .start = mapping->start,
        .end = mapping->end,
        .runs = (uint64_t)(uintptr_t)runs,
        .run_count = RUNS_AT_ONCE,
        .any_of = SEEP_PAGE_IS_PRESENT | SEEP_PAGE_IS_SWAPPED,
        .returned = SEEP_PAGE_IS_PRESENT | SEEP_PAGE_IS_SWAPPED | SEEP_PAGE_IS_FILE |
                    SEEP_PAGE_IS_ZERO | (guards ? SEEP_PAGE_IS_GUARD : 0),
    };
    uint64_t at = mapping->start;
    while (scan.start < mapping->end) {
        int n = ioctl(pagemap, SEEP_PAGE_SCAN_REQUEST, &scan);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        for (int i = 0; i < n; i++) {
            seep_mappings_run(m, (runs[i].start - at) / m->page_bytes, SEEP_PAGE_ABSENT);
            seep_mappings_run(m, (runs[i].end - runs[i].start) / m->page_bytes,
                              seep_scan_residency(runs[i].categories));
            at = runs[i].end;
        }
        if (scan.walk_end <= scan.start)
            break;
        scan.start = scan.walk_end;
    }
    return true;
}

static void pagemap_runs(int pagemap, const struct seep_mapping *mapping, struct seep_mappings *m)
{
    uint64_t words[WORDS_AT_ONCE];
    uint64_t page = mapping->start / m->page_bytes, end = mapping->end / m->page_bytes;
    while (page < end) {
        size_t want = end - page < WORDS_AT_ONCE ? (size_t)(end - page) : WORDS_AT_ONCE;
        ssize_t n = pread(pagemap, words, want * sizeof *words, (off_t)(page * sizeof *words));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < (ssize_t)sizeof *words)
            return;
        seep_mappings_pagemap(m, words, (size_t)n / sizeof *words);
        page += (size_t)n / sizeof *words;
    }
}

static void take_runs(int pagemap, enum process_residency *way, const struct seep_mapping *mapping,
                      struct seep_mappings *m)
{
    while (*way != PROCESS_PAGEMAP) {
        if (scan_runs(pagemap, *way == PROCESS_SCAN_GUARDS, mapping, m))
            return;
        if (errno != EINVAL && errno != ENOTTY && errno != ENOSYS)
            return; /* the process is gone */
        ++*way;     /* refused at its first call: no run was made yet */
    }
    pagemap_runs(pagemap, mapping, m);
}

bool process_mappings(pid_t pid, enum process_residency *way, struct process_buffer *maps,
                      struct process_buffer *out)
{
    int pagemap = open_proc(pid, "pagemap");
    if (pagemap < 0)
        return false;
    out->length = 0;
    for (size_t room = RECORD_MIN_BYTES; room <= RECORD_MAX_BYTES && out->length == 0; room *= 2) {
        if (out->capacity > room)
            continue;
        if (!read_maps(pid, maps))
            break;
        MEM_GROW(out->bytes, out->capacity, room);
        struct seep_mappings m;
        seep_mappings_begin(&m, out->bytes, out->capacity, (uint64_t)sysconf(_SC_PAGESIZE));
        const char *p = (const char *)maps->bytes, *end = p + maps->length;
        struct seep_mapping mapping;
        while (!m.full && seep_mapping_parse(&p, end, &mapping))
            if (seep_mappings_add(&m, &mapping) && seep_mapping_has_runs(&mapping))
                take_runs(pagemap, way, &mapping, &m);
        out->length = seep_mappings_end(&m);
    }
    close(pagemap);
    return out->length > 0;
}
