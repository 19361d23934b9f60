/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "cmd/analysis.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/print.h"
#include "cmd/replays.h"
#include "page/page.h"
#include "util/mem.h"

#include <stdlib.h>

#define SUFFIX ".html"

static const struct cli_option own_options[] = {
    {"output", 'o', "FILE",
     "Write to FILE, - for standard output. Without it the page gets the trace's name with .html "
     "at its end."},
    {"force", 'f', NULL, "Replace a file that exists."},
    {"source-dir", 0, "DIR",
     "Look for source files below DIR, too. May be given again. Lines around those that allocate "
     "become part of the page."},
    {NULL},
};

static const struct cli_option compare_option[] = {
    {"", 0, NULL, "Other allocators"},
    {"compare", 0, NULL,
     "Replay the recording with other allocators, as seep compare does, which may take minutes, "
     "and show what they would change. The other options of this group say how."},
    {NULL},
};

struct job {
    const struct cli *cli;
    struct replays *replays; /* NULL: none */
    const char *trace;       /* as the user names it */
    const char **source_dirs;
    struct strbuf page;
};

static const char **take_source_dirs(const struct cli *cli)
{
    const char **dirs = mem_zalloc(cli->given_count + 1, sizeof *dirs);
    size_t position = 0, count = 0;
    const char *dir;
    while ((dir = cli_next_value(cli, "source-dir", &position)))
        dirs[count++] = dir;
    return dirs;
}

/* The page is made in memory; the tree that analysis_run() is given is an empty one. */
static enum seep_err make(void *arg, struct result **out, struct trace_reader *reader,
                          struct symbols *symbols, struct progress *progress, struct err *err)
{
    struct job *job = arg;
    struct page_job page = {.reader = reader,
                            .symbols = symbols,
                            .trace_name = job->trace,
                            .source_dirs = job->source_dirs,
                            .progress = progress_step,
                            .progress_arg = progress};
    enum seep_err code = SEEP_OK;
    *out = result_new_object();
    if (job->replays)
        code = replays_run(&page.comparison, job->replays, reader, progress, err);
    if (!code)
        code = trace_reader_rewind(reader, err);
    if (!code)
        code = page_write(&job->page, &page, err);
    result_free(page.comparison);
    return code;
}

static int done(const struct cli *cli, const struct analysis *a, struct trace_reader *reader,
                struct result **result)
{
    struct job *job = a->arg;
    (void)result;
    print_losses(cli, trace_reader_summary(reader));
    return output_text(cli, job->trace, SUFFIX, &job->page);
}

/* --compare and what belongs to it. */
static int take_replays(struct replays *replays, const struct cli *cli)
{
    if (cli_flag(cli, "compare"))
        return replays_take(replays, cli);
    for (const struct cli_option *o = replays_options; o->name; o++)
        if (cli_value(cli, o->name))
            return cli_usage_error(cli, "--%s goes with --compare", o->name);
    return CLI_OK;
}

static int write_page(const struct cli *cli, struct job *job)
{
    struct trace_reader *reader = NULL;
    int status = open_trace(cli, job->trace, &reader);
    if (reader)
        status =
            analysis_run(cli, &(struct analysis){"seep.report", 1, make, job}, reader, done, true);
    trace_reader_free(reader);
    return status;
}

static int run(struct cli *cli)
{
    struct job job = {.cli = cli};
    struct replays replays = {0};
    job.trace = open_argument(cli);
    if (!job.trace)
        return CLI_FAILED;
    if (!page_available()) {
        cli_error(cli, "this seep was built without the HTML report: building it takes npm, and "
                       "the network once; see README.md. seep flame draws without it");
        return CLI_FAILED;
    }
    int status = output_check(cli, job.trace, SUFFIX);
    if (status == CLI_OK)
        status = take_replays(&replays, cli);
    job.source_dirs = take_source_dirs(cli);
    job.replays = cli_flag(cli, "compare") ? &replays : NULL;
    if (status == CLI_OK)
        status = write_page(cli, &job);
    replays_release(&replays);
    free(job.source_dirs);
    strbuf_release(&job.page);
    return status;
}

const struct cli_command cmd_report = {
    .name = "report",
    .summary = "make one HTML file with everything to look around in",
    .arguments = "TRACE",
    .description =
        "Makes a page of a trace: a verdict, the heap over time, flame graphs, tables of callers "
        "and callees, leaks, sizes, temporary allocations and source lines. Whatever part of the "
        "time is selected in it, everything shown is of that. It is one file that needs no "
        "network, and opens from disk in any browser.",
    .options = (const struct cli_option *const[]){own_options, options_sites, options_symbols,
                                                  compare_option, replays_options, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
