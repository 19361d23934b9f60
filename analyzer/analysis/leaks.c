/* SPDX-License-Identifier: MIT
 *
 * Live blocks by stack (live_set.h), and with a heap graph by what leads to them (leaks_uses.h) ->
 * what is suppressed -> sites -> the shown ones -> tree. Only the shown sites are named in full,
 * and only their blocks are looked at again. */
#include "analysis/leaks.h"

#include "analysis/by_way_of.h"
#include "analysis/exit.h"
#include "analysis/fork.h"
#include "analysis/leaks_sites.h"
#include "analysis/site_frames.h"
#include "model/calls.h"
#include "model/graph_words.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

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
                            const struct live_set *set, const struct leak_graph *graph)
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
        uint32_t at = leaks_sites_of(sites, b->stack, leaks_sort_of(graph, position));
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

static void add_amount(struct result *r, const char *name, uint64_t blocks, uint64_t bytes)
{
    struct result *o = result_object(r, name);
    result_count(o, "blocks", blocks);
    result_bytes(o, "bytes", bytes);
}

static const char *const sort_names[] = {[LEAKS_SORT_LIVE] = NULL,
                                         [LEAKS_SORT_DEFINITE] = "definite",
                                         [LEAKS_SORT_POSSIBLE] = "possible",
                                         [LEAKS_SORT_REACHABLE] = "reachable"};

static void add_site(struct result *list, const struct leaks_site *site, const struct details *d,
                     size_t at, uint64_t matched_bytes, const struct leaks_options *options,
                     struct site_frames *frames)
{
    struct result *r = result_object(list, NULL);
    bool inherited = options->inherited;
    result_text(r, "name", site->name);
    result_text(r, "kind", sort_names[site->sort]);
    result_count(r, "blocks", site->use.blocks);
    result_bytes(r, "bytes", site->use.bytes);
    result_bytes(r, "usable_bytes", site->use.usable_bytes);
    if (site->sort == LEAKS_SORT_LIVE)
        result_null(r, "indirect");
    else
        add_amount(r, "indirect", site->indirect_blocks, site->indirect_bytes);
    result_count(r, "ignored_blocks", site->ignored_blocks);
    result_percent(r, "share_percent",
                   percent(site->use.bytes + site->indirect_bytes, matched_bytes));
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

/* What is there at the end of a recording that ends early was not there at exit; and who is killed
 * had no time to free anything. */
static void add_end_word(struct strbuf *word, const struct trace_summary *s)
{
    bool killed = s->wait_status != -1 && WIFSIGNALED(s->wait_status);
    const char *signal = killed ? exit_signal_name(WTERMSIG(s->wait_status)) : NULL;
    if (s->truncated)
        strbuf_adds(word, "live where the trace ends");
    else if (s->stop_reason != SEEP_STOP_NONE)
        strbuf_adds(word, "live when recording stopped");
    else if (signal)
        strbuf_addf(word, "live when %s killed it", signal);
    else
        strbuf_adds(word, killed ? "live when a signal killed it" : "live at exit");
}

/* What the sites are, where a graph tells. */
static const char *kinds_word(unsigned kinds)
{
    static const char *const words[] = {
        [LEAKS_DEFINITE] = "definitely lost",
        [LEAKS_POSSIBLE] = "possibly lost",
        [LEAKS_DEFINITE | LEAKS_POSSIBLE] = "definitely or possibly lost",
        [LEAKS_REACHABLE] = "still reachable",
        [LEAKS_DEFINITE | LEAKS_REACHABLE] = "definitely lost or still reachable",
        [LEAKS_POSSIBLE | LEAKS_REACHABLE] = "possibly lost or still reachable",
        [LEAKS_DEFINITE | LEAKS_POSSIBLE | LEAKS_REACHABLE] = "lost or still reachable",
    };
    return words[kinds & (LEAKS_DEFINITE | LEAKS_POSSIBLE | LEAKS_REACHABLE)];
}

static unsigned wanted_kinds(const struct leaks_options *options)
{
    return options->kinds ? options->kinds : LEAKS_DEFINITE;
}

static bool filters_more_than_time(const struct filter *f)
{
    return f && (f->size.given || f->lifetime.given || f->calls_wanted || f->calls_unwanted ||
                 f->thread_count || f->process_count || f->name_count);
}

static void add_window(struct result *r, const struct live_set *set, const struct leak_graph *graph,
                       const struct leaks_options *options)
{
    const struct filter *f = options->filter;
    struct strbuf word = {0};
    const struct trace_facts *facts = trace_reader_facts(set->reader);
    const char *cut_to =
        trace_facts_cut(facts) && facts->cut_to[0] && set->at_exit ? facts->cut_to : NULL;
    const char *from = f ? f->from.text : NULL, *to = cut_to || !f ? cut_to : f->to.text;
    if (graph)
        strbuf_adds(&word, kinds_word(wanted_kinds(options)));
    else if (cut_to)
        strbuf_addf(&word, "live at %s", cut_to);
    else if (set->at_exit)
        add_end_word(&word, trace_reader_summary(set->reader));
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

/* The graph, or why there is none. */
static void add_graph(struct result *r, const struct leak_graph *graph, const char *why_not,
                      const struct leaks_options *options)
{
    if (graph) {
        const struct trace_snapshot *s = graph->graph.snapshot;
        struct result *o = result_object(r, "graph");
        result_count(o, "number", s->number);
        result_text(o, "trigger", graph_trigger_name(s->trigger));
        result_ns(o, "time_ns", s->time_ns);
        result_count(o, "missed_threads", s->missed_threads);
    } else {
        result_null(r, "graph");
    }
    result_text(r, "no_graph", why_not);
    struct result *kinds = result_array(r, "kinds");
    for (enum leaks_sort sort = LEAKS_SORT_DEFINITE; graph && sort < LEAKS_SORTS; sort++)
        if (leaks_sort_kind(sort) & wanted_kinds(options))
            result_text(kinds, NULL, sort_names[sort]);
}

static void add_kinds(struct result *r, const struct leaks_sum *definite,
                      const struct leaks_sum *possible, const struct leaks_sum *reachable)
{
    add_amount(r, "definite", definite->blocks, definite->bytes);
    add_amount(r, "indirect", definite->indirect_blocks, definite->indirect_bytes);
    add_amount(r, "possible", possible->blocks, possible->bytes);
    add_amount(r, "reachable", reachable->blocks, reachable->bytes);
}

static void add_no_kinds(struct result *r)
{
    result_null(r, "definite");
    result_null(r, "indirect");
    result_null(r, "possible");
    result_null(r, "reachable");
}

/* What leads to all blocks that are asked for, filters aside. */
static void add_total_kinds(struct result *total, const struct live_set *set,
                            const struct leak_graph *graph)
{
    struct leaks_sum sums[REACH_VERDICTS] = {{0}};
    for (uint32_t node = 0; node < graph->graph.count; node++) {
        const struct trace_block *b = trace_reader_block(set->reader, graph->graph.slots[node]);
        struct leaks_sum *sum = &sums[leak_graph_verdict(graph, node)];
        if (!b || !live_set_wants(set, b))
            continue;
        sum->blocks++;
        sum->bytes += graph->graph.sizes[node];
        sum->indirect_blocks += graph->held_blocks[node];
        sum->indirect_bytes += graph->held_bytes[node];
    }
    struct leaks_sum *reachable = &sums[REACH_REACHABLE];
    reachable->blocks += sums[REACH_IGNORED].blocks;
    reachable->bytes += sums[REACH_IGNORED].bytes;
    add_kinds(total, &sums[REACH_DEFINITE], &sums[REACH_POSSIBLE], reachable);
}

static void add_total(struct result *r, const struct live_set *set, const struct leak_graph *graph)
{
    const struct heap_totals *t = live_set_totals(set);
    struct result *total = result_object(r, "total");
    result_count(total, "blocks", t->live_blocks);
    result_bytes(total, "bytes", t->live_bytes);
    result_bytes(total, "usable_bytes", t->live_usable_bytes);
    result_bytes(total, "peak_live_bytes", t->peak_live_bytes);
    result_ns(total, "peak_time_ns", t->peak_time_ns);
    result_percent(total, "share_of_peak_percent", percent(t->live_bytes, t->peak_live_bytes));
    if (graph)
        add_total_kinds(total, set, graph);
    else
        add_no_kinds(total);
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

/* The same of sites, of which some hold others. */
static struct result *add_sites_sum(struct result *r, const char *name, const struct leaks_sum *sum,
                                    bool graph)
{
    struct result *o = add_sum(r, name, sum);
    if (graph) {
        result_count(o, "indirect_blocks", sum->indirect_blocks);
        result_bytes(o, "indirect_bytes", sum->indirect_bytes);
    }
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
        if (rule->stacks)
            add_rule(rule->file ? rules : builtin_rules, rule);
        else if (rule->file && !rule->of_program)
            add_rule(unused, rule);
    }
}

static struct result *make_tree(const struct leaks_sites *sites, const struct live_set *set,
                                const struct leak_graph *graph, const char *why_not,
                                const struct leaks_options *options, const struct trace_dict *dict,
                                struct symbols *symbols)
{
    struct details details;
    struct site_frames frames;
    uint64_t matched_bytes = sites->matched.bytes + sites->matched.indirect_bytes;
    details_collect(&details, sites, set, graph);
    site_frames_init(&frames, dict, symbols);

    struct result *r = result_new_object();
    add_window(r, set, graph, options);
    add_graph(r, graph, why_not, options);
    if (graph)
        add_kinds(r, &sites->left[LEAKS_SORT_DEFINITE], &sites->left[LEAKS_SORT_POSSIBLE],
                  &sites->left[LEAKS_SORT_REACHABLE]);
    else
        add_no_kinds(r);
    result_text(r, "by", site_by_names[options->by]);
    result_text(r, "order", leaks_order_names[options->order]);
    add_total(r, set, graph);
    add_inherited(r, set);
    add_pools(r, set);
    add_sites_sum(r, "matched", &sites->matched, graph != NULL);
    struct result *list = result_array(r, "sites");
    for (size_t i = 0; i < sites->shown; i++)
        add_site(list, &sites->items[i], &details, i, matched_bytes, options, &frames);
    result_count(add_sites_sum(r, "hidden", &sites->hidden, graph != NULL), "small_sites",
                 sites->small_sites);
    struct result *out = result_object(r, "filtered_out");
    result_count(out, "blocks", set->filtered_blocks);
    result_bytes(out, "bytes", set->filtered_bytes);
    result_bool(out, "by_window", !filters_more_than_time(options->filter));
    add_suppressions(r, sites, options);
    site_frames_release(&frames);
    details_release(&details);
    return r;
}

/* ------------------------------------------------------------------ the whole */

/* Whether the snapshot was taken within the window of a bound filter, or NULL. Between two events,
 * where marks and snapshots stand, time decides. */
static bool is_in_window(void *arg, const struct trace_snapshot *snapshot)
{
    const struct filter *f = arg;
    if (!f)
        return true;
    const struct filter_moment *from = &f->from, *to = &f->to;
    if (from->text &&
        (from->time_ns ? snapshot->time_ns < from->time_ns : snapshot->event < from->number))
        return false;
    return !to->text ||
           (to->time_ns ? snapshot->time_ns <= to->time_ns : snapshot->event <= to->number);
}

/* Finds the graph to be used, if one is. */
static enum seep_err choose(struct heap_graph_choice *choice, struct trace_reader *reader,
                            const struct leaks_options *options, struct err *err)
{
    *choice = (struct heap_graph_choice){0};
    if (options->live || options->pools)
        return SEEP_OK;
    struct filter *f = options->filter && filter_active(options->filter) ? options->filter : NULL;
    return heap_graph_choose(choice, reader, is_in_window, f, err);
}

/* Reads what is live, up to the graph's moment where there is one; *choice has none any more where
 * it cannot be used. */
static enum seep_err read_live(struct live_set *set, struct leak_graph *graph,
                               struct heap_graph_choice *choice, struct trace_reader *reader,
                               struct symbols *symbols, const struct leaks_options *options,
                               struct err *err)
{
    unsigned which =
        (options->inherited ? LIVE_SET_INHERITED : 0) | (options->pools ? LIVE_SET_POOLS : 0);
    const struct trace_snapshot *snapshot = choice->snapshot;
    bool fits = false;
    enum seep_err code = live_set_read_until(
        set, reader, options->filter, which, snapshot ? snapshot->event : UINT64_MAX,
        snapshot ? snapshot->time_ns : UINT64_MAX, options->progress, options->progress_arg, err);
    if (!code && snapshot)
        code = leak_graph_load(graph, reader, symbols, snapshot, &fits, err);
    if (code || !snapshot || fits)
        return code;
    *choice = (struct heap_graph_choice){.why_not = "it does not fit the blocks of its moment"};
    live_set_release(set);
    code = trace_reader_rewind(reader, err);
    return code ? code
                : live_set_read(set, reader, options->filter, which, options->progress,
                                options->progress_arg, err);
}

static enum seep_err add_by_way_of(struct result *r, const struct leaks_sites *s, struct err *err)
{
    struct by_way_of way = {0};
    for (size_t i = 0; i < s->uses->count; i++)
        if (s->use_site[i])
            by_way_of_note(&way, s->uses->items[i].stack,
                           s->uses->items[i].use.bytes + s->uses->items[i].indirect_bytes);
    enum seep_err code = by_way_of_add(r, &way, s->dict, s->symbols, err);
    by_way_of_release(&way);
    return code;
}

enum seep_err leaks_analyse(struct result **out, struct trace_reader *reader,
                            struct symbols *symbols, const struct leaks_options *options,
                            struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    struct heap_graph_choice choice;
    struct leak_graph graph = {0};
    struct live_set set = {0};
    struct leaks_uses uses = {0};
    struct leaks_sites sites = {0};
    struct result *tree = NULL;
    enum seep_err code = SEEP_OK;
    if (options->filter)
        code = filter_bind(options->filter, dict, symbols, err);
    if (code)
        return code;
    if (options->filter)
        filter_start_at_cut(options->filter, trace_reader_facts(reader));
    if (options->suppressions)
        suppressions_bind(options->suppressions, dict, symbols);
    code = choose(&choice, reader, options, err);
    if (!code)
        code = read_live(&set, &graph, &choice, reader, symbols, options, err);
    if (code)
        goto done;
    const struct leak_graph *used = choice.snapshot ? &graph : NULL;
    leaks_uses_collect(&uses, &set, used);
    code = leaks_sites_group(&sites, &uses, options, dict, symbols, err);
    if (!code)
        code = leaks_sites_order(&sites, options, err);
    if (!code)
        tree = make_tree(&sites, &set, used, choice.why_not, options, dict, symbols);
    if (!code)
        code = add_by_way_of(tree, &sites, err);
    if (!code)
        *out = tree;
    else
        result_free(tree);
done:
    leaks_sites_release(&sites);
    leaks_uses_release(&uses);
    live_set_release(&set);
    leak_graph_release(&graph);
    return code;
}
