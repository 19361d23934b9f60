/* SPDX-License-Identifier: MIT */
#include "packed.h"

#include "trace/trace_reader.h"
#include "util/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void copy_dict(struct packed *p, const struct trace_dict *d)
{
    p->stack_count = d->stack_count;
    p->stacks = mem_zalloc((size_t)d->stack_count + 1, sizeof *p->stacks);
    if (d->stack_count > 0)
        memcpy(p->stacks + 1, d->stacks + 1, d->stack_count * sizeof *p->stacks);
    p->thread_count = d->thread_count;
    p->threads = mem_zalloc(d->thread_count, sizeof *p->threads);
    for (size_t i = 0; i < d->thread_count; i++) {
        p->threads[i] = d->threads[i];
        p->threads[i].name = mem_strdup(d->threads[i].name);
    }
    p->module_count = d->module_count;
    p->modules = mem_zalloc(d->module_count, sizeof *p->modules);
    for (size_t i = 0; i < d->module_count; i++) {
        p->modules[i] = d->modules[i];
        p->modules[i].path = mem_strdup(d->modules[i].path);
        p->modules[i].build_id = NULL;
        p->modules[i].segments = NULL;
        p->modules[i].segment_count = 0;
    }
}

void packed_load(struct packed *p, const char *path)
{
    struct trace_reader *r;
    struct trace_event ev;
    struct err err = {0};
    enum seep_err e = trace_reader_open(&r, path, &err);
    if (e != SEEP_OK)
        fail_msg("%s", err.message);
    *p = (struct packed){0};
    while ((e = trace_reader_next(r, &ev, &err)) == SEEP_OK) {
        assert_int_not_equal(ev.type, TRACE_GAP);
        if (ev.type == TRACE_BESIDE) {
            uint8_t *copy = mem_alloc(ev.beside.length);
            memcpy(copy, ev.beside.bytes, ev.beside.length);
            ev.beside.bytes = copy;
        }
        MEM_GROW(p->events, p->capacity, p->count + 1);
        p->events[p->count++] = ev;
    }
    if (e != SEEP_END)
        fail_msg("%s", err.message);
    copy_dict(p, trace_reader_dict(r));
    p->summary = *trace_reader_summary(r);
    assert_false(p->summary.truncated || p->summary.damaged);
    trace_reader_free(r);
}

void packed_release(struct packed *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->events[i].type == TRACE_BESIDE)
            free((void *)p->events[i].beside.bytes);
    }
    for (size_t i = 0; i < p->thread_count; i++)
        free(p->threads[i].name);
    for (size_t i = 0; i < p->module_count; i++)
        free(p->modules[i].path);
    free(p->events);
    free(p->stacks);
    free(p->threads);
    free(p->modules);
    *p = (struct packed){0};
}

size_t packed_frames(const struct packed *p, uint32_t stack, uint64_t *pcs, size_t room)
{
    size_t n = 0;
    while (stack != 0 && !(p->stacks[stack].flags & SEEP_ROW_ROOT)) {
        if (n < room)
            pcs[n] = p->stacks[stack].pc;
        n++;
        stack = p->stacks[stack].parent;
    }
    return n;
}
