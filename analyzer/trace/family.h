/* SPDX-License-Identifier: MIT
 *
 * Which spools of one directory belong to processes that were forked from each other. */
#ifndef TRACE_FAMILY_H
#define TRACE_FAMILY_H

#include "trace/spool.h"

struct family_member {
    char *path;   /* owned, like all below; of the spool */
    char *trace;  /* base name of its trace, once that is made */
    char *parent; /* name of the spool of the process it was forked from; "": none */
};

struct family {
    struct family_member *all; /* owned */
    size_t count, capacity;
    uint32_t main_pid;      /* the process whose trace */
    const char *main_trace; /* gets this base name; NULL: there is no such process */
};

/* Adds a spool. `trace` NULL: NAME.spool becomes NAME.seep. */
void family_add(struct family *f, const char *path, const char *fork_parent, const char *trace);
/* Adds all spools that stand in the directory of `path` and are not there yet. */
void family_add_siblings(struct family *f, const char *path);
void family_release(struct family *f);

/* NULL is a family without members. */
static inline size_t family_count(const struct family *f)
{
    return f != NULL ? f->count : 0;
}

/* The first child of the spool at `path` from index `from` on; the count if there is none. */
size_t family_next_child(const struct family *f, const char *path, size_t from);

/* The process the spool's was forked from; NULL: none, or not there. */
const struct family_member *family_parent(const struct family *f, const struct spool *spool);
/* Base name of its trace, owned by the caller; NULL: there is none. */
char *family_parent_trace(const struct family *f, const struct spool *spool);

#endif
