/* SPDX-License-Identifier: MIT
 *
 * While traces are united: the same code in several processes, and the stacks through it. */
#ifndef TRACE_UNITE_DICT_H
#define TRACE_UNITE_DICT_H

#include "trace/module_map.h"
#include "trace/stack_map.h"
#include "trace/trace_writer.h"

#define UNITE_PLACE (UINT64_C(1) << 60) /* the first module's; no process has anything there */
#define UNITE_BUCKETS 4096u

struct unite_module {
    struct trace_module module; /* where it is for all processes; owned */
    uint32_t next;              /* 1 + index of the next one of its bucket */
};

struct unite_dict {
    struct trace_writer *writer;
    struct unite_module *modules; /* owned */
    size_t count, capacity;
    uint32_t buckets[UNITE_BUCKETS]; /* 1 + index */
    uint64_t end;                    /* of the last place */
    struct stack_map stacks;         /* only its nodes */
};

void unite_dict_init(struct unite_dict *d, struct trace_writer *writer);
void unite_dict_release(struct unite_dict *d);

/* The stacks of one process. */
struct unite_stacks {
    struct unite_dict *all;
    const struct trace_dict *dict;
    uint32_t process;
    uint64_t shift_ns; /* added to its times */
    struct module_map map;
    uint32_t *nodes; /* of all, by node of the process; 0: not told yet. Owned, like all below */
    uint32_t *generations; /* by node */
    uint64_t *places;      /* by module; 0: not told yet */
};

/* `all` and `dict` outlive *s. */
void unite_stacks_init(struct unite_stacks *s, struct unite_dict *all,
                       const struct trace_dict *dict, uint32_t process, uint64_t shift_ns);
void unite_stacks_release(struct unite_stacks *s);

/* The united trace's id of a stack; 0 where its definition is lost. */
uint32_t unite_stack(struct unite_stacks *s, uint32_t stack);

#endif
