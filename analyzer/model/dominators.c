/* SPDX-License-Identifier: MIT
 *
 * All arrays but those by vertex are by number: the order in which a search depth first meets the
 * vertices. Names as in the paper. */
#include "model/dominators.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

struct finding {
    const struct flow_graph *g;
    uint32_t *vertex;   /* by number */
    uint32_t *number;   /* by vertex; NONE: not reached */
    uint32_t *parent;   /* in the tree of the search */
    uint32_t *semi;     /* semidominator */
    uint32_t *label;    /* with the least semi on the way up the forest, as far as compressed */
    uint32_t *ancestor; /* in the forest; NONE: a root there */
    uint32_t *dom;
    uint32_t *bucket, *next;        /* lists of what has that semidominator */
    uint32_t *first_edge, *sources; /* edges backwards */
    uint32_t *path;                 /* of compressing */
    uint32_t count;
};

static uint32_t *new_array(uint32_t count)
{
    return mem_alloc(((size_t)count + 1) * sizeof(uint32_t));
}

/* Numbers the vertices that are reached. `next` and `path` serve as the stack. */
static void search(struct finding *f)
{
    const struct flow_graph *g = f->g;
    uint32_t depth = 0;
    uint32_t *stack = f->path, *edge = f->next;
    memset(f->number, 0xff, (size_t)g->count * sizeof *f->number);
    f->number[g->root] = 0;
    f->vertex[0] = g->root;
    f->parent[0] = DOMINATORS_NONE;
    f->count = 1;
    stack[depth] = g->root;
    edge[depth++] = g->first[g->root];
    while (depth) {
        uint32_t v = stack[depth - 1];
        if (edge[depth - 1] == g->first[v + 1]) {
            depth--;
            continue;
        }
        uint32_t w = g->targets[edge[depth - 1]++];
        if (f->number[w] != DOMINATORS_NONE)
            continue;
        f->number[w] = f->count;
        f->vertex[f->count] = w;
        f->parent[f->count++] = f->number[v];
        stack[depth] = w;
        edge[depth++] = g->first[w];
    }
}

/* Turns the edges between reached vertices round. All that a reached vertex leads to is reached. */
static void reverse(struct finding *f)
{
    const struct flow_graph *g = f->g;
    /* of number i at index i + 2 how many, then at i + 1 where its next source goes, in the end at
     * i where they begin */
    f->first_edge = mem_zalloc((size_t)f->count + 2, sizeof *f->first_edge);
    for (uint32_t i = 0; i < f->count; i++)
        for (uint32_t v = f->vertex[i], e = g->first[v]; e < g->first[v + 1]; e++)
            f->first_edge[f->number[g->targets[e]] + 2]++;
    for (uint32_t i = 2; i < f->count + 2; i++)
        f->first_edge[i] += f->first_edge[i - 1];
    f->sources = new_array(f->first_edge[f->count + 1]);
    for (uint32_t i = 0; i < f->count; i++)
        for (uint32_t v = f->vertex[i], e = g->first[v]; e < g->first[v + 1]; e++)
            f->sources[f->first_edge[f->number[g->targets[e]] + 1]++] = i;
}

/* Makes all on the way from `v` to the root of its tree in the forest children of that root. */
static void compress(struct finding *f, uint32_t v)
{
    uint32_t depth = 0;
    for (; f->ancestor[f->ancestor[v]] != DOMINATORS_NONE; v = f->ancestor[v])
        f->path[depth++] = v;
    while (depth) {
        uint32_t u = f->path[--depth], above = f->ancestor[u];
        if (f->semi[f->label[above]] < f->semi[f->label[u]])
            f->label[u] = f->label[above];
        f->ancestor[u] = f->ancestor[above];
    }
}

static uint32_t eval(struct finding *f, uint32_t v)
{
    if (f->ancestor[v] == DOMINATORS_NONE)
        return v;
    compress(f, v);
    return f->label[v];
}

static void find_dominators(struct finding *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        f->semi[i] = f->label[i] = i;
        f->ancestor[i] = f->bucket[i] = DOMINATORS_NONE;
    }
    for (uint32_t w = f->count; w-- > 1;) {
        uint32_t parent = f->parent[w];
        for (uint32_t e = f->first_edge[w]; e < f->first_edge[w + 1]; e++) {
            uint32_t u = eval(f, f->sources[e]);
            if (f->semi[u] < f->semi[w])
                f->semi[w] = f->semi[u];
        }
        f->next[w] = f->bucket[f->semi[w]];
        f->bucket[f->semi[w]] = w;
        f->ancestor[w] = parent;
        for (uint32_t v = f->bucket[parent]; v != DOMINATORS_NONE; v = f->next[v]) {
            uint32_t u = eval(f, v);
            f->dom[v] = f->semi[u] < f->semi[v] ? u : parent;
        }
        f->bucket[parent] = DOMINATORS_NONE;
    }
    for (uint32_t w = 1; w < f->count; w++)
        if (f->dom[w] != f->semi[w])
            f->dom[w] = f->dom[f->dom[w]];
}

void dominators_find(struct dominators *d, const struct flow_graph *g)
{
    struct finding f = {.g = g,
                        .vertex = new_array(g->count),
                        .number = new_array(g->count),
                        .parent = new_array(g->count),
                        .semi = new_array(g->count),
                        .label = new_array(g->count),
                        .ancestor = new_array(g->count),
                        .dom = new_array(g->count),
                        .bucket = new_array(g->count),
                        .next = new_array(g->count),
                        .path = new_array(g->count)};
    search(&f);
    reverse(&f);
    find_dominators(&f);
    /* numbers are no longer needed: their array becomes that of parents */
    for (uint32_t i = 1; i < f.count; i++)
        f.number[f.vertex[i]] = f.vertex[f.dom[i]];
    f.number[g->root] = DOMINATORS_NONE;
    *d = (struct dominators){f.number, f.vertex, f.count};
    free(f.parent);
    free(f.semi);
    free(f.label);
    free(f.ancestor);
    free(f.dom);
    free(f.bucket);
    free(f.next);
    free(f.path);
    free(f.first_edge);
    free(f.sources);
}

void dominators_release(struct dominators *d)
{
    free(d->parents);
    free(d->order);
    *d = (struct dominators){0};
}

void dominators_sum(const struct dominators *d, uint64_t *weights)
{
    for (uint32_t i = d->reached; i-- > 1;)
        weights[d->parents[d->order[i]]] += weights[d->order[i]];
}
