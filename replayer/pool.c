/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include "perform.h"

#include <malloc.h>
#include <string.h>
#include <sys/mman.h>

#define RUN_BYTES (UINT64_C(64) << 10)
#define GROW_BYTES (UINT64_C(64) << 20)  /* made usable at once */
#define SPACE_BYTES (UINT64_C(64) << 30) /* addresses, no memory */
#define STEP_BYTES 16u                   /* sizes are multiples of it */
#define SIZES (SEEP_REPLAY_LARGE_BYTES / STEP_BYTES + 1)

static struct {
    char *start, *end, *usable_end;          /* of runs; NULL: none is there yet */
    uint16_t steps[SPACE_BYTES / RUN_BYTES]; /* of the blocks in each run */
    struct {
        void *freed;      /* the last; each holds the address of the one before */
        char *next, *end; /* of the current run */
    } sizes[SIZES];
} pool;

static bool holds(const char *block)
{
    return block && block >= pool.start && block < pool.end;
}

static size_t steps_of(uint64_t size)
{
    return size ? (size_t)(size + STEP_BYTES - 1) / STEP_BYTES : 1;
}

/* Addresses for 64 KiB more. Small pages, as programs that map little at once have. */
static char *new_run(void)
{
    if (!pool.start) {
        void *space =
            mmap(NULL, SPACE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (space == MAP_FAILED)
            replay_die("no addresses for a pool");
        madvise(space, SPACE_BYTES, MADV_NOHUGEPAGE);
        pool.start = pool.end = pool.usable_end = space;
    }
    if (pool.end == pool.usable_end) {
        if (pool.end == pool.start + SPACE_BYTES ||
            mprotect(pool.end, GROW_BYTES, PROT_READ | PROT_WRITE) != 0)
            replay_die("no memory for a pool");
        pool.usable_end += GROW_BYTES;
    }
    pool.end += RUN_BYTES;
    return pool.end - RUN_BYTES;
}

static char *take(uint64_t size, uint64_t alignment)
{
    uint64_t unit = alignment > STEP_BYTES ? alignment : STEP_BYTES;
    size_t steps = steps_of((size + unit - 1) / unit * unit); /* each as aligned as the first */
    void *block = pool.sizes[steps].freed;
    if (block) {
        memcpy(&pool.sizes[steps].freed, block, sizeof block);
        return block;
    }
    size_t bytes = steps * STEP_BYTES;
    if ((size_t)(pool.sizes[steps].end - pool.sizes[steps].next) < bytes) {
        pool.sizes[steps].next = new_run();
        pool.sizes[steps].end = pool.sizes[steps].next + RUN_BYTES;
        pool.steps[(pool.sizes[steps].next - pool.start) / (ptrdiff_t)RUN_BYTES] = (uint16_t)steps;
    }
    pool.sizes[steps].next += bytes;
    return pool.sizes[steps].next - bytes;
}

static size_t steps_at(const char *block)
{
    return pool.steps[(block - pool.start) / (ptrdiff_t)RUN_BYTES];
}

static void give_back(char *block)
{
    size_t steps = steps_at(block);
    memcpy(block, &pool.sizes[steps].freed, sizeof(void *));
    pool.sizes[steps].freed = block;
}

size_t pool_usable_bytes(void *block)
{
    return holds(block) ? steps_at(block) * STEP_BYTES : malloc_usable_size(block);
}

static char *make(uint64_t size, uint8_t align_log2, bool in_pool)
{
    uint64_t alignment = UINT64_C(1) << align_log2;
    void *out = NULL;
    if (in_pool && size + alignment < SEEP_REPLAY_LARGE_BYTES)
        return take(size, alignment);
    if (align_log2)
        return posix_memalign(&out, (size_t)alignment, size) ? NULL : out;
    return malloc(size);
}

static void end(char *block)
{
    if (holds(block))
        give_back(block);
    else
        free(block);
}

static char *change(char *block, uint64_t size, bool in_pool)
{
    bool is_in = holds(block), will_be = in_pool && size < SEEP_REPLAY_LARGE_BYTES;
    if (!is_in && !will_be)
        return realloc(block, size);
    if (is_in && will_be && steps_at(block) == steps_of(size))
        return block;
    size_t had = pool_usable_bytes(block);
    char *moved = make(size, 0, in_pool);
    if (moved && block)
        memcpy(moved, block, had < size ? had : size);
    end(block);
    return moved;
}

void pool_perform(const struct seep_replay_op *op)
{
    void **slot = perform_slot(op->slot);
    uint64_t size = seep_replay_size(op);
    switch (op->kind) {
    case SEEP_REPLAY_POOL_MALLOC: *slot = make(size, op->align_log2, true); break;
    case SEEP_REPLAY_POOL_REALLOC: *slot = change(*slot, size, op->align_log2 == 1); break;
    default: /* FREE */
        end(*slot);
        *slot = NULL;
        return;
    }
    if (size < SEEP_REPLAY_LARGE_BYTES)
        perform_touch(*slot, 0, size);
}
