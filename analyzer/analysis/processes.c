/* SPDX-License-Identifier: MIT */
#include "analysis/processes.h"

#include "analysis/completeness.h"
#include "analysis/exit.h"
#include "util/mem.h"

#include <stdlib.h>

void processes_init(struct processes *p, const struct trace_dict *dict)
{
    p->dict = dict;
    p->heaps = mem_zalloc(dict->process_count + 1, sizeof *p->heaps);
    for (size_t i = 0; i < dict->process_count; i++)
        heap_init(&p->heaps[i]);
}

void processes_release(struct processes *p)
{
    for (size_t i = 0; i < p->dict->process_count; i++)
        heap_release(&p->heaps[i]);
    free(p->heaps);
}

void processes_apply(struct processes *p, const struct trace_event *ev)
{
    uint32_t process = trace_dict_process_of(p->dict, ev->thread);
    if (process && ev->type != TRACE_BESIDE)
        heap_apply(&p->heaps[process - 1], ev);
}

static void add_process(struct result *list, const struct trace_dict *dict,
                        const struct trace_process *p, const struct heap *heap)
{
    const struct heap_totals *t = &heap->totals;
    const struct trace_facts *f = p->facts;
    struct result *r = result_object(list, NULL);
    result_integer(r, "number", p->number);
    result_integer(r, "pid", f->pid);
    result_integer(r, "image", f->image);
    bool has_parent = p->parent && p->parent <= dict->process_count;
    if (has_parent)
        result_integer(r, "parent", p->parent);
    else
        result_null(r, "parent");
    result_bool(r, "forked", f->fork_parent_pid != 0);
    result_text(r, "exe", f->exe);
    struct result *command = result_array(r, "command");
    for (char **argument = f->command; argument && *argument; argument++)
        result_text(command, NULL, *argument);
    result_ns(r, "start_ns", p->start_ns);
    result_ns(r, "end_ns", p->end_ns);
    if (has_parent && f->fork_ns)
        result_ns(r, "fork_ns", dict->processes[p->parent - 1].start_ns + f->fork_ns);
    else
        result_null(r, "fork_ns");
    result_count(r, "threads", p->thread_count ? p->thread_count - 1 : 0);
    result_count(r, "allocations", t->allocations);
    result_count(r, "frees", t->frees);
    result_count(r, "reallocations", t->reallocations);
    result_bytes(r, "allocated_bytes", t->allocated_bytes);
    result_bytes(r, "peak_live_bytes", t->peak_live_bytes);
    result_count(r, "live_blocks", t->live_blocks);
    result_bytes(r, "live_bytes", t->live_bytes);
    result_count(r, "inherited_frees", t->inherited_frees);
    exit_add(r, "exit", p->summary);
    completeness_add(r, "completeness", p->summary);
}

void processes_add(struct result *parent, const char *name, const struct processes *p)
{
    if (!p->dict->process_count) {
        result_null(parent, name);
        return;
    }
    struct result *list = result_array(parent, name);
    for (size_t i = 0; i < p->dict->process_count; i++)
        add_process(list, p->dict, &p->dict->processes[i], &p->heaps[i]);
}
