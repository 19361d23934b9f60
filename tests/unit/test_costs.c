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
#include "fake_trace.h"
#include "util/strbuf.h"

#include <inttypes.h>
#include <stdio.h>

#define NODES 24u
#define LIVES 4000
#define SEEDS 60

struct life {
    uint32_t stack, thread, freed_by;
    uint64_t size, old_size; /* old_size: a reallocation made it of so many; 0: none did */
    uint64_t start, end;     /* event numbers; end UINT64_MAX: never */
    uint64_t start_ns, end_ns;
    bool freed, moved; /* ended by a free, not by a reallocation; made by one, elsewhere */
};

struct program {
    struct trace_reader trace;
    struct symbols symbols;
    struct life lives[LIVES];
    int life_count;
    int live[LIVES], live_count;
    uint32_t slot[LIVES];
    uint64_t events, last_ns; /* events in all */
};

static void make_stacks(struct program *p)
{
    static const char *const names[] = {"main", "parse", "load", "grow", "node_new", "insert"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        fake_function(&p->symbols, names[i], "/src/x.c", i % 2 ? "/bin/prog" : "/lib/libx.so");
    struct symbol_frame inlined[] = {
        {.function = "inner", .module = "/bin/prog", .inlined = true, .named = true},
        {.function = "outer", .module = "/bin/prog", .named = true},
    };
    fake_place(&p->symbols, inlined, 2, SYMBOL_PROVED);
    fake_node(&p->trace, 0, 1, SEEP_ROW_ROOT);
    fake_node(&p->trace, 0, 1, SEEP_ROW_ROOT | SEEP_ROW_CUT);
    while (p->trace.dict.stack_count < NODES) {
        uint32_t parent = 1 + (uint32_t)fake_random(&p->trace, p->trace.dict.stack_count);
        fake_node(&p->trace, parent, FAKE_PC + fake_random(&p->trace, p->symbols.count), 0);
    }
}

static struct life *begin_life(struct program *p, uint32_t slot)
{
    const struct trace_event *ev = &p->trace.events[p->trace.count - 1];
    p->lives[p->life_count] = (struct life){.stack = ev->stack,
                                            .thread = ev->thread,
                                            .size = ev->after.size,
                                            .start = ev->number,
                                            .start_ns = ev->time_ns,
                                            .end = UINT64_MAX};
    p->slot[p->life_count] = slot;
    p->live[p->live_count++] = p->life_count;
    return &p->lives[p->life_count++];
}

static int end_some(struct program *p, uint32_t thread, uint64_t now, bool freed)
{
    int at = (int)fake_random(&p->trace, (uint64_t)p->live_count);
    /* often the youngest, so that there are temporary ones */
    int life = p->live[fake_random(&p->trace, 3) ? p->live_count - 1 : at];
    for (at = 0; p->live[at] != life; at++)
        ;
    p->live[at] = p->live[--p->live_count];
    p->lives[life].end = p->trace.number;
    p->lives[life].end_ns = now;
    p->lives[life].freed = freed;
    p->lives[life].freed_by = thread;
    return life;
}

static void make_program(struct program *p, uint64_t seed, int events)
{
    struct trace_reader *t = &p->trace;
    memset(p, 0, sizeof *p);
    fake_init(t, seed);
    p->symbols.dict = &t->dict;
    make_stacks(p);
    for (int i = 0; i < 3; i++)
        fake_thread(t, 100 + (uint32_t)i, "thread");
    uint64_t now = 0, lean = 3 + fake_random(t, 5);
    for (int i = 0; i < events; i++) {
        uint32_t thread = 1 + (uint32_t)fake_random(t, 3), stack = (uint32_t)fake_random(t, NODES);
        uint64_t size = 1 + fake_random(t, 300), roll = fake_random(t, 10);
        stack = stack < 3 ? 0 : stack;
        now += fake_random(t, 4) * 400000;
        if (roll < lean || !p->live_count) {
            begin_life(p, fake_alloc(t, thread, now, stack, size, SEEP_CALL_MALLOC, 0));
        } else if (roll < 8) {
            int life = end_some(p, thread, now, true);
            fake_free(t, thread, now, p->slot[life], SEEP_CALL_FREE, 0);
        } else if (roll < 9) {
            int life = end_some(p, thread, now, false);
            fake_realloc(t, thread, now, stack, p->slot[life], size);
            struct life *made = begin_life(p, p->slot[life]);
            made->old_size = p->lives[life].size;
            made->moved = true; /* the fake's addresses follow the event */
        } else {
            int life = end_some(p, thread, now, false);
            struct trace_event out = fake_realloc_out(t, thread, now, stack, p->slot[life]);
            fake_realloc_in(t, &out, now + 1, size);
            struct life *made = begin_life(p, t->events[t->count - 1].slot);
            made->old_size = p->lives[life].size;
            made->moved = true;
        }
    }
    p->events = t->number;
    p->last_ns = now;
    t->summary.duration_ns = now + 5000;
}

static void release_program(struct program *p)
{
    fake_symbols_release(&p->symbols);
    fake_release(&p->trace);
}

/* ------------------------------------------------------------------ the naive side */

struct question {
    uint64_t from, to;             /* event numbers; those in [from, to) are in the window */
    uint64_t size_max;             /* of blocks asked for */
    uint64_t lived_min, lived_max; /* ns */
    uint64_t end_ns;
};

static bool is_in(const struct question *q, const struct life *l)
{
    return l->start >= q->from && l->start < q->to;
}

static bool is_live(const struct life *l, uint64_t number) /* behind that event */
{
    return l->start <= number && l->end > number;
}

static uint64_t live_bytes(const struct program *p, uint64_t number)
{
    uint64_t sum = 0;
    for (int i = 0; i < p->life_count; i++)
        sum += is_live(&p->lives[i], number) ? p->lives[i].size : 0;
    return sum;
}

/* The first event of the window behind which most is live; *none where that was so before it. */
static uint64_t peak_of(const struct program *p, const struct question *q, bool *none)
{
    uint64_t most = q->from ? live_bytes(p, q->from - 1) : 0, peak = 0;
    *none = true;
    for (uint64_t n = q->from; n < q->to && n < p->events; n++) {
        uint64_t bytes = live_bytes(p, n);
        if (bytes > most) {
            most = bytes;
            peak = n;
            *none = false;
        }
    }
    return peak;
}

static bool made_between(const struct program *p, uint32_t thread, uint64_t from, uint64_t to)
{
    for (int i = 0; i < p->life_count; i++)
        if (p->lives[i].thread == thread && p->lives[i].start > from && p->lives[i].start < to)
            return true;
    return false;
}

static bool lived_as_asked(const struct question *q, const struct life *l)
{
    uint64_t until = l->end < q->to ? l->end_ns : q->end_ns;
    uint64_t lived = until > l->start_ns ? until - l->start_ns : 0;
    return lived >= q->lived_min && lived <= q->lived_max;
}

static void naive_cost(const struct program *p, const struct question *q, uint32_t node,
                       struct cost *c, struct cost_detail *d)
{
    bool none;
    uint64_t peak = peak_of(p, q, &none), last = q->to < p->events ? q->to : p->events;
    memset(c, 0, sizeof *c);
    memset(d, 0, sizeof *d);
    for (int i = 0; i < p->life_count; i++) {
        const struct life *l = &p->lives[i];
        if (l->stack != node || l->size > q->size_max)
            continue;
        c->start_bytes += q->from && is_live(l, q->from - 1) ? l->size : 0;
        c->held_bytes += last && is_live(l, last - 1) ? l->size : 0;
        if (!is_in(q, l))
            continue;
        if (!none && is_live(l, peak)) {
            c->peak_blocks++;
            c->peak_bytes += l->size;
        }
        if (!lived_as_asked(q, l))
            continue;
        c->allocations++;
        c->allocated_bytes += l->size;
        if (l->end >= q->to) {
            c->live_blocks++;
            c->live_bytes += l->size;
            continue;
        }
        c->temporary +=
            l->freed && l->freed_by == l->thread && !made_between(p, l->thread, l->start, l->end);
        d->short_lived += l->end_ns < l->start_ns + COSTS_SHORT_NS;
    }
    for (int i = 0; i < p->life_count; i++) {
        const struct life *l = &p->lives[i];
        if (l->stack == node && l->size <= q->size_max && is_in(q, l) && l->old_size &&
            l->size > l->old_size) {
            d->grown++;
            d->copied_bytes += l->moved ? l->old_size : 0;
        }
    }
    for (uint64_t n = q->from; n < last; n++) { /* the most live at once */
        uint64_t bytes = 0;
        for (int i = 0; i < p->life_count; i++) {
            const struct life *l = &p->lives[i];
            bytes += l->stack == node && l->size <= q->size_max && is_in(q, l) && is_live(l, n)
                         ? l->size
                         : 0;
        }
        c->own_peak_bytes = bytes > c->own_peak_bytes ? bytes : c->own_peak_bytes;
    }
}

/* ------------------------------------------------------------------ both */

static void set(struct filter *f, const char *name, const char *format, uint64_t a, uint64_t b)
{
    char value[64];
    struct err err;
    snprintf(value, sizeof value, format, a, b);
    assert_int_equal(filter_set(f, name, value, &err), SEEP_OK);
}

static void ask(struct program *p, const struct question *q, struct costs *c)
{
    struct filter f;
    filter_init(&f);
    if (q->from)
        set(&f, "from", "#%" PRIu64, q->from, 0);
    if (q->to < p->events)
        set(&f, "to", "#%" PRIu64, q->to - 1, 0); /* the last one that is inside */
    if (q->size_max < 1000)
        set(&f, "size", "..%" PRIu64, q->size_max, 0);
    if (q->lived_min)
        set(&f, "lifetime", "%" PRIu64 "ns..%" PRIu64 "ns", q->lived_min, q->lived_max);
    assert_int_equal(filter_bind(&f, &p->trace.dict, &p->symbols, NULL), SEEP_OK);
    trace_reader_rewind(&p->trace, NULL);
    assert_int_equal(costs_read(c, &p->trace, &f, COSTS_PEAK | COSTS_DETAILS, NULL, NULL, NULL),
                     SEEP_OK);
    filter_release(&f);
}

static struct question make_question(struct program *p)
{
    struct trace_reader *t = &p->trace;
    struct question q = {.to = p->events, .size_max = 1000, .lived_max = UINT64_MAX};
    if (fake_random(t, 2)) {
        q.from = fake_random(t, p->events);
        q.to = q.from + 1 + fake_random(t, p->events - q.from);
    }
    if (!fake_random(t, 3))
        q.size_max = fake_random(t, 300);
    if (!fake_random(t, 3)) {
        q.lived_min = 400000 * (1 + fake_random(t, 5));
        q.lived_max = q.lived_min * (1 + fake_random(t, 5));
    }
    return q;
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
