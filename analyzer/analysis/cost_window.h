/* SPDX-License-Identifier: MIT
 *
 * The window that costs are of, in a result tree. */
#ifndef ANALYSIS_COST_WINDOW_H
#define ANALYSIS_COST_WINDOW_H

#include "analysis/costs.h"
#include "analysis/result.h"
#include "model/filter.h"

/* Adds the field `window`: null where none was asked for (`filter` NULL: there is none), else an
 * object {from, to: texts as given or null; from_ns, to_ns [ns]}. */
void cost_window_add(struct result *r, const struct costs *costs, const struct filter *filter);

#endif
