/* SPDX-License-Identifier: MIT
 *
 * Fragmentation of one sort each, planted by the function planted(), and what it costs, by the
 * program's own books and its own pagemap.
 *
 * Usage: frag_planted KIND [plain|without|pool]. Prints {"bytes": N}: resident bytes that nobody
 * asked for and that are planted()'s doing; seep takes a picture of the same moment, before the
 * mark "look". KIND:
 *
 *   checkerboard  every other block was freed, and its neighbours keep the page: the holes
 *   pins          a long-lived block of 48 bytes in each page that was full: the holes
 *   misfit        sizes just beyond a size class: slack
 *   arena         threads whose burst is gone but for one block on top of each arena: free pages
 *   realloc       vectors that grew among small blocks: the free pages they left behind
 *   trough        a burst is gone, but for its few blocks that stay: the holes
 *   mappings      no blocks but mmap(): half of each is touched, which is what it costs
 *
 * With a second word it prints {"rss": N} instead, its resident bytes when the heap has got there:
 * as it is, were planted() to make no blocks, or were they to lie in a pool of its own, from which
 * nothing is given back. */
#define _GNU_SOURCE
#include "seep/seep.h"

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
#define HEADER 8u /* of glibc, before each block */
#define BLOCKS 40000u
#define THREADS 4u
#define PAGES_MAX (1u << 16)
#define POOL_MOST 32768u /* bytes of a block in the pool */

struct block {
    char *at;
    bool is_planted;
};

static struct block blocks[BLOCKS];
static size_t count;
static enum { AS_IT_IS, PLAIN, WITHOUT, POOL } how;

static struct page {
    uintptr_t number; /* 0: free */
    uint32_t taken, blocks, planted;
} pages[PAGES_MAX];

/* One behind the other, and never given back. */
static void *from_pool(size_t bytes)
{
    static char *next;
    if (!next)
        next = mmap(NULL, 64u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    next += (bytes + 15) / 16 * 16;
    return next - (bytes + 15) / 16 * 16;
}

__attribute__((noinline)) static void *planted(size_t bytes)
{
    char *p = how == WITHOUT ? NULL : how == POOL ? from_pool(bytes) : malloc(bytes);
    if (p)
        memset(p, 1, bytes);
    return p;
}

__attribute__((noinline)) static void *other(size_t bytes)
{
    char *p = malloc(bytes);
    memset(p, 2, bytes);
    return p;
}

static void keep(void *p, bool is_planted)
{
    if (count == BLOCKS)
        abort();
    blocks[count++] = (struct block){p, is_planted};
}

/* ------------------------------------------------------------------ the truth */

static bool resident(uintptr_t number)
{
    static int pagemap = -1;
    uint64_t word = 0;
    if (pagemap < 0)
        pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pread(pagemap, &word, sizeof word, (off_t)(number * sizeof word)) != sizeof word)
        abort();
    return word >> 63;
}

static struct page *page_of(uintptr_t number)
{
    size_t at = (size_t)(number * 0x9e3779b97f4a7c15ull >> 40) & (PAGES_MAX - 1);
    while (pages[at].number && pages[at].number != number)
        at = (at + 1) & (PAGES_MAX - 1);
    pages[at].number = number;
    return &pages[at];
}

static void enter_all(void)
{
    for (size_t i = 0; i < count; i++) {
        uintptr_t start = (uintptr_t)blocks[i].at, end = start + malloc_usable_size(blocks[i].at);
        for (uintptr_t at = start - HEADER; at < end; at++)
            page_of(at / PAGE)->taken++;
        for (uintptr_t n = start / PAGE; n <= (end - 1) / PAGE; n++) {
            page_of(n)->blocks++;
            page_of(n)->planted += blocks[i].is_planted;
        }
    }
}

/* The holes of pages, shared by their blocks. */
static double holes(void)
{
    double sum = 0;
    enter_all();
    for (size_t i = 0; i < PAGES_MAX; i++)
        if (pages[i].planted && resident(pages[i].number))
            sum += (double)(PAGE - pages[i].taken) * pages[i].planted / pages[i].blocks;
    return sum;
}

/* Resident pages between two addresses in which no block lies. */
static double free_between(const char *from, const char *to)
{
    double sum = 0;
    for (uintptr_t n = (uintptr_t)from / PAGE; n <= (uintptr_t)to / PAGE; n++)
        if (!page_of(n)->blocks && resident(n))
            sum += PAGE;
    return sum;
}

/* The heap has got to where it is looked at; what is needed for that is not part of it, nor are
 * pages of files, of which the kernel maps now more, now fewer around each that is asked for. */
static void arrive(void)
{
    char text[128] = "";
    if (how == AS_IT_IS)
        return;
    int fd = open("/proc/self/statm", O_RDONLY);
    if (read(fd, text, sizeof text - 1) <= 0)
        abort();
    char *rest;
    unsigned long long all = strtoull(strchr(text, ' '), &rest, 10);
    printf("{\"rss\": %llu}\n", (all - strtoull(rest, NULL, 10)) * PAGE);
    fflush(stdout);
    _exit(0);
}

/* ------------------------------------------------------------------ the sorts */

static double checkerboard(void)
{
    static void *gone[10000];
    for (size_t i = 0; i < 10000; i++) {
        keep(planted(400), true);
        gone[i] = other(400);
    }
    for (size_t i = 0; i < 10000; i++)
        free(gone[i]);
    arrive();
    return holes();
}

static double pins(void)
{
    static void *gone[5000][4];
    for (size_t i = 0; i < 5000; i++) {
        for (size_t k = 0; k < 4; k++)
            gone[i][k] = other(1000);
        keep(planted(48), true);
    }
    for (size_t i = 0; i < 5000; i++)
        for (size_t k = 0; k < 4; k++)
            free(gone[i][k]);
    arrive();
    return holes();
}

static double misfit(void)
{
    double slack = 0;
    for (size_t i = 0; i < 8000; i++) {
        keep(planted(1025), true);
        keep(other(512), false);
    }
    arrive();
    for (size_t i = 0; i < count; i++)
        if (blocks[i].is_planted)
            slack += (double)(malloc_usable_size(blocks[i].at) - 1025);
    return slack;
}

static char *lowest[THREADS], *highest[THREADS];
static pthread_barrier_t stop;

static void *burst(void *arg)
{
    size_t mine = (size_t)(uintptr_t)arg;
    static void *gone[THREADS][2000];
    for (size_t i = 0; i < 2000; i++)
        gone[mine][i] = other(1500);
    lowest[mine] = gone[mine][0];
    highest[mine] = planted(1500);
    for (size_t i = 0; i < 2000; i++)
        free(gone[mine][i]);
    pthread_barrier_wait(&stop);
    pthread_barrier_wait(&stop);
    return NULL;
}

static double arena(void)
{
    double sum = 0;
    pthread_t ids[THREADS];
    pthread_barrier_init(&stop, NULL, THREADS + 1);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&ids[i], NULL, burst, (void *)(uintptr_t)i);
    pthread_barrier_wait(&stop);
    arrive();
    for (size_t i = 0; i < THREADS; i++)
        keep(highest[i], true);
    enter_all();
    for (size_t i = 0; i < THREADS; i++)
        sum += free_between(lowest[i], highest[i]);
    return sum;
}

__attribute__((noinline)) static void *planted_again(void *p, size_t bytes)
{
    if (how == WITHOUT)
        return NULL;
    char *old = p;
    if (how == POOL && bytes < POOL_MOST)
        p = from_pool(bytes);
    else
        p = realloc(how == POOL && bytes / 2 < POOL_MOST ? NULL : old, bytes);
    memset(p, 1, bytes);
    return p;
}

static double grown(void)
{
    enum { VECTORS = 100, TURNS = 8 };
    static char *vectors[VECTORS];
    char *low = other(16), *high = low;
    size_t bytes = 512;
    keep(low, false);
    for (size_t turn = 0; turn < TURNS; turn++, bytes *= 2)
        for (size_t i = 0; i < VECTORS; i++) {
            vectors[i] = planted_again(vectors[i], bytes);
            keep(other(16), false);
        }
    arrive();
    for (size_t i = 0; i < VECTORS; i++)
        keep(vectors[i], true);
    for (size_t i = 0; i < count; i++) {
        low = blocks[i].at < low ? blocks[i].at : low;
        high = blocks[i].at > high ? blocks[i].at : high;
    }
    enter_all();
    return free_between(low, high);
}

static double trough(void)
{
    static void *gone[60000];
    for (size_t i = 0; i < 60000; i++) {
        gone[i] = other(200);
        if (i % 16 == 0)
            keep(planted(200), true);
    }
    if (how == AS_IT_IS)
        seep_memory(); /* a picture of the peak, however fast it passes */
    for (size_t i = 0; i < 60000; i++)
        free(gone[i]);
    arrive();
    return holes();
}

static void touch(char *p, size_t bytes)
{
    if (p == MAP_FAILED)
        abort();
    memset(p, 1, bytes);
}

__attribute__((noinline)) static void planted_mapping(size_t bytes)
{
    touch(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), bytes / 2);
}

__attribute__((noinline)) static void other_mapping(size_t bytes)
{
    touch(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), bytes);
}

static double mappings(void)
{
    for (unsigned i = 0; i < 4; i++) {
        planted_mapping(2u << 20);
        other_mapping(64u << 10);
    }
    return 4u << 20;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        double (*make)(void);
    } kinds[] = {{"checkerboard", checkerboard},
                 {"pins", pins},
                 {"misfit", misfit},
                 {"arena", arena},
                 {"realloc", grown},
                 {"trough", trough},
                 {"mappings", mappings}};
    if (argc == 3)
        how = strcmp(argv[2], "without") == 0 ? WITHOUT
              : strcmp(argv[2], "pool") == 0  ? POOL
                                              : PLAIN;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (argc < 2 || strcmp(argv[1], kinds[i].name) != 0)
            continue;
        double bytes = kinds[i].make();
        seep_memory();
        seep_mark("look");
        printf("{\"bytes\": %.0f}\n", bytes);
        fflush(stdout);
        _exit(0); /* the threads of `arena` still wait */
    }
    return 2;
}
