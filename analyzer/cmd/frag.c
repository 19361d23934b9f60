/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/frag.h"
#include "cmd/analysis.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/replays.h"
#include "replay/counterfactual.h"
#include "run/recorder.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What is shown unless more is asked for; in every format the same. */
#define TOP 10
#define SIZES 5
#define DEPTH 12

static const struct cli_option own_options[] = {
    {"at", 0, "MOMENT",
     "Show the last picture of the pages before that moment, given as for --to; without it, of "
     "those that were looked at closely the one with the most waste, or, where that is below 5 % "
     "in all, the most resident."},
    {"top", 'n', "N", "Show the N call sites that waste most (default 10); 0 or 'all' for all."},
    {"sizes", 0, "N",
     "Show the N sizes of blocks with the most slack (default 5); 0 or 'all' for all."},
    {"by", 0, "stack|function|module|source",
     "What makes a call site: the whole stack, or the allocating function, its module, its source "
     "file."},
    {"depth", 'd', "N", "Show N frames of each stack (default 12); 0 or 'all' for all."},
    {"without", 0, "SITE",
     "Tell what the heap would need without the blocks of the call sites that have a function of "
     "that name, a pattern, in their stack: by the pages as they lay, and by replays."},
    {"pool", 0, "SITE", "Tell what it would need if those blocks lay in a pool of their own."},
    {"no-replay", 0, NULL, "Tell it by the pages alone: replays take their time."},
    {"full-names", 0, NULL,
     "Print functions with all their parameters and template arguments, in lines of any length."},
    {NULL},
};

/* The filters that options lead to, beside those of the command line. */
struct extra {
    struct filter at, what_if;
};

struct replay {
    struct frag_options *options;
    struct trace_reader *reader;
    struct progress *progress;
};

/* Where there can be no replay, the answer of the pages stands alone, and it is said why. */
static enum seep_err replay(void *arg, struct result *what_if, uint64_t picture_ns, struct err *err)
{
    struct replay *r = arg;
    struct err why = {.offset = ERR_NO_OFFSET};
    char *program = NULL;
    enum seep_err code = recorder_find_replayer(&program, &why);
    if (!code) {
        const struct counterfactual_options options = {
            .program = program,
            .change = {.which = r->options->what_if, .pool = r->options->question == FRAG_POOL},
            .moment_ns = picture_ns,
            .progress = progress_step,
            .stage = replays_show_stage,
            .arg = r->progress};
        code = counterfactual_add(what_if, r->reader, &options, &why);
        progress_end(r->progress);
        if (isatty(STDERR_FILENO))
            fputs("\r\033[K", stderr);
    }
    free(program);
    if (code == SEEP_ERR_INTERRUPTED) {
        *err = why;
        return code;
    }
    if (code)
        result_null(what_if, "replay");
    result_text(what_if, "replay_missing", code ? why.message : NULL);
    return SEEP_OK;
}

static bool take_options(const struct cli *cli, struct frag_options *o, struct extra *extra)
{
    uint64_t top = TOP, sizes = SIZES, depth = DEPTH;
    struct err err = {.offset = ERR_NO_OFFSET};
    const char *at = cli_value(cli, "at");
    const char *without = cli_value(cli, "without"), *pool = cli_value(cli, "pool");
    if (!options_count(cli, "top", true, &top) || !options_count(cli, "sizes", true, &sizes) ||
        !options_count(cli, "depth", true, &depth))
        return false;
    if (without && pool) {
        cli_error(cli, "--without and --pool ask two questions; give one of them");
        return false;
    }
    enum seep_err code = at ? filter_set(&extra->at, "to", at, &err) : SEEP_OK;
    if (!code && (without || pool))
        code = filter_set(&extra->what_if, "function", without ? without : pool, &err);
    if (code) {
        open_failed(cli, code, &err);
        return false;
    }
    o->top = (size_t)top;
    o->sizes = (size_t)sizes;
    o->depth = depth > UINT_MAX ? 0 : (unsigned)depth;
    o->by = (enum site_by)options_choice(cli, "by", site_by_names, SITE_BY_STACK);
    o->at = at ? &extra->at : NULL;
    o->question = without ? FRAG_WITHOUT : pool ? FRAG_POOL : FRAG_NO_QUESTION;
    o->what_if = o->question ? &extra->what_if : NULL;
    o->replay = cli_flag(cli, "no-replay") ? NULL : replay;
    return true;
}

static enum seep_err make(void *arg, struct result **out, struct trace_reader *reader,
                          struct symbols *symbols, struct progress *progress, struct err *err)
{
    struct frag_options *o = arg;
    o->progress = progress_step;
    o->progress_arg = progress;
    struct replay r = {o, reader, progress};
    o->replay_arg = &r;
    enum seep_err code = frag_analyse(out, reader, symbols, o, err);
    o->replay_arg = NULL;
    return code;
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli);
    if (!path)
        return CLI_FAILED;
    struct frag_options options = {0};
    struct filter filter;
    struct extra extra;
    struct err err = {.offset = ERR_NO_OFFSET};
    const struct analysis analysis = {"seep.frag", 1, make, &options};
    filter_init(&extra.at);
    filter_init(&extra.what_if);
    enum seep_err code = options_filter(cli, &filter, &err);
    int status = code ? open_failed(cli, code, &err) : CLI_OK;
    options.filter = &filter;
    if (status == CLI_OK && !take_options(cli, &options, &extra))
        status = CLI_FAILED;
    if (status == CLI_OK)
        status = analysis_print(cli, &analysis, path);
    filter_release(&filter);
    filter_release(&extra.at);
    filter_release(&extra.what_if);
    return status;
}

const struct cli_command cmd_frag = {
    .name = "frag",
    .summary = "show what resident memory is made of, and who fragments it",
    .arguments = "TRACE",
    .description =
        "Shows what the resident memory of the process was made of at each recorded picture of its "
        "pages: what was asked for, slack inside blocks, holes between them, free pages, the "
        "allocator's own, what is no heap, and the recorder; which call sites cause what nobody "
        "asked for; and whether it is a leak, fragmentation, what the allocator keeps, or not the "
        "heap at all.",
    .options = (const struct cli_option *const[]){own_options, options_filters, options_sites,
                                                  options_symbols, options_output, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
