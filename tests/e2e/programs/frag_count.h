/* SPDX-License-Identifier: MIT
 *
 * What memory is made of, as a program can tell of itself: by its own books of its blocks, its
 * pagemap and the allocator's own figures. For programs that take no memory and use no stdio while
 * they count, for either would change what is told. */
#ifndef FRAG_COUNT_H
#define FRAG_COUNT_H

#include "frag_jemalloc.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096u
#define PAGES_MAX (1u << 19)

static int pagemap, status; /* open for reading: /proc/self/pagemap, /proc/self/status */
static int told = 1;        /* where say() writes */

/* ------------------------------------------------------------------ pages with blocks of ours */

struct page {
    uintptr_t number; /* 0: free */
    uint32_t usable;
    bool resident;
};

static struct page *pages; /* a hash table of PAGES_MAX, in a mapping of its own */

/* Where the page is, or would be. */
static size_t page_slot(uintptr_t number)
{
    size_t at = (size_t)(number * 0x9e3779b97f4a7c15ull >> 40) & (PAGES_MAX - 1);
    while (pages[at].number && pages[at].number != number)
        at = (at + 1) & (PAGES_MAX - 1);
    return at;
}

static struct page *page_of(uintptr_t number)
{
    size_t at = page_slot(number);
    if (!pages[at].number) {
        uint64_t word = 0;
        if (pread(pagemap, &word, sizeof word, (off_t)(number * sizeof word)) != sizeof word)
            abort();
        pages[at] = (struct page){number, 0, word >> 63};
    }
    return &pages[at];
}

static uint64_t overlap(uintptr_t a, uintptr_t b, uintptr_t from)
{
    uintptr_t low = a > from ? a : from, high = b < from + PAGE ? b : from + PAGE;
    return high > low ? high - low : 0;
}

/* What say() prints. `held`, `slack`: requested, and usable beyond it, of the blocks, in resident
 * pages; `untouched`: requested in others; `holes`: the rest of resident pages with blocks. */
struct truth {
    uint64_t held, slack, untouched, holes, usable, requested, blocks;
};

static void add_block(struct truth *t, void *block, size_t size)
{
    uintptr_t start = (uintptr_t)block, asked = start + size;
    uintptr_t end = start + malloc_usable_size(block);
    t->usable += end - start;
    t->requested += size;
    t->blocks++;
    for (uintptr_t at = start & ~(uintptr_t)(PAGE - 1); at < end; at += PAGE) {
        struct page *page = page_of(at / PAGE);
        page->usable += (uint32_t)overlap(start, end, at);
        if (!page->resident) {
            t->untouched += overlap(start, asked, at);
            continue;
        }
        t->held += overlap(start, asked, at);
        t->slack += overlap(asked, end, at);
    }
}

static void count_begin(struct truth *t)
{
    *t = (struct truth){0};
    memset(pages, 0, PAGES_MAX * sizeof *pages);
}

static void count_end(struct truth *t)
{
    for (size_t i = 0; i < PAGES_MAX; i++)
        if (pages[i].number && pages[i].resident)
            t->holes += PAGE - pages[i].usable;
}

/* ------------------------------------------------------------------ what others say */

static uint64_t status_bytes(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

static uint64_t jemalloc_figure(const char *name)
{
    int (*mallctl)(const char *, void *, size_t *, void *, size_t);
    *(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl");
    uint64_t epoch = 1;
    size_t value = 0, length = sizeof value;
    if (mallctl) {
        mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
        mallctl(name, &value, &length, NULL, 0);
    }
    return value;
}

static uint64_t tcmalloc_figure(const char *name)
{
    int (*property)(const char *, size_t *);
    *(void **)&property = dlsym(RTLD_DEFAULT, "MallocExtension_GetNumericProperty");
    size_t value = 0;
    if (property)
        property(name, &value);
    return value;
}

/* The figure before these words in tcmalloc's text of statistics. */
static uint64_t tcmalloc_stat(const char *words)
{
    static char text[8192];
    void (*stats)(char *, int);
    *(void **)&stats = dlsym(RTLD_DEFAULT, "MallocExtension_GetStats");
    if (!stats)
        return 0;
    stats(text, sizeof text);
    const char *at = strstr(text, words);
    while (at && at > text && at[-1] != '\n')
        at--;
    while (at && *at && (*at < '0' || *at > '9'))
        at++;
    return at ? strtoull(at, NULL, 10) : 0;
}

static void say(const struct truth *t)
{
    static char text[4096], line[2048];
    ssize_t n = pread(status, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    struct mallinfo2 glibc = mallinfo2();
    int length = snprintf(
        line, sizeof line,
        "{\"held\":%lu,\"slack\":%lu,\"untouched\":%lu,\"holes\":%lu,\"usable\":%lu,"
        "\"requested\":%lu,\"blocks\":%lu,\"rss\":%lu,\"anonymous\":%lu,\"file\":%lu,"
        "\"glibc\":{\"arena\":%zu,\"mapped\":%zu,\"used\":%zu,\"free\":%zu},"
        "\"jemalloc\":{\"allocated\":%lu,\"active\":%lu,\"metadata\":%lu,\"resident\":%lu,"
        "\"own\":%lu},"
        "\"tcmalloc\":{\"allocated\":%lu,\"heap\":%lu,\"unmapped\":%lu,\"metadata\":%lu}}\n",
        t->held, t->slack, t->untouched, t->holes, t->usable, t->requested, t->blocks,
        status_bytes(text, "VmRSS:"), status_bytes(text, "RssAnon:"),
        status_bytes(text, "RssFile:") + status_bytes(text, "RssShmem:"), glibc.arena, glibc.hblkhd,
        glibc.uordblks, glibc.fordblks, jemalloc_figure("stats.allocated"),
        jemalloc_figure("stats.active"), jemalloc_figure("stats.metadata"),
        jemalloc_figure("stats.resident"), jemalloc_own_resident(pagemap),
        tcmalloc_figure("generic.current_allocated_bytes"), tcmalloc_figure("generic.heap_size"),
        tcmalloc_figure("tcmalloc.pageheap_unmapped_bytes"),
        tcmalloc_stat("Bytes in malloc metadata"));
    if (write(told, line, (size_t)length) != length)
        abort();
}

#endif
