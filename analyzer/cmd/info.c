/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/info.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/print.h"
#include "cmd/progress.h"

static int report(const struct cli *cli, struct trace_reader *reader)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    struct result *result = NULL;
    struct strbuf debug_dirs = {0};
    struct progress progress;
    progress_begin(&progress, "reading the trace");
    struct symbols *symbols =
        options_new_symbols(cli, trace_reader_dict(reader), &debug_dirs, &progress);
    struct info_options options = {.progress = progress_step, .progress_arg = &progress};
    enum seep_err code = info_analyse(&result, reader, symbols, &options, &err);
    progress_end(&progress);
    int status;
    if (code == SEEP_OK)
        status = print_report(cli, &(struct report){
                                       .schema = "seep.info",
                                       .version = 1,
                                       .completeness = result_get(result, "completeness"),
                                       .result = result,
                                   });
    else
        status = open_failed(cli, code, &err);
    result_free(result);
    symbols_free(symbols);
    strbuf_release(&debug_dirs);
    return status;
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli);
    struct trace_reader *reader = NULL;
    if (!path)
        return CLI_FAILED;
    int status = open_trace(cli, path, &reader);
    if (status == CLI_OK)
        status = report(cli, reader);
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
