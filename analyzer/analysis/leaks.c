/* SPDX-License-Identifier: MIT
 *
 * Live blocks per stack node (live_set.h) -> what is suppressed -> sites -> the shown ones -> tree.
 * Only the shown sites are named in full, and only their blocks are looked at a second time. */
#include "analysis/leaks.h"

#include "analysis/fork.h"
#include "analysis/leaks_sites.h"
#include "analysis/site_frames.h"
#include "model/calls.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

#define THREADS_SHOWN 8

const char *const leaks_order_names[] = {"bytes", "blocks", "time", NULL};

/* Of a shown site: its blocks' sizes, threads and calls. */
struct detail {
    size_t first, count; /* its part of the arrays in struct details */
    uint64_t calls;      /* bits by enum seep_call */
};

struct details {
    struct detail *sites; /* by place in the list of shown sites */
    uint64_t *sizes;
    uint32_t *threads;
};

static int compare_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_thread(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Goes over the live blocks once more for the shown sites; sorts sizes and threads. */
static void details_collect(struct details *d, const struct leaks_sites *sites,
                            const struct live_set *set)
{
    size_t shown = sites->shown;
    size_t total = 0;
    d->sites = mem_zalloc(shown + 1, sizeof *d->sites);
    for (size_t i = 0; i < shown; i++) {
        d->sites[i].first = total;
        total += (size_t)sites->items[i].use.blocks;
    }
    d->sizes = mem_alloc((total + 1) * sizeof *d->sizes);
    d->threads = mem_alloc((total + 1) * sizeof *d->threads);
    const struct trace_block *b;
    for (uint32_t position = 0; (b = live_set_next(set, &position));) {
        uint32_t at = leaks_sites_of_node(sites, b->stack);
        if (at >= shown)
            continue;
        struct detail *site = &d->sites[at];
        d->sizes[site->first + site->count] = b->size;
        d->threads[site->first + site->count++] = b->thread;
        if (b->call < 64)
            site->calls |= 1ull << b->call;
    }
    for (size_t i = 0; i < shown; i++) {
        const struct detail *site = &d->sites[i];
        qsort(d->sizes + site->first, site->count, sizeof *d->sizes, compare_size);
        qsort(d->threads + site->first, site->count, sizeof *d->threads, compare_thread);
    }
}

static void details_release(struct details *d)
{
    free(d->sites);
    free(d->sizes);
    free(d->threads);
}

/* ------------------------------------------------------------------ the tree */

static void add_blocks_of_site(struct result *r, const struct details *d, size_t at)
{
    const struct detail *site = &d->sites[at];
    const uint64_t *sizes = d->sizes + site->first;
    const uint32_t *threads = d->threads + site->first;
    struct result *s = result_object(r, "sizes");
    result_bytes(s, "min", sizes[0]);
    result_bytes(s, "typical", sizes[(site->count - 1) / 2]);
    result_bytes(s, "max", sizes[site->count - 1]);
    struct result *list = result_array(r, "threads");
    uint64_t distinct = 0;
    for (size_t i = 0; i < site->count; i++) {
        if (i && threads[i] == threads[i - 1])
            continue;
        if (distinct++ < THREADS_SHOWN)
            result_integer(list, NULL, threads[i]);
    }
    result_count(r, "thread_count", distinct);
    struct result *calls = result_array(r, "calls");
    for (uint8_t call = 0; call < 64; call++)
        if (site->calls >> call & 1)
            result_text(calls, NULL, call_name(call));
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void add_site(struct result *list, const struct leaks_site *site, const struct details *d,
                     size_t at, uint64_t matched_bytes, const struct leaks_options *options,
                     struct site_frames *frames)
{
    struct result *r = result_object(list, NULL);
    bool inherited = options->inherited;
    result_text(r, "name", site->name);
    result_count(r, "blocks", site->use.blocks);
    result_bytes(r, "bytes", site->use.bytes);
    result_bytes(r, "usable_bytes", site->use.usable_bytes);
    result_percent(r, "share_percent", percent(site->use.bytes, matched_bytes));
    result_count(r, "allocated_blocks", site->use.made_blocks);
    result_bytes(r, "allocated_bytes", site->use.made_bytes);
    result_ns(r, "first_ns",
              inherited ? LIVE_SET_FORK_NS - site->use.first_ns : site->use.first_ns);
    result_ns(r, "last_ns", inherited ? LIVE_SET_FORK_NS - site->use.last_ns : site->use.last_ns);
    add_blocks_of_site(r, d, at);
    result_count(r, "stacks", site->stacks);
    result_text(r, "suppressed", site->rule ? site->rule->pattern : NULL);
    result_bool(r, "builtin", site->rule && !site->rule->file);
    site_frames_add(r, site->heaviest, options->depth, frames);
}

/* What is there at the end of a recording that ends early was not there at exit. */
static const char *end_word(const struct trace_summary *summary)
{
    if (summary->truncated)
        return "where the trace ends";
    return summary->stop_reason != SEEP_STOP_NONE ? "when recording stopped" : "at exit";
}

static void add_window(struct result *r, const struct live_set *set, const struct filter *f)
{
    struct strbuf word = {0};
    const struct trace_facts *facts = trace_reader_facts(set->reader);
    const char *cut_to =
        trace_facts_cut(facts) && facts->cut_to[0] && set->at_exit ? facts->cut_to : NULL;
    const char *from = f ? f->from.text : NULL, *to = cut_to || !f ? cut_to : f->to.text;
    if (cut_to)
        strbuf_addf(&word, "live at %s", cut_to);
    else if (set->at_exit)
        strbuf_addf(&word, "live %s", end_word(trace_reader_summary(set->reader)));
    else
        strbuf_addf(&word, "live at %s", to);
    result_text(r, "word", word.text);
    strbuf_release(&word);
    if (!from && !to) {
        result_null(r, "window");
    } else {
        struct result *w = result_object(r, "window");
        result_text(w, "from", from);
        result_text(w, "to", to);
        result_ns(w, "from_ns", set->from_ns);
        result_ns(w, "to_ns", set->end_ns);
    }
    result_ns(r, "end_ns", set->end_ns);
}

static void add_total(struct result *r, const struct heap_totals *t)
{
    struct result *total = result_object(r, "total");
    result_count(total, "blocks", t->live_blocks);
    result_bytes(total, "bytes", t->live_bytes);
    result_bytes(total, "usable_bytes", t->live_usable_bytes);
    result_bytes(total, "peak_live_bytes", t->peak_live_bytes);
    result_ns(total, "peak_time_ns", t->peak_time_ns);
    result_percent(total, "share_of_peak_percent", percent(t->live_bytes, t->peak_live_bytes));
}

static void add_inherited(struct result *r, const struct live_set *set)
{
    const struct heap_totals *t = live_set_totals(set);
    if (t->inherited_blocks == 0) {
        result_null(r, "inherited");
        return;
    }
    struct result *o = result_object(r, "inherited");
    fork_add(o, trace_reader_facts(set->reader));
    result_count(o, "blocks", t->inherited_blocks);
    result_bytes(o, "bytes", t->inherited_bytes);
    result_count(o, "held_blocks", set->inherited_blocks);
    result_bytes(o, "held_bytes", set->inherited_bytes);
    result_bool(o, "shown", set->which & LIVE_SET_INHERITED);
}

static void add_pools(struct result *r, const struct live_set *set)
{
    const struct heap_totals *t = &set->pools;
    bool shown = set->which & LIVE_SET_POOLS;
    if (!shown && !heap_is_used(t)) {
        result_null(r, "pools");
        return;
    }
    struct result *o = result_object(r, "pools");
    result_count(o, "blocks", t->live_blocks);
    result_bytes(o, "bytes", t->live_bytes);
    if (shown)
        result_count(o, "allocated_blocks", t->allocations);
    else
        result_null(o, "allocated_blocks"); /* read from the window's start on */
    result_bool(o, "shown", shown);
}

static struct result *add_sum(struct result *r, const char *name, const struct leaks_sum *sum)
{
    struct result *o = result_object(r, name);
    result_count(o, "sites", sum->sites);
    result_count(o, "blocks", sum->blocks);
    result_bytes(o, "bytes", sum->bytes);
    return o;
}

static void add_rule(struct result *list, const struct suppression *rule)
{
    struct result *r = result_object(list, NULL);
    result_text(r, "pattern", rule->pattern);
    if (rule->file) {
        result_text(r, "file", rule->file);
        result_integer(r, "line", rule->line);
    } else {
        result_text(r, "reason", rule->reason);
    }
    if (!rule->stacks && rule->file)
        return;
    result_count(r, "sites", rule->stacks);
    result_count(r, "blocks", rule->blocks);
    result_bytes(r, "bytes", rule->bytes);
}

static void add_suppressions(struct result *r, const struct leaks_sites *sites,
                             const struct leaks_options *options)
{
    struct result *files = add_sum(r, "suppressed", &sites->suppressed);
    result_bool(files, "shown", options->show_suppressed);
    struct result *rules = result_array(files, "rules"), *unused = result_array(files, "unused");
    struct result *builtin = add_sum(r, "builtin", &sites->builtin);
    result_bool(builtin, "shown", options->show_builtin);
    struct result *builtin_rules = result_array(builtin, "rules");
    const struct suppression *rule;
    for (size_t i = 0; options->suppressions && (rule = suppressions_at(options->suppressions, i));
         i++) {
        if (rule->file)
            add_rule(rule->stacks ? rules : unused, rule);
        else if (rule->stacks)
            add_rule(builtin_rules, rule);
    }
}

static struct result *make_tree(const struct leaks_sites *sites, const struct live_set *set,
                                const struct leaks_options *options, const struct trace_dict *dict,
                                struct symbols *symbols)
{
    struct details details;
    struct site_frames frames;
    details_collect(&details, sites, set);
    site_frames_init(&frames, dict, symbols);

    struct result *r = result_new_object();
    add_window(r, set, options->filter);
    result_text(r, "by", site_by_names[options->by]);
    result_text(r, "order", leaks_order_names[options->order]);
    add_total(r, live_set_totals(set));
    add_inherited(r, set);
    add_pools(r, set);
    add_sum(r, "matched", &sites->matched);
    struct result *list = result_array(r, "sites");
    for (size_t i = 0; i < sites->shown; i++)
        add_site(list, &sites->items[i], &details, i, sites->matched.bytes, options, &frames);
    result_count(add_sum(r, "hidden", &sites->hidden), "small_sites", sites->small_sites);
    struct result *out = result_object(r, "filtered_out");
    result_count(out, "blocks", set->filtered_blocks);
    result_bytes(out, "bytes", set->filtered_bytes);
    add_suppressions(r, sites, options);
    site_frames_release(&frames);
    details_release(&details);
    return r;
}

enum seep_err leaks_analyse(struct result **out, struct trace_reader *reader,
                            struct symbols *symbols, const struct leaks_options *options,
                            struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    struct live_set set = {0};
    struct leaks_sites sites = {0};
    enum seep_err code = SEEP_OK;
    if (options->filter)
        code = filter_bind(options->filter, dict, symbols, err);
    if (code)
        goto done;
    if (options->filter)
        filter_start_at_cut(options->filter, trace_reader_facts(reader));
    if (options->suppressions)
        suppressions_bind(options->suppressions, dict, symbols);
    unsigned which =
        (options->inherited ? LIVE_SET_INHERITED : 0) | (options->pools ? LIVE_SET_POOLS : 0);
    code = live_set_read(&set, reader, options->filter, which, options->progress,
                         options->progress_arg, err);
    if (code)
        goto done;
    code = leaks_sites_group(&sites, &set, options, dict, symbols, err);
    if (!code)
        code = leaks_sites_order(&sites, options, err);
    if (!code)
        *out = make_tree(&sites, &set, options, dict, symbols);
done:
    leaks_sites_release(&sites);
    live_set_release(&set);
    return code;
}
