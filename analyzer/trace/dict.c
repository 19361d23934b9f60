/* SPDX-License-Identifier: MIT */
#include "trace/dict.h"

#include "trace/beside_read.h"
#include "trace/facts.h"
#include "trace/node_pcs.h"
#include "trace/summary.h"
#include "util/strbuf.h"

#define SEGMENTS_MAX 4096u

void dict_put_stacks(struct columns *c, const struct trace_stack_node *nodes, uint32_t first,
                     uint32_t count)
{
    bytes_varint(&c->column[SEEP_COLUMN_RECORDS], first);
    bytes_varint(&c->column[SEEP_COLUMN_RECORDS], count);
    struct node_pcs pcs;
    node_pcs_begin(&pcs, c);
    for (uint32_t i = 0; i < count; i++) {
        const struct trace_stack_node *n = &nodes[i];
        bytes_varint(&c->column[SEEP_COLUMN_NODE_PARENT], n->parent ? first + i - n->parent : 0);
        bytes_u8(&c->column[SEEP_COLUMN_NODE_FLAGS], n->flags);
        if (n->parent)
            node_pcs_put(&pcs, n->parent < first ? n->parent : nodes[n->parent - first].pc, n->pc);
        else
            node_pcs_put_root(&pcs, n->pc);
    }
    node_pcs_end(&pcs);
}

static void put_text(struct bytes *b, const void *text, size_t length)
{
    bytes_varint(b, length);
    bytes_add(b, text, length);
}

void dict_put_module(struct bytes *b, const struct trace_module *m)
{
    bytes_varint(b, m->generation_from);
    bytes_varint(b, (uint32_t)(m->generation_to + 1)); /* 0: still loaded */
    bytes_varint(b, m->base);
    bytes_varint(b, m->start);
    bytes_varint(b, m->end);
    bytes_varint(b, m->load_ns);
    bytes_varint(b, m->unload_ns + 1); /* 0: never gone */
    put_text(b, m->path ? m->path : "", m->path ? strlen(m->path) : 0);
    put_text(b, m->build_id, m->build_id ? m->build_id_bytes : 0);
    size_t segments = m->segment_count < SEGMENTS_MAX ? m->segment_count : SEGMENTS_MAX;
    bytes_varint(b, segments);
    for (size_t i = 0; i < segments; i++) {
        bytes_varint(b, m->segments[i].address);
        bytes_varint(b, m->segments[i].bytes);
        bytes_varint(b, m->segments[i].file_offset);
        bytes_varint(b, m->segments[i].flags);
    }
}

void dict_put_thread(struct bytes *b, const struct trace_thread *t)
{
    bytes_varint(b, t->number);
    bytes_varint(b, t->tid);
    bytes_varint(b, t->start_ns);
    bytes_varint(b, t->end_ns + 1); /* 0: runs */
    put_text(b, t->name ? t->name : "", t->name ? strlen(t->name) : 0);
}

/* How many ids may be missing in a row: as many as the missing chunks could have held. */
static uint64_t room_for_holes(const struct dict *d, uint32_t per_chunk)
{
    return d->lost_chunks * per_chunk;
}

static void add_node(struct dict *d, struct trace_stack_node node)
{
    struct trace_dict *p = &d->public;
    MEM_GROW(p->stacks, d->stack_capacity, (size_t)p->stack_count + 2);
    if (!p->stack_count)
        p->stacks[0] = (struct trace_stack_node){0};
    p->stacks[++p->stack_count] = node;
}

static void add_lost_node(struct dict *d)
{
    d->lost_nodes++;
    /* a root whose generation no module has */
    add_node(d, (struct trace_stack_node){.pc = UINT64_MAX, .flags = SEEP_ROW_ROOT | SEEP_ROW_CUT});
}

/* `pcs` are those of the chunk's nodes so far, of which there are `i`. */
static bool take_node(struct dict *d, struct node_pcs *pcs, uint64_t *pc_of, uint64_t first,
                      uint64_t i, uint64_t up, uint8_t flags)
{
    struct trace_stack_node node = {.flags = flags};
    bool root = flags & SEEP_ROW_ROOT;
    if (root != (up == 0) || up >= first + i)
        return false;
    uint64_t parent = up ? first + i - up : 0;
    bool good =
        root ? node_pcs_take_root(pcs, &pc_of[i])
             : node_pcs_take(pcs, parent < first ? parent : pc_of[parent - first], &pc_of[i]);
    if (!good)
        return false;
    node.parent = (uint32_t)parent;
    node.pc = pc_of[i];
    if (parent && !dict_stack(d, node.parent))
        add_lost_node(d);
    else
        add_node(d, node);
    return true;
}

bool dict_take_stacks(struct dict *d, struct columns *c)
{
    struct cursor records = cursor_of(&c->column[SEEP_COLUMN_RECORDS]);
    struct cursor parents = cursor_of(&c->column[SEEP_COLUMN_NODE_PARENT]);
    struct cursor flags = cursor_of(&c->column[SEEP_COLUMN_NODE_FLAGS]);
    uint64_t first = cursor_varint(&records);
    uint64_t count = cursor_bounded(&records, SEEP_STACKS_MAX);
    uint64_t next = d->public.stack_count + UINT64_C(1);
    if (records.bad || first < next || first - next > room_for_holes(d, SEEP_STACKS_MAX) ||
        first + count > UINT32_MAX || count > c->column[SEEP_COLUMN_NODE_FLAGS].length)
        return false;
    for (uint64_t id = next; id < first; id++)
        add_lost_node(d);
    struct node_pcs pcs;
    node_pcs_begin(&pcs, c);
    uint64_t *pc_of = mem_zalloc(count + 1, sizeof *pc_of);
    bool good = true;
    for (uint64_t i = 0; good && i < count; i++) {
        uint64_t up = cursor_varint(&parents);
        uint8_t flag = cursor_u8(&flags);
        good = !parents.bad && !flags.bad && take_node(d, &pcs, pc_of, first, i, up, flag);
    }
    free(pc_of);
    node_pcs_end(&pcs);
    return good;
}

static char *take_text(struct cursor *c)
{
    uint64_t length = cursor_varint(c);
    const uint8_t *at = cursor_take(c, length);
    return at ? mem_strndup((const char *)at, (size_t)length) : NULL;
}

static void release_module(struct trace_module *m)
{
    free(m->path);
    free(m->build_id);
    free(m->segments);
}

static bool take_module(struct cursor *c, struct trace_module *m)
{
    *m = (struct trace_module){.generation_from = (uint32_t)cursor_bounded(c, UINT32_MAX)};
    m->generation_to = (uint32_t)cursor_bounded(c, UINT32_MAX) - 1;
    m->base = cursor_varint(c);
    m->start = cursor_varint(c);
    m->end = cursor_varint(c);
    m->load_ns = cursor_varint(c);
    m->unload_ns = cursor_varint(c) - 1;
    m->path = take_text(c);
    m->build_id_bytes = (size_t)cursor_varint(c);
    const uint8_t *id = cursor_take(c, m->build_id_bytes);
    if (!c->bad && m->build_id_bytes) {
        m->build_id = mem_alloc(m->build_id_bytes);
        memcpy(m->build_id, id, m->build_id_bytes);
    }
    m->segment_count = (size_t)cursor_bounded(c, SEGMENTS_MAX);
    if (m->segment_count)
        m->segments = mem_zalloc(m->segment_count, sizeof *m->segments);
    for (size_t i = 0; i < m->segment_count && !c->bad; i++) {
        m->segments[i].address = cursor_varint(c);
        m->segments[i].bytes = cursor_varint(c);
        m->segments[i].file_offset = cursor_varint(c);
        m->segments[i].flags = (uint32_t)cursor_bounded(c, UINT32_MAX);
    }
    if (c->bad)
        release_module(m);
    return !c->bad;
}

bool dict_take_modules(struct dict *d, const struct bytes *records)
{
    struct trace_dict *p = &d->public;
    struct cursor c = cursor_of(records);
    struct trace_module m;
    while (!cursor_done(&c)) {
        if (!take_module(&c, &m))
            return false;
        /* what is told again was told lately */
        size_t at = p->module_count;
        while (at && (p->modules[at - 1].start != m.start ||
                      p->modules[at - 1].generation_from != m.generation_from))
            at--;
        if (at) {
            release_module(&p->modules[at - 1]);
            p->modules[at - 1] = m;
        } else if (p->module_count < DICT_MODULES_MAX) {
            MEM_GROW(p->modules, d->module_capacity, p->module_count + 1);
            p->modules[p->module_count++] = m;
        } else {
            release_module(&m);
            return false;
        }
    }
    return !c.bad;
}

static void add_thread(struct dict *d, struct trace_thread t)
{
    MEM_GROW(d->public.threads, d->thread_capacity, d->public.thread_count + 1);
    d->public.threads[d->public.thread_count++] = t;
}

bool dict_take_threads(struct dict *d, const struct bytes *records)
{
    struct trace_dict *p = &d->public;
    struct cursor c = cursor_of(records);
    for (uint32_t n = 0; !cursor_done(&c) && n < SEEP_THREADS_MAX; n++) {
        struct trace_thread t = {.number = (uint32_t)cursor_bounded(&c, UINT32_MAX - 1)};
        t.tid = (uint32_t)cursor_bounded(&c, UINT32_MAX);
        t.start_ns = cursor_varint(&c);
        t.end_ns = cursor_varint(&c) - 1;
        t.name = take_text(&c);
        uint64_t holes = t.number > p->thread_count ? t.number - p->thread_count - 1 : 0;
        if (c.bad || !t.number || holes > room_for_holes(d, SEEP_THREADS_MAX)) {
            free(t.name);
            return false;
        }
        while (p->thread_count + 1 < t.number)
            add_thread(d, (struct trace_thread){.number = (uint32_t)p->thread_count + 1,
                                                .name = mem_strdup(""),
                                                .end_ns = UINT64_MAX});
        if (t.number > p->thread_count) {
            add_thread(d, t);
        } else {
            free(p->threads[t.number - 1].name);
            p->threads[t.number - 1] = t;
        }
    }
    return cursor_done(&c) && !c.bad;
}

void dict_add_mark(struct dict *d, uint64_t time_ns, uint64_t number, const uint8_t *payload,
                   size_t length)
{
    struct cursor c = cursor_at(payload, length);
    struct trace_mark mark = {
        .time_ns = time_ns, .number = number, .thread = (uint32_t)cursor_bounded(&c, UINT32_MAX)};
    if (c.bad)
        return;
    mark.name = mem_strndup((const char *)c.at, (size_t)(c.end - c.at));
    MEM_GROW(d->public.marks, d->mark_capacity, d->public.mark_count + 1);
    d->public.marks[d->public.mark_count++] = mark;
}

void dict_note_memory(struct dict *d, const struct trace_beside *beside)
{
    struct beside_view v;
    if (beside_read(&v, beside) && v.memory_count > SEEP_MEMORY_RSS)
        d->rss_bytes = v.memory[SEEP_MEMORY_RSS];
}

void dict_add_picture(struct dict *d, uint64_t time_ns, uint64_t number)
{
    MEM_GROW(d->public.pictures, d->picture_capacity, d->public.picture_count + 1);
    d->public.pictures[d->public.picture_count++] =
        (struct trace_picture){time_ns, number, d->rss_bytes};
}

void dict_add_snapshot(struct dict *d, uint64_t time_ns, uint64_t number,
                       const struct trace_beside *record)
{
    struct beside_view v;
    if (!beside_read(&v, record))
        return;
    MEM_GROW(d->public.snapshots, d->snapshot_capacity, d->public.snapshot_count + 1);
    d->public.snapshots[d->public.snapshot_count++] =
        (struct trace_snapshot){.number = v.number,
                                .state = v.state,
                                .trigger = v.trigger,
                                .event = number,
                                .time_ns = time_ns,
                                .stopped_threads = v.stopped_threads,
                                .missed_threads = v.missed_threads,
                                .held_ns = v.held_ns,
                                .fork_ns = v.fork_ns};
}

void dict_add_suppressions(struct dict *d, const struct trace_beside *record)
{
    struct strbuf text = {0};
    if (d->public.suppressions)
        strbuf_adds(&text, d->public.suppressions);
    strbuf_add(&text, (const char *)record->bytes, record->length);
    free(d->public.suppressions);
    d->public.suppressions = strbuf_detach(&text);
}

void dict_put_process(struct bytes *records, const struct trace_process *p,
                      const struct bytes *facts)
{
    struct bytes summary = {0};
    summary_encode(p->summary, p->summary->events, &summary);
    bytes_varint(records, p->number);
    bytes_varint(records, p->parent);
    bytes_varint(records, p->start_ns);
    bytes_varint(records, p->end_ns);
    bytes_varint(records, p->end_number);
    bytes_varint(records, p->first_thread);
    bytes_varint(records, p->thread_count);
    bytes_varint(records, facts->length);
    bytes_add(records, facts->data, facts->length);
    bytes_varint(records, summary.length);
    bytes_add(records, summary.data, summary.length);
    bytes_release(&summary);
}

static void release_process(struct trace_process *p)
{
    facts_release(p->facts);
    free(p->facts);
    free(p->summary);
}

static bool take_process(struct cursor *c, struct trace_process *p)
{
    *p = (struct trace_process){.number = (uint32_t)cursor_bounded(c, SEEP_PROCESSES_MAX)};
    p->parent = (uint32_t)cursor_bounded(c, SEEP_PROCESSES_MAX);
    p->start_ns = cursor_varint(c);
    p->end_ns = cursor_varint(c);
    p->end_number = cursor_varint(c);
    p->first_thread = (uint32_t)cursor_bounded(c, UINT32_MAX);
    p->thread_count = (uint32_t)cursor_bounded(c, UINT32_MAX);
    uint64_t length = cursor_varint(c), numbers;
    const uint8_t *facts = cursor_take(c, length);
    struct bytes summary = {.length = (size_t)cursor_varint(c)};
    summary.data = (uint8_t *)(uintptr_t)cursor_take(c, summary.length); /* only read */
    if (c->bad || !facts || !summary.data)
        return false;
    p->facts = mem_zalloc(1, sizeof *p->facts);
    p->summary = mem_zalloc(1, sizeof *p->summary);
    p->summary->wait_status = -1;
    if (facts_decode(p->facts, facts, (size_t)length) &&
        summary_decode(p->summary, &numbers, &summary))
        return true;
    release_process(p);
    return false;
}

bool dict_take_processes(struct dict *d, const struct bytes *records)
{
    struct trace_dict *p = &d->public;
    struct cursor c = cursor_of(records);
    struct trace_process process;
    while (!cursor_done(&c)) {
        if (!take_process(&c, &process))
            return false;
        if (process.number && process.number <= p->process_count) { /* told again */
            release_process(&p->processes[process.number - 1]);
            p->processes[process.number - 1] = process;
        } else if (process.number == p->process_count + 1) {
            MEM_GROW(p->processes, d->process_capacity, p->process_count + 1);
            p->processes[p->process_count++] = process;
        } else {
            release_process(&process);
            return false;
        }
    }
    return !c.bad;
}

void dict_release(struct dict *d)
{
    if (!d)
        return;
    struct trace_dict *p = &d->public;
    free(d->same);
    free(p->stacks);
    for (size_t i = 0; i < p->module_count; i++)
        release_module(&p->modules[i]);
    free(p->modules);
    for (size_t i = 0; i < p->thread_count; i++)
        free(p->threads[i].name);
    free(p->threads);
    for (size_t i = 0; i < p->mark_count; i++)
        free(p->marks[i].name);
    free(p->marks);
    free(p->snapshots);
    free(p->pictures);
    free(p->suppressions);
    for (size_t i = 0; i < p->process_count; i++)
        release_process(&p->processes[i]);
    free(p->processes);
    *d = (struct dict){0};
}
