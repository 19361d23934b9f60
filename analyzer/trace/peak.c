/* SPDX-License-Identifier: MIT */
#include "trace/peak.h"

void peak_restart(struct peak_follower *p, const struct live *live, const struct trace_peak *before)
{
    p->live_bytes = p->live_blocks = 0;
    for (uint32_t slot = live->oldest; slot != LIVE_NONE; slot = live->slots[slot].younger) {
        const struct trace_block *b = &live->slots[slot].block;
        if (trace_block_in_pool(b))
            continue;
        p->live_bytes += b->size;
        p->live_blocks++;
    }
    if (before->bytes > p->peak.bytes)
        p->peak = *before;
}

void peak_apply(struct peak_follower *p, const struct trace_event *ev)
{
    bool leaves =
        ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT;
    bool enters =
        ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
    if (leaves && !trace_block_in_pool(&ev->before)) {
        p->live_bytes -= ev->before.size;
        p->live_blocks--;
    }
    if (!enters || trace_block_in_pool(&ev->after))
        return;
    p->live_bytes += ev->after.size;
    p->live_blocks++;
    if (p->live_bytes > p->peak.bytes)
        p->peak = (struct trace_peak){p->live_bytes, p->live_blocks, ev->time_ns, ev->number};
}
