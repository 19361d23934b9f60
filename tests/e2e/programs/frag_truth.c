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
#include "frag_count.h"
#include "seep/seep.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCKS_MAX 400000u

struct block {
    char *at;
    size_t size;
};

static struct block (*books)[BLOCKS_MAX]; /* by thread; in a mapping of our own */
static unsigned threads, instants, blocks;
static pthread_barrier_t stop, go;

static struct truth count(void)
{
    struct truth t;
    count_begin(&t);
    for (unsigned i = 0; i < threads; i++)
        for (unsigned k = 0; k < blocks; k++)
            if (books[i][k].at)
                add_block(&t, books[i][k].at, books[i][k].size);
    count_end(&t);
    return t;
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
