/* SPDX-License-Identifier: MIT */
#include "analysis/growth_sites.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

void growth_sites_init(struct growth_sites *s, enum site_by by, struct filter *filter,
                       const struct trace_dict *dict, struct symbols *symbols)
{
    memset(s, 0, sizeof *s);
    s->by = by;
    s->filter = filter;
    s->dict = dict;
    s->symbols = symbols;
    s->of_node = mem_zalloc((size_t)dict->stack_count + 1, sizeof *s->of_node);
}

void growth_sites_release(struct growth_sites *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i].points);
    free(s->items);
    free(s->of_node);
    site_table_release(&s->keys);
    memset(s, 0, sizeof *s);
}

static uint32_t add_site(struct growth_sites *s, uint32_t node)
{
    MEM_GROW(s->items, s->capacity, s->count + 1);
    s->items[s->count] = (struct growth_site){.node = node, .level = s->level};
    return (uint32_t)s->count++;
}

static uint32_t new_node(struct growth_sites *s, uint32_t node)
{
    if (s->filter && !filter_stack(s->filter, node))
        return GROWTH_LEFT_OUT;
    uint32_t site;
    if (s->by == SITE_BY_STACK) {
        site = add_site(s, node);
    } else {
        struct site_key key = site_key_of(node, s->by, NULL, s->dict, s->symbols);
        struct site_slot *slot = site_find(&s->keys, &key);
        if (!slot->site) {
            *slot = (struct site_slot){.key = key, .site = add_site(s, node) + 1};
            s->items[slot->site - 1].name = key.name;
            s->keys.count++;
        }
        site = slot->site - 1;
    }
    s->items[site].stacks++;
    return site;
}

uint32_t growth_sites_find(struct growth_sites *s, uint32_t node)
{
    if (node > s->dict->stack_count)
        node = 0;
    uint32_t *known = &s->of_node[node];
    if (!*known) {
        uint32_t site = new_node(s, node);
        *known = site == GROWTH_LEFT_OUT ? GROWTH_LEFT_OUT : site + 1;
    }
    return *known == GROWTH_LEFT_OUT ? GROWTH_LEFT_OUT : *known - 1;
}

void growth_site_preset(struct growth_site *site, int64_t bytes, int64_t blocks)
{
    site->bytes += (uint64_t)bytes;
    site->blocks += (uint64_t)blocks;
}

/* ------------------------------------------------------------------ points */

static uint32_t add(uint32_t a, uint32_t b)
{
    return b > UINT32_MAX - a ? UINT32_MAX : a + b;
}

static void join(struct growth_point *to, const struct growth_point *later)
{
    to->max = later->max > to->max ? later->max : to->max;
    to->min = later->min < to->min ? later->min : to->min;
    to->last = later->last;
    to->made = add(to->made, later->made);
    to->freed = add(to->freed, later->freed);
    to->old = add(to->old, later->old);
}

/* Brings the points to the grid as it is now. */
static void widen(struct growth_site *site, uint8_t level)
{
    unsigned by = level - site->level;
    uint16_t kept = 0;
    for (uint16_t i = 0; i < site->point_count; i++) {
        struct growth_point p = site->points[i];
        p.bucket = by < 32 ? p.bucket >> by : 0;
        if (kept && site->points[kept - 1].bucket == p.bucket)
            join(&site->points[kept - 1], &p);
        else
            site->points[kept++] = p;
    }
    site->point_count = kept;
    site->level = level;
}

/* The point of a bucket that is not before the last one. */
static struct growth_point *point_at(struct growth_sites *s, struct growth_site *site,
                                     uint32_t bucket)
{
    if (site->level != s->level)
        widen(site, s->level);
    if (site->point_count && site->points[site->point_count - 1].bucket == bucket)
        return &site->points[site->point_count - 1];
    if (site->point_count == site->point_capacity) {
        site->point_capacity = (uint16_t)(site->point_capacity ? site->point_capacity * 2 : 2);
        site->points = mem_resize(site->points, site->point_capacity, sizeof *site->points);
    }
    struct growth_point *p = &site->points[site->point_count++];
    *p = (struct growth_point){
        .bucket = bucket, .max = site->bytes, .min = site->bytes, .last = site->bytes};
    return p;
}

static void take_level(struct growth_site *site, struct growth_point *p, uint64_t time_ns)
{
    uint64_t bytes = site->bytes;
    p->last = bytes;
    p->max = bytes > p->max ? bytes : p->max;
    p->min = bytes < p->min ? bytes : p->min;
    if (bytes > site->max_bytes) {
        site->max_bytes = bytes;
        site->max_ns = time_ns;
        if (bytes / 2 > site->tooth_scale) { /* what was a fall then is none now */
            site->teeth = 0;
            site->tooth_scale = bytes;
        }
    }
    if (bytes > site->tooth_max)
        site->tooth_max = bytes;
    if (bytes <= site->tooth_max / 4) {
        site->teeth += site->tooth_max >= site->max_bytes / 2 && site->tooth_max > 0;
        site->tooth_max = bytes;
    }
}

void growth_sites_begin(struct growth_sites *s, uint64_t time_ns)
{
    for (size_t i = 0; i < s->count; i++) {
        struct growth_site *site = &s->items[i];
        if (site->bytes || site->blocks)
            take_level(site, point_at(s, site, 0), time_ns);
    }
}

void growth_site_change(struct growth_sites *s, uint32_t number, const struct growth_step *step)
{
    struct growth_site *site = &s->items[number];
    struct growth_point *p = point_at(s, site, step->bucket);
    site->bytes += step->entered_bytes - step->left_bytes;
    site->blocks += (uint64_t)step->enters - (uint64_t)step->leaves;
    take_level(site, p, step->time_ns);
    if (step->leaves) {
        site->freed++;
        p->freed = add(p->freed, 1);
        p->old = add(p->old, step->old);
    }
    if (step->enters && step->made) {
        if (!site->made++)
            site->first_ns = step->time_ns;
        site->made_bytes += step->entered_bytes;
        site->last_made_ns = step->time_ns;
        site->last_made_level = site->bytes;
        p->made = add(p->made, 1);
    }
}

void growth_site_set(struct growth_sites *s, uint32_t number, uint64_t bytes, uint64_t blocks,
                     uint32_t bucket)
{
    struct growth_site *site = &s->items[number];
    struct growth_point *p = point_at(s, site, bucket);
    site->bytes = bytes;
    site->blocks = blocks;
    take_level(site, p, site->max_ns);
}

void growth_site_curve(struct growth_curve *c, struct growth_sites *s, uint32_t number,
                       size_t count)
{
    struct growth_site *site = &s->items[number];
    if (site->level != s->level)
        widen(site, s->level);
    uint64_t now = 0;
    uint16_t at = 0;
    c->count = count;
    c->paused = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct growth_point *p =
            at < site->point_count && site->points[at].bucket == i ? &site->points[at++] : NULL;
        c->max[i] = p ? p->max : now;
        c->min[i] = p ? p->min : now;
        now = c->last[i] = p ? p->last : now;
        c->made[i] = p ? p->made : 0;
        c->freed[i] = p ? p->freed : 0;
        c->old[i] = p ? p->old : 0;
    }
}
