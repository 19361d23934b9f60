/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/keepers.h"
#include "cmd/analysis.h"
#include "cmd/open.h"
#include "cmd/options.h"

#define TOP 10
#define DEPTH 12

static const struct cli_option own_options[] = {
    {"top", 'n', "N", "Show the N largest of each list (default 10); 0 or 'all' for all."},
    {"by", 0, "stack|function|module|source",
     "What makes a call site: the whole stack, or the allocating function (default), its module, "
     "its source file."},
    {"path", 0, "TARGET",
     "Show the shortest way from a variable, or else a thread's stack, to a block: the one around "
     "an "
     "address (0x...), or the nearest that was made by a function whose name matches TARGET."},
    {"full-names", 0, NULL,
     "Print functions with all their parameters and template arguments, in lines of any length."},
    {NULL},
};

static bool take_options(const struct cli *cli, struct keepers_options *o)
{
    uint64_t top = TOP;
    if (!options_count(cli, "top", true, &top))
        return false;
    o->top = (size_t)top;
    o->depth = DEPTH;
    o->by = (enum site_by)options_choice(cli, "by", site_by_names, SITE_BY_FUNCTION);
    o->path = cli_value(cli, "path");
    return true;
}

static enum seep_err make(void *arg, struct result **out, struct trace_reader *reader,
                          struct symbols *symbols, struct progress *progress, struct err *err)
{
    struct keepers_options *o = arg;
    o->progress = progress_step;
    o->progress_arg = progress;
    return keepers_analyse(out, reader, symbols, o, err);
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli);
    struct keepers_options options = {0};
    if (!path || !take_options(cli, &options))
        return CLI_FAILED;
    return analysis_print(cli, &(struct analysis){"seep.heap", 1, make, &options}, path);
}

const struct cli_command cmd_heap = {
    .name = "heap",
    .summary = "show who keeps memory alive, from a heap graph",
    .arguments = "TRACE",
    .description =
        "Shows which variables, threads and blocks keep most memory alive: what would be gone with "
        "them if all pointers to them were gone, in bytes, by who keeps it, by call site, and by "
        "class. It takes a heap graph, which `seep run --snapshot=exit` records; the last one "
        "counts.",
    .options = (const struct cli_option *const[]){own_options, options_sites, options_symbols,
                                                  options_output, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
