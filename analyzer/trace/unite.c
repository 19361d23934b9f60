/* SPDX-License-Identifier: MIT
 *
 * All traces are read side by side; the earliest event is translated and written next. What a trace
 * calls slot, thread, stack and link has another number in the united one. */
#include "trace/unite.h"

#include "trace/bytes.h"
#include "trace/dict.h"
#include "trace/facts.h"
#include "trace/live.h"
#include "trace/unite_dict.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536
#define SAME_BOOT_NS                                                                               \
    UINT64_C(2000000000) /* that clocks set while the machine ran may differ by                    \
                          */
#define ADDRESS_MASK ((UINT64_C(1) << TRACE_PROCESS_SHIFT) - 1)
#define LEFT_OUT UINT32_MAX /* a block that is the parent's */

/* A reallocation between its places. */
struct flight {
    uint32_t link, united; /* 0: its first place ended a block that is left out */
};

struct process {
    struct unite_input input;
    struct trace_process told; /* in the united trace */
    struct trace_summary summary;
    struct bytes facts; /* as stored */
    struct unite_stacks stacks;
    uint64_t shift_ns;       /* from its times to the united ones */
    bool leaves_inherited;   /* out, for its parent is here */
    bool at_end;             /* only its end is still to be told, at `when_ns` */
    uint64_t when_ns;        /* of what comes next, in the united trace */
    struct trace_event next; /* unless at_end */
    uint32_t *slots;         /* by slot: 0: none, LEFT_OUT, or 1 + slot in the united trace */
    size_t slot_capacity;
    struct flight *flights;
    size_t flight_count, flight_capacity;
};

struct unite {
    const struct unite_options *options;
    struct process *all; /* in order of their starts; owned */
    size_t count;
    struct process **heap; /* those that have something to come, the earliest first; owned */
    size_t waiting;
    struct trace_writer *writer;
    struct unite_dict dict;
    struct bytes payload;
    uint32_t last_link;
    uint64_t events; /* read, for progress */
};

static const struct trace_facts *facts_of(const struct process *p)
{
    return trace_reader_facts(p->input.reader);
}

/* ------------------------------------------------------------------ whether they go together */

static uint64_t boot_ns(const struct trace_facts *f)
{
    return f->start_realtime_ns - f->start_ns;
}

static bool same_boot(const struct trace_facts *a, const struct trace_facts *b)
{
    uint64_t apart = boot_ns(a) - boot_ns(b);
    if (a->run_id[0] && strcmp(a->run_id, b->run_id) == 0)
        return true;
    return strcmp(a->host, b->host) == 0 && (apart < SAME_BOOT_NS || 0 - apart < SAME_BOOT_NS);
}

static enum seep_err check_alone(const struct unite_input *input, bool align, struct err *err)
{
    const struct trace_facts *f = trace_reader_facts(input->reader);
    if (trace_facts_cut(f))
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "%s: is a window of %s; merge first, then cut", input->name, f->cut_of);
    if (f->processes)
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "%s: is of several processes already; merge what it was made of",
                       input->name);
    if (!f->start_ns && !align)
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "%s: does not say when it began on its machine's clock; --align-starts "
                       "would let all begin at once",
                       input->name);
    return SEEP_OK;
}

static enum seep_err check_together(const struct process *p, const struct process *first,
                                    bool align, struct err *err)
{
    const struct trace_facts *a = facts_of(p), *b = facts_of(first);
    if (a->pid == b->pid && a->image == b->image && a->start_ns == b->start_ns &&
        a->start_realtime_ns == b->start_realtime_ns && a->pid && strcmp(a->host, b->host) == 0)
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "%s and %s: the same recording twice",
                       first->input.name, p->input.name);
    if (!align && !same_boot(a, b))
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "%s and %s: of different machines, or the machine was started in between, "
                       "so that their times cannot be compared; --align-starts would let all begin "
                       "at once",
                       first->input.name, p->input.name);
    return SEEP_OK;
}

static enum seep_err check(const struct unite *u, struct err *err)
{
    bool align = u->options->align_starts;
    enum seep_err code = SEEP_OK;
    for (size_t i = 0; i < u->count && !code; i++)
        code = check_alone(&u->all[i].input, align, err);
    /* the same recording stands next to itself */
    for (size_t i = 1; i < u->count && !code; i++)
        code = check_together(&u->all[i], &u->all[i - 1], align, err);
    return code;
}

/* ------------------------------------------------------------------ who is who */

static int by_start(const void *a, const void *b)
{
    const struct trace_facts *x = facts_of(a), *y = facts_of(b);
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return (x->image > y->image) - (x->image < y->image);
}

/* The process that had that pid when `child` began. */
static const struct process *find_parent(const struct unite *u, const struct process *child,
                                         uint32_t pid)
{
    const struct process *found = NULL;
    for (const struct process *p = u->all; p < child && pid; p++)
        if (facts_of(p)->pid == pid)
            found = p;
    return found;
}

/* Numbers, times, threads and parents, before anything is read. */
static void introduce(struct unite *u)
{
    uint64_t first_ns = u->count ? facts_of(u->all)->start_ns : 0;
    uint32_t threads = 0;
    for (size_t i = 0; i < u->count; i++) {
        struct process *p = &u->all[i];
        const struct trace_facts *f = facts_of(p);
        const struct process *parent =
            find_parent(u, p, f->fork_parent_pid ? f->fork_parent_pid : f->parent_pid);
        const struct bytes *facts = trace_reader_stored_facts(p->input.reader);
        p->shift_ns = u->options->align_starts ? 0 : f->start_ns - first_ns;
        p->leaves_inherited = parent && f->fork_parent_pid && !u->options->align_starts;
        p->summary = *trace_reader_summary(p->input.reader);
        p->told = (struct trace_process){
            .number = (uint32_t)i + 1,
            .parent = parent ? parent->told.number : 0,
            .start_ns = p->shift_ns,
            .end_ns = p->shift_ns + p->summary.duration_ns,
            .first_thread = threads + 1,
            .thread_count = (uint32_t)trace_reader_dict(p->input.reader)->thread_count + 1,
            .summary = &p->summary,
        };
        threads += p->told.thread_count;
        bytes_add(&p->facts, facts->data, facts->length);
    }
}

static void tell_processes(struct unite *u)
{
    struct bytes records = {0};
    for (size_t i = 0; i < u->count; i++)
        dict_put_process(&records, &u->all[i].told, &u->all[i].facts);
    trace_writer_processes(u->writer, &records);
    bytes_release(&records);
}

static void tell_threads(struct unite *u)
{
    for (size_t i = 0; i < u->count; i++) {
        const struct process *p = &u->all[i];
        const struct trace_dict *dict = trace_reader_dict(p->input.reader);
        struct trace_thread t = {
            .number = p->told.first_thread, .start_ns = p->told.start_ns, .end_ns = p->told.end_ns};
        trace_writer_thread(u->writer, &t);
        for (size_t n = 0; n < dict->thread_count; n++) {
            t = dict->threads[n];
            t.number += p->told.first_thread;
            t.start_ns += p->shift_ns;
            t.end_ns += t.end_ns == UINT64_MAX ? 0 : p->shift_ns;
            trace_writer_thread(u->writer, &t);
        }
    }
}

static bool is_of_all(uint64_t fact)
{
    switch (fact) {
    case SEEP_FACT_FORK_PARENT_PID:
    case SEEP_FACT_FORK_PARENT:
    case SEEP_FACT_FORK_GENERATION:
    case SEEP_FACT_FORK_NS:
    case SEEP_FACT_PARENT_TRACE: return false;
    default: return true;
    }
}

static enum seep_err write_facts(struct unite *u, struct err *err)
{
    struct bytes facts = {0};
    facts_put_wanted(&facts, &u->all[0].facts, is_of_all);
    facts_put_number(&facts, SEEP_FACT_PROCESSES, u->count);
    enum seep_err code = trace_writer_facts(u->writer, facts.data, facts.length, err);
    bytes_release(&facts);
    return code;
}

/* ------------------------------------------------------------------ what comes next */

/* Moves the first of the heap down to where it belongs. */
static void sift(struct unite *u, size_t at)
{
    struct process *p = u->heap[at];
    for (size_t child; (child = 2 * at + 1) < u->waiting; at = child) {
        struct process *const *c = &u->heap[child];
        if (child + 1 < u->waiting &&
            (c[1]->when_ns < c[0]->when_ns || (c[1]->when_ns == c[0]->when_ns && c[1] < c[0])))
            child++;
        const struct process *q = u->heap[child];
        if (p->when_ns < q->when_ns || (p->when_ns == q->when_ns && p < q))
            break;
        u->heap[at] = u->heap[child];
    }
    u->heap[at] = p;
}

/* Reads the next event of a process, or finds its end. */
static enum seep_err advance(struct unite *u, struct process *p, struct err *err)
{
    const struct unite_options *o = u->options;
    if (++u->events % PROGRESS_EVENTS == 0 && o->progress) {
        double done = (double)(u->count - u->waiting) + trace_reader_progress(p->input.reader);
        if (!o->progress(o->progress_arg, done / (double)u->count))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
    }
    enum seep_err code = trace_reader_next(p->input.reader, &p->next, err);
    if (code && code != SEEP_END)
        return code;
    p->at_end = code == SEEP_END;
    if (!p->at_end)
        p->when_ns = p->next.time_ns + p->shift_ns;
    else if (p->when_ns < p->told.end_ns)
        p->when_ns = p->told.end_ns;
    return SEEP_OK;
}

/* ------------------------------------------------------------------ events */

static uint32_t map_thread(const struct process *p, uint64_t thread)
{
    return p->told.first_thread + (thread < p->told.thread_count ? (uint32_t)thread : 0);
}

static uint64_t map_address(const struct process *p, uint64_t address)
{
    return address ? (address & ADDRESS_MASK) | (uint64_t)p->told.number << TRACE_PROCESS_SHIFT : 0;
}

static uint32_t *slot_of(struct process *p, uint32_t slot)
{
    size_t old = p->slot_capacity;
    if (slot >= old) {
        MEM_GROW(p->slots, p->slot_capacity, (size_t)slot + 1);
        memset(p->slots + old, 0, (p->slot_capacity - old) * sizeof *p->slots);
    }
    return &p->slots[slot];
}

static struct flight *flight_of(struct process *p, uint32_t link)
{
    for (size_t i = 0; i < p->flight_count; i++)
        if (p->flights[i].link == link)
            return &p->flights[i];
    return NULL;
}

/* What is common to all that is written of an event. */
static struct trace_event begin_event(struct process *p, const struct trace_event *ev,
                                      enum trace_event_type type)
{
    struct trace_event out = {.type = type,
                              .call = ev->call,
                              .flags = ev->flags,
                              .thread = map_thread(p, ev->thread),
                              .stack = unite_stack(&p->stacks, ev->stack),
                              .time_ns = p->when_ns,
                              .after = ev->after,
                              .failed_size = ev->failed_size};
    out.after.address = map_address(p, ev->after.address);
    out.address = map_address(p, ev->address);
    return out;
}

/* The end of a block that is the parent's, or not known. */
static enum seep_err write_unknown(struct unite *u, struct process *p, const struct trace_event *ev,
                                   struct err *err)
{
    struct trace_event out = begin_event(p, ev, TRACE_FREE_UNKNOWN);
    out.address = map_address(p, ev->before.address);
    out.flags |= TRACE_INHERITED;
    return trace_writer_event(u->writer, &out, err);
}

static enum seep_err write_made(struct unite *u, struct process *p, const struct trace_event *ev,
                                enum trace_event_type type, uint32_t link, struct err *err)
{
    struct trace_event out = begin_event(p, ev, type);
    out.link = link;
    enum seep_err code = trace_writer_event(u->writer, &out, err);
    *slot_of(p, ev->slot) = code ? 0 : out.slot + 1;
    return code;
}

static enum seep_err take_ending(struct unite *u, struct process *p, const struct trace_event *ev,
                                 struct err *err)
{
    uint32_t *slot = slot_of(p, ev->slot), united = *slot, link = 0;
    enum seep_err code;
    if (ev->type != TRACE_REALLOC)
        *slot = 0;
    if (united == 0 || united == LEFT_OUT) {
        code = write_unknown(u, p, ev, err);
        if (!code && ev->type == TRACE_REALLOC)
            code = write_made(u, p, ev, TRACE_ALLOC, 0, err);
    } else {
        struct trace_event out = begin_event(p, ev, ev->type);
        out.slot = united - 1;
        if (ev->type == TRACE_REALLOC_OUT)
            out.link = link = ++u->last_link;
        code = trace_writer_event(u->writer, &out, err);
    }
    if (ev->type == TRACE_REALLOC_OUT) {
        MEM_GROW(p->flights, p->flight_capacity, p->flight_count + 1);
        p->flights[p->flight_count++] = (struct flight){ev->link, link};
    }
    return code;
}

static enum seep_err take_second_place(struct unite *u, struct process *p,
                                       const struct trace_event *ev, struct err *err)
{
    struct flight *f = flight_of(p, ev->link);
    uint32_t link = f ? f->united : 0;
    if (f)
        *f = p->flights[--p->flight_count];
    return write_made(u, p, ev, link ? TRACE_REALLOC_IN : TRACE_ALLOC, link, err);
}

static enum seep_err take_event(struct unite *u, struct process *p, struct err *err)
{
    const struct trace_event *ev = &p->next;
    switch (ev->type) {
    case TRACE_ALLOC:
        if (ev->flags & TRACE_INHERITED && p->leaves_inherited) {
            *slot_of(p, ev->slot) = LEFT_OUT;
            return SEEP_OK;
        }
        return write_made(u, p, ev, TRACE_ALLOC, 0, err);
    case TRACE_FREE:
    case TRACE_REALLOC:
    case TRACE_REALLOC_OUT: return take_ending(u, p, ev, err);
    case TRACE_REALLOC_IN: return take_second_place(u, p, ev, err);
    case TRACE_FAILED:
    case TRACE_FREE_UNKNOWN: {
        struct trace_event out = begin_event(p, ev, ev->type);
        return trace_writer_event(u->writer, &out, err);
    }
    case TRACE_BESIDE:
    case TRACE_GAP: break;
    }
    return SEEP_OK;
}

/* ------------------------------------------------------------------ gaps */

static bool same_block(const struct process *p, const struct trace_block *united,
                       const struct trace_block *b)
{
    return united && united->address == map_address(p, b->address) && united->size == b->size;
}

static enum seep_err end_lost(struct unite *u, struct process *p, uint32_t slot, struct err *err)
{
    struct trace_event ev = {.call = SEEP_CALL_FREE, .flags = TRACE_IMPLIED, .slot = slot};
    const struct trace_block *b = trace_writer_block(u->writer, *slot_of(p, slot) - 1);
    if (b && trace_block_in_pool(b))
        ev.call = SEEP_CALL_POOL;
    ev.type = TRACE_FREE;
    return take_ending(u, p, &ev, err);
}

/* Behind a gap other blocks are live: those that are gone were freed, those that have come were
 * made, in what is lost. */
static enum seep_err take_gap(struct unite *u, struct process *p, struct err *err)
{
    const struct live *live = trace_reader_live(p->input.reader);
    enum seep_err code = SEEP_OK;
    for (uint32_t slot = 0; slot < p->slot_capacity && !code; slot++) {
        const struct trace_block *b = trace_reader_block(p->input.reader, slot);
        uint32_t *united = slot_of(p, slot);
        bool left_out = *united == LEFT_OUT;
        if (left_out && (!b || !(b->flags & TRACE_INHERITED)))
            *united = 0;
        else if (!left_out && *united &&
                 !(b && same_block(p, trace_writer_block(u->writer, *united - 1), b)))
            code = end_lost(u, p, slot, err);
    }
    for (uint32_t slot = live_oldest(live); slot && !code; slot = live->links[slot].younger) {
        const struct trace_block *b = trace_reader_block(p->input.reader, slot);
        if (*slot_of(p, slot))
            continue;
        struct trace_event ev = {.type = TRACE_ALLOC,
                                 .call = b->call,
                                 .flags = b->flags,
                                 .thread = b->thread,
                                 .stack = b->stack,
                                 .slot = slot,
                                 .after = *b};
        if (b->flags & TRACE_INHERITED && p->leaves_inherited)
            *slot_of(p, slot) = LEFT_OUT;
        else
            code = write_made(u, p, &ev, TRACE_ALLOC, 0, err);
    }
    return code;
}

/* ------------------------------------------------------------------ records beside the events */

static enum seep_err write_record(struct unite *u, struct process *p, enum seep_beside kind,
                                  struct err *err)
{
    struct trace_event out = {.type = TRACE_BESIDE, .time_ns = p->when_ns};
    out.beside = (struct trace_beside){kind, u->payload.data, u->payload.length};
    enum seep_err code = trace_writer_event(u->writer, &out, err);
    if (kind == SEEP_BESIDE_PROCESS_END)
        p->told.end_number = out.number;
    return code;
}

/* The mappings' addresses are the process's, too: all count from the first one's start. What makes
 * no sense stays as it is. */
static void add_mappings(struct bytes *out, const struct process *p, const struct trace_beside *b)
{
    struct cursor c = cursor_at(b->bytes, b->length);
    uint64_t page_bytes = cursor_varint(&c), count = cursor_varint(&c), pages = cursor_varint(&c);
    if (c.bad || !page_bytes || !count) {
        bytes_add(out, b->bytes, b->length);
        return;
    }
    bytes_varint(out, page_bytes);
    bytes_varint(out, count);
    bytes_varint(out, pages + ((uint64_t)p->told.number << TRACE_PROCESS_SHIFT) / page_bytes);
    bytes_add(out, c.at, (size_t)(c.end - c.at));
}

static enum seep_err take_record(struct unite *u, struct process *p, struct err *err)
{
    const struct trace_beside *b = &p->next.beside;
    struct cursor c = cursor_at(b->bytes, b->length);
    struct bytes *out = &u->payload;
    out->length = 0;
    switch (b->kind) {
    case SEEP_BESIDE_MODULE:
    case SEEP_BESIDE_UNLOAD:
    case SEEP_BESIDE_INHERITED:
    case SEEP_BESIDE_MAP_CALL:
    case SEEP_BESIDE_IGNORE:
    case SEEP_BESIDE_OWN_MEMORY:
    case SEEP_BESIDE_THREAD_STACK:
    case SEEP_BESIDE_IGNORE_THREAD: return SEEP_OK; /* of addresses and numbers that are gone */
    case SEEP_BESIDE_THREAD_START:
    case SEEP_BESIDE_THREAD_END:
    case SEEP_BESIDE_THREAD_NAME:
    case SEEP_BESIDE_MARK:
        bytes_varint(out, map_thread(p, cursor_varint(&c)));
        bytes_add(out, c.at, (size_t)(c.end - c.at));
        return write_record(u, p, b->kind, err);
    default: break;
    }
    bytes_varint(out, p->told.number);
    bytes_varint(out, b->kind);
    if (b->kind == SEEP_BESIDE_MAPPINGS)
        add_mappings(out, p, b);
    else
        bytes_add(out, b->bytes, b->length);
    return write_record(u, p, SEEP_BESIDE_OF_PROCESS, err);
}

/* ------------------------------------------------------------------ the whole */

static enum seep_err end_process(struct unite *u, struct process *p, struct err *err)
{
    u->payload.length = 0;
    bytes_varint(&u->payload, p->told.number);
    p->summary = *trace_reader_summary(p->input.reader);
    enum seep_err code = write_record(u, p, SEEP_BESIDE_PROCESS_END, err);
    unite_stacks_release(&p->stacks);
    trace_reader_free(p->input.reader);
    p->input.reader = NULL;
    free(p->slots);
    p->slots = NULL;
    return code;
}

static enum seep_err take_next(struct unite *u, struct err *err)
{
    struct process *p = u->heap[0];
    enum seep_err code;
    if (p->at_end) {
        code = end_process(u, p, err);
        u->heap[0] = u->heap[--u->waiting];
    } else {
        if (p->next.type == TRACE_BESIDE)
            code = take_record(u, p, err);
        else
            code = p->next.type == TRACE_GAP ? take_gap(u, p, err) : take_event(u, p, err);
        if (!code)
            code = advance(u, p, err);
    }
    if (!code && u->waiting)
        sift(u, 0);
    return code;
}

static enum seep_err write_events(struct unite *u, struct err *err)
{
    enum seep_err code = SEEP_OK;
    for (size_t i = 0; i < u->count && !code; i++) {
        struct process *p = &u->all[i];
        unite_stacks_init(&p->stacks, &u->dict, trace_reader_dict(p->input.reader), p->told.number,
                          p->shift_ns);
        code = advance(u, p, err);
        u->heap[u->waiting++] = p;
    }
    for (size_t i = u->waiting; i-- > 0;)
        sift(u, i);
    while (!code && u->waiting)
        code = take_next(u, err);
    return code;
}

/* What is said of the whole: losses of all; how it ended, and what has no sum, of the first. */
static struct trace_summary sum_up(const struct unite *u)
{
    struct trace_summary s = {.wait_status = u->all[0].summary.wait_status,
                              .spool_state = u->all[0].summary.spool_state};
    for (size_t i = 0; i < u->count; i++) {
        const struct trace_summary *one = &u->all[i].summary;
        s.lost_nested += one->lost_nested;
        s.lost_stopped += one->lost_stopped;
        s.lost_early += one->lost_early;
        s.lost_no_lane += one->lost_no_lane;
        s.lost_damaged += one->lost_damaged;
        s.repaired += one->repaired;
        s.raced += one->raced;
        s.unknown_frees += one->unknown_frees;
        s.cut_stacks += one->cut_stacks;
        s.guessed_frames += one->guessed_frames;
        s.stop_reason = s.stop_reason ? s.stop_reason : one->stop_reason;
        s.unseen |= one->unseen;
        s.truncated |= one->truncated;
        s.damaged |= one->damaged;
        if (u->all[i].told.end_ns > s.duration_ns)
            s.duration_ns = u->all[i].told.end_ns;
    }
    return s;
}

static enum seep_err write_trace(struct unite *u, const char *path, struct err *err)
{
    struct trace_writer_options options = {.coding = u->options->coding};
    enum seep_err code = trace_writer_open(&u->writer, path, &options, err);
    if (code)
        return code;
    unite_dict_init(&u->dict, u->writer);
    code = write_facts(u, err);
    if (code)
        return code;
    tell_processes(u);
    tell_threads(u);
    code = write_events(u, err);
    if (code)
        return code;
    tell_processes(u); /* again, with where they ended */
    struct trace_summary summary = sum_up(u);
    struct trace_writer *w = u->writer;
    u->writer = NULL;
    return trace_writer_finish(w, &summary, err);
}

static void release(struct unite *u, struct unite_input *inputs)
{
    for (size_t i = 0; i < u->count; i++) {
        struct process *p = &u->all[i];
        inputs[i] = p->input;
        unite_stacks_release(&p->stacks);
        bytes_release(&p->facts);
        free(p->slots);
        free(p->flights);
    }
    trace_writer_abort(u->writer);
    unite_dict_release(&u->dict);
    bytes_release(&u->payload);
    free(u->all);
    free(u->heap);
}

enum seep_err unite_traces(struct unite_input *inputs, size_t count, const char *path,
                           const struct unite_options *options, struct err *err)
{
    if (count == 0 || count > SEEP_PROCESSES_MAX)
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "from 1 to %u traces can be merged",
                       SEEP_PROCESSES_MAX);
    struct unite u = {.options = options, .count = count};
    u.all = mem_zalloc(count, sizeof *u.all);
    u.heap = mem_zalloc(count, sizeof *u.heap);
    for (size_t i = 0; i < count; i++)
        u.all[i].input = inputs[i];
    qsort(u.all, count, sizeof *u.all, by_start);
    enum seep_err code = check(&u, err);
    if (!code) {
        introduce(&u);
        code = write_trace(&u, path, err);
    }
    release(&u, inputs);
    return code;
}
