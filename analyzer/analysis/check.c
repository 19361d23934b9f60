/* SPDX-License-Identifier: MIT */
#include "analysis/check.h"

#include "analysis/completeness.h"

#include <string.h>

static const char *const verdicts[] = {
    [CHECK_PASSED] = "passed",
    [CHECK_FAILED] = "failed",
    [CHECK_UNDECIDED] = "undecided",
    [CHECK_SKIPPED] = "skipped",
};

static uint64_t number(const struct result *object, const char *name)
{
    const struct result *r = object ? result_get(object, name) : NULL;
    return r && r->type == RESULT_INTEGER ? r->u.count : 0;
}

static bool has(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type != RESULT_NULL;
}

static const char *text(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type == RESULT_TEXT ? r->u.text : NULL;
}

static bool passes(const struct result *found, const struct check_options *options)
{
    return number(found, "bytes") <= options->allowed_bytes &&
           number(found, "blocks") <= options->allowed_blocks &&
           number(found, "sites") <= options->allowed_sites;
}

/* What the sites hold together; those that are hidden for being small are no errors. */
static const struct result *add_found(struct result *trace, const struct result *leaks)
{
    const struct result *sites = result_get(leaks, "sites");
    uint64_t blocks = 0, bytes = 0, indirect_blocks = 0, indirect_bytes = 0;
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *site = result_at(sites, i), *indirect = result_get(site, "indirect");
        blocks += number(site, "blocks");
        bytes += number(site, "bytes");
        indirect_blocks += number(indirect, "blocks");
        indirect_bytes += number(indirect, "bytes");
    }
    struct result *found = result_object(trace, "found");
    result_count(found, "sites", result_length(sites));
    result_count(found, "blocks", blocks + indirect_blocks);
    result_bytes(found, "bytes", bytes + indirect_bytes);
    result_count(found, "indirect_blocks", indirect_blocks);
    result_bytes(found, "indirect_bytes", indirect_bytes);
    return found;
}

enum check_verdict check_add(struct result *traces, const char *name, struct result *leaks,
                             const struct trace_summary *summary,
                             const struct check_options *options)
{
    struct result *r = result_object(traces, NULL);
    result_text(r, "trace", name);
    enum check_verdict verdict = passes(add_found(r, leaks), options) ? CHECK_PASSED : CHECK_FAILED;
    struct result *reasons = result_array(r, "reasons");
    if (!options->live && !has(leaks, "graph")) {
        const char *why = text(leaks, "no_graph");
        result_text(reasons, NULL, why ? why : "there is no heap graph");
        verdict = CHECK_UNDECIDED;
    }
    const struct result *completeness = completeness_add(r, "completeness", summary);
    if (!trace_summary_complete(summary)) {
        const struct result *whys = result_get(completeness, "reasons");
        for (size_t i = 0; i < result_length(whys); i++)
            result_text(reasons, NULL, result_at(whys, i)->u.text);
        verdict = CHECK_UNDECIDED;
    }
    result_text(r, "verdict", verdicts[verdict]);
    result_adopt(r, "leaks", leaks);
    return verdict;
}

void check_skip(struct result *traces, const char *name, const char *reason)
{
    struct result *r = result_object(traces, NULL);
    result_text(r, "trace", name);
    result_text(result_array(r, "reasons"), NULL, reason);
    result_text(r, "verdict", verdicts[CHECK_SKIPPED]);
}

/* ------------------------------------------------------------------ all traces */

static bool same_rule(const struct result *a, const struct result *b)
{
    return number(a, "line") == number(b, "line") && text(a, "file") && text(b, "file") &&
           strcmp(text(a, "file"), text(b, "file")) == 0;
}

static const struct result *find_rule(const struct result *rules, const struct result *rule)
{
    for (size_t i = 0; rules && i < result_length(rules); i++)
        if (same_rule(result_at(rules, i), rule))
            return result_at(rules, i);
    return NULL;
}

static const struct result *suppressed_of(const struct result *trace)
{
    const struct result *leaks = result_get(trace, "leaks");
    return leaks ? result_get(leaks, "suppressed") : NULL;
}

/* The rules that none of the judged traces had a use for. */
static void add_unused(struct result *parent, const struct result *traces)
{
    struct result *unused = result_array(parent, "unused");
    const struct result *first = NULL;
    for (size_t i = 0; i < result_length(traces) && !first; i++)
        first = suppressed_of(result_at(traces, i));
    const struct result *rules = first ? result_get(first, "unused") : NULL;
    for (size_t k = 0; rules && k < result_length(rules); k++) {
        const struct result *rule = result_at(rules, k);
        bool used = false;
        for (size_t i = 0; i < result_length(traces); i++) {
            const struct result *s = suppressed_of(result_at(traces, i));
            used |= s && !find_rule(result_get(s, "unused"), rule);
        }
        if (!used)
            result_share(unused, (struct result *)rule);
    }
}

/* Of all traces together. */
static void sum_completeness(struct result *completeness, const struct result *traces)
{
    struct result *reasons = result_array(completeness, "reasons");
    for (size_t i = 0; i < result_length(traces); i++) {
        const struct result *c = result_get(result_at(traces, i), "completeness");
        const struct result *whys = c ? result_get(c, "reasons") : NULL;
        for (size_t k = 0; whys && k < result_length(whys); k++)
            result_share(reasons, (struct result *)result_at(whys, k));
    }
    bool complete = result_length(reasons) == 0;
    result_bool(completeness, "complete", complete);
    result_text(completeness, "word", complete ? "complete" : "incomplete");
}

enum check_verdict check_sum(struct result *parent, struct result *completeness)
{
    const struct result *traces = result_get(parent, "traces");
    uint64_t counts[CHECK_SKIPPED + 1] = {0};
    for (size_t i = 0; i < result_length(traces); i++)
        for (int v = 0; v <= CHECK_SKIPPED; v++)
            counts[v] += strcmp(text(result_at(traces, i), "verdict"), verdicts[v]) == 0;
    enum check_verdict verdict = counts[CHECK_FAILED]      ? CHECK_FAILED
                                 : counts[CHECK_UNDECIDED] ? CHECK_UNDECIDED
                                 : counts[CHECK_PASSED]    ? CHECK_PASSED
                                                           : CHECK_UNDECIDED;
    result_text(parent, "verdict", verdicts[verdict]);
    for (int v = 0; v <= CHECK_SKIPPED; v++)
        result_count(parent, verdicts[v], counts[v]);
    add_unused(parent, traces);
    sum_completeness(completeness, traces);
    return verdict;
}
