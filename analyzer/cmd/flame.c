/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/completeness.h"
#include "analysis/flame.h"
#include "cmd/analysis.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/print.h"
#include "report/collapsed.h"
#include "report/flame_svg.h"
#include "report/json.h"

#define MIN_SHARE 0.0005 /* of a picture 1200 wide, more than half a pixel */

static const struct cli_option own_options[] = {
    {"output", 'o', "FILE",
     "Write to FILE, - for standard output. Without it a picture is written to the trace's name "
     "with "
     ".svg at its end, everything else to standard output."},
    {"force", 'f', NULL, "Replace a file that exists."},
    {"cost", 0, "peak|live|growth|allocated|allocations|temporary",
     "What widths are: bytes live at the peak (the default), bytes live at the end, bytes that "
     "became more, bytes allocated, allocations, temporary ones."},
    {"format", 0, "svg|collapsed|json",
     "A picture (the default), collapsed stacks for other tools, or the tree as JSON."},
    {"min-share", 0, "PERCENT",
     "Leave out frames with less of the whole; 0.05 for a picture, else 0."},
    {"pool", 0, NULL,
     "Of the blocks of pools that the program told of by seep_pool_allocated(), not malloc's."},
    {NULL},
};

struct job {
    const struct cli *cli;
    struct flame_options options;
    struct filter filter;
    void (*format)(struct strbuf *out, const struct report *report);
    struct strbuf text;
    const char *trace; /* as the user names it */
};

/* Of the file's name; NULL: it goes to standard output. */
static const char *suffix_of(const struct job *job)
{
    return job->format == flame_svg ? ".svg" : NULL;
}

static bool take_options(struct job *job)
{
    static const char *const formats[] = {"svg", "collapsed", "json", NULL};
    static void (*const print[])(struct strbuf *, const struct report *) = {
        flame_svg, collapsed_report, json_report};
    struct err err = {.offset = ERR_NO_OFFSET};
    size_t format = options_choice(job->cli, "format", formats, 0);
    struct flame_options *o = &job->options;
    job->format = print[format];
    o->cost = (enum cost_kind)options_choice(job->cli, "cost", cost_kind_names, COST_PEAK);
    o->min_share = format == 0 ? MIN_SHARE : 0;
    o->pools = cli_flag(job->cli, "pool");
    o->filter = &job->filter;
    enum seep_err code = options_filter(job->cli, &job->filter, &err);
    if (code)
        open_failed(job->cli, code, &err);
    return !code && options_share(job->cli, "min-share", &o->min_share);
}

static enum seep_err make(void *arg, struct result **out, struct trace_reader *reader,
                          struct symbols *symbols, struct progress *progress, struct err *err)
{
    struct job *job = arg;
    job->options.progress = progress_step;
    job->options.progress_arg = progress;
    return flame_analyse(out, reader, symbols, &job->options, err);
}

static int draw(const struct cli *cli, const struct analysis *a, struct trace_reader *reader,
                struct result **result)
{
    struct job *job = a->arg;
    struct result *document = result_new_object();
    const struct report report = {
        .schema = a->schema,
        .version = a->version,
        .completeness = completeness_add(document, "completeness", trace_reader_summary(reader)),
        .result = *result};
    job->format(&job->text, &report);
    result_free(document);
    print_losses(cli, trace_reader_summary(reader));
    return output_text(cli, job->trace, suffix_of(job), &job->text);
}

static int run(struct cli *cli)
{
    struct job job = {.cli = cli};
    struct trace_reader *reader = NULL;
    const char *path = open_argument(cli);
    int status = CLI_FAILED;
    if (path && take_options(&job))
        status = output_check(cli, path, suffix_of(&job));
    if (status == CLI_OK)
        status = open_trace(cli, path, &reader);
    job.trace = path;
    if (reader)
        status =
            analysis_run(cli, &(struct analysis){"seep.flame", 1, make, &job}, reader, draw, true);
    trace_reader_free(reader);
    filter_release(&job.filter);
    strbuf_release(&job.text);
    return status;
}

const struct cli_command cmd_flame = {
    .name = "flame",
    .summary = "draw what memory is made up of, as a flame graph",
    .arguments = "TRACE",
    .description =
        "Draws the stacks of a trace as a flame graph: one SVG file, with zoom and search in any "
        "browser, that refers to nothing outside itself. The outermost frame is on top; each frame "
        "is as wide as its share of the cost.",
    .options = (const struct cli_option *const[]){own_options, options_filters, options_sites,
                                                  options_symbols, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
