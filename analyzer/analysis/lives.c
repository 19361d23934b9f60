/* SPDX-License-Identifier: MIT
 *
 * Most blocks end in the interval in which they were made: those are summed up by key, in an array.
 * The others wait in a list, which is sorted when the interval ends. */
#include "analysis/lives.h"

#include "model/heap.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536
#define FIRST_PASS 0.45 /* of the time that both take */

/* A live block, as it was made: only where blocks may go without an event. */
struct known {
    uint64_t birth, size, time_ns;
    uint32_t stack;
    bool live, inherited;
};

struct pass {
    struct lives *l;
    struct trace_reader *reader;
    const uint32_t *keys;
    size_t most_rows;
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
    struct heap heap;
    uint32_t interval;
    struct lives_row *young; /* by key: born and ended in this interval */
    uint32_t key_count;
    uint32_t *touched; /* keys whose `young` is not empty */
    size_t touched_count;
    size_t old_from; /* rows from here on are of this interval and not in order */
    struct known *known;
    size_t known_capacity;
};

static int by_place(const void *a, const void *b)
{
    const struct lives_row *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->born != y->born)
        return x->born < y->born ? -1 : 1;
    return (x->ended > y->ended) - (x->ended < y->ended);
}

/* Sorts the rows from there on, and adds up those of the same place. */
static void tidy(struct lives *l, size_t from)
{
    size_t kept = from;
    if (l->count == from)
        return;
    qsort(l->rows + from, l->count - from, sizeof *l->rows, by_place);
    for (size_t i = from + 1; i < l->count; i++) {
        struct lives_row *to = &l->rows[kept], *row = &l->rows[i];
        if (by_place(to, row) == 0) {
            to->blocks += row->blocks;
            to->temporary += row->temporary;
            to->bytes += row->bytes;
        } else {
            l->rows[++kept] = *row;
        }
    }
    l->count = kept + 1;
}

static void add_row(struct lives *l, const struct lives_row *row)
{
    MEM_GROW(l->rows, l->capacity, l->count + 1);
    l->rows[l->count++] = *row;
}

/* ------------------------------------------------------------------ wider intervals */

/* Makes two intervals of each four, or fewer; rows become those of the intervals left. Of the
 * borders within, the one with the most live stays: peaks are at borders. */
static void widen(struct pass *p)
{
    struct lives *l = p->l;
    struct lives_grid *g = &l->grid;
    uint32_t old = g->intervals, kept = 0;
    uint32_t *now = mem_zalloc((size_t)old * 2 + 2, sizeof *now);
    for (uint32_t from = 0; from < old; from += 4) {
        uint32_t to = old - from < 4 ? old : from + 4, high = from + 1;
        for (uint32_t i = from + 2; i < to; i++)
            if (g->borders[i].live_bytes > g->borders[high].live_bytes)
                high = i;
        for (uint32_t i = from + 1; i <= to; i++) {
            now[i] = kept + 1;
            if (i == high || i == to)
                g->borders[++kept] = g->borders[i];
        }
    }
    g->intervals = kept;
    now[old + 1] = kept + 1;
    for (uint32_t i = 1; i <= old; i++)
        now[old + 1 + i] = kept + 1 + now[i];
    for (size_t i = 0; i < l->count; i++) {
        l->rows[i].born = now[l->rows[i].born];
        l->rows[i].ended = now[l->rows[i].ended];
    }
    for (uint32_t i = 1; i <= old; i++)
        for (size_t c = 0; c < LIVES_CLASSES; c++) {
            struct lives_class *pairs[] = {l->sizes, l->lifetimes};
            for (size_t k = 0; k < 2; k++) {
                struct lives_class from = pairs[k][i * LIVES_CLASSES + c];
                struct lives_class *to = &pairs[k][now[i] * LIVES_CLASSES + c];
                if (now[i] == i)
                    continue;
                pairs[k][i * LIVES_CLASSES + c] = (struct lives_class){0};
                to->made += from.made;
                to->freed += from.freed;
                to->made_bytes += from.made_bytes;
                to->freed_bytes += from.freed_bytes;
            }
        }
    p->interval = now[p->interval];
    free(now);
    tidy(l, 0);
}

/* ------------------------------------------------------------------ blocks */

static struct lives_class *class_at(struct lives_class *of, uint32_t interval, uint64_t value)
{
    return &of[(size_t)interval * LIVES_CLASSES + lives_class_of(value)];
}

static void block_made(struct pass *p, uint32_t interval, uint64_t size)
{
    struct lives_class *c = class_at(p->l->sizes, interval, size);
    c->made++;
    c->made_bytes += size;
}

static void block_ended(struct pass *p, const struct known *b, uint64_t now_ns, bool temporary)
{
    uint32_t born = b->inherited ? 0 : lives_grid_find(&p->l->grid, b->birth, p->interval);
    uint64_t lived_ns = now_ns > b->time_ns ? now_ns - b->time_ns : 0;
    struct lives_class *size = class_at(p->l->sizes, p->interval, b->size);
    struct lives_class *lifetime = class_at(p->l->lifetimes, p->interval, lived_ns);
    uint32_t key = p->keys[b->stack];
    size->freed++;
    size->freed_bytes += b->size;
    lifetime->freed++;
    lifetime->freed_bytes += b->size;
    if (born != p->interval) {
        add_row(p->l, &(struct lives_row){key, born, p->interval, 1, temporary, b->size});
        return;
    }
    struct lives_row *young = &p->young[key];
    if (!young->blocks)
        p->touched[p->touched_count++] = key;
    young->blocks++;
    young->temporary += temporary;
    young->bytes += b->size;
}

static struct known known_of(const struct pass *p, const struct trace_block *b)
{
    uint32_t stack = b->stack <= trace_reader_dict(p->reader)->stack_count ? b->stack : 0;
    return (struct known){b->birth, b->size, b->time_ns,
                          stack,    true,    (b->flags & TRACE_INHERITED) != 0};
}

/* Remembers what a slot holds, where there are gaps. NULL: nothing. */
static void remember(struct pass *p, uint32_t slot, const struct trace_block *b)
{
    if (!p->l->grid.gaps)
        return;
    size_t old = p->known_capacity;
    MEM_GROW(p->known, p->known_capacity, (size_t)slot + 1);
    memset(p->known + old, 0, (p->known_capacity - old) * sizeof *p->known);
    p->known[slot] = b ? known_of(p, b) : (struct known){0};
}

/* Blocks went and came. */
static void take_gap(struct pass *p, uint64_t now_ns)
{
    uint32_t slots = trace_reader_slot_count(p->reader);
    for (uint32_t slot = 0; slot < slots || slot < p->known_capacity; slot++) {
        const struct trace_block *b = slot < slots ? trace_reader_block(p->reader, slot) : NULL;
        if (b && trace_block_in_pool(b))
            b = NULL;
        struct known was = slot < p->known_capacity ? p->known[slot] : (struct known){0};
        if (was.live && b && was.birth == b->birth && was.size == b->size)
            continue;
        if (was.live)
            block_ended(p, &was, now_ns, false);
        if (b)
            block_made(p, lives_grid_find(&p->l->grid, b->birth, p->interval), b->size);
        remember(p, slot, b);
    }
}

static void end_interval(struct pass *p)
{
    struct lives *l = p->l;
    tidy(l, p->old_from);
    for (size_t i = 0; i < p->touched_count; i++) {
        struct lives_row *young = &p->young[p->touched[i]];
        add_row(l, &(struct lives_row){p->touched[i], p->interval, p->interval, young->blocks,
                                       young->temporary, young->bytes});
        *young = (struct lives_row){0};
    }
    p->touched_count = 0;
    p->interval++;
    while (l->count > p->most_rows && l->grid.intervals > 8)
        widen(p);
    p->old_from = l->count;
}

static void take_event(struct pass *p, const struct trace_event *ev)
{
    bool ends =
        ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT;
    bool makes =
        ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
    while (p->interval < p->l->grid.intervals &&
           ev->number >= p->l->grid.borders[p->interval].number)
        end_interval(p);
    if (ends && !trace_block_in_pool(&ev->before)) {
        struct known was = known_of(p, &ev->before);
        block_ended(p, &was, ev->time_ns,
                    ev->type == TRACE_FREE && heap_is_temporary(&p->heap, ev));
        remember(p, ev->slot, NULL);
    }
    if (makes && !trace_block_in_pool(&ev->after)) {
        block_made(p, ev->after.flags & TRACE_INHERITED ? 0 : p->interval, ev->after.size);
        remember(p, ev->slot, &ev->after);
    }
}

/* What is live where the reading begins. */
static void take_first(struct pass *p)
{
    uint32_t slots = trace_reader_slot_count(p->reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(p->reader, slot);
        if (!b || trace_block_in_pool(b))
            continue;
        block_made(p, 0, b->size);
        remember(p, slot, b);
    }
}

/* What is live in the end. */
static void take_last(struct pass *p)
{
    struct lives *l = p->l;
    const struct trace_dict *dict = trace_reader_dict(p->reader);
    uint32_t slots = trace_reader_slot_count(p->reader), never = l->grid.intervals + 1;
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(p->reader, slot);
        if (!b || trace_block_in_pool(b))
            continue;
        struct known k = known_of(p, b);
        uint32_t process = trace_process_of(b->address), ended = never;
        uint64_t end =
            process && process <= dict->process_count ? dict->processes[process - 1].end_number : 0;
        if (end)
            ended += lives_grid_find(&l->grid, end - 1, l->grid.intervals);
        uint32_t born = k.inherited ? 0 : lives_grid_find(&l->grid, b->birth, l->grid.intervals);
        add_row(l, &(struct lives_row){p->keys[k.stack], born, ended, 1, 0, b->size});
    }
}

static enum seep_err read_events(struct pass *p, struct err *err)
{
    struct trace_event ev;
    enum seep_err code;
    for (uint64_t n = 1; !(code = trace_reader_next(p->reader, &ev, err)); n++) {
        if (n % PROGRESS_EVENTS == 0 && p->progress &&
            !p->progress(p->progress_arg,
                         FIRST_PASS + (1 - FIRST_PASS) * trace_reader_progress(p->reader)))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        if (ev.type != TRACE_BESIDE && ev.type != TRACE_GAP)
            take_event(p, &ev);
        heap_apply(&p->heap, &ev);
        if (ev.type == TRACE_GAP)
            take_gap(p, ev.time_ns);
    }
    return code == SEEP_END ? SEEP_OK : code;
}

struct first_progress {
    bool (*progress)(void *arg, double fraction);
    void *arg;
};

static bool first_pass_progress(void *arg, double fraction)
{
    const struct first_progress *f = arg;
    return !f->progress || f->progress(f->arg, FIRST_PASS * fraction);
}

enum seep_err lives_read(struct lives *l, struct trace_reader *reader, const uint32_t *keys,
                         uint32_t parts, size_t most_rows,
                         bool (*progress)(void *arg, double fraction), void *progress_arg,
                         struct err *err)
{
    struct first_progress first = {progress, progress_arg};
    struct pass p = {.l = l,
                     .reader = reader,
                     .keys = keys,
                     .most_rows = most_rows,
                     .progress = progress,
                     .progress_arg = progress_arg,
                     .interval = 1};
    *l = (struct lives){0};
    enum seep_err code = lives_grid_read(&l->grid, reader, parts, first_pass_progress, &first, err);
    if (!code)
        code = trace_reader_rewind(reader, err);
    if (code)
        return code;
    uint32_t stacks = trace_reader_dict(reader)->stack_count;
    for (uint32_t stack = 0; stack <= stacks; stack++)
        if (keys[stack] >= p.key_count)
            p.key_count = keys[stack] + 1;
    p.young = mem_zalloc(p.key_count, sizeof *p.young);
    p.touched = mem_zalloc(p.key_count, sizeof *p.touched);
    size_t classes = ((size_t)l->grid.intervals + 1) * LIVES_CLASSES;
    l->sizes = mem_zalloc(classes, sizeof *l->sizes);
    l->lifetimes = mem_zalloc(classes, sizeof *l->lifetimes);
    heap_init(&p.heap);
    heap_begin(&p.heap, reader);
    take_first(&p);
    code = read_events(&p, err);
    if (!code) {
        while (p.interval < l->grid.intervals)
            end_interval(&p);
        end_interval(&p);
        take_last(&p);
        tidy(l, 0);
    }
    heap_release(&p.heap);
    free(p.young);
    free(p.touched);
    free(p.known);
    return code;
}

void lives_release(struct lives *l)
{
    lives_grid_release(&l->grid);
    free(l->rows);
    free(l->sizes);
    free(l->lifetimes);
    *l = (struct lives){0};
}

void lives_rename(struct lives *l, const uint32_t *keys)
{
    for (size_t i = 0; i < l->count; i++)
        l->rows[i].key = keys[l->rows[i].key];
    tidy(l, 0);
}
