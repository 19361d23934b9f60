/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/leaks.h"
#include "cmd/analysis.h"
#include "cmd/open.h"
#include "cmd/options.h"

#include <limits.h>
#include <string.h>

/* What is shown unless more is asked for; in every format the same. */
#define TOP 10
#define DEPTH 12

static const struct cli_option own_options[] = {
    {"top", 'n', "N", "Show the N heaviest call sites (default 10); 0 or 'all' for all."},
    {"show", 0, "KINDS",
     "With a heap graph, what is listed: definite, possible, reachable, separated by commas, or "
     "all; "
     "or live: whatever is live, as without a graph. Without it: definite."},
    {"by", 0, "stack|function|module|source",
     "What makes a call site: the whole stack, or the allocating function, its module, its source "
     "file."},
    {"order", 0, "bytes|blocks|time", "Heaviest first by bytes or blocks, or oldest first."},
    {"min-bytes", 0, "SIZE", "Hide call sites with fewer live bytes."},
    {"min-blocks", 0, "N", "Hide call sites with fewer live blocks."},
    {"depth", 'd', "N", "Show N frames of each stack (default 12); 0 or 'all' for all."},
    {"full-names", 0, NULL,
     "Print functions with all their parameters and template arguments, in lines of any length."},
    {"suppressions", 's', "FILE",
     "Leave out what the suppressions in FILE match, LeakSanitizer's or valgrind's. May be given "
     "again."},
    {"show-suppressed", 0, NULL, "List what suppression files match, marked as such."},
    {"show-builtin", 0, NULL, "List what libc, the loader and libstdc++ are known to keep."},
    {"inherited", 0, NULL,
     "Show what a forked process has from its parent and still holds, not what it made itself."},
    {"pool", 0, NULL,
     "Show the blocks of pools that the program told of by seep_pool_allocated(), not malloc's."},
    {NULL},
};

struct leaks {
    struct leaks_options options;
    struct filter filter;
    struct suppressions *suppressions;
};

/* From the command line to the analysis's options. SEEP_OK, or the error, not yet printed; false
 * with `*printed` where it has been. */
static enum seep_err take_options(const struct cli *cli, struct leaks *l, bool *printed,
                                  struct err *err)
{
    struct leaks_options *o = &l->options;
    uint64_t top = TOP, depth = DEPTH;
    *printed = true;
    if (!options_kinds(cli, "show", "definite", o) || !options_count(cli, "top", true, &top) ||
        !options_count(cli, "depth", true, &depth) ||
        !options_count(cli, "min-blocks", false, &o->min_blocks) ||
        !options_bytes(cli, "min-bytes", &o->min_bytes))
        return SEEP_ERR_USAGE;
    *printed = false;
    o->top = (size_t)top;
    o->depth = depth > UINT_MAX ? 0 : (unsigned)depth;
    o->by = (enum site_by)options_choice(cli, "by", site_by_names, SITE_BY_STACK);
    o->order = (enum leaks_order)options_choice(cli, "order", leaks_order_names, LEAKS_ORDER_BYTES);
    o->show_builtin = cli_flag(cli, "show-builtin");
    o->show_suppressed = cli_flag(cli, "show-suppressed");
    o->inherited = cli_flag(cli, "inherited");
    o->pools = cli_flag(cli, "pool");
    o->suppressions = l->suppressions = suppressions_new();
    size_t position = 0;
    const char *file;
    while ((file = cli_next_value(cli, "suppressions", &position))) {
        enum seep_err code = suppressions_load(l->suppressions, file, err);
        if (code != SEEP_OK)
            return code;
    }
    o->filter = &l->filter;
    return options_filter(cli, &l->filter, err);
}

static enum seep_err make(void *arg, struct result **out, struct trace_reader *reader,
                          struct symbols *symbols, struct progress *progress, struct err *err)
{
    struct leaks_options *o = arg;
    o->progress = progress_step;
    o->progress_arg = progress;
    return leaks_analyse(out, reader, symbols, o, err);
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli);
    if (!path)
        return CLI_FAILED;
    struct leaks l = {0};
    struct err err = {.offset = ERR_NO_OFFSET};
    bool printed;
    int status;
    enum seep_err code = take_options(cli, &l, &printed, &err);
    if (code != SEEP_OK)
        status = printed ? CLI_FAILED : open_failed(cli, code, &err);
    else
        status = analysis_print(cli, &(struct analysis){"seep.leaks", 1, make, &l.options}, path);
    filter_release(&l.filter);
    suppressions_free(l.suppressions);
    return status;
}

const struct cli_command cmd_leaks = {
    .name = "leaks",
    .summary = "show what was leaked, or still live at exit, by call site",
    .arguments = "TRACE",
    .description =
        "Shows the blocks that were lost: that were live, but nothing led to them any more, "
        "grouped by "
        "the call site that made them, the heaviest first; what only a lost block leads to counts "
        "with it. That takes a heap graph, which `seep run --snapshot=exit` records. Without one, "
        "the blocks that were never freed: they are called 'live at exit', and what a program "
        "keeps "
        "on purpose is among them. With a time window, the blocks made within it and live at its "
        "end, or at the last graph within it.",
    .options = (const struct cli_option *const[]){own_options, options_filters, options_sites,
                                                  options_symbols, options_output, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
