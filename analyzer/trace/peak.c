/* SPDX-License-Identifier: MIT */
#include "trace/peak.h"

#include "trace/beside_read.h"

void peak_release(struct peak_follower *p)
{
    free(p->processes);
    *p = (struct peak_follower){0};
}

static struct peak_live *of_process(struct peak_follower *p, uint32_t process)
{
    size_t old = p->process_capacity;
    MEM_GROW(p->processes, p->process_capacity, (size_t)process + 1);
    for (size_t i = old; i < p->process_capacity; i++)
        p->processes[i] = (struct peak_live){0};
    return &p->processes[process];
}

static void enter(struct peak_follower *p, const struct trace_block *b)
{
    p->live.bytes += b->size;
    p->live.blocks++;
    uint32_t process = trace_process_of(b->address);
    if (process) {
        struct peak_live *own = of_process(p, process);
        own->bytes += b->size;
        own->blocks++;
    }
}

static void leave(struct peak_follower *p, const struct trace_block *b)
{
    p->live.bytes -= b->size;
    p->live.blocks--;
    uint32_t process = trace_process_of(b->address);
    if (process) {
        struct peak_live *own = of_process(p, process);
        own->bytes -= b->size;
        own->blocks--;
    }
}

static bool has_ended(const struct trace_dict *dict, uint32_t process, uint64_t number)
{
    if (!dict || !process || process > dict->process_count)
        return false;
    uint64_t end = dict->processes[process - 1].end_number;
    return end && end <= number;
}

void peak_restart(struct peak_follower *p, const struct live *live, const struct trace_peak *before,
                  const struct trace_dict *dict, uint64_t number)
{
    p->live = (struct peak_live){0};
    for (size_t i = 0; i < p->process_capacity; i++)
        p->processes[i] = (struct peak_live){0};
    for (uint32_t slot = live_oldest(live); slot; slot = live->links[slot].younger) {
        struct trace_block b;
        live_show(live, &live->slots[slot], &b);
        if (!trace_block_in_pool(&b) && !has_ended(dict, trace_process_of(b.address), number))
            enter(p, &b);
    }
    if (before->bytes > p->peak.bytes)
        p->peak = *before;
}

/* The process's memory is gone. */
static void end_process(struct peak_follower *p, const struct trace_event *ev)
{
    struct beside_view view;
    if (ev->beside.kind != SEEP_BESIDE_PROCESS_END || !beside_read(&view, &ev->beside) ||
        view.process > SEEP_PROCESSES_MAX)
        return;
    struct peak_live *own = of_process(p, (uint32_t)view.process);
    p->live.bytes -= own->bytes;
    p->live.blocks -= own->blocks;
    *own = (struct peak_live){0};
}

void peak_apply(struct peak_follower *p, const struct trace_event *ev)
{
    bool leaves =
        ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT;
    bool enters =
        ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
    if (ev->type == TRACE_BESIDE)
        end_process(p, ev);
    if (leaves && !trace_block_in_pool(&ev->before))
        leave(p, &ev->before);
    if (!enters || trace_block_in_pool(&ev->after))
        return;
    enter(p, &ev->after);
    if (p->live.bytes > p->peak.bytes)
        p->peak = (struct trace_peak){p->live.bytes, p->live.blocks, ev->time_ns, ev->number};
}
