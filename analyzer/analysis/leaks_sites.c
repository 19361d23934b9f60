/* SPDX-License-Identifier: MIT */
#include "analysis/leaks_sites.h"

#include "analysis/resolve.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ sites */

static struct leaks_site *add_site(struct leaks_sites *s, const struct suppression *rule)
{
    MEM_GROW(s->items, s->capacity, s->count + 1);
    struct leaks_site *site = &s->items[s->count];
    *site = (struct leaks_site){.rule = rule, .number = (uint32_t)s->count};
    s->count++;
    return site;
}

static void add_node(struct leaks_site *site, uint32_t node, const struct live_use *use)
{
    struct live_use *sum = &site->use;
    if (!site->stacks || use->first_ns < sum->first_ns)
        sum->first_ns = use->first_ns;
    if (use->last_ns > sum->last_ns)
        sum->last_ns = use->last_ns;
    sum->blocks += use->blocks;
    sum->bytes += use->bytes;
    sum->usable_bytes += use->usable_bytes;
    sum->made_blocks += use->made_blocks;
    sum->made_bytes += use->made_bytes;
    if (!site->stacks || use->bytes > site->heaviest_bytes) {
        site->heaviest = node;
        site->heaviest_bytes = use->bytes;
    }
    site->stacks++;
}

static void add_to_sum(struct leaks_sum *sum, const struct live_use *use)
{
    sum->sites++;
    sum->blocks += use->blocks;
    sum->bytes += use->bytes;
}

/* True if the node is left out; counts it either way. */
static bool suppress(struct leaks_sites *s, const struct leaks_options *options,
                     struct suppression *rule, const struct live_use *use)
{
    if (!rule)
        return false;
    suppressions_count(rule, use->blocks, use->bytes);
    add_to_sum(rule->file ? &s->suppressed : &s->builtin, use);
    return rule->file ? !options->show_suppressed : !options->show_builtin;
}

/* Names ahead what grouping will ask for: whole stacks for the rules of files, the innermost frame
 * for merging. */
static enum seep_err resolve_live(struct leaks_sites *s, const struct live_set *set,
                                  const struct leaks_options *options, struct err *err)
{
    bool rules = options->suppressions && suppressions_need_names(options->suppressions);
    if (!rules && options->by == SITE_BY_STACK)
        return SEEP_OK;
    uint8_t *marks = mem_zalloc((size_t)s->dict->stack_count + 1, 1);
    for (uint32_t node = 0; node <= s->dict->stack_count; node++)
        marks[node] = set->nodes[node].blocks != 0;
    enum seep_err code = resolve_marked(s->symbols, s->dict, marks, rules, err);
    free(marks);
    return code;
}

enum seep_err leaks_sites_group(struct leaks_sites *s, const struct live_set *set,
                                const struct leaks_options *options, const struct trace_dict *dict,
                                struct symbols *symbols, struct err *err)
{
    struct site_table keys = {0};
    s->dict = dict;
    s->symbols = symbols;
    enum seep_err code = resolve_live(s, set, options, err);
    if (code)
        return code;
    s->node_site = mem_zalloc((size_t)dict->stack_count + 1, sizeof *s->node_site);
    for (uint32_t node = 0; node <= dict->stack_count; node++) {
        const struct live_use *use = &set->nodes[node];
        if (!use->blocks)
            continue;
        struct suppression *rule =
            options->suppressions ? suppressions_match(options->suppressions, node, SUPPRESSION_ALL)
                                  : NULL;
        if (suppress(s, options, rule, use))
            continue;
        struct leaks_site *site;
        if (options->by == SITE_BY_STACK) {
            site = add_site(s, rule);
        } else {
            struct site_key key = site_key_of(node, options->by, rule, dict, symbols);
            struct site_slot *slot = site_find(&keys, &key);
            if (!slot->site) {
                site = add_site(s, rule);
                site->name = mem_strdup(key.name);
                *slot = (struct site_slot){.key = key, .site = site->number + 1};
                keys.count++;
            }
            site = &s->items[slot->site - 1];
        }
        add_node(site, node, use);
        s->node_site[node] = site->number + 1;
    }
    site_table_release(&keys);
    return SEEP_OK;
}

/* ------------------------------------------------------------------ order */

static int by_number(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Heaviest first; ties by the other measure, then by age, then by number, so that two runs over
 * one trace agree. */
static int compare_bytes(const void *a, const void *b)
{
    const struct leaks_site *x = a, *y = b;
    int c = by_number(y->use.bytes, x->use.bytes);
    if (!c)
        c = by_number(y->use.blocks, x->use.blocks);
    if (!c)
        c = by_number(x->use.first_ns, y->use.first_ns);
    return c ? c : by_number(x->number, y->number);
}

static int compare_blocks(const void *a, const void *b)
{
    const struct leaks_site *x = a, *y = b;
    int c = by_number(y->use.blocks, x->use.blocks);
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
        add_to_sum(&s->matched, &site->use);
        if (site->use.bytes < options->min_bytes || site->use.blocks < options->min_blocks)
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
            add_to_sum(&s->hidden, &site->use);
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

uint32_t leaks_sites_of_node(const struct leaks_sites *s, uint32_t node)
{
    if (node > s->dict->stack_count)
        node = 0;
    return s->node_site[node] ? s->place[s->node_site[node] - 1] : UINT32_MAX;
}

void leaks_sites_release(struct leaks_sites *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i].name);
    free(s->items);
    free(s->node_site);
    free(s->place);
    memset(s, 0, sizeof *s);
}
