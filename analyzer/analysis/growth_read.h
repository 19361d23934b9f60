/* SPDX-License-Identifier: MIT
 *
 * From the events of a trace, or of a window, to the heap over time, as a whole and by call site:
 * one pass. */
#ifndef ANALYSIS_GROWTH_READ_H
#define ANALYSIS_GROWTH_READ_H

#include "analysis/growth_series.h"
#include "analysis/growth_sites.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct growth_read_options {
    struct filter *filter;   /* bound, or NULL */
    struct symbols *symbols; /* to name sites by, unless by stack */
    enum site_by by;
    bool pools;           /* blocks of pools that the program told of, not malloc's */
    size_t limit;         /* of the series' buckets: a power of two, at least GROWTH_POINTS */
    uint64_t seek_beyond; /* events: a moment so far ahead is sought, for reading on would take
                             longer; 0: 4 million */
    bool (*progress)(void *arg, double fraction); /* may be NULL */
    void *progress_arg;
};

struct growth_read {
    struct growth_series series;
    struct growth_sites sites;
    uint64_t start_ns, end_ns; /* the window */
    uint64_t first_number;     /* of its first event; UINT64_MAX: it has none */
    bool at_exit;              /* it ends with the trace */
    size_t site_buckets;       /* of the sites' grid, up to end_ns */
    unsigned site_shift;       /* a bucket of it is 1 << site_shift ns wide */
    /* private: while reading */
    const struct growth_read_options *options;
    struct trace_reader *reader;
    uint64_t *rss; /* by process; owned */
    size_t rss_capacity;
    unsigned coarser; /* the sites' grid, by so many powers of two */
    bool begun;
};

/* The reader stands at the start. Released by growth_read_release(), also after an error. Errors:
 * those of the reader; INTERRUPTED where `progress` returned false. */
enum seep_err growth_read(struct growth_read *g, struct trace_reader *reader,
                          const struct growth_read_options *options, struct err *err);
void growth_read_release(struct growth_read *g);

/* Whether the block is of those that are looked at, its stack aside. */
bool growth_takes(const struct growth_read_options *options, const struct trace_block *b);

/* Whether the block was left by a process that had ended before the event `number`: it is live no
 * more. */
bool growth_ended(const struct trace_dict *dict, const struct trace_block *b, uint64_t number);

#endif
