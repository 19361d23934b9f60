/* SPDX-License-Identifier: MIT
 *
 * The heap over time, computed the plain way from a list of events: every event once for each
 * bucket and each site. */
#ifndef GROWTH_ORACLE_H
#define GROWTH_ORACLE_H

#include "trace/trace_event.h"

#include <stdlib.h>
#include <string.h>

#define ORACLE_ANY UINT32_MAX /* all stacks */

struct oracle {
    const struct trace_event *events;
    size_t count;
    uint64_t start_ns, end_ns; /* the window; what is before counts as live at its start */
    uint32_t thread;           /* blocks of this one only; 0: all */
};

struct oracle_bucket {
    uint64_t max_bytes, min_bytes, last_bytes, max_blocks, last_blocks;
    uint64_t allocations, frees, allocated_bytes;
};

static inline bool oracle_leaves(const struct trace_event *ev)
{
    return ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT;
}

static inline bool oracle_enters(const struct trace_event *ev)
{
    return ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
}

static inline bool oracle_is(const struct oracle *o, const struct trace_block *b, uint32_t stack)
{
    return (stack == ORACLE_ANY || b->stack == stack) && (!o->thread || b->thread == o->thread) &&
           !trace_block_in_pool(b);
}

/* The time from `from_ns` to `to_ns`, exclusive. */
static inline struct oracle_bucket oracle_bucket(const struct oracle *o, uint64_t from_ns,
                                                 uint64_t to_ns, uint32_t stack)
{
    struct oracle_bucket b = {0};
    bool inside = false;
    for (size_t i = 0; i < o->count; i++) {
        const struct trace_event *ev = &o->events[i];
        bool left = oracle_leaves(ev) && oracle_is(o, &ev->before, stack);
        bool entered = oracle_enters(ev) && oracle_is(o, &ev->after, stack);
        if (ev->time_ns >= to_ns || ev->time_ns > o->end_ns)
            break;
        if (!inside && ev->time_ns >= from_ns) {
            inside = true;
            b.max_bytes = b.min_bytes = b.last_bytes;
            b.max_blocks = b.last_blocks;
        }
        if (left) {
            b.last_bytes -= ev->before.size;
            b.last_blocks--;
        }
        if (entered) {
            b.last_bytes += ev->after.size;
            b.last_blocks++;
        }
        if (!inside)
            continue;
        bool made = entered && !(ev->flags & TRACE_INHERITED);
        b.frees += left;
        b.allocations += made;
        b.allocated_bytes += made ? ev->after.size : 0;
        b.max_bytes = b.last_bytes > b.max_bytes ? b.last_bytes : b.max_bytes;
        b.min_bytes = b.last_bytes < b.min_bytes ? b.last_bytes : b.min_bytes;
        b.max_blocks = b.last_blocks > b.max_blocks ? b.last_blocks : b.max_blocks;
    }
    if (!inside) {
        b.max_bytes = b.min_bytes = b.last_bytes;
        b.max_blocks = b.last_blocks;
    }
    return b;
}

/* What is live before the event `number`, of the stack, made from event `from` on. */
static inline void oracle_live(const struct oracle *o, uint64_t number, uint64_t from,
                               uint32_t stack, uint64_t *blocks, uint64_t *bytes)
{
    *blocks = *bytes = 0;
    for (size_t i = 0; i < o->count && o->events[i].number < number; i++) {
        const struct trace_event *ev = &o->events[i];
        if (oracle_leaves(ev) && oracle_is(o, &ev->before, stack) && ev->before.birth >= from) {
            --*blocks;
            *bytes -= ev->before.size;
        }
        if (oracle_enters(ev) && oracle_is(o, &ev->after, stack) && ev->after.birth >= from) {
            ++*blocks;
            *bytes += ev->after.size;
        }
    }
}

#endif
