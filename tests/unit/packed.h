/* SPDX-License-Identifier: MIT
 *
 * A whole trace in memory, for tests that compare it with what they know. */
#ifndef PACKED_H
#define PACKED_H

#include "trace/trace_event.h"

struct packed {
    struct trace_event *events; /* BESIDE bytes are copies, owned */
    size_t count, capacity;
    struct trace_stack_node *stacks; /* by id from 1 */
    uint32_t stack_count;
    struct trace_thread *threads;
    size_t thread_count;
    struct trace_module *modules; /* without segments */
    size_t module_count;
    struct trace_summary summary;
};

/* Fails the test where the trace cannot be read. */
void packed_load(struct packed *p, const char *path);
void packed_release(struct packed *p);

/* Frames of a stack, leaf first, without the root; their number. `room` is how many `pcs` holds. */
size_t packed_frames(const struct packed *p, uint32_t stack, uint64_t *pcs, size_t room);

#endif
