/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "cmd/interrupt.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/progress.h"
#include "trace/unite.h"
#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static const struct cli_option own_options[] = {
    {"output", 'o', "FILE", "Write the merged trace to FILE."},
    {"force", 'f', NULL, "Replace a file that exists."},
    {"align-starts", 0, NULL,
     "Let all processes begin at the same moment: for traces of other machines or boots."},
    {NULL},
};

struct job {
    struct unite_input *inputs;
    size_t count;
    struct unite_options options;
};

static enum seep_err write_merged(void *arg, const char *temporary, struct err *err)
{
    struct job *job = arg;
    return unite_traces(job->inputs, job->count, temporary, &job->options, err);
}

/* Each trace is open until it has been read. */
static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int merge(const struct cli *cli, struct job *job, const char *output)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    struct progress progress;
    char from[32];
    progress_begin(&progress, "merging");
    job->options.progress = progress_step;
    job->options.progress_arg = &progress;
    enum seep_err code = output_write(output, cli_flag(cli, "force"), write_merged, job, &err);
    progress_end(&progress);
    if (code)
        return open_failed(cli, code, &err);
    snprintf(from, sizeof from, "%zu trace%s", job->count, job->count == 1 ? "" : "s");
    output_print_done(output, from);
    return CLI_OK;
}

static int run(struct cli *cli)
{
    const char *output = cli_value(cli, "output");
    struct job job = {.options.align_starts = cli_flag(cli, "align-starts")};
    if (cli->argument_count == 0)
        return cli_usage_error(cli, "which traces?");
    if (!output)
        return cli_usage_error(cli, "where to? --output=FILE is wanted");
    if (!options_coding(cli, &job.options.coding))
        return CLI_FAILED;
    allow_many_files();
    job.inputs = mem_zalloc((size_t)cli->argument_count, sizeof *job.inputs);
    int status = CLI_OK;
    for (; job.count < (size_t)cli->argument_count && status == CLI_OK; job.count++) {
        job.inputs[job.count].name = cli->arguments[job.count];
        status = open_trace(cli, cli->arguments[job.count], &job.inputs[job.count].reader);
    }
    interrupt_defer(true);
    if (status == CLI_OK)
        status = merge(cli, &job, output);
    interrupt_defer(false);
    for (size_t i = 0; i < job.count; i++)
        trace_reader_free(job.inputs[i].reader);
    free(job.inputs);
    return status;
}

const struct cli_command cmd_merge = {
    .name = "merge",
    .summary = "make one trace of the traces of several processes",
    .arguments = "TRACE...",
    .description =
        "Makes one trace of those of the processes of a run, which every command takes. Each block "
        "and thread belongs to its process; the same code is one call site, wherever it was loaded "
        "in each; times are those of one clock. What children have from their parents is not "
        "counted again.",
    .options = (const struct cli_option *const[]){own_options, options_packing, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
