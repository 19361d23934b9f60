/* SPDX-License-Identifier: MIT */
#include "analysis/cost_kind.h"

const char *const cost_kind_names[] = {"peak",        "live",      "growth", "allocated",
                                       "allocations", "temporary", NULL};

uint64_t cost_value(const struct cost *c, enum cost_kind kind)
{
    switch (kind) {
    case COST_PEAK: return c->peak_bytes;
    case COST_LIVE: return c->live_bytes;
    case COST_GROWTH: return c->held_bytes > c->start_bytes ? c->held_bytes - c->start_bytes : 0;
    case COST_ALLOCATED: return c->allocated_bytes;
    case COST_ALLOCATIONS: return c->allocations;
    case COST_TEMPORARY: return c->temporary;
    }
    return 0;
}

enum result_unit cost_unit(enum cost_kind kind)
{
    return kind == COST_ALLOCATIONS || kind == COST_TEMPORARY ? UNIT_COUNT : UNIT_BYTES;
}

const char *cost_words(enum cost_kind kind)
{
    static const char *const words[] = {
        [COST_PEAK] = "live bytes at the peak", [COST_LIVE] = "live bytes",
        [COST_GROWTH] = "bytes grown",          [COST_ALLOCATED] = "allocated bytes",
        [COST_ALLOCATIONS] = "allocations",     [COST_TEMPORARY] = "temporary allocations",
    };
    return words[kind];
}
