/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/growth.h"
#include "cmd/analysis.h"
#include "cmd/open.h"
#include "cmd/options.h"

#include <limits.h>

/* What is shown unless more is asked for; in every format the same. */
#define TOP 10
#define PARTS 5
#define PEAKS 3
#define RISES 3
#define DEPTH 12
#define MIN_BYTES 4096

static const struct cli_option own_options[] = {
    {"top", 'n', "N",
     "Show the behaviour of N call sites, growing ones first (default 10); 0 or 'all' for all."},
    {"parts", 0, "N",
     "Show the N heaviest call sites of each peak and rise (default 5); 0 or 'all' for all."},
    {"peaks", 0, "N", "Show the N highest peaks at most (default 3)."},
    {"rises", 0, "N",
     "Show the N largest rises at most (default 3); with --from or --to it is that window."},
    {"by", 0, "stack|function|module|source",
     "What makes a call site: the whole stack, or the allocating function, its module, its source "
     "file."},
    {"min-bytes", 0, "SIZE",
     "Do not judge call sites that never had so many live bytes (default 4k)."},
    {"depth", 'd', "N", "Show N frames of each stack (default 12); 0 or 'all' for all."},
    {"full-names", 0, NULL,
     "Print functions with all their parameters and template arguments, in lines of any length."},
    {"pool", 0, NULL,
     "Show the blocks of pools that the program told of by seep_pool_allocated(), not malloc's."},
    {NULL},
};

/* From the command line to the analysis's options. False, the error printed, where it makes no
 * sense. */
static bool take_options(const struct cli *cli, struct growth_options *o)
{
    uint64_t top = TOP, parts = PARTS, peaks = PEAKS, rises = RISES, depth = DEPTH;
    o->min_bytes = MIN_BYTES;
    if (!options_count(cli, "top", true, &top) || !options_count(cli, "parts", true, &parts) ||
        !options_count(cli, "peaks", false, &peaks) ||
        !options_count(cli, "rises", false, &rises) || !options_count(cli, "depth", true, &depth) ||
        !options_bytes(cli, "min-bytes", &o->min_bytes))
        return false;
    o->top = (size_t)top;
    o->top_parts = (size_t)parts;
    o->peaks = peaks < GROWTH_BUCKETS ? (size_t)peaks : GROWTH_BUCKETS; /* there are no more */
    o->rises = rises < GROWTH_BUCKETS ? (size_t)rises : GROWTH_BUCKETS;
    o->depth = depth > UINT_MAX ? 0 : (unsigned)depth;
    o->by = (enum site_by)options_choice(cli, "by", site_by_names, SITE_BY_STACK);
    o->pools = cli_flag(cli, "pool");
    return true;
}

static enum seep_err make(void *arg, struct result **out, struct trace_reader *reader,
                          struct symbols *symbols, struct progress *progress, struct err *err)
{
    struct growth_options *o = arg;
    o->progress = progress_step;
    o->progress_arg = progress;
    return growth_analyse(out, reader, symbols, o, err);
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli);
    if (!path)
        return CLI_FAILED;
    struct growth_options options = {0};
    struct filter filter;
    struct err err = {.offset = ERR_NO_OFFSET};
    const struct analysis analysis = {"seep.growth", 1, make, &options};
    enum seep_err code = options_filter(cli, &filter, &err);
    int status = code ? open_failed(cli, code, &err) : CLI_OK;
    options.filter = &filter;
    if (status == CLI_OK && !take_options(cli, &options))
        status = CLI_FAILED;
    if (status == CLI_OK)
        status = analysis_print(cli, &analysis, path);
    filter_release(&filter);
    return status;
}

const struct cli_command cmd_growth = {
    .name = "growth",
    .summary = "show memory over time, its peaks and rises, and what keeps growing",
    .arguments = "TRACE",
    .description =
        "Shows live bytes, resident memory and the rate of allocation over time; which call sites "
        "made the peaks; what was added and not freed where live bytes rose, or between --from and "
        "--to; and of each call site whether it keeps growing, is a cache with a bound, was filled "
        "once, or goes up and down.",
    .options = (const struct cli_option *const[]){own_options, options_filters, options_sites,
                                                  options_symbols, options_output, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
