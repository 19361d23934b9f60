/* SPDX-License-Identifier: MIT
 *
 * Nothing is kept per block: the reader already holds the live ones. A window's end is noticed by
 * the first event behind it, which the reader has then applied; it is undone in the view. */
#include "analysis/live_set.h"

#include "analysis/resolve.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536

static bool enters(const struct trace_event *ev)
{
    return ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
}

/* Undoes in the view the event that the reader has applied last. */
static void step_back(struct live_set *s, const struct trace_event *ev)
{
    if (enters(ev))
        s->skip_slot = ev->slot;
    if (ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT) {
        s->has_extra = true;
        s->extra = ev->before;
    }
}

static bool is_inherited(const struct trace_block *b)
{
    return b->flags & TRACE_INHERITED;
}

static bool is_like(const struct live_set *s, const struct trace_block *b)
{
    return trace_block_in_pool(b) == ((s->which & LIVE_SET_POOLS) != 0);
}

bool live_set_wants(const struct live_set *s, const struct trace_block *b)
{
    return is_like(s, b) && is_inherited(b) == ((s->which & LIVE_SET_INHERITED) != 0);
}

static uint32_t node_of(const struct live_set *s, const struct trace_block *b)
{
    return b->stack <= trace_reader_dict(s->reader)->stack_count ? b->stack : 0;
}

/* ------------------------------------------------------------------ the whole trace */

struct whole {
    struct live_set *s;
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
};

static void count_kind(void *arg, const struct trace_block *like, uint64_t count)
{
    struct live_set *s = ((struct whole *)arg)->s;
    if (!is_like(s, like))
        return;
    struct live_use *use = &s->nodes[node_of(s, like)];
    use->made_blocks += count;
    use->made_bytes += count * like->size;
}

static void take_maker(void *arg, const struct trace_beside *beside)
{
    makers_take(&((struct whole *)arg)->s->makers, beside);
}

static void count_anew(void *arg)
{
    struct live_set *s = ((struct whole *)arg)->s;
    size_t nodes = (size_t)trace_reader_dict(s->reader)->stack_count + 1;
    memset(s->nodes, 0, nodes * sizeof *s->nodes);
    makers_release(&s->makers);
}

static bool tell_progress(void *arg, double fraction)
{
    struct whole *w = arg;
    return w->progress(w->progress_arg, fraction);
}

/* Takes all events in, of which only sums and what is live at the end are of interest. */
static enum seep_err read_whole(struct live_set *s, struct heap *heap,
                                bool (*progress)(void *arg, double fraction), void *progress_arg,
                                struct err *err)
{
    struct whole w = {s, progress, progress_arg};
    const struct heap_watch watch = {.made = count_kind,
                                     .beside = take_maker,
                                     .restart = count_anew,
                                     .progress = progress ? tell_progress : NULL,
                                     .arg = &w};
    return heap_read(heap, s->reader, &watch, err);
}

/* ------------------------------------------------------------------ a window, or a filter */

/* By stack, so that the filter's names can be left for those that have live blocks. */
static void count_made(struct live_set *s, const struct trace_event *ev)
{
    if (!live_set_wants(s, &ev->after) || (s->filter && !filter_block(s->filter, &ev->after)))
        return;
    struct live_use *use = &s->nodes[node_of(s, &ev->after)];
    use->made_blocks++;
    use->made_bytes += ev->after.size;
}

/* Takes the events of the window and before in. */
static enum seep_err read_events(struct live_set *s, struct heap *heap,
                                 bool (*progress)(void *arg, double fraction), void *progress_arg,
                                 struct err *err)
{
    struct trace_event ev;
    enum seep_err code;
    bool entered = false;
    for (uint64_t n = 1;; n++) {
        if (trace_reader_number(s->reader) >= s->until)
            return SEEP_OK;
        code = trace_reader_next(s->reader, &ev, err);
        if (code)
            break;
        if (n % PROGRESS_EVENTS == 0 && progress &&
            !progress(progress_arg, trace_reader_progress(s->reader)))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        enum filter_place place =
            s->filter ? filter_window(s->filter, ev.number, ev.time_ns) : FILTER_INSIDE;
        if (ev.type == TRACE_BESIDE) {
            if (place != FILTER_AFTER) {
                heap_apply(heap, &ev);
                makers_take(&s->makers, &ev.beside);
            }
            continue;
        }
        if (ev.type == TRACE_GAP) {
            heap_apply(heap, &ev);
            heap_resync(heap, s->reader);
            continue;
        }
        if (place == FILTER_AFTER) {
            step_back(s, &ev);
            s->at_exit = false;
            return SEEP_OK;
        }
        heap_apply(heap, &ev);
        if (place != FILTER_INSIDE)
            continue;
        if (!entered)
            s->from_ns = ev.time_ns;
        entered = true;
        if (enters(&ev))
            count_made(s, &ev);
    }
    return code == SEEP_END ? SEEP_OK : code;
}

static bool passes(const struct live_set *s, const struct trace_block *b)
{
    struct filter *f = s->filter;
    return !f || (filter_window(f, b->birth, b->time_ns) == FILTER_INSIDE &&
                  filter_lifetime(f, s->end_ns > b->time_ns ? s->end_ns - b->time_ns : 0) &&
                  filter_block(f, b) && filter_stack(f, b->stack));
}

/* All live blocks, filters aside. */
static const struct trace_block *next_live(const struct live_set *s, uint32_t *position)
{
    uint32_t slots = trace_reader_slot_count(s->reader);
    for (; *position < slots; ++*position) {
        const struct trace_block *b = trace_reader_block(s->reader, *position);
        if (b && *position != s->skip_slot) {
            ++*position;
            return b;
        }
    }
    if (s->has_extra && *position == slots) {
        ++*position;
        return &s->extra;
    }
    return NULL;
}

const struct trace_block *live_set_next(const struct live_set *s, uint32_t *position)
{
    const struct trace_block *b;
    while ((b = next_live(s, position)) && (!live_set_wants(s, b) || !passes(s, b)))
        ;
    return b;
}

/* Names the stacks of all live blocks ahead, if the filter will ask for names. */
static enum seep_err resolve_names(struct live_set *s, struct err *err)
{
    if (!s->filter || !filter_needs_names(s->filter))
        return SEEP_OK;
    const struct trace_dict *dict = trace_reader_dict(s->reader);
    uint8_t *marks = mem_zalloc((size_t)dict->stack_count + 1, 1);
    const struct trace_block *b;
    for (uint32_t position = 0; (b = next_live(s, &position));)
        marks[node_of(s, b)] = 1;
    enum seep_err code = resolve_marked(s->filter->symbols, dict, marks, true, err);
    free(marks);
    return code;
}

void live_set_add(const struct live_set *s, struct live_use *use, const struct trace_block *b)
{
    const struct maker *maker = makers_of(&s->makers, b);
    uint64_t when =
        s->which & LIVE_SET_INHERITED ? LIVE_SET_FORK_NS - (maker ? maker->age_ns : 0) : b->time_ns;
    if (!use->blocks || when < use->first_ns)
        use->first_ns = when;
    if (!use->blocks || when > use->last_ns)
        use->last_ns = when;
    use->blocks++;
    use->bytes += b->size;
    use->usable_bytes += b->usable;
}

static void count_live(struct live_set *s)
{
    const struct trace_block *b;
    for (uint32_t position = 0; (b = next_live(s, &position));) {
        if (is_inherited(b) && is_like(s, b)) {
            s->inherited_blocks++;
            s->inherited_bytes += b->size;
        }
        if (!live_set_wants(s, b))
            continue;
        if (!passes(s, b)) {
            s->filtered_blocks++;
            s->filtered_bytes += b->size;
            continue;
        }
        live_set_add(s, &s->nodes[node_of(s, b)], b);
    }
}

/* Says when the window begins and ends, in time. A trace may be over, or silent, before that. */
static void find_ends(struct live_set *s)
{
    uint64_t duration_ns = trace_reader_summary(s->reader)->duration_ns;
    s->end_ns = s->totals.last_time_ns;
    uint64_t cut_to_ns = trace_reader_facts(s->reader)->cut_to_ns;
    if (s->at_exit && duration_ns > s->end_ns)
        s->end_ns = duration_ns;
    if (s->at_exit && cut_to_ns) /* its last event may be stored as a little later */
        s->end_ns = cut_to_ns;
    if (s->filter && s->filter->from.text && s->filter->from.time_ns)
        s->from_ns = s->filter->from.time_ns;
    if (s->until != UINT64_MAX) {
        s->end_ns = s->until_ns;
        s->at_exit = false;
        return;
    }
    if (!s->filter)
        return;
    const struct filter_moment *to = &s->filter->to;
    if (to->text && to->time_ns && (!s->at_exit || to->time_ns < s->end_ns)) {
        s->end_ns = to->time_ns;
        s->at_exit = false;
    }
}

enum seep_err live_set_read(struct live_set *s, struct trace_reader *reader, struct filter *filter,
                            unsigned which, bool (*progress)(void *arg, double fraction),
                            void *progress_arg, struct err *err)
{
    return live_set_read_until(s, reader, filter, which, UINT64_MAX, UINT64_MAX, progress,
                               progress_arg, err);
}

enum seep_err live_set_read_until(struct live_set *s, struct trace_reader *reader,
                                  struct filter *filter, unsigned which, uint64_t until,
                                  uint64_t until_ns, bool (*progress)(void *arg, double fraction),
                                  void *progress_arg, struct err *err)
{
    memset(s, 0, sizeof *s);
    s->until = until;
    s->until_ns = until_ns;
    s->reader = reader;
    s->which = which;
    s->filter = filter && filter_active(filter) ? filter : NULL;
    s->skip_slot = UINT32_MAX;
    s->at_exit = true;
    s->nodes = mem_zalloc((size_t)trace_reader_dict(reader)->stack_count + 1, sizeof *s->nodes);
    struct heap heap;
    heap_init(&heap);
    /* of a window, the time of its first event is told, too */
    bool whole = !s->filter && until >= trace_reader_end(reader) && !(which & LIVE_SET_INHERITED) &&
                 !trace_facts_cut(trace_reader_facts(reader));
    /* what pools were before a place that is sought, the trace does not tell */
    bool seek = s->filter && !(which & LIVE_SET_POOLS);
    enum seep_err code = seek ? filter_seek(s->filter, reader, err) : SEEP_OK;
    heap_begin(&heap, reader);
    if (!code)
        code = (whole ? read_whole : read_events)(s, &heap, progress, progress_arg, err);
    if (code)
        goto done;
    s->totals = heap.totals;
    s->pools = heap.pools;
    find_ends(s);
    code = resolve_names(s, err);
    if (!code)
        count_live(s);
done:
    heap_release(&heap);
    return code;
}

void live_set_release(struct live_set *s)
{
    if (!s)
        return;
    free(s->nodes);
    makers_release(&s->makers);
    memset(s, 0, sizeof *s);
}
