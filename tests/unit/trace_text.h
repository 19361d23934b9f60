/* SPDX-License-Identifier: MIT
 *
 * An event as a line of text with all its fields, times as stored within 1 us left out. */
#ifndef TRACE_TEXT_H
#define TRACE_TEXT_H

#include "trace/trace_event.h"

#include <inttypes.h>
#include <stdio.h>

static inline void trace_text_block(FILE *out, const char *name, const struct trace_block *b)
{
    fprintf(out,
            " %s %" PRIx64 " size %" PRIu64 " usable %" PRIu64 " align %u birth %" PRIu64
            " stack %u thread %u call %u flags %u",
            name, b->address, b->size, b->usable, b->alignment, b->birth, b->stack, b->thread,
            b->call, b->flags);
}

static inline void trace_text_event(FILE *out, const struct trace_event *ev)
{
    static const char *const names[] = {"?",  "alloc",  "free",    "realloc", "out",
                                        "in", "failed", "unknown", "beside",  "gap"};
    fprintf(out, "%" PRIu64 " %s", ev->number, names[ev->type]);
    if (ev->type == TRACE_BESIDE) {
        fprintf(out, " kind %d ", ev->beside.kind);
        for (size_t i = 0; i < ev->beside.length; i++)
            fprintf(out, "%02x", ev->beside.bytes[i]);
        fputc('\n', out);
        return;
    }
    if (ev->type == TRACE_GAP) {
        fprintf(out, " %" PRIu64 "\n", ev->lost_events);
        return;
    }
    fprintf(out, " thread %u stack %u call %u flags %u", ev->thread, ev->stack, ev->call,
            ev->flags);
    if (ev->type == TRACE_FAILED)
        fprintf(out, " size %" PRIu64, ev->failed_size);
    if (ev->type == TRACE_FAILED || ev->type == TRACE_FREE_UNKNOWN)
        fprintf(out, " address %" PRIx64, ev->address);
    else
        fprintf(out, " slot %u", ev->slot);
    if (ev->type == TRACE_REALLOC_OUT || ev->type == TRACE_REALLOC_IN)
        fprintf(out, " link %u", ev->link);
    if (ev->type != TRACE_ALLOC && ev->type != TRACE_FAILED && ev->type != TRACE_FREE_UNKNOWN)
        trace_text_block(out, "before", &ev->before);
    if (ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN)
        trace_text_block(out, "after", &ev->after);
    fputc('\n', out);
}

#endif
