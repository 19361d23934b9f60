/* SPDX-License-Identifier: MIT
 *
 * What the parts of packing share. */
#ifndef TRACE_PACKER_H
#define TRACE_PACKER_H

#include "trace/family.h"
#include "trace/merge.h"
#include "trace/order.h"
#include "trace/pack.h"

/* A trace in the making, in the spool's directory, while a running process is followed; */
#define PACKER_PART_FILE "trace.part"
/* and once it is complete. */
#define PACKER_TRACE_FILE "trace"

struct packer {
    const struct pack_options *options;
    struct spool spool;
    struct spool_notes notes;
    unsigned noted;
    char *temporary; /* owned; the trace in the making; NULL: none was made */
    bool keep_part;  /* the temporary stays if packing fails */
    struct trace_writer *writer;
    struct stack_map stacks;
    struct merge merge;
    struct beside beside;
    struct graph_packer graphs;
    struct stamp_clock clock;
    struct order order;
    struct inherited inherited; /* from the parent */
    struct handout handout;     /* to the children */

    /* of following a running process */
    struct seep_control *shared; /* its control page, mapped; NULL: not followed */
    struct family family;        /* owned; grows as children come */
    int64_t family_changed_ns;   /* when the directory had changed last */
    uint64_t look_ns, flush_ns;  /* monotonic, of the last look, and of the last flush */
    uint64_t next_newest_stamp;  /* what the last look found, to be passed by the next one */
    uint64_t passed_stamp;       /* what was passed last */
    uint64_t children;           /* whose spools were met */
    uint64_t childless_forks;    /* whose children have made no spool, and are not waited for */
    uint64_t awaiting_ns;        /* since when a child is awaited; 0: none is */
    size_t *freed_pieces;        /* owned; by lane: how many were given back */
    size_t freed_lanes, freed_capacity;
};

/* False: packing is to stop. */
bool packer_go_on(const struct packer *p, double fraction);
enum seep_err packer_interrupted(struct err *err);

/* Writes the trace of the spool into p->temporary, which must not exist. Errors: IO, EXISTS,
 * INTERRUPTED, and those of pack_state.h. */
enum seep_err packer_write_trace(struct packer *p, struct err *err);

/* Prepares to follow the process until its end. What is packed goes into the spool's directory.
 * Errors: IO. */
enum seep_err follow_begin(struct packer *p, struct err *err);
void follow_release(struct packer *p);

/* The spool was looked at for the first time. */
void follow_first_look(struct packer *p);

/* Every place that was there is packed: waits for more. *more is false once there can be none.
 * Errors: IO, INTERRUPTED. */
enum seep_err follow_look(struct packer *p, bool *more, struct err *err);

/* Gives space back if that is due: what is packed is written, and the rows it was made of are
 * freed. Errors: of the writer. */
enum seep_err follow_free(struct packer *p, struct err *err);

#endif
