/* SPDX-License-Identifier: MIT */
#include "packed.h"
#include "trace/trace_writer.h"
#include "util/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct trace_writer {
    int fd;
    struct packed p;
    struct trace_block *blocks;
    bool *live;
    uint32_t slots, capacity;
    uint32_t *freed;
    uint32_t freed_count;
    uint64_t number, time;
    struct trace_block out[4096];
    uint32_t out_link[4096];
};
static struct packed last;

enum seep_err trace_writer_open(struct trace_writer **out, const char *path,
                                const struct trace_writer_options *options, struct err *err)
{
    (void)options;
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, errno == EEXIST ? SEEP_ERR_EXISTS : SEEP_ERR_IO, 0, "%s: %s", path,
                       strerror(errno));
    *out = mem_zalloc(1, sizeof **out);
    (*out)->fd = fd;
    return SEEP_OK;
}
enum seep_err trace_writer_facts(struct trace_writer *w, const uint8_t *facts, size_t length,
                                 struct err *err)
{
    (void)w;
    (void)facts;
    (void)length;
    (void)err;
    return SEEP_OK;
}
uint32_t trace_writer_stack(struct trace_writer *w, uint32_t parent, uint64_t pc, uint8_t flags)
{
    struct packed *p = &w->p;
    assert(parent <= p->stack_count);
    p->stacks = mem_resize(p->stacks, p->stack_count + 2, sizeof *p->stacks);
    p->stacks[++p->stack_count] = (struct trace_stack_node){pc, parent, flags};
    return p->stack_count;
}
void trace_writer_module(struct trace_writer *w, const struct trace_module *m)
{
    struct packed *p = &w->p;
    size_t i = 0;
    while (i < p->module_count &&
           (p->modules[i].start != m->start || p->modules[i].generation_from != m->generation_from))
        i++;
    if (i == p->module_count) {
        p->modules = mem_resize(p->modules, ++p->module_count, sizeof *p->modules);
    } else {
        free(p->modules[i].path);
        free(p->modules[i].build_id);
    }
    p->modules[i] = *m;
    p->modules[i].path = mem_strdup(m->path);
    p->modules[i].build_id = NULL;
    p->modules[i].segments = NULL;
}
void trace_writer_thread(struct trace_writer *w, const struct trace_thread *t)
{
    struct packed *p = &w->p;
    assert(t->number > 0);
    while (p->thread_count < t->number) {
        p->threads = mem_resize(p->threads, p->thread_count + 1, sizeof *p->threads);
        p->threads[p->thread_count++] = (struct trace_thread){.name = NULL};
    }
    free(p->threads[t->number - 1].name);
    p->threads[t->number - 1] = *t;
    p->threads[t->number - 1].name = mem_strdup(t->name);
}
static void enter(struct trace_writer *w, struct trace_event *ev)
{
    if (ev->type != TRACE_REALLOC) {
        if (w->freed_count > 0) {
            ev->slot = w->freed[--w->freed_count];
        } else {
            if (w->slots == w->capacity) {
                w->capacity = w->capacity ? w->capacity * 2 : 16;
                w->blocks = mem_resize(w->blocks, w->capacity, sizeof *w->blocks);
                w->live = mem_resize(w->live, w->capacity, sizeof *w->live);
                w->freed = mem_resize(w->freed, w->capacity, sizeof *w->freed);
            }
            ev->slot = w->slots++;
        }
    }
    ev->after.time_ns = ev->time_ns;
    ev->after.birth = ev->number;
    ev->after.stack = ev->stack;
    ev->after.thread = ev->thread;
    ev->after.call = ev->call;
    ev->after.flags = ev->flags;
    w->live[ev->slot] = true;
    w->blocks[ev->slot] = ev->after;
}
static void leave(struct trace_writer *w, struct trace_event *ev)
{
    assert(ev->slot < w->slots && w->live[ev->slot]);
    ev->before = w->blocks[ev->slot];
    if (ev->type != TRACE_REALLOC) {
        w->live[ev->slot] = false;
        w->freed[w->freed_count++] = ev->slot;
    }
}
enum seep_err trace_writer_event(struct trace_writer *w, struct trace_event *ev, struct err *err)
{
    (void)err;
    assert(ev->time_ns >= w->time);
    w->time = ev->time_ns;
    ev->number = w->number;
    if (ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT)
        leave(w, ev);
    if (ev->type == TRACE_REALLOC_OUT) {
        w->out[ev->link % 4096] = ev->before;
        w->out_link[ev->link % 4096] = ev->link;
    }
    if (ev->type == TRACE_REALLOC_IN) {
        assert(w->out_link[ev->link % 4096] == ev->link);
        ev->before = w->out[ev->link % 4096];
    }
    if (ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN)
        enter(w, ev);
    if (ev->type != TRACE_BESIDE)
        w->number++;
    struct packed *p = &w->p;
    MEM_GROW(p->events, p->capacity, p->count + 1);
    p->events[p->count] = *ev;
    if (ev->type == TRACE_BESIDE) {
        uint8_t *copy = mem_alloc(ev->beside.length);
        memcpy(copy, ev->beside.bytes, ev->beside.length);
        p->events[p->count].beside.bytes = copy;
    }
    p->count++;
    return SEEP_OK;
}
const struct trace_block *trace_writer_block(const struct trace_writer *w, uint32_t slot)
{
    return slot < w->slots && w->live[slot] ? &w->blocks[slot] : NULL;
}
static void drop(struct trace_writer *w)
{
    close(w->fd);
    free(w->blocks);
    free(w->live);
    free(w->freed);
    free(w);
}
enum seep_err trace_writer_finish(struct trace_writer *w, struct trace_summary *summary,
                                  struct err *err)
{
    (void)err;
    w->p.summary = *summary;
    packed_release(&last);
    last = w->p;
    drop(w);
    return SEEP_OK;
}
void trace_writer_abort(struct trace_writer *w)
{
    packed_release(&w->p);
    drop(w);
}
void packed_load(struct packed *p, const char *path)
{
    (void)path;
    *p = last;
    memset(&last, 0, sizeof last);
}
void packed_release(struct packed *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->events[i].type == TRACE_BESIDE)
            free((void *)p->events[i].beside.bytes);
    for (size_t i = 0; i < p->thread_count; i++)
        free(p->threads[i].name);
    for (size_t i = 0; i < p->module_count; i++) {
        free(p->modules[i].path);
        free(p->modules[i].build_id);
    }
    free(p->events);
    free(p->stacks);
    free(p->threads);
    free(p->modules);
    memset(p, 0, sizeof *p);
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
