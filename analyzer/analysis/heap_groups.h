/* SPDX-License-Identifier: MIT
 *
 * Blocks of a heap tree in groups, by call site or by class, and what each group retains together:
 * a block that another one of its group retains counts once. */
#ifndef ANALYSIS_HEAP_GROUPS_H
#define ANALYSIS_HEAP_GROUPS_H

#include "analysis/heap_tree.h"
#include "analysis/site_key.h"

struct heap_group {
    const char *name;       /* the symboliser's */
    const char *module;     /* path or NULL; the symboliser's */
    uint64_t blocks, bytes; /* of its own */
    uint64_t retained_blocks, retained_bytes;
    uint32_t stack; /* sites: the one with most bytes */
    uint64_t stack_bytes;
};

struct heap_groups {
    struct heap_group *items; /* owned, by number */
    size_t count, capacity;
    uint32_t *of_nodes; /* by node: number of its group; HEAP_GRAPH_NONE: none; owned */
    uint32_t *order;    /* numbers, those that retain most first; owned */
};

/* Errors: INTERRUPTED by the symboliser's progress function. */
enum seep_err heap_groups_by_site(struct heap_groups *s, const struct heap_tree *t,
                                  const struct trace_dict *dict, struct symbols *symbols,
                                  enum site_by by, struct err *err);
void heap_groups_by_class(struct heap_groups *s, const struct heap_tree *t,
                          struct symbols *symbols);
void heap_groups_release(struct heap_groups *s);

/* The name of a class by the address that names it: "Cache" for "vtable for Cache"; pooled or
 * constant. `module` may be NULL. */
const char *heap_class_name(const struct heap_graph *g, uint32_t class, struct symbols *symbols,
                            const char **module);

#endif
