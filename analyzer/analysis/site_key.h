/* SPDX-License-Identifier: MIT
 *
 * What makes two stacks the same call site, and a table of sites by it. */
#ifndef ANALYSIS_SITE_KEY_H
#define ANALYSIS_SITE_KEY_H

#include "model/suppressions.h"
#include "model/symbols.h"
#include "trace/trace_event.h"

/* FUNCTION, MODULE and SOURCE (file) are those of the allocating frame: the innermost that is no
 * mere wrapper (operator new, std::allocator, xmalloc, strdup, ...). */
enum site_by { SITE_BY_STACK, SITE_BY_FUNCTION, SITE_BY_MODULE, SITE_BY_SOURCE };

/* Names for the command line, in the enum's order, NULL-ended: "stack", ... */
extern const char *const site_by_names[];

/* The texts are the symboliser's. */
struct site_key {
    const char *name;
    const char
        *module; /* tells functions of one name apart; NULL when grouping by something else */
    const struct suppression *rule; /* sites of different rules are never one; may be NULL */
};

/* The key of a stack's site; by stack, the one it is named by. */
struct site_key site_key_of(uint32_t node, enum site_by by, const struct suppression *rule,
                            const struct trace_dict *dict, struct symbols *symbols);

struct site_slot {
    struct site_key key;
    uint32_t site; /* number + 1; 0: free */
};

/* Zero-initialise. */
struct site_table {
    struct site_slot *slots; /* owned */
    size_t count, capacity;  /* a power of two */
};

/* The slot of the key. Where it is free (`site` is 0), the caller sets key and site and adds to
 * `count`. Valid until the next call. */
struct site_slot *site_find(struct site_table *t, const struct site_key *k);
void site_table_release(struct site_table *t);

#endif
