/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/completeness.h"
#include "analysis/diff.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/print.h"
#include "cmd/progress.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is shown unless more is asked for; in every format the same. */
#define TOP 20
#define DEPTH 12
#define STATUS_MAX 255

static const struct cli_option own_options[] = {
    {"sort", 0, "live|peak|allocations|allocated|temporary",
     "List call sites by how much this changed, the largest change first; live if not given."},
    {"by", 0, "stack|function|module|source",
     "What makes a call site: the whole stack, or the allocating function, its module, its source "
     "file."},
    {"top", 'n', "N", "Show N call sites (default 20); 0 or 'all' for all."},
    {"min-bytes", 0, "SIZE", "List only call sites of which a figure changed by so many bytes."},
    {"depth", 'd', "N", "Keep N frames of each stack (default 12); 0 or 'all' for all."},
    {"full-names", 0, NULL,
     "Print functions with all their parameters and template arguments, in lines of any length."},
    {"pool", 0, NULL,
     "Of the blocks of pools that the program told of by seep_pool_allocated(), not malloc's."},
    {"", 0, NULL, "As a gate"},
    {"fail-on", 0, "LIST",
     "Leave with 23 where these became worse, separated by commas: live, peak, allocations, "
     "allocated, temporary in all; new-leaks: a call site that has more live."},
    {"error-exitcode", 0, "N", "Leave with N instead of 23."},
    {"allow-bytes", 0, "SIZE", "Worse by at most SIZE is not worse."},
    {"allow-percent", 0, "PERCENT", "Worse by at most so much of the old figure is not worse."},
    {NULL},
};

/* A trace with what it takes to read it. */
struct opened {
    struct filter filter;
    struct options_names names;
};

struct job {
    const struct cli *cli;
    struct diff_options options;
    int found_status;
    struct diff_input *inputs; /* owned, and what is opened for each */
    struct opened *opened;
    size_t count;
};

/* ------------------------------------------------------------------ options */

static bool take_fail_on(struct job *job)
{
    const char *list = cli_value(job->cli, "fail-on");
    for (const char *at = list; at; at += *at == ',') {
        size_t length = strcspn(at, ","), f = 0;
        while (diff_figure_names[f] && (strlen(diff_figure_names[f]) != length ||
                                        memcmp(diff_figure_names[f], at, length) != 0))
            f++;
        if (diff_figure_names[f]) {
            job->options.fail_on |= 1u << f;
        } else if (length == strlen("new-leaks") && memcmp(at, "new-leaks", length) == 0) {
            job->options.fail_on_new_leaks = true;
        } else {
            cli_usage_error(job->cli,
                            "--fail-on=%s: live, peak, allocations, allocated, temporary and "
                            "new-leaks are expected, separated by commas",
                            list);
            return false;
        }
        at += length;
        if (!*at)
            break;
    }
    return true;
}

static bool take_allowance(struct job *job)
{
    struct diff_options *o = &job->options;
    const char *percent = cli_value(job->cli, "allow-percent");
    char *end;
    o->allowed_bytes = UINT64_MAX;
    o->allowed_percent = INFINITY;
    if (!options_bytes(job->cli, "allow-bytes", &o->allowed_bytes))
        return false;
    if (!percent)
        return true;
    o->allowed_percent = strtod(percent, &end);
    if (end != percent && !*end && o->allowed_percent >= 0 && isfinite(o->allowed_percent))
        return true;
    cli_usage_error(job->cli, "--allow-percent=%s: a percentage is expected", percent);
    return false;
}

static bool take_options(struct job *job)
{
    const struct cli *cli = job->cli;
    struct diff_options *o = &job->options;
    uint64_t top = TOP, depth = DEPTH, status = CLI_FOUND;
    if (!options_count(cli, "top", true, &top) || !options_count(cli, "depth", true, &depth) ||
        !options_bytes(cli, "min-bytes", &o->min_bytes) ||
        !options_count(cli, "error-exitcode", false, &status) || !take_fail_on(job) ||
        !take_allowance(job))
        return false;
    if (status > STATUS_MAX) {
        cli_usage_error(cli, "--error-exitcode=%s: at most %d is possible",
                        cli_value(cli, "error-exitcode"), STATUS_MAX);
        return false;
    }
    job->found_status = (int)status;
    o->top = (size_t)top;
    o->depth = depth > UINT_MAX ? 0 : (unsigned)depth;
    o->by = (enum site_by)options_choice(cli, "by", site_by_names, SITE_BY_STACK);
    o->sort = (enum diff_figure)options_choice(cli, "sort", diff_figure_names, DIFF_LIVE);
    o->pools = cli_flag(cli, "pool");
    return true;
}

/* How many of the arguments are old ones; 0, the error printed, where they make no sense. */
static size_t old_count(const struct cli *cli)
{
    int before = cli->before_dashes;
    if (before > 0 && before < cli->argument_count)
        return (size_t)before;
    if (before < 0 && cli->argument_count == 2)
        return 1;
    cli_usage_error(cli, "two traces are expected, or several: OLD... -- NEW...");
    return 0;
}

/* ------------------------------------------------------------------ the traces */

static int open_all(struct job *job, size_t old, struct progress *progress)
{
    const struct cli *cli = job->cli;
    struct err err = {.offset = ERR_NO_OFFSET};
    int status = CLI_OK;
    for (size_t i = 0; i < (size_t)cli->argument_count && status == CLI_OK; i++) {
        struct diff_input *input = &job->inputs[i];
        struct opened *opened = &job->opened[i];
        enum seep_err code = options_filter(cli, &opened->filter, &err);
        job->count = i + 1;
        *input = (struct diff_input){
            .path = cli->arguments[i], .is_new = i >= old, .filter = &opened->filter};
        status = code ? open_failed(cli, code, &err) : open_trace(cli, input->path, &input->reader);
        if (input->reader)
            input->symbols = options_new_symbols(cli, trace_reader_dict(input->reader),
                                                 &opened->names, progress);
    }
    return status;
}

static void close_all(struct job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        symbols_free(job->inputs[i].symbols);
        trace_reader_free(job->inputs[i].reader);
        filter_release(&job->opened[i].filter);
        options_names_release(&job->opened[i].names);
    }
    free(job->inputs);
    free(job->opened);
}

/* Of all traces together: each reason says which trace it is about. */
static void sum_completeness(const struct job *job, struct result *completeness)
{
    bool complete = true;
    struct result *reasons = result_array(completeness, "reasons");
    for (size_t i = 0; i < job->count; i++) {
        struct result *one = result_new_object();
        const struct result *c =
            completeness_add(one, "", trace_reader_summary(job->inputs[i].reader));
        const struct result *whys = result_get(c, "reasons");
        complete = complete && result_get(c, "complete")->u.boolean;
        for (size_t k = 0; k < result_length(whys); k++) {
            struct strbuf words = {0};
            utf8_add_visible(&words, job->inputs[i].path, strlen(job->inputs[i].path));
            strbuf_addf(&words, ": %s", result_at(whys, k)->u.text);
            result_text(reasons, NULL, words.text);
            strbuf_release(&words);
        }
        result_free(one);
    }
    result_bool(completeness, "complete", complete);
    result_text(completeness, "word", complete ? "complete" : "incomplete");
}

static int compare(struct job *job, struct progress *progress)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    struct result *result = NULL;
    enum diff_verdict verdict = DIFF_PASSED;
    job->options.progress = progress_step;
    job->options.progress_arg = progress;
    enum seep_err code =
        diff_analyse(&result, &verdict, job->inputs, job->count, &job->options, &err);
    progress_end(progress);
    if (code)
        return open_failed(job->cli, code, &err);
    struct result *completeness = result_new_object();
    sum_completeness(job, completeness);
    const struct report report = {
        .schema = "seep.diff", .version = 1, .completeness = completeness, .result = result};
    print_report(job->cli, &report);
    fflush(stdout);
    for (size_t i = 0; i < job->count && !options_json(job->cli); i++)
        options_print_problems(job->cli, job->inputs[i].symbols);
    result_free(completeness);
    result_free(result);
    return verdict == DIFF_FAILED      ? job->found_status
           : verdict == DIFF_UNDECIDED ? CLI_INCOMPLETE
                                       : CLI_OK;
}

static int run(struct cli *cli)
{
    struct job job = {.cli = cli};
    size_t old = old_count(cli);
    if (!old || !take_options(&job))
        return CLI_FAILED;
    struct progress progress;
    job.inputs = mem_zalloc((size_t)cli->argument_count, sizeof *job.inputs);
    job.opened = mem_zalloc((size_t)cli->argument_count, sizeof *job.opened);
    progress_begin(&progress, "reading the traces");
    int status = open_all(&job, old, &progress);
    if (status == CLI_OK)
        status = compare(&job, &progress);
    else
        progress_end(&progress);
    close_all(&job);
    return status;
}

const struct cli_command cmd_diff = {
    .name = "diff",
    .summary = "show what changed between recordings, call site by call site",
    .arguments = "OLD NEW | OLD... -- NEW...",
    .description =
        "Compares what is live at the end, the peak, allocations and temporary ones of two "
        "recordings, of the same build or of different ones. With several on a side, only what "
        "differs by more than they do among themselves counts as a change. With --fail-on it is a "
        "gate: it leaves with 23 where something became worse, with 3 where that cannot be known, "
        "for a recording is incomplete.",
    .options = (const struct cli_option *const[]){own_options, options_filters, options_sites,
                                                  options_symbols, options_output, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
