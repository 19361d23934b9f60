/* SPDX-License-Identifier: MIT
 *
 * Costs per stack, and the tree of functions, against a list of lives that is gone through for
 * every question anew: random programs, random windows, filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "analysis/frame_tree.h"
#include "analysis/flame.h"
#include "cost_oracle.h"
#include "util/strbuf.h"

#include <inttypes.h>
#include <stdio.h>

#define SEEDS 60

/* ------------------------------------------------------------------ both */

static void ask(struct program *p, const struct question *q, struct costs *c)
{
    struct filter f;
    make_filter(p, q, &f);
    assert_int_equal(filter_bind(&f, &p->trace.dict, &p->symbols, NULL), SEEP_OK);
    trace_reader_rewind(&p->trace, NULL);
    assert_int_equal(costs_read(c, &p->trace, &f, COSTS_PEAK | COSTS_DETAILS, NULL, NULL, NULL),
                     SEEP_OK);
    filter_release(&f);
}

static void costs_are_those_of_the_lives(void **state)
{
    (void)state;
    static struct program p;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        make_program(&p, seed, 20 + (int)seed * 4);
        struct question q = make_question(&p);
        struct costs c;
        ask(&p, &q, &c);
        /* a window's end by number is the time of its last event */
        q.end_ns = c.end_ns;
        if (q.to == p.events)
            assert_int_equal(c.end_ns, p.trace.summary.duration_ns);
        struct cost total = {0};
        for (uint32_t node = 0; node <= NODES; node++) {
            struct cost wanted, *found = &c.nodes[node];
            struct cost_detail detail;
            naive_cost(&p, &q, node, &wanted, &detail);
            if (q.lived_min)
                wanted.own_peak_bytes = found->own_peak_bytes;
            if (memcmp(&wanted, found, sizeof wanted) != 0)
                fail_msg("seed %" PRIu64 " node %u", seed, node);
            const struct cost_detail *d = &c.details[node];
            assert_int_equal(d->sizes.total, wanted.allocations);
            assert_int_equal(d->short_lived, detail.short_lived);
            if (!q.lived_min) {
                assert_int_equal(d->grown, detail.grown);
                assert_int_equal(d->copied_bytes, detail.copied_bytes);
            }
            total.allocations += wanted.allocations;
            total.peak_bytes += wanted.peak_bytes;
        }
        assert_int_equal(c.total.allocations, total.allocations);
        assert_int_equal(c.total.peak_bytes, total.peak_bytes);
        costs_release(&c);
        release_program(&p);
    }
}

/* ------------------------------------------------------------------ the tree of functions */

/* "main;parse;node_new" of a stack, outermost first; "" for none. */
static void name_stack(struct program *p, uint32_t node, struct strbuf *out)
{
    const char *names[2 * NODES];
    size_t count = 0;
    for (; node && !(p->trace.dict.stacks[node].flags & SEEP_ROW_ROOT);
         node = p->trace.dict.stacks[node].parent) {
        const struct symbol_address *a = symbols_of_node(&p->symbols, node);
        for (uint32_t k = 0; k < a->count; k++)
            names[count++] = a->frames[k].function;
    }
    strbuf_reset(out);
    while (count--)
        strbuf_addf(out, "/%s", names[count]);
}

static void check_frame(struct program *p, const struct costs *c, enum cost_kind kind,
                        const struct result *frame, const char *callers, uint64_t *seen)
{
    struct strbuf path = {0}, stack = {0};
    strbuf_adds(&path, callers);
    const char *function = result_get(frame, "function")->u.text;
    bool unknown = strcmp(function, "unknown") == 0;
    if (strcmp(function, "all") != 0 && !unknown)
        strbuf_addf(&path, "/%s", function);
    uint64_t self = 0, total = 0;
    for (uint32_t node = 0; node < c->node_count; node++) {
        name_stack(p, node, &stack);
        const char *name = stack.text ? stack.text : "", *own = path.text ? path.text : "";
        size_t length = strlen(own);
        if ((node == 0) != unknown && (unknown || *own))
            continue;
        bool same = strcmp(name, own) == 0 && !(node == 0 && !unknown);
        bool within = strncmp(name, own, length) == 0 && (!name[length] || name[length] == '/');
        self += same ? cost_value(&c->nodes[node], kind) : 0;
        total += within ? cost_value(&c->nodes[node], kind) : 0;
    }
    assert_int_equal(result_get(frame, "self")->u.count, self);
    assert_int_equal(result_get(frame, "total")->u.count, total);
    *seen += self;
    const struct result *children = result_get(frame, "children");
    uint64_t before = UINT64_MAX;
    for (size_t i = 0; i < result_length(children); i++) {
        const struct result *child = result_at(children, i);
        uint64_t here = result_get(child, "total")->u.count;
        assert_true(here <= before); /* heaviest first */
        before = here;
        check_frame(p, c, kind, child, path.text ? path.text : "", seen);
    }
    strbuf_release(&path);
    strbuf_release(&stack);
}

static void flames_are_the_stacks(void **state)
{
    (void)state;
    static struct program p;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        make_program(&p, seed, 150);
        struct question q = {.to = p.events, .size_max = 1000, .lived_max = UINT64_MAX};
        struct costs c;
        ask(&p, &q, &c);
        enum cost_kind kind = (enum cost_kind)(seed % (COST_TEMPORARY + 1));
        struct result *r = NULL;
        trace_reader_rewind(&p.trace, NULL);
        assert_int_equal(
            flame_analyse(&r, &p.trace, &p.symbols, &(struct flame_options){.cost = kind}, NULL),
            SEEP_OK);
        uint64_t seen = 0;
        check_frame(&p, &c, kind, result_get(r, "root"), "", &seen);
        assert_int_equal(seen, cost_value(&c.total, kind));
        assert_int_equal(result_get(r, "total")->u.count, seen);
        result_free(r);
        /* what is left out is told */
        trace_reader_rewind(&p.trace, NULL);
        flame_analyse(&r, &p.trace, &p.symbols,
                      &(struct flame_options){.cost = kind, .min_share = 0.2}, NULL);
        if (seen)
            assert_true(result_get(r, "left_out")->u.count < seen);
        result_free(r);
        costs_release(&c);
        release_program(&p);
    }
}

/* ------------------------------------------------------------------ histograms */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void quantiles_are_near(void **state)
{
    (void)state;
    struct trace_reader r = {.seed = 7};
    static const double shares[] = {0, 0.01, 0.5, 0.95, 0.99, 1};
    for (int round = 0; round < 200; round++) {
        struct histogram h = {0}, half = {0}, other = {0};
        uint64_t values[300];
        size_t count = 1 + (size_t)fake_random(&r, 300);
        for (size_t i = 0; i < count; i++) {
            values[i] = fake_random(&r, UINT64_C(1) << (1 + fake_random(&r, 30)));
            if (!fake_random(&r, 50))
                values[i] = UINT64_MAX - fake_random(&r, 5);
            histogram_add(&h, values[i], 1);
            histogram_add(i % 2 ? &half : &other, values[i], 1);
        }
        histogram_merge(&half, &other);
        qsort(values, count, sizeof *values, by_value);
        assert_int_equal(h.min, values[0]);
        assert_int_equal(h.max, values[count - 1]);
        assert_int_equal(half.total, h.total);
        for (size_t s = 0; s < sizeof shares / sizeof shares[0]; s++) {
            size_t rank = 0; /* the smallest with at least that share up to it */
            while ((double)(rank + 1) < shares[s] * (double)count)
                rank++;
            uint64_t told = histogram_quantile(&h, shares[s]), exact = values[rank];
            assert_true(told >= exact && told - exact <= exact / 16);
            assert_int_equal(histogram_quantile(&half, shares[s]), told);
        }
        histogram_release(&h);
        histogram_release(&half);
        histogram_release(&other);
    }
    for (uint64_t v = 1; v; v <<= 1)
        for (uint64_t d = 0; d < 3; d++) {
            unsigned b = histogram_bucket(v + d);
            assert_true(histogram_top(b) >= v + d);
            assert_true(!b || histogram_top(b - 1) < v + d);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_those_of_the_lives),
        cmocka_unit_test(flames_are_the_stacks),
        cmocka_unit_test(quantiles_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
