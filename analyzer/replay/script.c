/* SPDX-License-Identifier: MIT */
#include "replay/script.h"

#include "replay/script_file.h"
#include "trace/beside_read.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_EVENTS 65536u
#define WAIT_NS 1000000u /* gaps shorter than that are not kept */
#define NOBODY UINT32_MAX
#define SIZE_CLASSES 64

/* A block, by the reader's slot. */
struct block {
    uint64_t birth, size;
    uint32_t turns; /* operations on the slot so far */
    bool live;
};

/* A reallocation between its two places. */
struct flight {
    uint32_t link; /* 0: free */
    uint32_t thread;
};

struct writer {
    struct script *out;
    struct script_file file;
    struct trace_reader *reader;
    const struct recorded *recorded;
    struct large *large;
    unsigned scale;
    const struct script_change *change; /* NULL: none */

    struct block *blocks; /* owned */
    size_t block_count;
    struct flight *flights; /* owned */
    size_t flight_count, flight_capacity;
    uint64_t classes[SIZE_CLASSES]; /* blocks made, by size: every Nth is taken */

    enum thread_state {
        THREAD_NEW,
        THREAD_RUNS,
        THREAD_ENDING,
        THREAD_ENDED
    } *
        threads;          /* owned */
    uint64_t *chains;     /* first TURN of each thread; owned */
    uint64_t *last_turns; /* owned */
    uint32_t thread_count, main_thread;
    uint32_t current;   /* whose turn it is */
    size_t ending;      /* threads in that state */
    uint64_t ending_ns; /* since when the first of them is */

    uint64_t wait_ns, played_ns; /* the last WAIT: in the recording, and in the replay */
    uint64_t live_bytes;
    struct busy {
        uint64_t wait_ns; /* that the calls are counted from */
        uint64_t calls;
    } * busy;         /* by thread; owned */
    uint64_t busiest; /* most calls by one thread since the last WAIT */
    size_t sample;
    uint64_t time_ns;
};

static uint64_t add(struct writer *w, uint8_t kind, uint32_t slot, uint64_t value)
{
    const struct seep_replay_op op = {.kind = kind, .slot = slot, .value = value};
    return script_file_add(&w->file, &op);
}

/* ------------------------------------------------------------------ threads and time */

static void give_turn(struct writer *w, uint32_t thread)
{
    if (w->current == thread)
        return;
    uint64_t at = add(w, SEEP_REPLAY_TURN, thread, 0);
    if (w->last_turns[thread])
        script_file_set_value(&w->file, w->last_turns[thread], at);
    else
        w->chains[thread] = at;
    w->last_turns[thread] = at;
    w->current = thread;
}

/* A thread's last calls may come behind the record of its end, from destructors that run later. So
 * its end waits until time has gone by. */
static void end_threads(struct writer *w)
{
    for (uint32_t t = 0; t < w->thread_count && w->ending; t++) {
        if (w->threads[t] != THREAD_ENDING)
            continue;
        w->threads[t] = THREAD_ENDED;
        w->ending--;
        give_turn(w, t);
        add(w, SEEP_REPLAY_FINISH, 0, 0);
        w->current = NOBODY;
        give_turn(w, w->main_thread);
    }
}

/* The time since the last WAIT without what recording took of it: for the busiest thread, and never
 * nearly all, for what is taken off is an estimate. */
static uint64_t own_time(const struct writer *w, uint64_t time_ns)
{
    uint64_t all = time_ns - w->wait_ns, slowed = w->busiest * w->recorded->slowed_ns;
    return slowed < all - all / 10 ? all - slowed : all / 10;
}

static void count_busy(struct writer *w, uint32_t thread)
{
    struct busy *b = &w->busy[thread];
    if (b->wait_ns != w->wait_ns)
        *b = (struct busy){.wait_ns = w->wait_ns};
    if (++b->calls > w->busiest)
        w->busiest = b->calls;
}

static void wait_for(struct writer *w, uint64_t time_ns)
{
    w->played_ns += own_time(w, time_ns);
    w->wait_ns = time_ns;
    w->busiest = 0;
    if (w->current == NOBODY)
        give_turn(w, w->main_thread);
    add(w, SEEP_REPLAY_WAIT, 0, w->played_ns);
}

static void pass_time(struct writer *w, uint64_t time_ns)
{
    w->time_ns = time_ns;
    if (w->ending && time_ns >= w->ending_ns + WAIT_NS)
        end_threads(w);
    if (time_ns >= w->wait_ns + WAIT_NS)
        wait_for(w, time_ns);
}

/* Has the thread of that number, of the trace, go on. Returns its index. */
static uint32_t go_on(struct writer *w, uint32_t number, uint64_t time_ns)
{
    uint32_t thread = number && number <= w->thread_count ? number - 1 : w->main_thread;
    pass_time(w, time_ns);
    if (w->threads[thread] == THREAD_ENDED) {
        w->out->strays++;
        thread = w->main_thread;
    }
    if (w->threads[thread] == THREAD_NEW) {
        w->threads[thread] = THREAD_RUNS;
        /* what a thread's creation allocates is not to lie in, and hold, the arena of whichever
           thread has the turn */
        give_turn(w, w->main_thread);
        add(w, SEEP_REPLAY_START, thread, 0);
    }
    give_turn(w, thread);
    count_busy(w, thread);
    return thread;
}

/* Waited for however short the time: memory that is not yet due when its thread ends may never be
 * given back. mimalloc's is due 25 ms after it was freed, and threads that rest so long and then
 * end are not rare. */
static void thread_ends(struct writer *w, uint64_t number, uint64_t time_ns)
{
    pass_time(w, time_ns);
    if (number == 0 || number > w->thread_count || number - 1 == w->main_thread ||
        w->threads[number - 1] != THREAD_RUNS)
        return;
    if (time_ns > w->wait_ns)
        wait_for(w, time_ns);
    w->threads[number - 1] = THREAD_ENDING;
    if (w->ending++ == 0)
        w->ending_ns = time_ns;
}

/* ------------------------------------------------------------------ blocks */

static struct block *block_of(struct writer *w, uint32_t slot)
{
    if (slot >= w->block_count) {
        size_t before = w->block_count;
        MEM_GROW(w->blocks, w->block_count, (size_t)slot + 1);
        memset(w->blocks + before, 0, (w->block_count - before) * sizeof *w->blocks);
    }
    return &w->blocks[slot];
}

static bool in_pool(const struct writer *w, const struct trace_block *b)
{
    return w->change && w->change->pool && filter_stack(w->change->which, b->stack);
}

static bool left_out(const struct writer *w, const struct trace_block *b)
{
    return w->change && !w->change->pool && filter_stack(w->change->which, b->stack);
}

/* Where some lie in a pool, it has to be asked of each whether it does. */
static enum seep_replay_kind with_pool(const struct writer *w, enum seep_replay_kind kind)
{
    if (!w->change || !w->change->pool)
        return kind;
    return kind == SEEP_REPLAY_REALLOC ? SEEP_REPLAY_POOL_REALLOC
           : kind == SEEP_REPLAY_FREE  ? SEEP_REPLAY_POOL_FREE
                                       : kind;
}

static void call(struct writer *w, enum seep_replay_kind kind, uint32_t slot, uint64_t size,
                 uint8_t align_log2)
{
    struct seep_replay_op op = {.kind = (uint8_t)kind, .align_log2 = align_log2, .slot = slot};
    if (size > SEEP_REPLAY_SIZE_MAX)
        size = SEEP_REPLAY_SIZE_MAX;
    seep_replay_set(&op, size, block_of(w, slot)->turns++);
    script_file_add(&w->file, &op);
    if (kind <= SEEP_REPLAY_FREE)
        w->out->header.calls[kind]++;
}

static void touch(struct writer *w, uint32_t slot, const struct trace_block *block)
{
    struct large_block *b = large_begin(w->large, slot, block);
    if (b)
        b->op = add(w, SEEP_REPLAY_TOUCH, slot, large_guess_pages(w->large, b));
}

static uint8_t align_log2_of(const struct trace_block *b)
{
    uint64_t alignment = b->alignment;
    if (b->call == SEEP_CALL_VALLOC || b->call == SEEP_CALL_PVALLOC)
        alignment = SEEP_REPLAY_PAGE_BYTES;
    uint8_t log2 = 0;
    while (log2 < 40 && UINT64_C(1) << log2 < alignment)
        log2++;
    return log2 > 4 ? log2 : 0; /* 16: every block has that */
}

/* Whether a new block of that size is part of the replay. */
static bool is_taken(struct writer *w, uint64_t size)
{
    unsigned class = size ? 64 - (unsigned)__builtin_clzll(size) : 0;
    return w->classes[class < SIZE_CLASSES ? class : SIZE_CLASSES - 1]++ % w->scale == 0;
}

static void begin_life(struct writer *w, struct block *block, const struct trace_block *b)
{
    block->live = true;
    block->birth = b->birth;
    block->size = b->size;
    w->live_bytes += b->size;
}

static void end_life(struct writer *w, struct block *block)
{
    block->live = false;
    w->live_bytes -= block->size;
}

static void make(struct writer *w, uint32_t slot, const struct trace_block *b)
{
    struct block *block = block_of(w, slot);
    uint8_t align_log2 = align_log2_of(b);
    block->live = false;
    if (left_out(w, b) || !is_taken(w, b->size))
        return;
    begin_life(w, block, b);
    call(w,
         in_pool(w, b)                 ? SEEP_REPLAY_POOL_MALLOC
         : align_log2                  ? SEEP_REPLAY_ALIGNED
         : b->call == SEEP_CALL_CALLOC ? SEEP_REPLAY_CALLOC
                                       : SEEP_REPLAY_MALLOC,
         slot, b->size, align_log2);
    touch(w, slot, b);
}

static void end(struct writer *w, uint32_t slot)
{
    struct block *block = block_of(w, slot);
    if (!block->live)
        return;
    end_life(w, block);
    large_end(w->large, slot);
    call(w, with_pool(w, SEEP_REPLAY_FREE), slot, 0, 0);
}

static void change(struct writer *w, uint32_t slot, const struct trace_block *b)
{
    struct block *block = block_of(w, slot);
    if (left_out(w, b)) {
        end(w, slot);
        return;
    }
    if (!block->live) {
        if (w->change && !w->change->pool)
            make(w, slot, b); /* it was left out before */
        return;
    }
    end_life(w, block);
    begin_life(w, block, b);
    large_end(w->large, slot);
    call(w, with_pool(w, SEEP_REPLAY_REALLOC), slot, b->size, in_pool(w, b));
    touch(w, slot, b);
}

/* Flights stay with their threads, so that threads that run freely need not wait for them. */
static size_t flight_for(struct writer *w, uint32_t link, uint32_t thread)
{
    size_t i = 0;
    while (i < w->flight_count && (w->flights[i].link || w->flights[i].thread != thread))
        i++;
    MEM_GROW(w->flights, w->flight_capacity, i + 1);
    if (i == w->flight_count)
        w->flight_count++;
    w->flights[i] = (struct flight){link, thread};
    return i;
}

static void leave(struct writer *w, const struct trace_event *ev, uint32_t thread)
{
    struct block *block = block_of(w, ev->slot);
    if (!block->live)
        return;
    end_life(w, block);
    large_end(w->large, ev->slot);
    call(w, SEEP_REPLAY_MOVE, ev->slot, flight_for(w, ev->link, thread), 0);
}

static void enter(struct writer *w, const struct trace_event *ev)
{
    size_t i = 0;
    while (i < w->flight_count && w->flights[i].link != ev->link)
        i++;
    block_of(w, ev->slot)->live = false;
    if (i == w->flight_count) {
        /* of a block that is no part of the replay so far, or whose first place is lost */
        change(w, ev->slot, &ev->after);
        return;
    }
    w->flights[i].link = 0;
    call(w, SEEP_REPLAY_MOVE, ev->slot, i, 1);
    begin_life(w, block_of(w, ev->slot), &ev->after);
    change(w, ev->slot, &ev->after);
}

/* A block that is to be made, out of its place in the order. */
struct fresh {
    uint64_t birth;
    uint32_t slot;
};

static int compare_births(const void *a, const void *b)
{
    const struct fresh *x = a, *y = b;
    return (x->birth > y->birth) - (x->birth < y->birth);
}

/* Makes the replay's live blocks those that the reader has: at the start of a window, and behind a
 * gap. */
static void resync(struct writer *w)
{
    uint32_t slots = trace_reader_slot_count(w->reader);
    struct fresh *fresh = mem_alloc(((size_t)slots + 1) * sizeof *fresh);
    size_t count = 0;
    go_on(w, 0, w->time_ns);
    for (size_t slot = 0; slot < w->block_count; slot++) {
        const struct trace_block *b = trace_reader_block(w->reader, (uint32_t)slot);
        if (w->blocks[slot].live && (!b || b->birth != w->blocks[slot].birth))
            end(w, (uint32_t)slot);
    }
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(w->reader, slot);
        if (b && !trace_block_in_pool(b) && !block_of(w, slot)->live)
            fresh[count++] = (struct fresh){b->birth, slot};
    }
    qsort(fresh, count, sizeof *fresh, compare_births);
    for (size_t i = 0; i < count; i++)
        make(w, fresh[i].slot, trace_reader_block(w->reader, fresh[i].slot));
    free(fresh);
}

/* ------------------------------------------------------------------ the whole */

static void grown(void *arg, const struct large_block *b, uint32_t before, bool first)
{
    struct writer *w = arg;
    if (first) /* known now what was a guess */
        script_file_set_value(&w->file, b->op, b->pages);
    else
        add(w, SEEP_REPLAY_GROWN, b->slot, (uint64_t)before << 32 | b->pages);
}

static void take_beside(struct writer *w, const struct trace_event *ev)
{
    struct beside_view view;
    if (!beside_read(&view, &ev->beside))
        return;
    if (view.kind == SEEP_BESIDE_THREAD_END)
        thread_ends(w, view.thread, ev->time_ns);
    if (view.kind != SEEP_BESIDE_MEMORY && view.kind != SEEP_BESIDE_MAPPINGS)
        return;
    pass_time(w, ev->time_ns);
    if (view.kind == SEEP_BESIDE_MAPPINGS) {
        large_take_mappings(w->large, &ev->beside);
        large_look(w->large, ev->time_ns, grown, w);
    }
    if (w->sample < w->recorded->count) {
        add(w, SEEP_REPLAY_SAMPLE, (uint32_t)w->sample++, 0);
        w->out->header.live_bytes = w->live_bytes;
    }
}

static void take(struct writer *w, const struct trace_event *ev)
{
    uint32_t thread;
    if (trace_event_in_pool(ev))
        return;
    switch (ev->type) {
    case TRACE_ALLOC:
        go_on(w, ev->thread, ev->time_ns);
        make(w, ev->slot, &ev->after);
        break;
    case TRACE_FREE:
        go_on(w, ev->thread, ev->time_ns);
        end(w, ev->slot);
        break;
    case TRACE_REALLOC:
        go_on(w, ev->thread, ev->time_ns);
        change(w, ev->slot, &ev->after);
        break;
    case TRACE_REALLOC_OUT:
        thread = go_on(w, ev->thread, ev->time_ns);
        leave(w, ev, thread);
        break;
    case TRACE_REALLOC_IN:
        go_on(w, ev->thread, ev->time_ns);
        enter(w, ev);
        break;
    case TRACE_FAILED: w->out->failed++; break;
    case TRACE_FREE_UNKNOWN: w->out->unknown_frees++; break;
    case TRACE_BESIDE: take_beside(w, ev); break;
    case TRACE_GAP:
        w->time_ns = ev->time_ns;
        resync(w);
        break;
    }
}

static void begin(struct writer *w)
{
    const struct trace_dict *dict = trace_reader_dict(w->reader);
    const struct trace_facts *facts = trace_reader_facts(w->reader);
    w->thread_count = dict->thread_count ? (uint32_t)dict->thread_count : 1;
    for (uint32_t i = 0; i < dict->thread_count; i++)
        if (dict->threads[i].tid == facts->pid)
            w->main_thread = i;
    w->threads = mem_zalloc(w->thread_count, sizeof *w->threads);
    w->chains = mem_zalloc(w->thread_count, sizeof *w->chains);
    w->last_turns = mem_zalloc(w->thread_count, sizeof *w->last_turns);
    w->busy = mem_zalloc(w->thread_count, sizeof *w->busy);
    w->threads[w->main_thread] = THREAD_RUNS;
    w->current = NOBODY;
    /* a window begins where it begins; else what comes before the first event is not waited for */
    w->wait_ns = w->time_ns = facts->cut_from_ns;
    resync(w);
}

static enum seep_err finish(struct writer *w, struct err *err)
{
    struct seep_replay_header *h = &w->out->header;
    give_turn(w, w->main_thread);
    add(w, SEEP_REPLAY_END, 0, 0);
    h->thread_count = w->thread_count;
    h->main_thread = w->main_thread;
    h->slot_count = (uint32_t)w->block_count;
    h->flight_count = (uint32_t)w->flight_count;
    h->sample_count = (uint32_t)w->sample;
    int fd = w->file.fd;
    enum seep_err code = script_file_finish(&w->file, h, w->chains, err);
    if (!code)
        w->out->fd = fd;
    return code;
}

enum seep_err script_write(struct script *out, struct trace_reader *reader,
                           const struct recorded *recorded, struct large *large, unsigned scale,
                           const struct script_change *change,
                           bool (*progress)(void *arg, double fraction), void *arg, struct err *err)
{
    struct writer w = {.out = out,
                       .reader = reader,
                       .recorded = recorded,
                       .large = large,
                       .scale = scale,
                       .change = change};
    struct trace_event ev;
    *out = (struct script){.fd = -1};
    enum seep_err code = script_file_open(&w.file, err);
    if (!code)
        code = trace_reader_rewind(reader, err);
    if (code)
        goto done;
    begin(&w);
    for (uint64_t n = 0; !(code = trace_reader_next(reader, &ev, err)); n++) {
        take(&w, &ev);
        if (n % PROGRESS_EVENTS == 0 && progress && !progress(arg, trace_reader_progress(reader))) {
            code = err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
            goto done;
        }
    }
    if (code == SEEP_END)
        code = finish(&w, err);
done:
    script_file_release(&w.file);
    large_restart(large);
    free(w.blocks);
    free(w.flights);
    free(w.threads);
    free(w.chains);
    free(w.last_turns);
    free(w.busy);
    return code;
}

void script_release(struct script *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
