/* SPDX-License-Identifier: MIT
 *
 * What is known of a call site in figures, one row each: the columns of `seep sites`, its orders,
 * and those of the table for spreadsheets.
 *
 * How to add one: a value here, a row in site_columns.c, and its value there. */
#ifndef ANALYSIS_SITE_COLUMNS_H
#define ANALYSIS_SITE_COLUMNS_H

#include "analysis/costs.h"
#include "analysis/result.h"

/* In the order in which they are shown where there is room for some only. */
enum site_column {
    SITE_PEAK,
    SITE_PEAK_SHARE,
    SITE_LIVE,
    SITE_ALLOCATIONS,
    SITE_ALLOCATED,
    SITE_TEMPORARY,
    SITE_OWN_PEAK,
    SITE_LIFETIME_P50,
    SITE_RECYCLING,
    SITE_SIZE_MEDIAN,
    SITE_THREADS,
    SITE_LIFETIME_P95,
    SITE_LIFETIME_P99,
    SITE_LIVE_BLOCKS,
    SITE_PEAK_BLOCKS,
    SITE_TEMPORARY_SHARE,
    SITE_SHORT_LIVED,
    SITE_SIZE_MIN,
    SITE_SIZE_MAX,
    SITE_SLACK,
    SITE_GROWN,
    SITE_COPIED,
    SITE_STACKS,
    SITE_COLUMNS
};

struct site_column_info {
    const char *name;      /* on the command line */
    const char *field;     /* in result trees */
    const char *head;      /* above the column */
    enum result_unit unit; /* UNIT_PERCENT and UNIT_NONE are reals, all others counts */
};
extern const struct site_column_info site_columns[SITE_COLUMNS];

/* What the figures are of. */
struct site_figures {
    const struct cost *cost;
    const struct cost_detail *detail;
    uint32_t stacks;
    uint64_t heap_peak_bytes; /* of the program */
    bool peak_known;          /* false: shares of it are not */
    bool own_peak_known;      /* false: with a filter by lifetime */
};

struct site_value {
    bool known;     /* false: there is none, as the lifetimes of blocks that are all live */
    uint64_t count; /* unless it is a real */
    double real;    /* always set: what to sort by */
};
struct site_value site_column_value(const struct site_figures *f, enum site_column column);

/* Adds it as a field, or null. */
void site_column_add(struct result *to, const struct site_figures *f, enum site_column column);

/* Finds a column by its name on the command line, of `length` characters. False: there is none. */
bool site_column_find(const char *name, size_t length, enum site_column *column);

#endif
