/* SPDX-License-Identifier: MIT */
#include "analysis/leaks_sites.h"

#include "analysis/resolve.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ sites */

static struct leaks_site *add_site(struct leaks_sites *s, enum leaks_sort sort,
                                   const struct suppression *rule)
{
    MEM_GROW(s->items, s->capacity, s->count + 1);
    struct leaks_site *site = &s->items[s->count];
    *site = (struct leaks_site){.rule = rule, .sort = sort, .number = (uint32_t)s->count};
    s->count++;
    return site;
}

static void add_use(struct leaks_site *site, const struct leaks_use *u)
{
    struct live_use *sum = &site->use;
    const struct live_use *use = &u->use;
    if (!site->stacks || use->first_ns < sum->first_ns)
        sum->first_ns = use->first_ns;
    if (use->last_ns > sum->last_ns)
        sum->last_ns = use->last_ns;
    sum->blocks += use->blocks;
    sum->bytes += use->bytes;
    sum->usable_bytes += use->usable_bytes;
    sum->made_blocks += use->made_blocks;
    sum->made_bytes += use->made_bytes;
    site->indirect_blocks += u->indirect_blocks;
    site->indirect_bytes += u->indirect_bytes;
    site->ignored_blocks += u->ignored_blocks;
    if (!site->stacks || use->bytes + u->indirect_bytes > site->heaviest_bytes) {
        site->heaviest = u->stack;
        site->heaviest_bytes = use->bytes + u->indirect_bytes;
    }
    site->stacks++;
}

static void add_to_sum(struct leaks_sum *sum, const struct live_use *use, uint64_t indirect_blocks,
                       uint64_t indirect_bytes)
{
    sum->sites++;
    sum->blocks += use->blocks;
    sum->bytes += use->bytes;
    sum->indirect_blocks += indirect_blocks;
    sum->indirect_bytes += indirect_bytes;
}

static void add_site_to_sum(struct leaks_sum *sum, const struct leaks_site *site)
{
    add_to_sum(sum, &site->use, site->indirect_blocks, site->indirect_bytes);
}

static bool is_wanted(const struct leaks_options *options, enum leaks_sort sort)
{
    return leaks_sort_kind(sort) & (options->kinds ? options->kinds : LEAKS_DEFINITE);
}

static unsigned suppression_kind(enum leaks_sort sort)
{
    switch (sort) {
    case LEAKS_SORT_DEFINITE: return SUPPRESSION_DEFINITE;
    case LEAKS_SORT_POSSIBLE: return SUPPRESSION_POSSIBLE;
    case LEAKS_SORT_REACHABLE: return SUPPRESSION_REACHABLE;
    default: return SUPPRESSION_ALL;
    }
}

/* True if the use is left out; counts it either way. */
static bool suppress(struct leaks_sites *s, const struct leaks_options *options,
                     const struct leaks_use *u, struct suppression **rule)
{
    *rule = NULL;
    if (options->suppressions)
        *rule = suppressions_match(options->suppressions, u->stack, suppression_kind(u->sort));
    bool shown = !*rule || ((*rule)->file ? options->show_suppressed : options->show_builtin);
    if (shown)
        add_to_sum(&s->left[u->sort], &u->use, u->indirect_blocks, u->indirect_bytes);
    if (*rule && is_wanted(options, u->sort)) {
        suppressions_count(*rule, u->use.blocks, u->use.bytes);
        add_to_sum((*rule)->file ? &s->suppressed : &s->builtin, &u->use, u->indirect_blocks,
                   u->indirect_bytes);
    }
    return !shown;
}

/* Names ahead what grouping will ask for: whole stacks for the rules of files, the innermost frame
 * for merging. */
static enum seep_err resolve_live(struct leaks_sites *s, const struct leaks_options *options,
                                  struct err *err)
{
    bool rules = options->suppressions && suppressions_need_names(options->suppressions);
    if (!rules && options->by == SITE_BY_STACK)
        return SEEP_OK;
    uint8_t *marks = mem_zalloc((size_t)s->dict->stack_count + 1, 1);
    for (size_t i = 0; i < s->uses->count; i++)
        marks[s->uses->items[i].stack] = 1;
    enum seep_err code = resolve_marked(s->symbols, s->dict, marks, rules, err);
    free(marks);
    return code;
}

/* The site of the use, made where it is the first one there. */
static struct leaks_site *site_of(struct leaks_sites *s, struct site_table *tables,
                                  const struct leaks_options *options, const struct leaks_use *u,
                                  const struct suppression *rule)
{
    if (options->by == SITE_BY_STACK)
        return add_site(s, u->sort, rule);
    struct site_key key = site_key_of(u->stack, options->by, rule, s->dict, s->symbols);
    struct site_slot *slot = site_find(&tables[u->sort], &key);
    if (!slot->site) {
        struct leaks_site *site = add_site(s, u->sort, rule);
        site->name = mem_strdup(key.name);
        *slot = (struct site_slot){.key = key, .site = site->number + 1};
        tables[u->sort].count++;
    }
    return &s->items[slot->site - 1];
}

enum seep_err leaks_sites_group(struct leaks_sites *s, const struct leaks_uses *uses,
                                const struct leaks_options *options, const struct trace_dict *dict,
                                struct symbols *symbols, struct err *err)
{
    struct site_table tables[LEAKS_SORTS] = {{0}};
    s->dict = dict;
    s->symbols = symbols;
    s->uses = uses;
    enum seep_err code = resolve_live(s, options, err);
    if (code)
        return code;
    s->use_site = mem_zalloc(uses->count + 1, sizeof *s->use_site);
    for (size_t i = 0; i < uses->count; i++) {
        const struct leaks_use *u = &uses->items[i];
        struct suppression *rule;
        if (suppress(s, options, u, &rule) || !is_wanted(options, u->sort))
            continue;
        struct leaks_site *site = site_of(s, tables, options, u, rule);
        add_use(site, u);
        s->use_site[i] = site->number + 1;
    }
    for (unsigned sort = 0; sort < LEAKS_SORTS; sort++)
        site_table_release(&tables[sort]);
    return SEEP_OK;
}

/* ------------------------------------------------------------------ order */

static int by_number(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static uint64_t all_bytes(const struct leaks_site *site)
{
    return site->use.bytes + site->indirect_bytes;
}

static uint64_t all_blocks(const struct leaks_site *site)
{
    return site->use.blocks + site->indirect_blocks;
}

/* Heaviest first; ties by the other measure, then by age, then by number, so that two runs over
 * one trace agree. */
static int compare_bytes(const void *a, const void *b)
{
    const struct leaks_site *x = a, *y = b;
    int c = by_number(all_bytes(y), all_bytes(x));
    if (!c)
        c = by_number(all_blocks(y), all_blocks(x));
    if (!c)
        c = by_number(x->use.first_ns, y->use.first_ns);
    return c ? c : by_number(x->number, y->number);
}

static int compare_blocks(const void *a, const void *b)
{
    const struct leaks_site *x = a, *y = b;
    int c = by_number(all_blocks(y), all_blocks(x));
    return c ? c : compare_bytes(a, b);
}

static int compare_time(const void *a, const void *b)
{
    const struct leaks_site *x = a, *y = b;
    int c = by_number(x->use.first_ns, y->use.first_ns);
    return c ? c : compare_bytes(a, b);
}

/* Names the frames that the shown sites will show. */
static enum seep_err resolve_shown(struct leaks_sites *s, unsigned depth, struct err *err)
{
    uint8_t *marks = mem_zalloc((size_t)s->dict->stack_count + 1, 1);
    for (size_t i = 0; i < s->shown; i++) {
        uint32_t node = s->items[i].heaviest;
        for (unsigned n = 0; node && (!depth || n < depth); n++) {
            marks[node] = 1;
            node = s->dict->stacks[node].parent;
        }
    }
    enum seep_err code = resolve_marked(s->symbols, s->dict, marks, false, err);
    free(marks);
    return code;
}

enum seep_err leaks_sites_order(struct leaks_sites *s, const struct leaks_options *options,
                                struct err *err)
{
    static int (*const compare[])(const void *, const void *) = {
        [LEAKS_ORDER_BYTES] = compare_bytes,
        [LEAKS_ORDER_BLOCKS] = compare_blocks,
        [LEAKS_ORDER_TIME] = compare_time,
    };
    /* those that are too small go to the end, whatever the order */
    size_t large = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct leaks_site *site = &s->items[i];
        add_site_to_sum(&s->matched, site);
        if (all_bytes(site) < options->min_bytes || all_blocks(site) < options->min_blocks)
            continue;
        struct leaks_site other = s->items[large];
        s->items[large++] = *site;
        *site = other;
    }
    if (large)
        qsort(s->items, large, sizeof *s->items, compare[options->order]);
    s->small_sites = s->count - large;
    s->shown = options->top && options->top < large ? options->top : large;
    s->place = mem_zalloc(s->count + 1, sizeof *s->place);
    for (size_t i = 0; i < s->count; i++) {
        struct leaks_site *site = &s->items[i];
        s->place[site->number] = (uint32_t)i;
        if (i >= s->shown)
            add_site_to_sum(&s->hidden, site);
    }
    enum seep_err code = resolve_shown(s, options->depth, err);
    for (size_t i = 0; i < s->shown && !code; i++) {
        struct leaks_site *site = &s->items[i];
        if (!site->name)
            site->name = mem_strdup(
                site_key_of(site->heaviest, SITE_BY_STACK, NULL, s->dict, s->symbols).name);
    }
    return code;
}

uint32_t leaks_sites_of(const struct leaks_sites *s, uint32_t stack, enum leaks_sort sort)
{
    if (stack > s->uses->stack_count)
        stack = 0;
    uint32_t use =
        sort < LEAKS_SORTS && s->uses->of_stack[sort] ? s->uses->of_stack[sort][stack] : 0;
    uint32_t site = use ? s->use_site[use - 1] : 0;
    return site ? s->place[site - 1] : UINT32_MAX;
}

void leaks_sites_release(struct leaks_sites *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i].name);
    free(s->items);
    free(s->use_site);
    free(s->place);
    memset(s, 0, sizeof *s);
}
