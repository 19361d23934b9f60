/* SPDX-License-Identifier: MIT
 *
 * The costs that views are made of, by name. */
#ifndef ANALYSIS_COST_KIND_H
#define ANALYSIS_COST_KIND_H

#include "analysis/costs.h"
#include "analysis/result.h"

enum cost_kind {
    COST_PEAK,        /* bytes live when the program's live bytes peaked */
    COST_LIVE,        /* bytes live at the window's end, made within it */
    COST_GROWTH,      /* bytes live at its end less those at its start, whenever made; not less than
                         0 */
    COST_ALLOCATED,   /* bytes made */
    COST_ALLOCATIONS, /* allocations and reallocations */
    COST_TEMPORARY,   /* temporary allocations */
};

/* In the enum's order, NULL-ended, as on the command line: "peak", ... */
extern const char *const cost_kind_names[];

uint64_t cost_value(const struct cost *c, enum cost_kind kind);
enum result_unit cost_unit(enum cost_kind kind);

/* What a view of it is of, for a heading: "live bytes at the peak", ... */
const char *cost_words(enum cost_kind kind);

#endif
