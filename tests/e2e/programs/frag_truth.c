/* SPDX-License-Identifier: MIT
 *
 * Churns blocks in several threads, and now and then, while all of them stand, says what its memory
 * is made of: by its own books, its own pagemap and the allocator's own figures. Then it has seep
 * take a picture of the same moment.
 *
 * Usage: frag_truth THREADS INSTANTS BLOCKS. A line of JSON for each instant, all in bytes. `held`,
 * `slack`: requested, and usable beyond it, of its blocks, in resident pages; `untouched`:
 * requested in others; `holes`: the rest of resident pages with blocks of its own; `anonymous`:
 * resident anonymous memory of the process.
 *
 * It uses no stdio and takes no memory at an instant, for either would change what is told. */
#define _GNU_SOURCE
#include "seep/seep.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
#define BLOCKS_MAX 400000u
#define PAGES_MAX (1u << 19)

struct block {
    char *at;
    size_t size;
};

static struct block (*books)[BLOCKS_MAX]; /* by thread; in a mapping of our own */
static unsigned threads, instants, blocks;
static pthread_barrier_t stop, go;
static int pagemap, status;

/* ------------------------------------------------------------------ pages with blocks of ours */

struct page {
    uintptr_t number; /* 0: free */
    uint32_t usable;
    bool resident;
};

static struct page *pages; /* a hash table */

static struct page *page_of(uintptr_t number)
{
    size_t at = (size_t)(number * 0x9e3779b97f4a7c15ull >> 40) & (PAGES_MAX - 1);
    while (pages[at].number && pages[at].number != number)
        at = (at + 1) & (PAGES_MAX - 1);
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

struct truth {
    uint64_t held, slack, untouched, holes, usable, requested, blocks;
};

static void add_block(struct truth *t, const struct block *b)
{
    uintptr_t start = (uintptr_t)b->at, asked = start + b->size;
    uintptr_t end = start + malloc_usable_size(b->at);
    t->usable += end - start;
    t->requested += b->size;
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

static struct truth count(void)
{
    struct truth t = {0};
    memset(pages, 0, PAGES_MAX * sizeof *pages);
    for (unsigned i = 0; i < threads; i++)
        for (unsigned k = 0; k < blocks; k++)
            if (books[i][k].at)
                add_block(&t, &books[i][k]);
    for (size_t i = 0; i < PAGES_MAX; i++)
        if (pages[i].number && pages[i].resident)
            t.holes += PAGE - pages[i].usable;
    return t;
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
        "\"jemalloc\":{\"allocated\":%lu,\"active\":%lu,\"metadata\":%lu,\"resident\":%lu},"
        "\"tcmalloc\":{\"allocated\":%lu,\"heap\":%lu,\"unmapped\":%lu,\"metadata\":%lu}}\n",
        t->held, t->slack, t->untouched, t->holes, t->usable, t->requested, t->blocks,
        status_bytes(text, "VmRSS:"), status_bytes(text, "RssAnon:"),
        status_bytes(text, "RssFile:") + status_bytes(text, "RssShmem:"), glibc.arena, glibc.hblkhd,
        glibc.uordblks, glibc.fordblks, jemalloc_figure("stats.allocated"),
        jemalloc_figure("stats.active"), jemalloc_figure("stats.metadata"),
        jemalloc_figure("stats.resident"), tcmalloc_figure("generic.current_allocated_bytes"),
        tcmalloc_figure("generic.heap_size"), tcmalloc_figure("tcmalloc.pageheap_unmapped_bytes"),
        tcmalloc_stat("Bytes in malloc metadata"));
    if (write(1, line, (size_t)length) != length)
        abort();
}

/* ------------------------------------------------------------------ work */

static uint32_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*seed >> 33);
}

static size_t some_size(uint64_t *seed)
{
    uint32_t r = next(seed), sort = r % 1000;
    if (sort < 2)
        return 100000 + next(seed) % 400000;
    if (sort < 100)
        return 1000 + next(seed) % 8000;
    return 8 + next(seed) % 300;
}

static void churn(unsigned mine, unsigned round, uint64_t *seed)
{
    /* It fills up to a third of the rounds, and then lets go of more than it takes. */
    unsigned often = round * 3 < instants ? 90 : 40;
    for (unsigned i = 0; i < blocks; i++) {
        struct block *b = &books[mine][next(seed) % blocks];
        free(b->at);
        b->at = NULL;
        if (next(seed) % 100 >= often)
            continue;
        b->size = some_size(seed);
        b->at = malloc(b->size);
        /* of large ones a part is never touched */
        memset(b->at, 1, b->size > 50000 ? b->size / 2 : b->size);
    }
}

static void *work(void *arg)
{
    unsigned mine = (unsigned)(uintptr_t)arg;
    uint64_t seed = mine + 1;
    for (unsigned round = 0; round < instants; round++) {
        churn(mine, round, &seed);
        pthread_barrier_wait(&stop);
        pthread_barrier_wait(&go);
    }
    return NULL;
}

static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    threads = (unsigned)atoi(argv[1]);
    instants = (unsigned)atoi(argv[2]);
    blocks = (unsigned)atoi(argv[3]);
    if (threads == 0 || threads > 64 || blocks == 0 || blocks > BLOCKS_MAX)
        return 2;
    books = reserve(threads * sizeof *books);
    pages = reserve(PAGES_MAX * sizeof *pages);
    memset(pages, 1, PAGES_MAX * sizeof *pages);
    pagemap = open("/proc/self/pagemap", O_RDONLY);
    status = open("/proc/self/status", O_RDONLY);
    pthread_barrier_init(&stop, NULL, threads + 1);
    pthread_barrier_init(&go, NULL, threads + 1);
    pthread_t ids[64];
    for (unsigned i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, work, (void *)(uintptr_t)i);
    seep_mark("work"); /* what is told before this may be of the start */
    for (unsigned round = 0; round < instants; round++) {
        pthread_barrier_wait(&stop);
        struct truth t = count();
        say(&t);
        seep_memory();
        pthread_barrier_wait(&go);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    return 0;
}
