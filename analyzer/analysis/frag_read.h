/* SPDX-License-Identifier: MIT
 *
 * One pass over a trace for its pictures of memory: rows at each, and at a few who causes what. */
#ifndef ANALYSIS_FRAG_READ_H
#define ANALYSIS_FRAG_READ_H

#include "analysis/frag_blame.h"
#include "analysis/frag_map.h"
#include "analysis/frag_mappings.h"
#include "analysis/frag_rows.h"
#include "analysis/frag_what_if.h"
#include "model/filter.h"
#include "util/err.h"

/* So many pictures rows are made of, if there are as many; and of them those at least that blame is
 * worked out for: evenly spaced in time, with the first, the last and the one of the highest RSS
 * among them. Blame costs time by blocks: it is worked out for others as well until so many blocks
 * have been gone through, spread over the pictures; of small heaps for all. */
#define FRAG_INSTANTS 200
#define FRAG_DETAILS 8
#define FRAG_DETAIL_BLOCKS 8000000

struct frag_read_options {
    struct filter *filter;   /* bound, or NULL: window, and which blocks are blamed */
    const struct filter *at; /* bound; its `to` is the moment to be shown; NULL: the picture
                                with the most waste, or, where none has 5 % of its RSS, with
                                the most RSS */
    struct filter *what_if;  /* bound, or NULL: the blocks of frag_what_if.h */
    bool (*progress)(void *arg, double fraction); /* may be NULL */
    void *progress_arg;
};

struct frag_read {
    struct frag_rows *instants; /* owned, like all below */
    size_t count;
    size_t cleanup;          /* of them, from which on it cleaned up before its end; else count */
    size_t shown;            /* of them, that of the following; SIZE_MAX: there is none */
    struct frag_blame blame; /* of the shown one, but for byte_ns */
    struct frag_map map;
    struct frag_mappings mappings;
    struct frag_what_if what_if;
    uint64_t pictures;       /* that there are in the window */
    uint64_t peak_requested; /* the most requested at once, up to the last picture */
    uint64_t end_ns;         /* of the trace */
};

/* The reader stands at the start. frag_read_release(), also after an error. Errors: those of the
 * reader; INTERRUPTED where `progress` returned false. */
enum seep_err frag_read(struct frag_read *r, struct trace_reader *reader,
                        const struct frag_read_options *options, struct err *err);
void frag_read_release(struct frag_read *r);

#endif
