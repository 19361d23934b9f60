/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/completeness.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/print.h"
#include "cmd/replays.h"

static int print(const struct cli *cli, struct trace_reader *reader, const struct result *result)
{
    struct result *document = result_new_object();
    const struct report report = {
        .schema = "seep.compare",
        .version = 1,
        .completeness = completeness_add(document, "completeness", trace_reader_summary(reader)),
        .result = result};
    int status = print_report(cli, &report);
    result_free(document);
    return status;
}

static int compare(const struct cli *cli, const struct replays *replays, const char *path)
{
    struct trace_reader *reader = NULL;
    struct result *result = NULL;
    struct progress progress;
    struct err err = {.offset = ERR_NO_OFFSET};
    int status = open_trace(cli, path, &reader);
    if (status != CLI_OK)
        return status;
    progress_begin(&progress, "reading the trace");
    enum seep_err code = replays_run(&result, replays, reader, &progress, &err);
    status = code ? open_failed(cli, code, &err) : print(cli, reader, result);
    result_free(result);
    trace_reader_free(reader);
    return status;
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli);
    struct replays replays = {0};
    if (!path)
        return CLI_FAILED;
    int status = replays_take(&replays, cli);
    if (status == CLI_OK)
        status = compare(cli, &replays, path);
    replays_release(&replays);
    return status;
}

const struct cli_command cmd_compare = {
    .name = "compare",
    .summary = "predict memory and speed with other allocators",
    .arguments = "TRACE",
    .description =
        "Replays what the program allocated with each allocator, in its order, by as many threads, "
        "at its times, and predicts what the program itself would need: its peak and final "
        "resident memory, and how fast its calls would be. The recording allocator is replayed "
        "too, as a check, and to subtract what a replay gets wrong.",
    .options = (const struct cli_option *const[]){replays_options, options_output, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
