/* SPDX-License-Identifier: MIT */
#include "analysis/frag_verdict.h"

#include <string.h>

const char *const frag_verdict_names[] = {"not-heap", "fragmentation", "retention", "growth",
                                          "in-use"};

static bool grows(const struct frag_rows *all, size_t count)
{
    uint64_t highest = 0, early = 0;
    uint64_t quarter = all[0].time_ns + (all[count - 1].time_ns - all[0].time_ns) / 4;
    for (size_t i = 0; i < count; i++) {
        if (all[i].live_requested > highest)
            highest = all[i].live_requested;
        if (all[i].time_ns <= quarter && all[i].live_requested > early)
            early = all[i].live_requested;
    }
    return count > 2 && all[count - 1].live_requested >= highest / 10 * 9 &&
           early < highest / 3 * 2;
}

enum frag_verdict frag_verdict(const struct frag_rows *instants, size_t count, size_t shown)
{
    const struct frag_rows *r = &instants[shown];
    uint64_t heap = frag_rows_heap(r), waste = frag_rows_waste(r);
    if (frag_rows_non_heap(r) > heap)
        return FRAG_NOT_HEAP;
    if (waste >= heap / 100 * FRAG_WASTE_PERCENT)
        return r->hole + r->slack >= frag_rows_free(r) ? FRAG_FRAGMENTED : FRAG_RETAINED;
    return grows(instants, count) ? FRAG_GROWTH : FRAG_IN_USE;
}

static void advise_fragmented(struct result *list, const struct frag_rows *r,
                              const struct frag_site *worst)
{
    if (r->slack > r->hole) {
        result_text(list, NULL,
                    "ask for sizes that the allocator has, or just below: see the sizes that waste "
                    "most");
        return;
    }
    if (worst && worst->compared && worst->age > worst->neighbours + 3.3 * (double)worst->compared)
        result_text(list, NULL,
                    "give the long-lived blocks of the first call site a pool of their own: they "
                    "outlive what lay beside them (--pool shows what that saves)");
    else
        result_text(list, NULL,
                    "allocate the blocks of the first call site together, in a pool, or free them "
                    "with their neighbours (--without and --pool show what that saves)");
    result_text(list, NULL,
                "an allocator with size classes (jemalloc, mimalloc) keeps blocks of one size "
                "together");
}

static void advise_retained(struct result *list, const struct frag_rows *r,
                            const struct frag_case *of)
{
    const char *allocator = of->allocator;
    if (of->worst && of->worst->pinned >= (double)frag_rows_free(r) / 10)
        result_text(list, NULL,
                    "free, or allocate early, the blocks of the first call site: they lie on top "
                    "of the heap, and what is free below cannot be given back before them");
    if (strcmp(allocator, "glibc") == 0) {
        result_text(list, NULL,
                    "call malloc_trim(0) after the peak: it gives back free pages in the middle, "
                    "too");
        if (of->threads > 1)
            result_text(list, NULL, "MALLOC_ARENA_MAX=2 keeps threads from having a heap each");
    } else if (strcmp(allocator, "jemalloc") == 0) {
        result_text(list, NULL,
                    "MALLOC_CONF=dirty_decay_ms:1000,muzzy_decay_ms:0 (or background_thread:true) "
                    "gives free pages back sooner");
    } else if (strcmp(allocator, "tcmalloc") == 0) {
        result_text(list, NULL,
                    "TCMALLOC_RELEASE_RATE=10, or MallocExtension_ReleaseFreeMemory() after the "
                    "peak, gives free pages back");
    } else if (strcmp(allocator, "mimalloc") == 0) {
        result_text(list, NULL,
                    "mi_collect(true) after the peak, or MIMALLOC_RESET_DELAY=0, gives free pages "
                    "back");
    }
}

/* What most of it is. */
static void advise_not_heap(struct result *list, const struct frag_rows *r)
{
    uint64_t half = frag_rows_non_heap(r) / 2;
    if (r->files > half)
        result_text(
            list, NULL,
            "most of it is code, data and mapped files: the program and its libraries, which "
            "other processes share, and files that it maps itself (/proc/PID/smaps names "
            "them)");
    else if (r->mappings > half)
        result_text(
            list, NULL,
            "most of it is in mappings of the program's own: see the places that made them, "
            "above");
    else if (r->stacks > half)
        result_text(list, NULL,
                    "most of it is stacks: fewer threads, or less on each one's stack, take less");
    else
        result_text(list, NULL, "see the parts of the row \"not heap\", above");
}

void frag_verdict_add(struct result *tree, const struct frag_rows *instants, size_t count,
                      size_t shown, const struct frag_case *of)
{
    const struct frag_rows *now = &instants[shown];
    enum frag_verdict verdict = frag_verdict(instants, count, shown);
    struct result *o = result_object(tree, "verdict");
    result_text(o, "kind", frag_verdict_names[verdict]);
    struct result *list = result_array(o, "advice");
    switch (verdict) {
    case FRAG_NOT_HEAP: advise_not_heap(list, now); break;
    case FRAG_FRAGMENTED: advise_fragmented(list, now, of->worst); break;
    case FRAG_RETAINED: advise_retained(list, now, of); break;
    case FRAG_GROWTH:
        result_text(list, NULL, "the program asks for more and more: see seep growth, seep leaks");
        break;
    case FRAG_IN_USE:
        result_text(list, NULL,
                    "the memory is what the program asked for: see seep leaks --top, seep growth");
        break;
    }
}
