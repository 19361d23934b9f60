/* SPDX-License-Identifier: MIT
 *
 * Dominators of random graphs: a vertex dominates another if that cannot be reached without it. */
#include "model/dominators.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VERTICES 40
#define EDGES 400

static uint64_t seed = 1;

static uint32_t below(uint32_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return limit ? (uint32_t)(seed >> 33) % limit : 0;
}

static void reach(const struct flow_graph *g, uint32_t vertex, uint32_t without, bool *reached)
{
    if (vertex == without || reached[vertex])
        return;
    reached[vertex] = true;
    for (uint32_t e = g->first[vertex]; e < g->first[vertex + 1]; e++)
        reach(g, g->targets[e], without, reached);
}

struct oracle {
    bool reached[VERTICES];
    bool dominates[VERTICES][VERTICES]; /* [a][b]: a does b, strictly */
};

static void ask(struct oracle *o, const struct flow_graph *g)
{
    memset(o, 0, sizeof *o);
    reach(g, g->root, DOMINATORS_NONE, o->reached);
    for (uint32_t a = 0; a < g->count; a++) {
        bool rest[VERTICES] = {false};
        reach(g, g->root, a, rest);
        for (uint32_t b = 0; b < g->count; b++)
            o->dominates[a][b] = a != b && o->reached[a] && o->reached[b] && !rest[b];
    }
}

static void check(const struct flow_graph *g)
{
    struct oracle o;
    struct dominators d;
    uint64_t weights[VERTICES];
    ask(&o, g);
    dominators_find(&d, g);
    uint32_t reached = 0;
    for (uint32_t v = 0; v < g->count; v++) {
        weights[v] = v + 1;
        reached += o.reached[v];
        if (!o.reached[v] || v == g->root) {
            assert_int_equal(d.parents[v], DOMINATORS_NONE);
            continue;
        }
        /* the nearest: it dominates, and is dominated by all others that do */
        uint32_t parent = d.parents[v];
        assert_true(o.dominates[parent][v]);
        for (uint32_t a = 0; a < g->count; a++)
            assert_true(!o.dominates[a][v] || a == parent || o.dominates[a][parent]);
    }
    assert_int_equal(d.reached, reached);
    dominators_sum(&d, weights);
    for (uint32_t v = 0; v < g->count; v++) {
        uint64_t sum = v + 1;
        for (uint32_t b = 0; b < g->count; b++)
            sum += o.dominates[v][b] ? b + 1 : 0;
        assert_int_equal(weights[v], sum);
    }
    dominators_release(&d);
}

/* A graph of random edges, `wild` of a hundred of which lead anywhere, the others near. */
static void random_graph(uint32_t vertices, uint32_t edges, uint32_t wild)
{
    uint32_t from[EDGES], to[EDGES], first[VERTICES + 1] = {0}, targets[EDGES], used = 0;
    for (uint32_t i = 0; i < edges; i++) {
        from[i] = below(vertices);
        to[i] = below(100) < wild ? below(vertices) : from[i] + below(3);
        if (to[i] >= vertices)
            to[i] = 0;
    }
    for (uint32_t v = 0; v < vertices; v++) {
        first[v] = used;
        for (uint32_t i = 0; i < edges; i++)
            if (from[i] == v)
                targets[used++] = to[i];
    }
    first[vertices] = used;
    check(&(struct flow_graph){vertices, below(vertices), first, targets});
}

static void dominators_are_those_without_which_nothing_is_reached(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++)
        random_graph(1 + below(VERTICES), below(VERTICES * 3), below(101));
}

/* A list as long as a program's: no recursion, and no time that grows with its square. */
static void a_long_list_both_ways(void **state)
{
    (void)state;
    uint32_t count = 1000000;
    uint32_t *first = calloc((size_t)count + 1, sizeof *first);
    uint32_t *targets = calloc((size_t)count * 2, sizeof *targets);
    uint64_t *weights = calloc(count, sizeof *weights);
    uint32_t used = 0;
    for (uint32_t v = 0; v < count; v++) {
        first[v] = used;
        if (v + 1 < count)
            targets[used++] = v + 1;
        if (v > 0)
            targets[used++] = v - 1;
        weights[v] = 1;
    }
    first[count] = used;
    struct dominators d;
    dominators_find(&d, &(struct flow_graph){count, 0, first, targets});
    dominators_sum(&d, weights);
    for (uint32_t v = 1; v < count; v++) {
        assert_true(d.parents[v] == v - 1);
        assert_true(weights[v] == count - v);
    }
    dominators_release(&d);
    free(first);
    free(targets);
    free(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dominators_are_those_without_which_nothing_is_reached),
        cmocka_unit_test(a_long_list_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
