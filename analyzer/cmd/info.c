/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/info.h"
#include "cmd/analysis.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/print.h"

static enum seep_err make(void *arg, struct result **out, struct trace_reader *reader,
                          struct symbols *symbols, struct progress *progress, struct err *err)
{
    (void)arg;
    const struct info_options options = {.progress = progress_step, .progress_arg = progress};
    return info_analyse(out, reader, symbols, &options, err);
}

static int print(const struct cli *cli, const struct analysis *a, struct trace_reader *reader,
                 struct result **result)
{
    (void)reader;
    return print_report(cli, &(struct report){
                                 .schema = a->schema,
                                 .version = a->version,
                                 .completeness = result_get(*result, "completeness"),
                                 .result = *result,
                             });
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli);
    struct trace_reader *reader = NULL;
    if (!path)
        return CLI_FAILED;
    int status = open_trace(cli, path, &reader);
    if (status == CLI_OK)
        status =
            analysis_run(cli, &(struct analysis){"seep.info", 1, make, NULL}, reader, print, false);
    trace_reader_free(reader);
    return status;
}

const struct cli_command cmd_info = {
    .name = "info",
    .summary = "say what was recorded, and how completely",
    .arguments = "TRACE",
    .description =
        "Says what a trace holds: the program and how it ended, whether anything is missing, how "
        "many allocations and bytes there were, the peak, what was live at the end, and the marks "
        "that the program set.",
    .options = (const struct cli_option *const[]){options_symbols, options_output, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
