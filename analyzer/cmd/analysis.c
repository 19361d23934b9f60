/* SPDX-License-Identifier: MIT */
#include "cmd/analysis.h"

#include "analysis/completeness.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/print.h"

#include <stdio.h>

int analysis_run(const struct cli *cli, const struct analysis *a, struct trace_reader *reader,
                 int (*done)(const struct cli *cli, const struct analysis *a,
                             struct trace_reader *reader, struct result **result),
                 bool problems)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    struct result *result = NULL;
    struct options_names names = {0};
    struct progress progress;
    progress_begin(&progress, "reading the trace");
    struct symbols *symbols =
        options_new_symbols(cli, trace_reader_dict(reader), &names, &progress);
    enum seep_err code = a->make(a->arg, &result, reader, symbols, &progress, &err);
    progress_end(&progress);
    int status = code ? open_failed(cli, code, &err) : done(cli, a, reader, &result);
    if (!code && problems) {
        fflush(stdout);
        options_print_problems(cli, symbols);
    }
    result_free(result);
    symbols_free(symbols);
    options_names_release(&names);
    return status;
}

static int print(const struct cli *cli, const struct analysis *a, struct trace_reader *reader,
                 struct result **result)
{
    struct result *document = result_new_object();
    const struct report report = {
        .schema = a->schema,
        .version = a->version,
        .completeness = completeness_add(document, "completeness", trace_reader_summary(reader)),
        .result = *result};
    int status = print_report(cli, &report);
    result_free(document);
    return status;
}

int analysis_print(const struct cli *cli, const struct analysis *a, const char *path)
{
    struct trace_reader *reader = NULL;
    int status = open_trace(cli, path, &reader);
    if (status == CLI_OK)
        status = analysis_run(cli, a, reader, print, !options_json(cli));
    trace_reader_free(reader);
    return status;
}
