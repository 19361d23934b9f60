/* SPDX-License-Identifier: MIT
 *
 * How to add a format: an analysis that makes its tree, unless one of these does, a file in report/
 * that prints it, a row in `formats`, and its name in the option's choices. */
#include "cli.h"

#include "analysis/completeness.h"
#include "analysis/flame.h"
#include "analysis/heap_moments.h"
#include "analysis/sites.h"
#include "analysis/stacks.h"
#include "cmd/analysis.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/print.h"
#include "report/collapsed.h"
#include "report/csv.h"
#include "report/massif.h"
#include "report/pprof.h"

#include <limits.h>
#include <string.h>

#define SNAPSHOTS 100     /* as massif makes at most, and of them */
#define DETAILED_EVERY 10 /* has a tree */
#define MASSIF_SHARE 0.01

static const struct cli_option own_options[] = {
    {"format", 0, "pprof|collapsed|massif|csv",
     "What to make: a gzipped profile for go tool pprof, speedscope, Parca; collapsed stacks for "
     "flamegraph.pl; snapshots for ms_print; a table of call sites."},
    {"output", 'o', "FILE",
     "Write to FILE, - for standard output. Without it a profile gets the trace's name with .pb.gz "
     "at its end, everything else goes to standard output."},
    {"force", 'f', NULL, "Replace a file that exists."},
    {"cost", 0, "peak|live|growth|allocated|allocations|temporary",
     "Of collapsed stacks: what they are weighed by; peak if not given."},
    {"by", 0, "stack|function|module|source",
     "Of csv: what makes a call site; the whole stack if not given."},
    {"depth", 'd', "N",
     "Of csv and massif: N frames of each stack (default 12 and 30); 0 or 'all' for all."},
    {"pool", 0, NULL,
     "Of the blocks of pools that the program told of by seep_pool_allocated(), not malloc's."},
    {NULL},
};

struct job {
    const struct cli *cli;
    const char *trace; /* as the user names it */
    struct filter filter;
    const struct format *format;
    unsigned depth;
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
};

/* ------------------------------------------------------------------ trees for formats */

struct source {
    struct trace_reader *reader;
    struct symbols *symbols;
};

static enum seep_err make_stacks(struct job *job, struct source s, struct result **out,
                                 struct err *err)
{
    struct stacks_options o = {.pools = cli_flag(job->cli, "pool"),
                               .filter = &job->filter,
                               .progress = job->progress,
                               .progress_arg = job->progress_arg};
    return stacks_analyse(out, s.reader, s.symbols, &o, err);
}

static enum seep_err make_tree(struct job *job, struct source s, struct result **out,
                               struct err *err)
{
    struct flame_options o = {
        .cost = (enum cost_kind)options_choice(job->cli, "cost", cost_kind_names, COST_PEAK),
        .pools = cli_flag(job->cli, "pool"),
        .filter = &job->filter,
        .progress = job->progress,
        .progress_arg = job->progress_arg};
    return flame_analyse(out, s.reader, s.symbols, &o, err);
}

static enum seep_err make_moments(struct job *job, struct source s, struct result **out,
                                  struct err *err)
{
    struct heap_moments_options o = {.count = SNAPSHOTS - 2, /* beside the peak and the end */
                                     .detailed = DETAILED_EVERY,
                                     .depth = job->depth,
                                     .min_share = MASSIF_SHARE,
                                     .pools = cli_flag(job->cli, "pool"),
                                     .filter = &job->filter,
                                     .progress = job->progress,
                                     .progress_arg = job->progress_arg};
    return heap_moments_analyse(out, s.reader, s.symbols, &o, err);
}

static enum seep_err make_sites(struct job *job, struct source s, struct result **out,
                                struct err *err)
{
    struct sites_options o = {
        .by = (enum site_by)options_choice(job->cli, "by", site_by_names, SITE_BY_STACK),
        .sort = SITE_PEAK,
        .depth = job->depth,
        .pools = cli_flag(job->cli, "pool"),
        .filter = &job->filter,
        .progress = job->progress,
        .progress_arg = job->progress_arg};
    return sites_analyse(out, s.reader, s.symbols, &o, err);
}

static const struct format {
    const char *name, *suffix; /* of the file's name; NULL: it goes to standard output */
    unsigned depth;            /* where none is asked for */
    enum seep_err (*make)(struct job *job, struct source s, struct result **out, struct err *err);
    void (*print)(struct strbuf *out, const struct report *report);
} formats[] = {
    /* one a line */
    /* clang-format off */
    {"pprof", ".pb.gz", 0, make_stacks, pprof_report},
    {"collapsed", NULL, 0, make_tree, collapsed_report},
    {"massif", NULL, 30, make_moments, massif_report},
    {"csv", NULL, 12, make_sites, csv_report},
    /* clang-format on */
};

/* ------------------------------------------------------------------ the command */

static bool take_options(struct job *job)
{
    const char *name = cli_value(job->cli, "format");
    struct err err = {.offset = ERR_NO_OFFSET};
    for (size_t i = 0; name && i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].name, name) == 0)
            job->format = &formats[i];
    if (!job->format) {
        cli_usage_error(job->cli, "which format? --format=pprof, collapsed, massif or csv");
        return false;
    }
    uint64_t depth = job->format->depth;
    if (!options_count(job->cli, "depth", true, &depth))
        return false;
    job->depth = depth > UINT_MAX ? 0 : (unsigned)depth;
    enum seep_err code = options_filter(job->cli, &job->filter, &err);
    if (code)
        open_failed(job->cli, code, &err);
    return !code;
}

static enum seep_err make(void *arg, struct result **out, struct trace_reader *reader,
                          struct symbols *symbols, struct progress *progress, struct err *err)
{
    struct job *job = arg;
    job->progress = progress_step;
    job->progress_arg = progress;
    return job->format->make(job, (struct source){reader, symbols}, out, err);
}

static int write_out(const struct cli *cli, const struct analysis *a, struct trace_reader *reader,
                     struct result **result)
{
    const struct job *job = a->arg;
    struct result *document = result_new_object();
    struct strbuf text = {0};
    const struct report report = {
        .completeness = completeness_add(document, "completeness", trace_reader_summary(reader)),
        .result = *result};
    job->format->print(&text, &report);
    result_free(document);
    print_losses(cli, trace_reader_summary(reader));
    int status = output_text(cli, job->trace, job->format->suffix, &text);
    strbuf_release(&text);
    return status;
}

static int run(struct cli *cli)
{
    struct job job = {.cli = cli};
    struct trace_reader *reader = NULL;
    int status = CLI_FAILED;
    job.trace = open_argument(cli);
    if (job.trace && take_options(&job))
        status = output_check(cli, job.trace, job.format->suffix);
    if (status == CLI_OK)
        status = open_trace(cli, job.trace, &reader);
    if (reader)
        status = analysis_run(cli, &(struct analysis){.make = make, .arg = &job}, reader, write_out,
                              true);
    trace_reader_free(reader);
    filter_release(&job.filter);
    return status;
}

const struct cli_command cmd_export = {
    .name = "export",
    .summary = "write what a trace holds in the formats of other tools",
    .arguments = "TRACE",
    .description =
        "Writes a profile for pprof and what reads its format, collapsed stacks, snapshots as "
        "valgrind's massif makes them, or a table of call sites as comma-separated values.",
    .options = (const struct cli_option *const[]){own_options, options_filters, options_sites,
                                                  options_symbols, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
