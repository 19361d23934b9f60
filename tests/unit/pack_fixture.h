/* SPDX-License-Identifier: MIT
 *
 * A directory for one test: where a spool is built, packed and read back. */
#ifndef PACK_FIXTURE_H
#define PACK_FIXTURE_H

#include "packed.h"
#include "spool_builder.h"
#include "trace/pack.h"

struct pack_fixture {
    char directory[64];
    char spool[96], trace[96];
    struct spool_builder b; /* of `spool` */
    struct packed p;        /* the last trace read back */
    char notes[1024];       /* what the packer noted, a line each */
    unsigned note_count;
};

/* Makes the directory and begins the spool. */
void fixture_begin(struct pack_fixture *f);
/* Begins another spool, after the last one was removed by packing it. */
void fixture_again(struct pack_fixture *f);
/* Packs; the options may be NULL. Where that succeeds, f->p is the trace, which is unlinked. */
enum seep_err fixture_pack(struct pack_fixture *f, const struct pack_options *options);
/* Removes everything; fails the test where something unexpected lies in the directory. */
void fixture_end(struct pack_fixture *f);
/* Removes the spool's files and directory. */
void fixture_remove_spool(struct pack_fixture *f);

/* The n-th event that is no BESIDE; fails the test where there is none. */
const struct trace_event *fixture_event(const struct pack_fixture *f, size_t n);
size_t fixture_count(const struct pack_fixture *f);
/* The n-th BESIDE of a kind, NULL where there is none. */
const struct trace_event *fixture_beside(const struct pack_fixture *f, enum seep_beside kind,
                                         size_t n);

#endif
