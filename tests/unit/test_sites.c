/* SPDX-License-Identifier: MIT
 *
 * Call sites against a list of lives that is gone through for every site and figure anew: random
 * programs, windows and filters; and ways to callers and callees, stack by stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "analysis/flame.h"
#include "analysis/sites.h"
#include "cost_oracle.h"
#include "util/strbuf.h"

#include <math.h>

#define SEEDS 50
#define EXACT 32768 /* usable sizes below are classes of their own */

/* Stacks that are to be one site. */
struct naive_site {
    const char *name, *module; /* NULL: of a single stack */
    bool stacks[NODES + 1];
    uint64_t stack_count;
};

/* ------------------------------------------------------------------ the naive side */

/* Lives of the site that are asked for and were made in the window. */
static bool counts(const struct question *q, const struct naive_site *s, const struct life *l)
{
    return s->stacks[l->stack] && l->size <= q->size_max && is_in(q, l);
}

static uint64_t own_peak(const struct program *p, const struct question *q,
                         const struct naive_site *s)
{
    uint64_t most = 0, last = q->to < p->events ? q->to : p->events;
    for (uint64_t n = q->from; n < last; n++) {
        uint64_t bytes = 0;
        for (int i = 0; i < p->life_count; i++)
            bytes += counts(q, s, &p->lives[i]) && is_live(&p->lives[i], n) ? p->lives[i].size : 0;
        most = bytes > most ? bytes : most;
    }
    return most;
}

static int smaller(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The smallest of `count` sorted values that at least `share` of them are no larger than. */
static uint64_t quantile_of(const uint64_t *values, size_t count, double share)
{
    size_t rank = 0;
    while ((double)(rank + 1) < share * (double)count)
        rank++;
    return values[rank];
}

/* Of everything but sizes, lifetimes and threads. */
static struct cost naive_sum(const struct program *p, const struct question *q,
                             const struct naive_site *s, struct cost_detail *detail)
{
    struct cost sum = {0};
    *detail = (struct cost_detail){0};
    for (uint32_t node = 0; node <= NODES; node++) {
        struct cost c;
        struct cost_detail d;
        if (!s->stacks[node])
            continue;
        naive_cost(p, q, node, &c, &d);
        sum.allocations += c.allocations;
        sum.allocated_bytes += c.allocated_bytes;
        sum.temporary += c.temporary;
        sum.live_blocks += c.live_blocks;
        sum.live_bytes += c.live_bytes;
        sum.peak_blocks += c.peak_blocks;
        sum.peak_bytes += c.peak_bytes;
        detail->short_lived += d.short_lived;
        detail->grown += d.grown;
        detail->copied_bytes += d.copied_bytes;
    }
    sum.own_peak_bytes = own_peak(p, q, s);
    return sum;
}

/* ------------------------------------------------------------------ both */

static uint64_t number(const struct result *r, const char *name)
{
    const struct result *v = result_get(r, name);
    assert_non_null(v);
    assert_int_equal(v->type, RESULT_INTEGER);
    return v->u.count;
}

static bool near(uint64_t told, uint64_t exact)
{
    return told >= exact && told - exact <= exact / 16;
}

static bool same_real(const struct result *r, const char *name, double wanted)
{
    return fabs(result_get(r, name)->u.real - wanted) <= 1e-9 * (fabs(wanted) + 1);
}

/* Sums by which a site is told from others. */
static bool is_this(const struct result *r, const struct naive_site *s, const struct cost *c)
{
    if (s->name && (strcmp(result_get(r, "name")->u.text, s->name) != 0 ||
                    strcmp(result_get(r, "module")->u.text, s->module) != 0))
        return false;
    return number(r, "allocations") == c->allocations &&
           number(r, "allocated_bytes") == c->allocated_bytes &&
           number(r, "temporary") == c->temporary && number(r, "live_blocks") == c->live_blocks &&
           number(r, "live_bytes") == c->live_bytes && number(r, "peak_bytes") == c->peak_bytes &&
           number(r, "peak_blocks") == c->peak_blocks;
}

static void check_classes(const struct result *classes, const uint64_t *usable, size_t count)
{
    uint64_t sum = 0, before = 0;
    for (size_t i = 0; i < result_length(classes); i++) {
        uint64_t class = number(result_at(classes, i), "usable_bytes"), blocks = 0;
        for (size_t k = 0; k < count; k++)
            blocks += usable[k] == class;
        assert_true(class<EXACT &&class> before);
        assert_int_equal(number(result_at(classes, i), "blocks"), blocks);
        before = class;
        sum += blocks;
    }
    assert_int_equal(sum, count);
}

static void check_buckets(const struct result *buckets, const char *to, const uint64_t *values,
                          size_t count)
{
    uint64_t low = 0;
    for (size_t i = 0; i < result_length(buckets); i++) {
        uint64_t high = number(result_at(buckets, i), to), blocks = 0;
        for (size_t k = 0; k < count; k++)
            blocks += values[k] >= low && values[k] <= high;
        assert_int_equal(number(result_at(buckets, i), "blocks"), blocks);
        low = high + 1;
    }
    assert_true(!count || values[count - 1] < low);
}

/* Sizes, lifetimes, threads, and what follows from sums. */
static void check_site(const struct program *p, const struct question *q, const struct result *r,
                       const struct naive_site *s, const struct cost *c,
                       const struct cost_detail *d, uint64_t heap_peak)
{
    static uint64_t sizes[LIVES], lived[LIVES], usable[LIVES];
    size_t made = 0, ended = 0, threads = 0;
    uint64_t given = 0, seen = 0;
    for (int i = 0; i < p->life_count; i++) {
        const struct life *l = &p->lives[i];
        if (!counts(q, s, l) || !lived_as_asked(q, l))
            continue;
        sizes[made] = l->size;
        usable[made] = SEEP_USABLE_GLIBC(l->size);
        given += usable[made++] - l->size;
        if (l->end < q->to)
            lived[ended++] = l->end_ns > l->start_ns ? l->end_ns - l->start_ns : 0;
        threads += !(seen >> l->thread & 1);
        seen |= UINT64_C(1) << l->thread;
    }
    const struct result *details = result_get(r, "details");
    check_classes(result_get(details, "classes"), usable, made);
    qsort(sizes, made, sizeof *sizes, smaller);
    qsort(lived, ended, sizeof *lived, smaller);
    check_buckets(result_get(details, "sizes"), "up_to_bytes", sizes, made);
    check_buckets(result_get(details, "lifetimes"), "up_to_ns", lived, ended);
    if (made) {
        assert_int_equal(number(r, "size_min_bytes"), sizes[0]);
        assert_int_equal(number(r, "size_max_bytes"), sizes[made - 1]);
        assert_int_equal(number(r, "size_median_bytes"), quantile_of(sizes, made, 0.5));
    }
    assert_int_equal(result_get(r, "lifetime_p50_ns")->type == RESULT_NULL, ended == 0);
    if (ended) {
        assert_true(near(number(r, "lifetime_p50_ns"), quantile_of(lived, ended, 0.5)));
        assert_true(near(number(r, "lifetime_p95_ns"), quantile_of(lived, ended, 0.95)));
        assert_true(near(number(r, "lifetime_p99_ns"), quantile_of(lived, ended, 0.99)));
    }
    assert_int_equal(number(r, "slack_bytes"), given);
    assert_int_equal(number(r, "threads"), threads);
    assert_int_equal(result_length(result_get(details, "threads")), threads);
    assert_int_equal(number(r, "short_lived"), d->short_lived);
    assert_int_equal(number(r, "stacks"), s->stack_count);
    if (heap_peak)
        assert_true(same_real(r, "peak_percent", 100. * (double)c->peak_bytes / (double)heap_peak));
    if (q->lived_min) {
        assert_int_equal(result_get(r, "own_peak_bytes")->type, RESULT_NULL);
        return;
    }
    assert_int_equal(number(r, "grown"), d->grown);
    assert_int_equal(number(r, "copied_bytes"), d->copied_bytes);
    assert_int_equal(number(r, "own_peak_bytes"), c->own_peak_bytes);
    if (c->own_peak_bytes)
        assert_true(
            same_real(r, "recycling", (double)c->allocated_bytes / (double)c->own_peak_bytes));
}

static bool has_anything(const struct cost *c)
{
    return c->allocations || c->peak_blocks || c->live_blocks;
}

/* Every site that is told is one of the naive ones, each once, and none is missing. */
static void check_sites(const struct program *p, const struct question *q, const struct result *r,
                        struct naive_site *sites, size_t count)
{
    const struct result *told = result_get(r, "sites");
    bool none;
    uint64_t peak = peak_of(p, q, &none), heap_peak = number(r, "heap_peak_bytes"), wanted = 0;
    assert_int_equal(heap_peak,
                     none ? (q->from ? live_bytes(p, q->from - 1) : 0) : live_bytes(p, peak));
    for (size_t k = 0; k < count; k++) {
        struct cost_detail d;
        struct cost c = naive_sum(p, q, &sites[k], &d);
        if (!has_anything(&c))
            continue;
        wanted++;
        const struct result *site = NULL;
        size_t alike = 0; /* of single stacks two may have the same sums */
        for (size_t i = 0; i < result_length(told); i++)
            if (is_this(result_at(told, i), &sites[k], &c)) {
                site = result_at(told, i);
                alike++;
            }
        assert_non_null(site);
        if (alike == 1)
            check_site(p, q, site, &sites[k], &c, &d, heap_peak);
    }
    assert_int_equal(result_length(told), wanted);
    assert_int_equal(number(result_get(r, "total"), "sites"), wanted);
}

static struct result *analyse(struct program *p, const struct question *q, struct sites_options *o)
{
    struct filter f;
    struct result *r = NULL;
    make_filter(p, q, &f);
    o->filter = &f;
    trace_reader_rewind(&p->trace, NULL);
    assert_int_equal(sites_analyse(&r, &p->trace, &p->symbols, o, NULL), SEEP_OK);
    filter_release(&f);
    return r;
}

/* The end of the window's last lives, as the analysis takes it. */
static void set_end(struct program *p, struct question *q)
{
    struct filter f;
    struct costs c;
    make_filter(p, q, &f);
    assert_int_equal(filter_bind(&f, &p->trace.dict, &p->symbols, NULL), SEEP_OK);
    trace_reader_rewind(&p->trace, NULL);
    costs_read(&c, &p->trace, &f, 0, NULL, NULL, NULL);
    q->end_ns = c.end_ns;
    costs_release(&c);
    filter_release(&f);
}

/* Groups the stacks that made blocks that count, by the name of their innermost frame. */
static size_t group_by_function(struct program *p, const struct question *q,
                                struct naive_site *sites)
{
    size_t count = 0;
    for (uint32_t node = 0; node <= NODES; node++) {
        struct naive_site one = {.name = "(unknown)", .module = ""};
        struct cost_detail d;
        one.stacks[node] = true;
        struct cost c = naive_sum(p, q, &one, &d);
        if (!has_anything(&c))
            continue;
        if (node && !(p->trace.dict.stacks[node].flags & SEEP_ROW_ROOT)) {
            const struct symbol_frame *f = symbols_of_node(&p->symbols, node)->frames;
            one.name = f->function;
            one.module = f->module;
        }
        size_t k = 0;
        while (k < count &&
               (strcmp(sites[k].name, one.name) != 0 || strcmp(sites[k].module, one.module) != 0))
            k++;
        if (k == count)
            sites[count++] = (struct naive_site){.name = one.name, .module = one.module};
        sites[k].stacks[node] = true;
        sites[k].stack_count++;
    }
    return count;
}

static void sites_are_those_of_the_lives(void **state)
{
    (void)state;
    static struct program p;
    static struct naive_site sites[NODES + 1];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        make_program(&p, seed, 20 + (int)seed * 4);
        struct question q = make_question(&p);
        set_end(&p, &q);
        struct sites_options o = {.by = SITE_BY_STACK, .sort = SITE_ALLOCATED, .details = true};
        struct result *r = analyse(&p, &q, &o);
        memset(sites, 0, sizeof sites);
        for (uint32_t node = 0; node <= NODES; node++) {
            sites[node].stacks[node] = true;
            sites[node].stack_count = 1;
        }
        check_sites(&p, &q, r, sites, NODES + 1);
        result_free(r);
        release_program(&p);
    }
}

/* Their own peak is not the sum of those of their stacks. */
static void so_are_functions(void **state)
{
    (void)state;
    static struct program p;
    static struct naive_site sites[NODES + 1];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        make_program(&p, 1000 + seed, 20 + (int)seed * 4);
        struct question q = make_question(&p);
        set_end(&p, &q);
        struct sites_options o = {.by = SITE_BY_FUNCTION, .sort = SITE_PEAK, .details = true};
        memset(sites, 0, sizeof sites);
        size_t count = group_by_function(&p, &q, sites);
        for (size_t k = 0; k < count; k++)
            if (strcmp(sites[k].name, "(unknown)") == 0)
                sites[k].name = NULL; /* has no module */
        struct result *r = analyse(&p, &q, &o);
        check_sites(&p, &q, r, sites, count);
        result_free(r);
        release_program(&p);
    }
}

/* Each column sorts, and what is not listed is told in sums. */
static void every_column_sorts(void **state)
{
    (void)state;
    static struct program p;
    make_program(&p, 7, 300);
    struct question q = {.to = p.events, .size_max = 1000, .lived_max = UINT64_MAX};
    for (int column = 0; column < SITE_COLUMNS; column++) {
        const struct site_column_info *info = &site_columns[column];
        struct sites_options o = {.sort = (enum site_column)column, .top = 10};
        struct result *r = analyse(&p, &q, &o);
        const struct result *sites = result_get(r, "sites"), *hidden = result_get(r, "hidden");
        double before = INFINITY;
        uint64_t allocations = number(hidden, "allocations");
        uint64_t live = number(hidden, "live_bytes"), peak = number(hidden, "peak_bytes");
        for (size_t i = 0; i < result_length(sites); i++) {
            const struct result *site = result_at(sites, i), *v = result_get(site, info->field);
            double value = v->type == RESULT_NULL   ? -1
                           : v->type == RESULT_REAL ? v->u.real
                                                    : (double)v->u.count;
            assert_true(value <= before);
            before = value;
            allocations += number(site, "allocations");
            live += number(site, "live_bytes");
            peak += number(site, "peak_bytes");
        }
        const struct result *total = result_get(r, "total");
        assert_int_equal(number(hidden, "sites") + result_length(sites), number(total, "sites"));
        assert_int_equal(allocations, number(total, "allocations"));
        assert_int_equal(live, number(total, "live_bytes"));
        assert_int_equal(peak, number(total, "peak_bytes"));
        result_free(r);
    }
    release_program(&p);
}

/* ------------------------------------------------------------------ callers and callees */

/* The frames of a stack, innermost first. */
static size_t list_stack(struct program *p, uint32_t node, const struct symbol_frame **frames)
{
    size_t count = 0;
    for (; node && !(p->trace.dict.stacks[node].flags & SEEP_ROW_ROOT);
         node = p->trace.dict.stacks[node].parent) {
        const struct symbol_address *a = symbols_of_node(&p->symbols, node);
        for (uint32_t k = 0; k < a->count; k++)
            frames[count++] = &a->frames[k];
    }
    return count;
}

/* The way of a stack as "/f/g" of functions with their modules. */
static void name_way(struct program *p, uint32_t node, const struct frame_path *path,
                     struct strbuf *out)
{
    const struct symbol_frame *frames[4 * NODES], *way[4 * NODES];
    size_t count = list_stack(p, node, frames), length = 0, match = count;
    strbuf_reset(out);
    for (size_t i = 0; i < count; i++) /* the last one that matches is the outermost */
        match = path->function && strcmp(frames[i]->function, path->function) == 0 ? i : match;
    if (path->function && match == count)
        return;
    if (path->outward)
        for (size_t i = path->function ? match : 0; i < count; i++)
            way[length++] = frames[i];
    else
        for (size_t i = path->function ? match + 1 : count; i-- > 0;)
            way[length++] = frames[i];
    if (path->depth && length > path->depth)
        length = path->depth;
    for (size_t i = 0; i < length; i++)
        strbuf_addf(out, "/%s:%s", way[i]->module, way[i]->function);
    if (!count)
        strbuf_adds(out, "/?:unknown");
}

static void check_way(struct program *p, const struct costs *c, const struct frame_path *path,
                      const struct result *frame, const char *before, uint64_t *seen)
{
    struct strbuf own = {0}, way = {0};
    strbuf_adds(&own, before);
    const struct result *module = result_get(frame, "module");
    if (strcmp(result_get(frame, "function")->u.text, "all") != 0)
        strbuf_addf(&own, "/%s:%s", module->type == RESULT_TEXT ? module->u.text : "?",
                    result_get(frame, "function")->u.text);
    uint64_t self = 0, total = 0;
    for (uint32_t node = 0; node < c->node_count; node++) {
        name_way(p, node, path, &way);
        const char *name = way.length ? way.text : "";
        if (!name[0])
            continue;
        size_t length = own.length;
        bool within = !length || (strncmp(name, own.text, length) == 0 &&
                                  (name[length] == '/' || !name[length]));
        total += within ? c->nodes[node].allocations : 0;
        self += length && within && !name[length] ? c->nodes[node].allocations : 0;
    }
    assert_int_equal(number(frame, "self"), self);
    assert_int_equal(number(frame, "total"), total);
    *seen += self;
    const struct result *children = result_get(frame, "children");
    for (size_t i = 0; i < result_length(children); i++)
        check_way(p, c, path, result_at(children, i), own.length ? own.text : "", seen);
    strbuf_release(&own);
    strbuf_release(&way);
}

static void ways_are_those_of_the_stacks(void **state)
{
    (void)state;
    static struct program p;
    static const struct frame_path paths[] = {
        {.outward = true},
        {.outward = true, .depth = 2},
        {.outward = true, .function = "parse"},
        {.function = "load"},
        {.function = "outer", .depth = 3},
        {.depth = 1},
    };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        make_program(&p, seed, 150);
        struct costs c;
        trace_reader_rewind(&p.trace, NULL);
        assert_int_equal(costs_read(&c, &p.trace, NULL, 0, NULL, NULL, NULL), SEEP_OK);
        for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
            struct result *r = NULL;
            struct flame_options o = {.cost = COST_ALLOCATIONS, .path = paths[i]};
            trace_reader_rewind(&p.trace, NULL);
            assert_int_equal(flame_analyse(&r, &p.trace, &p.symbols, &o, NULL), SEEP_OK);
            uint64_t seen = 0;
            check_way(&p, &c, &paths[i], result_get(r, "root"), "", &seen);
            assert_int_equal(seen, number(r, "total"));
            result_free(r);
        }
        costs_release(&c);
        release_program(&p);
    }
}

/* ------------------------------------------------------------------ size classes */

static void large_classes_are_near(void **state)
{
    (void)state;
    struct size_classes c = {0};
    static const uint64_t values[] = {24, 40, 24, 32767, 40000, 40001, 1u << 20, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        size_classes_add(&c, values[i], 1);
    assert_int_equal(c.count, 6);
    assert_int_equal(c.items[0].blocks, 2);
    assert_int_equal(c.items[2].bytes, 32767);
    assert_int_equal(c.items[3].blocks, 2);
    assert_true(near(c.items[3].bytes, 40000));
    assert_true(near(c.items[4].bytes, 1u << 20));
    assert_int_equal(c.items[5].bytes, UINT64_MAX);
    size_classes_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_are_those_of_the_lives),
        cmocka_unit_test(so_are_functions),
        cmocka_unit_test(every_column_sorts),
        cmocka_unit_test(ways_are_those_of_the_stacks),
        cmocka_unit_test(large_classes_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
