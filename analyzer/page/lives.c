/* SPDX-License-Identifier: MIT */
#include "page/lives.h"

#include "model/wrappers.h"
#include "page/section.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Compressed: with base64 a third more. A page is to be mailed. */
#define ROOM_BYTES ((size_t)5 << 20)
#define MOST_PLACES 200000 /* a browser is to open the page at once */
#define FIRST_SHARE 2e-6
#define LAST_SHARE 0.01

void places_of_tree(struct places *p, const struct frame_tree *tree)
{
    p->count = tree->count;
    p->items = mem_zalloc(tree->count, sizeof *p->items);
    for (uint32_t i = 0; i < tree->count; i++)
        p->items[i] = (struct place){tree->nodes[i].parent, tree->nodes[i].frame, false};
}

void places_release(struct places *p)
{
    free(p->items);
    *p = (struct places){0};
}

/* ------------------------------------------------------------------ what is small */

enum weight { WEIGHT_BLOCKS, WEIGHT_BYTES, WEIGHT_TEMPORARY, WEIGHT_PEAK, WEIGHT_END, WEIGHTS };

struct weights {
    uint64_t of[WEIGHTS];
};

static uint32_t highest_border(const struct lives_grid *g)
{
    uint32_t highest = 0;
    for (uint32_t i = 1; i <= g->intervals; i++)
        if (g->borders[i].live_bytes > g->borders[highest].live_bytes)
            highest = i;
    return highest;
}

/* With all that is below it. */
static struct weights *weigh(const struct places *p, const struct lives *l)
{
    struct weights *w = mem_zalloc(p->count, sizeof *w);
    uint32_t peak = highest_border(&l->grid), never = l->grid.intervals + 1;
    for (size_t i = 0; i < l->count; i++) {
        const struct lives_row *row = &l->rows[i];
        struct weights *to = &w[row->key];
        if (row->born) {
            to->of[WEIGHT_BLOCKS] += row->blocks;
            to->of[WEIGHT_BYTES] += row->bytes;
        }
        to->of[WEIGHT_TEMPORARY] += row->temporary;
        if (row->born <= peak && row->ended > peak)
            to->of[WEIGHT_PEAK] += row->bytes;
        if (row->ended >= never)
            to->of[WEIGHT_END] += row->bytes;
    }
    for (uint32_t i = p->count; i-- > 1;)
        for (size_t k = 0; k < WEIGHTS; k++)
            w[p->items[i].parent].of[k] += w[i].of[k];
    return w;
}

static bool is_nothing(const struct weights *w)
{
    for (size_t k = 0; k < WEIGHTS; k++)
        if (w->of[k])
            return false;
    return true;
}

static bool is_small(const struct weights *w, const struct weights *whole, double share)
{
    for (size_t k = 0; k < WEIGHTS; k++)
        if (w->of[k] && (double)w->of[k] >= share * (double)whole->of[k])
            return false;
    return true;
}

void places_join_small(struct places *p, struct lives *lives, double share)
{
    struct weights *w = weigh(p, lives);
    uint32_t *now = mem_zalloc(p->count, sizeof *now);
    uint32_t *smaller = mem_zalloc(p->count, sizeof *smaller); /* by what its parent is now */
    uint32_t kept = 1;
    for (uint32_t i = 1; i < p->count; i++) {
        struct place place = p->items[i];
        uint32_t parent = now[place.parent];
        if (p->items[parent].smaller || is_nothing(&w[i])) {
            now[i] = parent;
            continue;
        }
        place.parent = parent;
        if (place.smaller || is_small(&w[i], &w[0], share)) {
            if (smaller[parent]) {
                now[i] = smaller[parent];
                continue;
            }
            place.smaller = true;
            place.frame = NULL;
            smaller[parent] = kept;
        }
        now[i] = kept;
        p->items[kept++] = place; /* kept <= i: it has been looked at */
    }
    p->count = kept;
    lives_rename(lives, now);
    free(now);
    free(smaller);
    free(w);
}

/* ------------------------------------------------------------------ bytes */

/* Texts by their address: the symboliser has each once. */
struct text_table {
    const char **slots;
    uint32_t *numbers;
    size_t capacity; /* a power of two */
    struct bytes bytes;
    uint32_t count;
};

static size_t text_slot(const struct text_table *t, const char *text)
{
    size_t at = (size_t)((uintptr_t)text * 0x9e3779b97f4a7c15ull >> 20);
    while (t->slots[at & (t->capacity - 1)] && t->slots[at & (t->capacity - 1)] != text)
        at++;
    return at & (t->capacity - 1);
}

static uint32_t text_number(struct text_table *t, const char *text)
{
    if (!text)
        return 0;
    size_t at = text_slot(t, text);
    if (!t->slots[at]) {
        size_t length = strlen(text);
        t->slots[at] = text;
        t->numbers[at] = ++t->count;
        bytes_varint(&t->bytes, length);
        bytes_add(&t->bytes, text, length);
    }
    return t->numbers[at];
}

static void text_table_init(struct text_table *t, size_t most)
{
    *t = (struct text_table){.capacity = 64};
    while (t->capacity < most * 2)
        t->capacity *= 2;
    t->slots = mem_zalloc(t->capacity, sizeof *t->slots);
    t->numbers = mem_zalloc(t->capacity, sizeof *t->numbers);
}

static void text_table_release(struct text_table *t)
{
    free(t->slots);
    free(t->numbers);
    bytes_release(&t->bytes);
}

static void write_borders(struct bytes *out, const struct lives_grid *g)
{
    bytes_varint(out, (uint64_t)g->intervals + 1);
    for (uint32_t i = 0; i <= g->intervals; i++)
        bytes_varint(out, g->borders[i].number - (i ? g->borders[i - 1].number : 0));
    for (uint32_t i = 0; i <= g->intervals; i++)
        bytes_svarint(out, (int64_t)(g->borders[i].time_ns - (i ? g->borders[i - 1].time_ns : 0)));
    for (uint32_t i = 0; i <= g->intervals; i++)
        bytes_varint(out, g->borders[i].live_bytes);
    for (uint32_t i = 0; i <= g->intervals; i++)
        bytes_varint(out, g->borders[i].live_blocks);
}

/* Writes of each: 1: smaller ones; 2: who asked for the memory stands further out. That is so below
 * a function that the user named, too: what it calls is a part of the allocator. */
static void write_flags(struct bytes *out, const struct places *p)
{
    uint8_t *inside = mem_zalloc(p->count, 1);
    for (uint32_t i = 1; i < p->count; i++) {
        const struct place *place = &p->items[i];
        const struct symbol_frame *f = place->frame;
        inside[i] = inside[place->parent] || (f && f->alloc_fn);
        const struct place *outer = &p->items[place->parent];
        bool hands_on = inside[i] || (f && wrapper_is(f->function)) ||
                        wrapper_is_helper(f, outer->frame, p->items[outer->parent].frame);
        bytes_varint(out, (place->smaller ? 1U : 0) | (hands_on ? 2U : 0));
    }
    free(inside);
}

static void write_places(struct bytes *out, const struct places *p)
{
    struct bytes columns[3] = {{0}};
    struct text_table texts;
    text_table_init(&texts, (size_t)p->count * 3);
    for (uint32_t i = 1; i < p->count; i++) {
        const struct symbol_frame *f = p->items[i].frame;
        bytes_varint(&columns[0], text_number(&texts, f ? f->function : NULL));
        bytes_varint(&columns[1], text_number(&texts, f ? f->module : NULL));
        bytes_varint(&columns[2], text_number(&texts, f ? f->file : NULL));
    }
    bytes_varint(out, texts.count);
    bytes_add(out, texts.bytes.data, texts.bytes.length);
    bytes_varint(out, p->count - 1);
    for (uint32_t i = 1; i < p->count; i++)
        bytes_varint(out, i - p->items[i].parent);
    for (size_t k = 0; k < 3; k++) {
        bytes_add(out, columns[k].data, columns[k].length);
        bytes_release(&columns[k]);
    }
    for (uint32_t i = 1; i < p->count; i++)
        bytes_varint(out, p->items[i].frame ? p->items[i].frame->line : 0);
    write_flags(out, p);
    text_table_release(&texts);
}

static uint64_t ended_code(const struct lives_row *row, uint32_t never)
{
    return row->ended >= never ? 2 * (uint64_t)(row->ended - never) + 1
                               : 2 * (uint64_t)(row->ended - row->born);
}

static void write_rows(struct bytes *out, const struct lives *l)
{
    const struct lives_row *rows = l->rows;
    bytes_varint(out, l->count);
    for (size_t i = 0; i < l->count; i++)
        bytes_varint(out, rows[i].key - (i ? rows[i - 1].key : 0));
    for (size_t i = 0; i < l->count; i++)
        bytes_varint(out,
                     rows[i].born - (i && rows[i - 1].key == rows[i].key ? rows[i - 1].born : 0));
    for (size_t i = 0; i < l->count; i++)
        bytes_varint(out, ended_code(&rows[i], l->grid.intervals + 1));
    for (size_t i = 0; i < l->count; i++)
        bytes_varint(out, rows[i].blocks - 1);
    for (size_t i = 0; i < l->count; i++)
        bytes_varint(out, rows[i].temporary);
    uint64_t each = 0;
    for (size_t i = 0; i < l->count; i++) {
        bytes_svarint(out, (int64_t)(rows[i].bytes - each * rows[i].blocks));
        each = rows[i].bytes / rows[i].blocks;
    }
}

static void write_classes(struct bytes *out, const struct lives_class *classes, uint32_t intervals)
{
    struct bytes columns[6] = {{0}};
    uint64_t count = 0;
    uint32_t before = 0;
    for (uint32_t interval = 0; interval <= intervals; interval++)
        for (uint32_t c = 0; c < LIVES_CLASSES; c++) {
            const struct lives_class *k = &classes[(size_t)interval * LIVES_CLASSES + c];
            if (!k->made && !k->freed)
                continue;
            const uint64_t values[] = {interval - before, c,        k->made,
                                       k->made_bytes,     k->freed, k->freed_bytes};
            for (size_t i = 0; i < 6; i++)
                bytes_varint(&columns[i], values[i]);
            before = interval;
            count++;
        }
    bytes_varint(out, count);
    for (size_t i = 0; i < 6; i++) {
        bytes_add(out, columns[i].data, columns[i].length);
        bytes_release(&columns[i]);
    }
}

void lives_write(struct bytes *out, const struct lives *lives, const struct places *places)
{
    bytes_varint(out, 1);
    write_borders(out, &lives->grid);
    write_places(out, places);
    write_rows(out, lives);
    write_classes(out, lives->sizes, lives->grid.intervals);
    write_classes(out, lives->lifetimes, lives->grid.intervals);
}

/* ------------------------------------------------------------------ the section */

static bool is_mailable(const struct bytes *b)
{
    uLongf length = compressBound(b->length);
    void *room = mem_alloc(length);
    /* the page's own compression is slower, and better */
    bool fits =
        compress2(room, &length, b->data, b->length, Z_BEST_SPEED) == Z_OK && length <= ROOM_BYTES;
    free(room);
    return fits;
}

void places_fit(struct places *p, struct lives *lives)
{
    bool done = false;
    double share = 0;
    for (; !done && share<LAST_SHARE; share = share> 0 ? share * 2 : FIRST_SHARE) {
        struct bytes bytes = {0};
        places_join_small(p, lives, share);
        if (p->count > MOST_PLACES)
            continue;
        lives_write(&bytes, lives, p);
        done = is_mailable(&bytes);
        bytes_release(&bytes);
    }
}

static enum seep_err make(struct page_job *job, struct strbuf *out, struct err *err)
{
    struct bytes bytes = {0};
    (void)err;
    lives_write(&bytes, &job->lives, &job->places);
    strbuf_add(out, (const char *)bytes.data, bytes.length);
    bytes_release(&bytes);
    return SEEP_OK;
}

const struct page_section section_lives = {"lives", make};
