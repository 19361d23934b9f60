/* SPDX-License-Identifier: MIT
 *
 * What the kernel says about a process's memory, as records beside the events: parsers of the texts
 * in /proc and encoders of SEEP_BESIDE_MEMORY and SEEP_BESIDE_MAPPINGS (layouts in trace_format.h).
 *
 * Header only, over the caller's buffers, without a single libc call: the recorder may use it
 * inside malloc. Reading /proc is the caller's. */
#ifndef SEEP_MEMORY_SNAPSHOT_H
#define SEEP_MEMORY_SNAPSHOT_H

#include "seep/trace_codec.h"
#include "seep/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ------------------------------------------------------------------ MEMORY */

#define SEEP_MEMORY_BYTES_MAX ((SEEP_MEMORY_COUNT + 1) * SEEP_VARINT_MAX)

static inline bool seep_text_starts(const char *p, const char *end, const char *word)
{
    for (; *word; p++, word++)
        if (p >= end || *p != *word)
            return false;
    return true;
}

/* Skips blanks and reads a decimal number, which may be 0 digits long. */
static inline uint64_t seep_text_number(const char **p, const char *end)
{
    uint64_t v = 0;
    while (*p < end && (**p == ' ' || **p == '\t'))
        ++*p;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p)
        v = v * 10 + (uint64_t)(**p - '0');
    return v;
}

/* Takes the fields of enum seep_memory from the text of /proc/PID/status, in bytes; those it does
 * not have become 0. False if there is no VmRSS: a zombie or a kernel thread has no memory. */
static inline bool seep_memory_parse(const char *text, size_t length,
                                     uint64_t out[SEEP_MEMORY_COUNT])
{
    static const char *const names[SEEP_MEMORY_COUNT] = {
        [SEEP_MEMORY_RSS] = "VmRSS:",          [SEEP_MEMORY_PEAK_RSS] = "VmHWM:",
        [SEEP_MEMORY_RSS_ANON] = "RssAnon:",   [SEEP_MEMORY_RSS_FILE] = "RssFile:",
        [SEEP_MEMORY_RSS_SHMEM] = "RssShmem:", [SEEP_MEMORY_SWAP] = "VmSwap:",
        [SEEP_MEMORY_PAGE_TABLES] = "VmPTE:",  [SEEP_MEMORY_VIRTUAL] = "VmSize:",
    };
    const char *p = text, *end = text + length;
    bool resident = false;
    for (int i = 0; i < SEEP_MEMORY_COUNT; i++)
        out[i] = 0;
    while (p < end) {
        for (int i = 0; i < SEEP_MEMORY_COUNT; i++) {
            if (!seep_text_starts(p, end, names[i]))
                continue;
            while (*p != ':')
                p++;
            p++;
            out[i] = seep_text_number(&p, end) * 1024;
            resident |= i == SEEP_MEMORY_RSS;
            break;
        }
        while (p < end && *p++ != '\n')
            continue;
    }
    return resident;
}

/* Encodes at `p`, which has room for SEEP_MEMORY_BYTES_MAX bytes; returns the end. */
static inline uint8_t *seep_put_memory(uint8_t *p, const uint64_t values[SEEP_MEMORY_COUNT])
{
    p = seep_put_varint(p, SEEP_MEMORY_COUNT);
    for (int i = 0; i < SEEP_MEMORY_COUNT; i++)
        p = seep_put_varint(p, values[i]);
    return p;
}

/* ------------------------------------------------------------------ /proc/PID/maps */

enum seep_protection {
    SEEP_PROTECTION_READ = 1,
    SEEP_PROTECTION_WRITE = 2,
    SEEP_PROTECTION_EXECUTE = 4,
    SEEP_PROTECTION_SHARED = 8,
};

struct seep_mapping {
    uint64_t start, end;
    uint8_t protection; /* enum seep_protection */
    const char *name;   /* within the text, not NUL-ended */
    size_t name_length; /* 0: anonymous */
};

/* A mapping of the recorder's: its name ends in ".spool/FILE". */
static inline bool seep_mapping_in_spool(const struct seep_mapping *m)
{
    static const char folder[] = ".spool";
    size_t end = m->name_length, length = sizeof folder - 1;
    while (end > 0 && m->name[end - 1] != '/')
        end--;
    if (end-- <= length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (m->name[end - length + i] != folder[i])
            return false;
    return true;
}

/* True for the mappings whose residency is recorded: private ones that can be accessed at all, for
 * those that are only read have private pages too (what the loader wrote and then protected), and
 * the recorder's own shared ones. */
static inline bool seep_mapping_has_runs(const struct seep_mapping *m)
{
    if (m->protection & SEEP_PROTECTION_SHARED)
        return seep_mapping_in_spool(m);
    return m->protection && m->start >> 63 == 0; /* not the kernel's [vsyscall] */
}

static inline uint64_t seep_text_hex(const char **p, const char *end)
{
    uint64_t v = 0;
    for (; *p < end; ++*p) {
        char c = **p;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            break;
    }
    return v;
}

/* Takes the next whole line of /proc/PID/maps from *p; false at the end of the whole lines (*p then
 * stands at the rest). Lines that make no sense are skipped. */
static inline bool seep_mapping_parse(const char **p, const char *end, struct seep_mapping *out)
{
    for (;;) {
        const char *line = *p, *line_end = line;
        while (line_end < end && *line_end != '\n')
            line_end++;
        if (line_end == end)
            return false;
        *p = line_end + 1;
        out->start = seep_text_hex(&line, line_end);
        if (line == line_end || *line++ != '-')
            continue;
        out->end = seep_text_hex(&line, line_end);
        if (line_end - line < 5 || *line++ != ' ' || out->end <= out->start)
            continue;
        out->protection = (uint8_t)((line[0] == 'r' ? SEEP_PROTECTION_READ : 0) |
                                    (line[1] == 'w' ? SEEP_PROTECTION_WRITE : 0) |
                                    (line[2] == 'x' ? SEEP_PROTECTION_EXECUTE : 0) |
                                    (line[3] == 's' ? SEEP_PROTECTION_SHARED : 0));
        line += 4;
        for (int field = 0; field < 3; field++) { /* offset, device, inode */
            while (line < line_end && *line == ' ')
                line++;
            while (line < line_end && *line != ' ')
                line++;
        }
        while (line < line_end && *line == ' ')
            line++;
        out->name = line;
        out->name_length = (size_t)(line_end - line);
        return true;
    }
}

/* ------------------------------------------------------------------ MAPPINGS */

/* Residency by a word of /proc/PID/pagemap. It cannot tell the shared page of zeros, which costs no
 * memory, from a page of one's own; PAGEMAP_SCAN (below) can. */
#define SEEP_PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define SEEP_PAGEMAP_SWAPPED (UINT64_C(1) << 62)
#define SEEP_PAGEMAP_FILE (UINT64_C(1) << 61)  /* a page of a file, or shared memory */
#define SEEP_PAGEMAP_GUARD (UINT64_C(1) << 58) /* with SWAPPED: MADV_GUARD_INSTALL, no page */

static inline enum seep_residency seep_pagemap_residency(uint64_t word)
{
    if (word & SEEP_PAGEMAP_PRESENT)
        return word & SEEP_PAGEMAP_FILE ? SEEP_PAGE_FILE : SEEP_PAGE_RESIDENT;
    return (word & SEEP_PAGEMAP_SWAPPED) && !(word & SEEP_PAGEMAP_GUARD) ? SEEP_PAGE_SWAPPED
                                                                         : SEEP_PAGE_ABSENT;
}

/* ioctl PAGEMAP_SCAN on /proc/PID/pagemap (Linux 6.7, linux/fs.h), which older headers lack. It
 * yields runs of pages with equal categories and skips what was never touched. */
struct seep_page_run {
    uint64_t start, end;
    uint64_t categories; /* enum seep_page_category */
};
struct seep_page_scan {
    uint64_t size; /* of this structure */
    uint64_t flags;
    uint64_t start, end;
    uint64_t walk_end; /* out: where the scan stopped */
    uint64_t runs;     /* address of struct seep_page_run [run_count] */
    uint64_t run_count;
    uint64_t max_pages;
    uint64_t inverted, all_of, any_of, returned; /* masks of categories */
};
#define SEEP_PAGE_SCAN_REQUEST 0xc0606610ul /* _IOWR('f', 16, struct seep_page_scan) */
enum seep_page_category {
    SEEP_PAGE_IS_FILE = 1 << 2,
    SEEP_PAGE_IS_PRESENT = 1 << 3,
    SEEP_PAGE_IS_SWAPPED = 1 << 4,
    SEEP_PAGE_IS_ZERO = 1 << 5,
    SEEP_PAGE_IS_GUARD = 1 << 8, /* newer than the others: a kernel without it says EINVAL */
};

static inline enum seep_residency seep_scan_residency(uint64_t categories)
{
    if (categories & SEEP_PAGE_IS_PRESENT)
        return categories & SEEP_PAGE_IS_ZERO   ? SEEP_PAGE_ABSENT
               : categories & SEEP_PAGE_IS_FILE ? SEEP_PAGE_FILE
                                                : SEEP_PAGE_RESIDENT;
    return (categories & SEEP_PAGE_IS_SWAPPED) && !(categories & SEEP_PAGE_IS_GUARD)
               ? SEEP_PAGE_SWAPPED
               : SEEP_PAGE_ABSENT;
}

/* Builds a MAPPINGS record in a buffer: begin, then each mapping followed by its runs, then end.
 * Counts stand before what they count, so room is left for them and closed up afterwards. */
struct seep_mappings {
    uint8_t *start, *at, *limit;
    uint64_t page_bytes;
    uint64_t mapping_count;
    uint64_t previous_end; /* address: where the last mapping ended */
    uint64_t pages_left;   /* of the last mapping, not yet covered by runs */
    uint8_t *runs_at;      /* where its runs begin; NULL: no mapping is open */
    uint64_t run_count;
    uint64_t run_pages; /* the run that still grows */
    enum seep_residency run_kind;
    bool full; /* the buffer was too small: the record is worthless */
};

#define SEEP_MAPPINGS_HEAD (2 * SEEP_VARINT_MAX) /* page bytes, mapping count */

static inline bool seep_mappings_room(struct seep_mappings *m, size_t bytes)
{
    if (m->full || (size_t)(m->limit - m->at) < bytes)
        m->full = true;
    return !m->full;
}

static inline void seep_mappings_begin(struct seep_mappings *m, uint8_t *buffer, size_t room,
                                       uint64_t page_bytes)
{
    *m = (struct seep_mappings){
        .start = buffer, .at = buffer, .limit = buffer + room, .page_bytes = page_bytes};
    if (seep_mappings_room(m, SEEP_MAPPINGS_HEAD))
        m->at += SEEP_MAPPINGS_HEAD;
}

static inline void seep_mappings_put_run(struct seep_mappings *m)
{
    if (m->run_pages == 0 || !seep_mappings_room(m, SEEP_VARINT_MAX))
        return;
    m->at = seep_put_varint(m->at, m->run_pages << 2 | m->run_kind);
    m->run_count++;
    m->run_pages = 0;
}

/* Puts `count` before the bytes from `from` on, which follow `room` bytes left for it at
 * `from - room`, and closes the gap. */
static inline void seep_mappings_close_gap(struct seep_mappings *m, uint8_t *to, uint8_t *from)
{
    if (to == from)
        return;
    while (from < m->at)
        *to++ = *from++;
    m->at = to;
}

static inline void seep_mappings_end_mapping(struct seep_mappings *m)
{
    if (m->full || m->runs_at == NULL)
        return;
    /* Absent pages at the end need no run. */
    if (m->run_kind != SEEP_PAGE_ABSENT)
        seep_mappings_put_run(m);
    if (m->full)
        return;
    uint8_t *count_end = seep_put_varint(m->runs_at - SEEP_VARINT_MAX, m->run_count);
    seep_mappings_close_gap(m, count_end, m->runs_at);
    m->runs_at = NULL;
    m->run_pages = 0;
    m->run_kind = SEEP_PAGE_ABSENT;
}

/* Opens the next mapping. Mappings come by rising address; one that begins before the last one
 * ended (the kernel's text is not one picture) is left out, and false returned. */
static inline bool seep_mappings_add(struct seep_mappings *m, const struct seep_mapping *mapping)
{
    seep_mappings_end_mapping(m);
    if (m->full || mapping->start < m->previous_end ||
        !seep_mappings_room(m, 5 * SEEP_VARINT_MAX + mapping->name_length))
        return false;
    m->pages_left = (mapping->end - mapping->start) / m->page_bytes;
    m->at = seep_put_varint(m->at, (mapping->start - m->previous_end) / m->page_bytes);
    m->at = seep_put_varint(m->at, m->pages_left);
    m->at = seep_put_varint(m->at, mapping->protection);
    m->at = seep_put_varint(m->at, mapping->name_length);
    for (size_t i = 0; i < mapping->name_length; i++)
        *m->at++ = (uint8_t)mapping->name[i];
    m->at += SEEP_VARINT_MAX;
    m->runs_at = m->at;
    m->run_count = 0;
    m->previous_end = mapping->end;
    m->mapping_count++;
    return true;
}

/* The next `pages` pages of the open mapping are of that kind; what passes its end is cut off. */
static inline void seep_mappings_run(struct seep_mappings *m, uint64_t pages,
                                     enum seep_residency kind)
{
    if (pages > m->pages_left)
        pages = m->pages_left;
    if (pages == 0)
        return;
    m->pages_left -= pages;
    if (kind != m->run_kind)
        seep_mappings_put_run(m);
    m->run_kind = kind;
    m->run_pages += pages;
}

/* The same for words of /proc/PID/pagemap. */
static inline void seep_mappings_pagemap(struct seep_mappings *m, const uint64_t *words,
                                         size_t count)
{
    for (size_t i = 0; i < count;) {
        enum seep_residency kind = seep_pagemap_residency(words[i]);
        size_t from = i++;
        while (i < count && seep_pagemap_residency(words[i]) == kind)
            i++;
        seep_mappings_run(m, i - from, kind);
    }
}

/* Completes the record and returns its length from the buffer's start; 0 if it did not fit. */
static inline size_t seep_mappings_end(struct seep_mappings *m)
{
    seep_mappings_end_mapping(m);
    if (m->full)
        return 0;
    uint8_t *head_end = seep_put_varint(m->start, m->page_bytes);
    head_end = seep_put_varint(head_end, m->mapping_count);
    seep_mappings_close_gap(m, head_end, m->start + SEEP_MAPPINGS_HEAD);
    return (size_t)(m->at - m->start);
}

#endif
