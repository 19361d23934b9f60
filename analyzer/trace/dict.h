/* SPDX-License-Identifier: MIT
 *
 * The dictionaries of a trace: stacks, modules, threads, both ways. */
#ifndef TRACE_DICT_H
#define TRACE_DICT_H

#include "trace/columns.h"
#include "trace/trace_event.h"

#define DICT_MODULES_MAX 65536u

/* ---- writing */

/* Fills the columns of a STACKS chunk with nodes `first` .. `first + count - 1`, which stand at
 * `nodes`. count <= SEEP_STACKS_MAX. */
void dict_put_stacks(struct columns *c, const struct trace_stack_node *nodes, uint32_t first,
                     uint32_t count);
/* Append one record. */
void dict_put_module(struct bytes *records, const struct trace_module *m);
void dict_put_thread(struct bytes *records, const struct trace_thread *t);
/* `facts` as they are stored. */
void dict_put_process(struct bytes *records, const struct trace_process *p,
                      const struct bytes *facts);

/* ---- reading */

struct dict {
    struct trace_dict public; /* owned */
    size_t stack_capacity, module_capacity, thread_capacity, mark_capacity, process_capacity,
        snapshot_capacity, picture_capacity;
    uint64_t rss_bytes;   /* of the last MEMORY record told of */
    uint64_t lost_chunks; /* chunks that are missing so far: what they held leaves holes */
    uint32_t lost_nodes;  /* holes among the stacks */
    uint32_t *same;       /* of same_code_stacks(), once all are read; owned; may be NULL */
};

/* Apply a chunk's decoded columns. False where they make no sense; what came before stays. */
bool dict_take_stacks(struct dict *d, struct columns *c);
bool dict_take_modules(struct dict *d, const struct bytes *records);
bool dict_take_threads(struct dict *d, const struct bytes *records);
bool dict_take_processes(struct dict *d, const struct bytes *records);
void dict_add_mark(struct dict *d, uint64_t time_ns, uint64_t number, const uint8_t *payload,
                   size_t length);
/* A MEMORY record; a MAPPINGS record. */
void dict_note_memory(struct dict *d, const struct trace_beside *beside);
void dict_add_picture(struct dict *d, uint64_t time_ns, uint64_t number);

/* The record of a snapshot: as above; one that makes no sense is left out. */
void dict_add_snapshot(struct dict *d, uint64_t time_ns, uint64_t number,
                       const struct trace_beside *record);
/* The next part of the suppressions that the program brings. */
void dict_add_suppressions(struct dict *d, const struct trace_beside *record);
void dict_release(struct dict *d);

/* The id that stands for the stack: the first of the same code; 0 where its definition, or that of
 * an older frame, is lost. */
static inline uint32_t dict_stack(const struct dict *d, uint32_t id)
{
    if (id > d->public.stack_count || (d->lost_nodes && d->public.stacks[id].pc == UINT64_MAX))
        return 0;
    return d->same ? d->same[id] : id;
}

static inline uint32_t dict_thread(const struct dict *d, uint32_t number)
{
    return number <= d->public.thread_count ? number : 0;
}

#endif
