/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/flame.h"
#include "analysis/sites.h"
#include "cmd/analysis.h"
#include "cmd/open.h"
#include "cmd/options.h"

#include <limits.h>
#include <string.h>

/* What is shown unless more is asked for; in every format the same. */
#define TOP 20
#define DEPTH 12
#define MIN_SHARE 0.01

static const struct cli_option own_options[] = {
    {"sort", 0, "COLUMN",
     "Order by this column, the largest first; peak if not given. A tree is of peak, live, growth, "
     "allocated, allocations or temporary."},
    {"columns", 0, "LIST",
     "Show these columns, separated by commas, or all: peak, share, live, allocations, allocated, "
     "temporary, own-peak, p50, recycling, size-median, threads, p95, p99, live-blocks, "
     "peak-blocks, "
     "temporary-share, short-lived, size-min, size-max, slack, grown, copied, stacks. Without it: "
     "as "
     "many of them, in this order, as there is room for."},
    {"details", 0, NULL,
     "Show of each call site listed its sizes, the allocator's size classes, lifetimes, "
     "reallocations, threads and stack."},
    {"by", 0, "stack|function|module|source",
     "What makes a call site: the whole stack, or the allocating function, its module, its source "
     "file."},
    {"top", 'n', "N", "Show N call sites (default 20); 0 or 'all' for all."},
    {"depth", 'd', "N",
     "Show N frames of each stack, and of the ways in a tree of callers (default 12); 0 or 'all' "
     "for "
     "all."},
    {"full-names", 0, NULL,
     "Print functions with all their parameters and template arguments, in lines of any length."},
    {"pool", 0, NULL,
     "Show the blocks of pools that the program told of by seep_pool_allocated(), not malloc's."},
    {"", 0, NULL, "Trees instead of the table"},
    {"top-down", 0, NULL, "Show what each function calls, from main on."},
    {"bottom-up", 0, NULL, "Show who calls each function, from the allocating ones on."},
    {"callers", 0, "PATTERN", "Show who calls the functions that match."},
    {"callees", 0, "PATTERN", "Show what the functions that match call."},
    {"min-share", 0, "PERCENT", "Leave out what has less of the whole (default 1)."},
    {NULL},
};

struct job {
    struct sites_options sites;
    struct flame_options tree;
    struct filter filter;
    enum site_column columns[SITE_COLUMNS];
    bool as_tree;
};

/* ------------------------------------------------------------------ options */

static bool take_columns(const struct cli *cli, struct job *job)
{
    struct sites_options *o = &job->sites;
    const char *list = cli_value(cli, "columns");
    if (!list)
        return true;
    o->columns = job->columns;
    if (strcmp(list, "all") == 0) {
        for (int c = 0; c < SITE_COLUMNS; c++)
            job->columns[o->column_count++] = (enum site_column)c;
        return true;
    }
    for (const char *at = list;; at++) {
        size_t length = strcspn(at, ",");
        enum site_column column;
        if (!site_column_find(at, length, &column)) {
            cli_usage_error(cli, "--columns=%s: there is no column %.*s", list, (int)length, at);
            return false;
        }
        bool twice = false;
        for (size_t i = 0; i < o->column_count; i++)
            twice = twice || job->columns[i] == column;
        if (!twice)
            job->columns[o->column_count++] = column;
        at += length;
        if (!*at)
            return true;
    }
}

/* What is ordered by, which in a tree is a cost. */
static bool take_sort(const struct cli *cli, struct job *job)
{
    const char *sort = cli_value(cli, "sort");
    if (!sort)
        return true;
    size_t kind = options_choice(cli, "sort", cost_kind_names, SIZE_MAX);
    job->tree.cost = (enum cost_kind)kind;
    if (job->as_tree ? kind != SIZE_MAX : site_column_find(sort, strlen(sort), &job->sites.sort))
        return true;
    cli_usage_error(cli,
                    job->as_tree ? "--sort=%s: a tree is of peak, live, growth, allocated, "
                                   "allocations or temporary"
                                 : "--sort=%s: there is no such column",
                    sort);
    return false;
}

/* Which tree, if any. */
static bool take_tree(const struct cli *cli, struct job *job)
{
    struct frame_path *path = &job->tree.path;
    const char *callers = cli_value(cli, "callers"), *callees = cli_value(cli, "callees");
    bool down = cli_flag(cli, "top-down"), up = cli_flag(cli, "bottom-up");
    if (down + up + (callers != NULL) + (callees != NULL) > 1) {
        cli_usage_error(cli, "--top-down, --bottom-up, --callers and --callees: one of them");
        return false;
    }
    job->as_tree = down || up || callers || callees;
    path->outward = up || callers;
    path->function = callers ? callers : callees;
    path->depth = path->outward ? job->sites.depth : 0;
    return true;
}

static bool take_options(const struct cli *cli, struct job *job)
{
    struct sites_options *o = &job->sites;
    struct err err = {.offset = ERR_NO_OFFSET};
    uint64_t top = TOP, depth = DEPTH;
    enum seep_err code = options_filter(cli, &job->filter, &err);
    if (code) {
        open_failed(cli, code, &err);
        return false;
    }
    if (!options_count(cli, "top", true, &top) || !options_count(cli, "depth", true, &depth))
        return false;
    o->top = (size_t)top;
    o->depth = depth > UINT_MAX ? 0 : (unsigned)depth;
    o->by = (enum site_by)options_choice(cli, "by", site_by_names, SITE_BY_STACK);
    o->details = cli_flag(cli, "details");
    o->pools = job->tree.pools = cli_flag(cli, "pool");
    o->filter = job->tree.filter = &job->filter;
    job->tree.min_share = MIN_SHARE;
    return take_tree(cli, job) && take_sort(cli, job) && take_columns(cli, job) &&
           options_share(cli, "min-share", &job->tree.min_share);
}

/* ------------------------------------------------------------------ the command */

static enum seep_err make_sites(void *arg, struct result **out, struct trace_reader *reader,
                                struct symbols *symbols, struct progress *progress, struct err *err)
{
    struct sites_options *o = &((struct job *)arg)->sites;
    o->progress = progress_step;
    o->progress_arg = progress;
    return sites_analyse(out, reader, symbols, o, err);
}

static enum seep_err make_tree(void *arg, struct result **out, struct trace_reader *reader,
                               struct symbols *symbols, struct progress *progress, struct err *err)
{
    struct flame_options *o = &((struct job *)arg)->tree;
    o->progress = progress_step;
    o->progress_arg = progress;
    return flame_analyse(out, reader, symbols, o, err);
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli);
    if (!path)
        return CLI_FAILED;
    struct job job = {0};
    int status = CLI_FAILED;
    if (take_options(cli, &job)) {
        const struct analysis table = {"seep.sites", 1, make_sites, &job};
        const struct analysis tree = {"seep.calls", 1, make_tree, &job};
        status = analysis_print(cli, job.as_tree ? &tree : &table, path);
    }
    filter_release(&job.filter);
    return status;
}

const struct cli_command cmd_sites = {
    .name = "sites",
    .summary = "show in figures what each call site allocates, keeps and gives back",
    .arguments = "TRACE",
    .description =
        "Shows a row for each call site: what it had at the peak and has live now, how many "
        "allocations it made and how many of them were temporary, its own peak and how often it "
        "used "
        "that memory again, lifetimes, sizes and more; or trees of who calls whom.",
    .options = (const struct cli_option *const[]){own_options, options_filters, options_sites,
                                                  options_symbols, options_output, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
