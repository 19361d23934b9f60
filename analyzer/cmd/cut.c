/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "cmd/interrupt.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/progress.h"
#include "model/filter.h"
#include "trace/cut.h"
#include "util/human.h"

#include <string.h>

static const struct cli_option own_options[] = {
    {"output", 'o', "FILE", "Write the window to FILE."},
    {"force", 'f', NULL, "Replace a file that exists."},
    {"from", 0, "WHEN", "Where the window begins: 250ms, 3s, the name of a mark, or #EVENT."},
    {"to", 0, "WHEN", "Where it ends, as for --from."},
    {NULL},
};

static struct cut_moment moment_of(const struct filter_moment *m)
{
    return (struct cut_moment){m->text, m->by_number, m->number, m->time_ns};
}

static enum seep_err take_window(const struct cli *cli, struct filter *f, struct err *err)
{
    static const char *const ends[] = {"from", "to"};
    filter_init(f);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const char *value = cli_value(cli, ends[i]);
        enum seep_err code = value ? filter_set(f, ends[i], value, err) : SEEP_OK;
        if (code)
            return code;
    }
    return SEEP_OK;
}

struct job {
    struct trace_reader *reader;
    struct cut_options options;
};

static enum seep_err write_window(void *arg, const char *temporary, struct err *err)
{
    struct job *job = arg;
    return cut_trace(job->reader, temporary, &job->options, err);
}

/* The name that the window keeps of its trace. */
static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* A window behind the trace's end is one all the same: what was live then is in it. */
static void warn_of_nothing(const struct cli *cli, const struct trace_reader *reader,
                            const struct filter_moment *from)
{
    uint64_t end_ns = trace_reader_summary(reader)->duration_ns;
    bool behind =
        from->by_number ? from->number >= trace_reader_end(reader) : from->time_ns > end_ns;
    if (from->text && behind)
        cli_error(cli, "--from=%s: the trace ends at %s; the window holds what was live then alone",
                  from->text, human_ns(end_ns).text);
}

static int cut(const struct cli *cli, struct trace_reader *reader, struct filter *f,
               const char *output, struct trace_coding coding)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    struct progress progress;
    enum seep_err code = filter_bind(f, trace_reader_dict(reader), NULL, &err);
    if (code)
        return open_failed(cli, code, &err);
    warn_of_nothing(cli, reader, &f->from);
    progress_begin(&progress, "cutting");
    struct job job = {.reader = reader,
                      .options = {.from = moment_of(&f->from),
                                  .to = moment_of(&f->to),
                                  .name = name_of(cli->arguments[0]),
                                  .coding = coding,
                                  .progress = progress_step,
                                  .progress_arg = &progress}};
    code = output_write(output, cli_flag(cli, "force"), write_window, &job, &err);
    progress_end(&progress);
    if (code)
        return open_failed(cli, code, &err);
    output_print_done(output, cli->arguments[0]);
    return CLI_OK;
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli), *output = cli_value(cli, "output");
    if (!path)
        return CLI_FAILED;
    if (!output)
        return cli_usage_error(cli, "where to? --output=FILE is wanted");
    if (!cli_value(cli, "from") && !cli_value(cli, "to"))
        return cli_usage_error(cli, "which window? --from or --to is wanted");
    struct trace_coding coding = {0};
    if (!options_coding(cli, &coding))
        return CLI_FAILED;
    struct filter filter;
    struct err err = {.offset = ERR_NO_OFFSET};
    struct trace_reader *reader = NULL;
    enum seep_err code = take_window(cli, &filter, &err);
    int status = code ? open_failed(cli, code, &err) : open_trace(cli, path, &reader);
    interrupt_defer(true);
    if (status == CLI_OK)
        status = cut(cli, reader, &filter, output, coding);
    interrupt_defer(false);
    trace_reader_free(reader);
    filter_release(&filter);
    return status;
}

const struct cli_command cmd_cut = {
    .name = "cut",
    .summary = "make a trace of a window of a trace",
    .arguments = "TRACE",
    .description =
        "Writes what happened between two moments as a trace of its own, which every command "
        "takes. It knows the blocks that were live before it, with their makers; events keep their "
        "numbers and times. Cutting reads the window and little before it, not the whole trace.",
    .options = (const struct cli_option *const[]){own_options, options_packing, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
