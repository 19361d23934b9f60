/* SPDX-License-Identifier: MIT */
#include "analysis/frag_read.h"

#include "analysis/frag_cleanup.h"
#include "trace/beside_read.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536
#define LEAST_WASTE 20 /* part of RSS: of less it does not matter which picture has more */

enum choice { LEFT_OUT, ROWS, DETAIL };

/* What is found of a picture that may be the one to be shown. All owned; zeroed: of none. */
struct found {
    bool any;
    size_t instant;
    uint64_t waste, rss; /* bytes */
    struct frag_blame blame;
    struct frag_map map;
    struct frag_mappings mappings;
    struct frag_what_if what_if;
};

struct pass {
    struct frag_read *r;
    const struct frag_read_options *options;
    struct trace_reader *reader;
    const struct trace_dict *dict;
    struct pages pages;
    struct memory_map map;
    struct frag_world world;
    uint8_t *choices;                   /* owned: enum choice of each picture */
    size_t picture;                     /* that comes next */
    uint64_t memory[SEEP_MEMORY_COUNT]; /* of the last MEMORY record */
    bool has_memory;
    bool moving;             /* the last picture is not known to be over yet */
    uint64_t gone_through;   /* blocks, for details */
    struct frag_blame blame; /* of the last picture with details */
    uint64_t blame_ns;       /* its time; UINT64_MAX: there was none */
    struct found best, falling;
    struct found held;                /* of the last picture, until it is over */
    uint64_t live_bytes, live_blocks; /* at the last picture */
    uint64_t fall_bytes, fall_blocks; /* before bytes began to fall; bytes 0: they do not */
    size_t fall_instant;              /* with which they did */
    struct frag_cleanup cleanup;
    size_t wanted; /* picture that is to be shown; SIZE_MAX: the one most worth it */
};

/* ------------------------------------------------------------------ which pictures */

/* A picture has a place between events, and a moment; many may lie between the same two events as a
 * mark does, so that the moment decides. */
static bool is_before(const struct trace_picture *p, const struct filter_moment *m)
{
    return m->time_ns ? p->time_ns < m->time_ns : m->by_number && p->number <= m->number;
}

static bool in_window(const struct pass *p, const struct trace_picture *picture)
{
    const struct filter *f = p->options->filter;
    if (!f)
        return true;
    return (!f->from.text || !is_before(picture, &f->from)) &&
           (!f->to.text || is_before(picture, &f->to));
}

/* Places of pictures, by time. */
struct places {
    size_t *at; /* owned */
    size_t count;
};

/* Gives the level to `count` of them, or to all where there are fewer: evenly spaced in time, as
 * far as there are pictures everywhere; the first and the last among them. */
static void choose_evenly(struct pass *p, const struct places *all, size_t count, enum choice level)
{
    const struct trace_picture *pictures = p->dict->pictures;
    if (count > all->count)
        count = all->count;
    if (!count)
        return;
    uint64_t from = pictures[all->at[0]].time_ns;
    uint64_t span = pictures[all->at[all->count - 1]].time_ns - from;
    for (size_t i = 0, at = 0; i < count; i++, at++) {
        double part = count > 1 ? (double)i / (double)(count - 1) : 0;
        uint64_t moment = from + (uint64_t)((double)span * part);
        size_t last = all->count - (count - i); /* behind it there are too few for the others */
        while (at < last && pictures[all->at[at]].time_ns < moment)
            at++;
        p->choices[all->at[at]] = level;
    }
}

static void choose(struct pass *p)
{
    const struct trace_picture *all = p->dict->pictures;
    size_t count = p->dict->picture_count, highest = SIZE_MAX, chosen = 0;
    struct places inside = {.at = mem_zalloc(count + 1, sizeof *inside.at)};
    struct places others = {.at = mem_zalloc(count + 1, sizeof *others.at)};
    p->choices = mem_zalloc(count + 1, 1);
    p->wanted = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (!in_window(p, &all[i]))
            continue;
        inside.at[inside.count++] = i;
        if (highest == SIZE_MAX || all[i].rss_bytes > all[highest].rss_bytes)
            highest = i;
        const struct filter *at = p->options->at;
        if (at && (p->wanted == SIZE_MAX || is_before(&all[i], &at->to)))
            p->wanted = i;
    }
    p->r->pictures = inside.count;
    choose_evenly(p, &inside, FRAG_DETAILS - 2, DETAIL);
    if (highest != SIZE_MAX)
        p->choices[highest] = DETAIL;
    if (p->wanted != SIZE_MAX)
        p->choices[p->wanted] = DETAIL;
    for (size_t i = 0; i < inside.count; i++)
        if (p->choices[inside.at[i]] == LEFT_OUT)
            others.at[others.count++] = inside.at[i];
        else
            chosen++;
    choose_evenly(p, &others, FRAG_INSTANTS - chosen, ROWS);
    p->r->instants = mem_zalloc(FRAG_INSTANTS + 1, sizeof *p->r->instants);
    free(inside.at);
    free(others.at);
}

/* ------------------------------------------------------------------ a picture */

struct sight {
    struct frag_rows *rows;
    struct frag_map *map; /* NULL: none is wanted, nor are these */
    struct frag_mappings *mappings;
};

static void see(void *arg, const struct frag_piece *piece)
{
    struct sight *s = arg;
    frag_rows_add(s->rows, piece);
    if (s->map) {
        frag_map_add(s->map, piece);
        frag_mappings_add(s->mappings, piece);
    }
}

/* Takes a picture's details. What sites waste changes evenly from one to the next: half of the time
 * between is each one's. */
static void take_details(struct pass *p, const struct trace_event *ev)
{
    uint64_t now_ns = ev->time_ns;
    uint64_t before_ns = p->blame_ns < now_ns ? (now_ns - p->blame_ns) / 2 : 0;
    frag_blame_span(&p->blame, before_ns);
    frag_blame_clear(&p->blame);
    p->gone_through += trace_reader_slot_count(p->reader);
    frag_blame_take(&p->blame, &p->world, &ev->beside, p->reader, p->options->filter, now_ns);
    frag_blame_span(&p->blame, before_ns);
    p->blame_ns = now_ns;
}

static void found_release(struct found *f)
{
    frag_blame_release(&f->blame);
    frag_map_release(&f->map);
    frag_mappings_release(&f->mappings);
    *f = (struct found){0};
}

/* The one with more waste; where none has any to speak of, the one with more resident: not the
 * first bytes of a program that wastes nothing later. */
static bool is_better(const struct found *a, const struct found *b)
{
    uint64_t a_waste = a->waste < a->rss / LEAST_WASTE ? 0 : a->waste;
    uint64_t b_waste = b->waste < b->rss / LEAST_WASTE ? 0 : b->waste;
    return !b->any || a_waste > b_waste || (a_waste == b_waste && a->rss > b->rss);
}

/* Where what is found belongs now. */
static struct found *kept(struct pass *p)
{
    return p->fall_bytes && p->wanted == SIZE_MAX ? &p->falling : &p->best;
}

static void take_better(struct found *best, struct found *other)
{
    if (other->any && is_better(other, best)) {
        found_release(best);
        *best = *other;
        *other = (struct found){0};
    }
    found_release(other);
}

/* Programs that clean up before they end leave an empty heap, with more waste than ever and of no
 * interest: pictures from which on live bytes only fall stand apart until it is known whether they
 * were of that. */
static void follow_live(struct pass *p, const struct frag_rows *rows)
{
    uint64_t live_bytes = rows->live_requested;
    if (live_bytes > p->live_bytes || (live_bytes == p->live_bytes && !p->fall_bytes)) {
        take_better(&p->best, &p->falling);
        p->fall_bytes = 0;
    } else if (!p->fall_bytes) {
        p->fall_bytes = p->live_bytes;
        p->fall_blocks = p->live_blocks;
        p->fall_instant = p->r->count - 1;
    }
    p->live_bytes = live_bytes;
    p->live_blocks = rows->live_blocks;
}

static void choose_shown(struct pass *p)
{
    struct frag_read *r = p->r;
    r->cleanup = r->count;
    /* Where most blocks stay, they are what keeps the pages: that is to be shown. */
    bool few_stay = p->live_blocks < p->fall_blocks / 2;
    if (p->best.any && few_stay &&
        frag_cleanup_is(&p->cleanup, p->fall_bytes, p->live_bytes, r->end_ns))
        r->cleanup = p->fall_instant;
    else
        take_better(&p->best, &p->falling);
    found_release(&p->falling);
    if (!p->best.any)
        return;
    r->shown = p->best.instant;
    r->blame = p->best.blame;
    r->map = p->best.map;
    r->mappings = p->best.mappings;
    r->what_if = p->best.what_if;
}

/* Holds what was found of this picture, as far as it is worth more than what was kept, until it is
 * over. */
static void hold(struct pass *p, size_t instant, struct frag_map *map,
                 struct frag_mappings *mappings)
{
    const struct frag_rows *rows = &p->r->instants[instant];
    struct found this = {
        .any = true, .instant = instant, .waste = frag_rows_waste(rows), .rss = rows->rss};
    if (p->wanted == SIZE_MAX ? !is_better(&this, kept(p)) : p->picture != p->wanted)
        return;
    p->held = this;
    p->held.map = *map;
    p->held.mappings = *mappings;
    *map = (struct frag_map){0};
    *mappings = (struct frag_mappings){0};
    frag_blame_copy(&p->held.blame, &p->blame);
    if (p->options->what_if)
        frag_what_if(&p->held.what_if, &p->pages, p->reader, p->options->what_if);
}

/* The last picture is over. Pages that blocks were made in meanwhile look free in it: as many bytes
 * count for nothing. */
static void end_picture(struct pass *p)
{
    p->moving = false;
    if (!p->held.any)
        return;
    uint64_t moved = p->r->instants[p->held.instant].moved_bytes;
    p->held.waste -= moved < p->held.waste ? moved : p->held.waste;
    take_better(kept(p), &p->held);
}

/* Whether the next picture may have details: an equal share of the blocks for each. */
static bool affordable(const struct pass *p)
{
    uint64_t share = FRAG_DETAIL_BLOCKS / FRAG_INSTANTS;
    return p->gone_through + trace_reader_slot_count(p->reader) <= share * (p->r->count + 1);
}

static void take_picture(struct pass *p, const struct trace_event *ev)
{
    struct frag_read *r = p->r;
    enum choice choice = affordable(p) ? DETAIL : p->choices[p->picture];
    struct frag_rows *rows = &r->instants[r->count];
    struct frag_map map = {0};
    struct frag_mappings mappings = {0};
    struct sight sight = {rows, choice == DETAIL ? &map : NULL, &mappings};
    *rows = (struct frag_rows){.time_ns = ev->time_ns,
                               .number = trace_reader_number(p->reader),
                               .peak_requested = r->peak_requested};
    if (frag_walk(&p->world, &ev->beside, see, &sight)) {
        frag_rows_end(rows, &p->pages, p->memory);
        frag_map_end(&map);
        frag_mappings_end(&mappings, &p->map);
        r->count++;
        p->moving = true;
        follow_live(p, rows);
        if (choice == DETAIL) {
            take_details(p, ev);
            hold(p, r->count - 1, &map, &mappings);
        }
    }
    frag_map_release(&map);
    frag_mappings_release(&mappings);
    pages_end_look(&p->pages);
}

/* The record that follows a picture tells that it is over, and what RSS was then. */
static void take_memory(struct pass *p, const struct trace_event *ev)
{
    struct beside_view view;
    if (!beside_read(&view, &ev->beside) || view.memory_count <= SEEP_MEMORY_RSS_SHMEM)
        return;
    memcpy(p->memory, view.memory, sizeof p->memory);
    p->has_memory = true;
    if (!p->moving)
        return;
    struct frag_rows *last = &p->r->instants[p->r->count - 1];
    last->moved_rss = (int64_t)(view.memory[SEEP_MEMORY_RSS] - last->rss);
    end_picture(p);
}

static void take_beside(struct pass *p, const struct trace_event *ev)
{
    memory_map_take(&p->map, &ev->beside);
    if (ev->beside.kind == SEEP_BESIDE_MEMORY) {
        take_memory(p, ev);
    } else if (ev->beside.kind == SEEP_BESIDE_MAPPINGS) {
        end_picture(p);
        if (p->picture < p->dict->picture_count && p->choices[p->picture] != LEFT_OUT &&
            p->has_memory)
            take_picture(p, ev);
        p->picture++;
    }
}

/* ------------------------------------------------------------------ events */

static void enter_all(struct pass *p)
{
    uint32_t slots = trace_reader_slot_count(p->reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(p->reader, slot);
        if (b)
            pages_enter(&p->pages, b);
    }
}

static void take_event(struct pass *p, const struct trace_event *ev)
{
    pages_apply(&p->pages, ev);
    frag_cleanup_note(&p->cleanup, p->pages.requested_bytes, ev->time_ns);
    if (p->pages.requested_bytes > p->r->peak_requested)
        p->r->peak_requested = p->pages.requested_bytes;
    if (!p->moving)
        return;
    bool leaves =
        ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT;
    bool enters =
        ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
    p->r->instants[p->r->count - 1].moved_bytes +=
        (leaves ? ev->before.size : 0) + (enters ? ev->after.size : 0);
}

static enum seep_err read_events(struct pass *p, struct err *err)
{
    struct trace_event ev;
    enum seep_err code;
    enter_all(p);
    for (uint64_t n = 1; !(code = trace_reader_next(p->reader, &ev, err)); n++) {
        if (n % PROGRESS_EVENTS == 0 && p->options->progress &&
            !p->options->progress(p->options->progress_arg, trace_reader_progress(p->reader)))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        if (ev.type == TRACE_BESIDE) {
            take_beside(p, &ev);
        } else if (ev.type == TRACE_GAP) {
            pages_clear(&p->pages);
            enter_all(p);
        } else {
            take_event(p, &ev);
        }
    }
    return code == SEEP_END ? SEEP_OK : code;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* glibc's allocator is a part of libc, whose other data are not told apart from its own. */
static void find_library(struct frag_world *w, const struct trace_facts *facts,
                         const struct trace_dict *dict)
{
    const char *name = base_name(facts->allocator_path);
    for (size_t i = 0; i < dict->module_count; i++) {
        const struct trace_module *m = &dict->modules[i];
        if (strcmp(w->allocator, "glibc") == 0 || !*name || strcmp(base_name(m->path), name) != 0)
            continue;
        w->library_start = m->start;
        w->library_end = m->end;
    }
}

enum seep_err frag_read(struct frag_read *r, struct trace_reader *reader,
                        const struct frag_read_options *options, struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    const struct trace_facts *facts = trace_reader_facts(reader);
    struct pass p = {
        .r = r, .options = options, .reader = reader, .dict = dict, .blame_ns = UINT64_MAX};
    *r = (struct frag_read){.shown = SIZE_MAX};
    pages_init(&p.pages, facts->allocator);
    frag_blame_init(&p.blame, dict->stack_count);
    p.world = (struct frag_world){.pages = &p.pages, .map = &p.map, .allocator = facts->allocator};
    find_library(&p.world, facts, dict);
    choose(&p);
    enum seep_err code = read_events(&p, err);
    r->end_ns = trace_reader_summary(reader)->duration_ns;
    if (!code && r->end_ns > p.blame_ns)
        frag_blame_span(&p.blame, r->end_ns - p.blame_ns);
    end_picture(&p);
    if (!code) {
        choose_shown(&p);
        frag_blame_take_spans(&r->blame, &p.blame);
    } else {
        found_release(&p.best);
        found_release(&p.falling);
    }
    frag_blame_release(&p.blame);
    pages_release(&p.pages);
    memory_map_release(&p.map);
    free(p.choices);
    return code;
}

void frag_read_release(struct frag_read *r)
{
    free(r->instants);
    frag_blame_release(&r->blame);
    frag_map_release(&r->map);
    frag_mappings_release(&r->mappings);
    *r = (struct frag_read){0};
}
