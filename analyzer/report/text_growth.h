/* SPDX-License-Identifier: MIT
 *
 * Private to the layout of `seep growth`. */
#ifndef REPORT_TEXT_GROWTH_H
#define REPORT_TEXT_GROWTH_H

#include "report/text.h"

/* The heap over time: live bytes with peaks, rises and marks, resident memory, allocations. */
void text_growth_chart(struct text *t, const struct result *r);

/* An item of a column of numbers; 0 past its end. */
double text_growth_value(const struct result *column, size_t i);

/* The width, or that of the label if it is wider. */
size_t text_growth_wider(size_t width, const char *label);

#endif
