/* SPDX-License-Identifier: MIT */
#include "analysis/diff.h"

#include "analysis/costs.h"
#include "analysis/diff_keys.h"
#include "analysis/resolve.h"
#include "analysis/site_frames.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

const char *const diff_figure_names[] = {"live",      "peak",      "allocations",
                                         "allocated", "temporary", NULL};

struct site {
    uint64_t key;
    uint32_t input, node; /* a stack of it, in a trace of the new side if there is one */
    uint64_t weight;      /* what that stack allocated */
};

/* A figure on both sides. */
struct change {
    uint64_t before, after, spread; /* medians, and the wider spread */
    int64_t change;
    bool changed;
};

struct row {
    size_t site;
    struct change changes[DIFF_FIGURES];
    bool any, noisy, is_new, is_gone;
};

struct differ {
    const struct diff_options *o;
    const struct diff_input *inputs;
    size_t input_count;
    struct diff_files files;
    struct site *sites; /* owned */
    size_t count, capacity;
    uint64_t *values; /* by site, input, figure; owned */
    size_t values_capacity;
    uint64_t *totals; /* by input, figure; owned */
    uint32_t *table;  /* site + 1 by key; 0: free; owned */
    size_t table_capacity;
    size_t at; /* the input in hand */
};

/* ------------------------------------------------------------------ sites */

static uint32_t *table_slot(const struct differ *d, uint64_t key)
{
    for (size_t at = (size_t)(key ^ key >> 32);; at++) {
        uint32_t *slot = &d->table[at & (d->table_capacity - 1)];
        if (!*slot || d->sites[*slot - 1].key == key)
            return slot;
    }
}

static size_t site_of(struct differ *d, uint64_t key)
{
    if ((d->count + 1) * 2 > d->table_capacity) {
        free(d->table);
        d->table_capacity = d->table_capacity ? d->table_capacity * 2 : 1024;
        d->table = mem_zalloc(d->table_capacity, sizeof *d->table);
        for (size_t i = 0; i < d->count; i++)
            *table_slot(d, d->sites[i].key) = (uint32_t)i + 1;
    }
    uint32_t *slot = table_slot(d, key);
    if (!*slot) {
        size_t each = d->input_count * DIFF_FIGURES;
        MEM_GROW(d->sites, d->capacity, d->count + 1);
        MEM_GROW(d->values, d->values_capacity, (d->count + 1) * each);
        memset(d->values + d->count * each, 0, each * sizeof *d->values);
        d->sites[d->count] = (struct site){.key = key};
        *slot = (uint32_t)++d->count;
    }
    return *slot - 1;
}

static void add_cost(uint64_t *values, const struct cost *c)
{
    values[DIFF_LIVE] += c->live_bytes;
    values[DIFF_PEAK] += c->peak_bytes;
    values[DIFF_ALLOCATIONS] += c->allocations;
    values[DIFF_ALLOCATED] += c->allocated_bytes;
    values[DIFF_TEMPORARY] += c->temporary;
}

static uint64_t *values_of(const struct differ *d, size_t site, size_t input)
{
    return d->values + (site * d->input_count + input) * DIFF_FIGURES;
}

static bool has_anything(const struct cost *c)
{
    return c->allocations || c->peak_blocks || c->live_blocks;
}

static void add_stack(struct differ *d, uint64_t key, uint32_t node, const struct cost *c)
{
    size_t number = site_of(d, key);
    struct site *site = &d->sites[number];
    bool newer = d->inputs[d->at].is_new && !d->inputs[site->input].is_new;
    bool as_new = d->inputs[d->at].is_new == d->inputs[site->input].is_new;
    if (!site->weight || newer || (as_new && c->allocated_bytes > site->weight)) {
        site->input = (uint32_t)d->at;
        site->node = node;
        site->weight = c->allocated_bytes + 1;
    }
    add_cost(values_of(d, number, d->at), c);
}

static bool progress_of_one(void *arg, double fraction)
{
    const struct differ *d = arg;
    return d->o->progress(d->o->progress_arg, ((double)d->at + fraction) / (double)d->input_count);
}

static enum seep_err read_input(struct differ *d, struct err *err)
{
    const struct diff_input *input = &d->inputs[d->at];
    const struct trace_dict *dict = trace_reader_dict(input->reader);
    struct costs costs = {0};
    uint64_t *keys = NULL;
    enum seep_err code =
        input->filter ? filter_bind(input->filter, dict, input->symbols, err) : SEEP_OK;
    if (code)
        return code;
    if (input->filter)
        filter_start_at_cut(input->filter, trace_reader_facts(input->reader));
    code = costs_read(&costs, input->reader, input->filter,
                      COSTS_PEAK | (d->o->pools ? COSTS_POOLS : 0),
                      d->o->progress ? progress_of_one : NULL, d, err);
    uint8_t *wanted = mem_zalloc((size_t)dict->stack_count + 1, 1);
    for (uint32_t node = 0; node < costs.node_count && !code; node++)
        wanted[node] = has_anything(&costs.nodes[node]);
    if (!code)
        code = diff_keys(&keys, &d->files, d->o->by, wanted, dict, input->symbols, err);
    for (uint32_t node = 0; node < costs.node_count && !code; node++)
        if (wanted[node])
            add_stack(d, keys[node], node, &costs.nodes[node]);
    if (!code)
        add_cost(d->totals + d->at * DIFF_FIGURES, &costs.total);
    free(keys);
    free(wanted);
    costs_release(&costs);
    return code;
}

/* ------------------------------------------------------------------ changes */

static int smaller_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The median of one side's values, which are `stride` apart, and their spread. */
static uint64_t side_of(const struct differ *d, const uint64_t *values, bool is_new,
                        uint64_t *sorted, uint64_t *spread)
{
    size_t count = 0;
    for (size_t i = 0; i < d->input_count; i++)
        if (d->inputs[i].is_new == is_new)
            sorted[count++] = values[i * DIFF_FIGURES];
    if (!count)
        return 0;
    qsort(sorted, count, sizeof *sorted, smaller_first);
    uint64_t wide = sorted[count - 1] - sorted[0];
    *spread = wide > *spread ? wide : *spread;
    uint64_t low = sorted[(count - 1) / 2], high = sorted[count / 2];
    return low + (high - low) / 2;
}

/* `values`: by input and figure. `sorted` has room for a value of each input. */
static void compare(const struct differ *d, const uint64_t *values, struct change *changes,
                    uint64_t *sorted)
{
    for (int f = 0; f < DIFF_FIGURES; f++) {
        struct change *c = &changes[f];
        c->spread = 0;
        c->before = side_of(d, values + f, false, sorted, &c->spread);
        c->after = side_of(d, values + f, true, sorted, &c->spread);
        c->change = (int64_t)(c->after - c->before);
        uint64_t by = c->change < 0 ? c->before - c->after : c->after - c->before;
        c->changed = by > c->spread;
    }
}

static uint64_t size_of(const struct change *c)
{
    return c->changed ? (uint64_t)(c->change < 0 ? -c->change : c->change) : 0;
}

/* Whether blocks were made on that side. */
static bool is_on(const struct differ *d, size_t site, bool is_new)
{
    for (size_t i = 0; i < d->input_count; i++)
        for (int f = 0; f < DIFF_FIGURES && d->inputs[i].is_new == is_new; f++)
            if (values_of(d, site, i)[f])
                return true;
    return false;
}

static struct row row_of(const struct differ *d, size_t site, uint64_t *sorted)
{
    struct row r = {.site = site};
    compare(d, values_of(d, site, 0), r.changes, sorted);
    for (int f = 0; f < DIFF_FIGURES; f++) {
        r.any |= r.changes[f].changed;
        r.noisy |= r.changes[f].change != 0;
    }
    r.is_new = !is_on(d, site, false);
    r.is_gone = !is_on(d, site, true);
    return r;
}

static bool is_large(const struct row *r, uint64_t min_bytes)
{
    return !min_bytes || size_of(&r->changes[DIFF_LIVE]) >= min_bytes ||
           size_of(&r->changes[DIFF_PEAK]) >= min_bytes ||
           size_of(&r->changes[DIFF_ALLOCATED]) >= min_bytes;
}

/* The largest change of what is sorted by; then of the other figures. */
static int largest_first(const void *a, const void *b, void *arg)
{
    const struct differ *d = arg;
    const struct row *x = a, *y = b;
    for (int i = -1; i < DIFF_FIGURES; i++) {
        int f = i < 0 ? (int)d->o->sort : i;
        uint64_t p = size_of(&x->changes[f]), q = size_of(&y->changes[f]);
        if (p != q)
            return p > q ? -1 : 1;
    }
    return x->site < y->site ? -1 : 1;
}

/* ------------------------------------------------------------------ the verdict */

static bool is_worse(const struct diff_options *o, enum diff_figure f, const struct change *c)
{
    bool bytes = f != DIFF_ALLOCATIONS && f != DIFF_TEMPORARY;
    if (!c->changed || c->change <= 0)
        return false;
    uint64_t more = (uint64_t)c->change;
    bool by_percent = o->allowed_percent <= 1e18; /* else it is no limit */
    bool over_bytes = bytes && o->allowed_bytes != UINT64_MAX && more > o->allowed_bytes;
    bool over_percent = by_percent && (double)more > (double)c->before * o->allowed_percent / 100;
    bool limited = by_percent || (bytes && o->allowed_bytes != UINT64_MAX);
    return limited ? over_bytes || over_percent : true;
}

static enum diff_verdict judge(const struct differ *d, struct result *r, const struct row *rows,
                               size_t count, const struct change *totals)
{
    const struct diff_options *o = d->o;
    bool complete = true, leaks = false;
    static const char *const words[] = {"passed", "failed", "undecided"};
    for (size_t i = 0; i < d->input_count; i++)
        complete &= trace_summary_complete(trace_reader_summary(d->inputs[i].reader));
    for (size_t i = 0; i < count; i++)
        leaks |= is_worse(o, DIFF_LIVE, &rows[i].changes[DIFF_LIVE]);
    bool asked = o->fail_on || o->fail_on_new_leaks;
    struct result *worse = result_array(r, "worse");
    for (int f = 0; f < DIFF_FIGURES; f++)
        if (o->fail_on >> f & 1 && is_worse(o, (enum diff_figure)f, &totals[f]))
            result_text(worse, NULL, diff_figure_names[f]);
    if (o->fail_on_new_leaks && leaks)
        result_text(worse, NULL, "new-leaks");
    enum diff_verdict verdict = result_length(worse) ? DIFF_FAILED
                                : asked && !complete ? DIFF_UNDECIDED
                                                     : DIFF_PASSED;
    result_text(r, "verdict", asked ? words[verdict] : NULL);
    return verdict;
}

/* ------------------------------------------------------------------ the tree */

static void add_amount(struct result *r, int figure, const char *name, uint64_t value)
{
    bool count = figure == DIFF_ALLOCATIONS || figure == DIFF_TEMPORARY;
    (count ? result_count : result_bytes)(r, name, value);
}

static void add_changes(struct result *r, const struct change *changes)
{
    for (int f = 0; f < DIFF_FIGURES; f++) {
        struct result *o = result_object(r, diff_figure_names[f]);
        add_amount(o, f, "old", changes[f].before);
        add_amount(o, f, "new", changes[f].after);
        result_integer(o, "change", changes[f].change);
        add_amount(o, f, "spread", changes[f].spread);
        result_bool(o, "changed", changes[f].changed);
    }
}

static void add_side(const struct differ *d, struct result *r, const char *name, bool is_new)
{
    struct result *list = result_array(r, name);
    for (size_t i = 0; i < d->input_count; i++) {
        const struct diff_input *input = &d->inputs[i];
        if (input->is_new != is_new)
            continue;
        struct result *o = result_object(list, NULL);
        result_text(o, "path", input->path);
        result_text(o, "exe", trace_reader_facts(input->reader)->exe);
        result_bool(o, "complete", trace_summary_complete(trace_reader_summary(input->reader)));
    }
}

static void add_counts(struct result *r, const struct row *rows, size_t count)
{
    for (int f = 0; f < DIFF_FIGURES; f++) {
        uint64_t more_sites = 0, less_sites = 0, new_sites = 0, gone_sites = 0, more = 0, less = 0;
        for (size_t i = 0; i < count; i++) {
            const struct change *c = &rows[i].changes[f];
            bool up = c->changed && c->change > 0, down = c->changed && c->change < 0;
            more_sites += up;
            less_sites += down;
            new_sites += up && rows[i].is_new;
            gone_sites += down && rows[i].is_gone;
            more += up ? size_of(c) : 0;
            less += down ? size_of(c) : 0;
        }
        struct result *o = result_object(r, diff_figure_names[f]);
        result_count(o, "more_sites", more_sites);
        result_count(o, "less_sites", less_sites);
        result_count(o, "new_sites", new_sites);
        result_count(o, "gone_sites", gone_sites);
        add_amount(o, f, "more", more);
        add_amount(o, f, "less", less);
    }
}

/* Names the stacks of the rows that are shown, trace by trace. */
static enum seep_err resolve_shown(const struct differ *d, const struct row *rows, size_t count,
                                   struct err *err)
{
    enum seep_err code = SEEP_OK;
    for (size_t i = 0; i < d->input_count && !code; i++) {
        const struct trace_dict *dict = trace_reader_dict(d->inputs[i].reader);
        uint8_t *marks = mem_zalloc((size_t)dict->stack_count + 1, 1);
        for (size_t k = 0; k < count; k++)
            if (d->sites[rows[k].site].input == i)
                marks[d->sites[rows[k].site].node] = 1;
        code = resolve_marked(d->inputs[i].symbols, dict, marks, true, err);
        free(marks);
    }
    return code;
}

static void add_rows(const struct differ *d, struct result *r, const struct row *rows, size_t count)
{
    struct site_frames *frames = mem_zalloc(d->input_count, sizeof *frames);
    for (size_t i = 0; i < d->input_count; i++)
        site_frames_init(&frames[i], trace_reader_dict(d->inputs[i].reader), d->inputs[i].symbols);
    struct result *list = result_array(r, "sites");
    for (size_t i = 0; i < count; i++) {
        const struct site *site = &d->sites[rows[i].site];
        const struct diff_input *input = &d->inputs[site->input];
        struct site_key key = site_key_of(site->node, d->o->by, NULL,
                                          trace_reader_dict(input->reader), input->symbols);
        struct result *o = result_object(list, NULL);
        result_text(o, "state", rows[i].is_new ? "new" : rows[i].is_gone ? "gone" : "changed");
        result_text(o, "name", key.name);
        result_text(o, "module", key.module);
        site_frames_add(o, site->node, d->o->depth, &frames[site->input]);
        add_changes(o, rows[i].changes);
    }
    for (size_t i = 0; i < d->input_count; i++)
        site_frames_release(&frames[i]);
    free(frames);
}

static enum seep_err make_tree(struct differ *d, struct result *r, enum diff_verdict *verdict,
                               struct err *err)
{
    uint64_t *sorted = mem_zalloc(d->input_count, sizeof *sorted);
    struct row *rows = mem_zalloc(d->count, sizeof *rows);
    struct change totals[DIFF_FIGURES];
    size_t count = 0, noisy = 0, large = 0;
    for (size_t i = 0; i < d->count; i++) {
        struct row row = row_of(d, i, sorted);
        noisy += !row.any && row.noisy;
        if (row.any)
            rows[count++] = row;
    }
    compare(d, d->totals, totals, sorted);
    result_text(r, "by", site_by_names[d->o->by]);
    result_text(r, "sort", diff_figure_names[d->o->sort]);
    add_side(d, r, "old", false);
    add_side(d, r, "new", true);
    diff_files_report(&d->files, r, "by_name");
    add_changes(result_object(r, "total"), totals);
    add_counts(result_object(r, "changes"), rows, count);
    *verdict = judge(d, r, rows, count, totals);
    for (size_t i = 0; i < count; i++)
        if (is_large(&rows[i], d->o->min_bytes))
            rows[large++] = rows[i];
    if (large)
        qsort_r(rows, large, sizeof *rows, largest_first, d);
    size_t top = d->o->top && d->o->top < large ? d->o->top : large;
    enum seep_err code = resolve_shown(d, rows, top, err);
    if (!code)
        add_rows(d, r, rows, top);
    result_count(result_object(r, "hidden"), "sites", count - top);
    struct result *alike = result_object(r, "alike");
    result_count(alike, "sites", d->count - count);
    result_count(alike, "noisy", noisy);
    free(rows);
    free(sorted);
    return code;
}

enum seep_err diff_analyse(struct result **out, enum diff_verdict *verdict,
                           const struct diff_input *inputs, size_t count,
                           const struct diff_options *o, struct err *err)
{
    struct differ d = {.o = o, .inputs = inputs, .input_count = count};
    enum seep_err code = SEEP_OK;
    d.totals = mem_zalloc(count * DIFF_FIGURES, sizeof *d.totals);
    for (size_t i = 0; i < count; i++)
        diff_files_add(&d.files, trace_reader_dict(inputs[i].reader));
    for (d.at = 0; d.at < count && !code; d.at++)
        code = read_input(&d, err);
    struct result *r = result_new_object();
    if (!code)
        code = make_tree(&d, r, verdict, err);
    if (code)
        result_free(r);
    else
        *out = r;
    diff_files_release(&d.files);
    free(d.sites);
    free(d.values);
    free(d.totals);
    free(d.table);
    return code;
}
