/* SPDX-License-Identifier: MIT */
#include "cmd/analysis.h"
#include "cmd/gate.h"

#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/print.h"
#include "report/suppressions_text.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH 64 /* frames of each: only the first few are, but a rule needs more */
#define STATUS_MAX 255

const struct cli_option gate_options[] = {
    {"errors-for", 0, "KINDS",
     "What is an error: definite, possible, reachable, separated by commas, or live: whatever is "
     "live at exit, which needs no heap graph. Without it: definite."},
    {"error-exitcode", 0, "N", "Leave with N where there are errors; 23 if not given."},
    {"allow-bytes", 0, "SIZE", "Pass where all that was found is at most SIZE."},
    {"allow-blocks", 0, "N", "Pass where it is at most N blocks."},
    {"allow-sites", 0, "N", "Pass where it is from at most N call sites."},
    {"min-bytes", 0, "SIZE", "Leave out call sites with fewer bytes."},
    {"min-blocks", 0, "N", "Leave out call sites with fewer blocks."},
    {"suppressions", 's', "FILE",
     "Leave out what the suppressions in FILE match, LeakSanitizer's or valgrind's. May be given "
     "again."},
    {"gen-suppressions", 0, "valgrind|lsan",
     "Print, instead of the report, a suppression for each call site that is an error."},
    {NULL},
};

/* ------------------------------------------------------------------ options */

/* A limit that was not given is none, unless none was: then nothing is allowed. */
static bool take_allowance(struct gate *g, const struct cli *cli)
{
    struct check_options *c = &g->check;
    bool any = cli_value(cli, "allow-bytes") || cli_value(cli, "allow-blocks") ||
               cli_value(cli, "allow-sites");
    c->allowed_bytes = c->allowed_blocks = c->allowed_sites = any ? UINT64_MAX : 0;
    return options_bytes(cli, "allow-bytes", &c->allowed_bytes) &&
           options_count(cli, "allow-blocks", false, &c->allowed_blocks) &&
           options_count(cli, "allow-sites", false, &c->allowed_sites) &&
           options_bytes(cli, "min-bytes", &g->leaks.min_bytes) &&
           options_count(cli, "min-blocks", false, &g->leaks.min_blocks);
}

static bool take_status(struct gate *g, const struct cli *cli)
{
    uint64_t status = CLI_FOUND;
    if (!options_count(cli, "error-exitcode", false, &status))
        return false;
    if (status > STATUS_MAX) {
        cli_usage_error(cli, "--error-exitcode=%s: at most %d is possible",
                        cli_value(cli, "error-exitcode"), STATUS_MAX);
        return false;
    }
    g->found_status = (int)status;
    return true;
}

static bool take_rules(struct gate *g, const struct cli *cli)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    size_t position = 0;
    const char *file;
    g->leaks.suppressions = g->suppressions = suppressions_new();
    while ((file = cli_next_value(cli, "suppressions", &position))) {
        enum seep_err code = suppressions_load(g->suppressions, file, &err);
        if (code != SEEP_OK) {
            open_failed(cli, code, &err);
            return false;
        }
    }
    enum seep_err code = options_filter(cli, &g->filter, &err);
    if (code != SEEP_OK)
        open_failed(cli, code, &err);
    g->leaks.filter = &g->filter;
    return code == SEEP_OK;
}

bool gate_init(struct gate *g, const struct cli *cli)
{
    *g = (struct gate){.rules = cli_value(cli, "gen-suppressions")};
    g->leaks.depth = DEPTH;
    if (!options_kinds(cli, "errors-for", "definite", &g->leaks))
        return false;
    g->check.live = g->leaks.live;
    return take_allowance(g, cli) && take_status(g, cli) && take_rules(g, cli);
}

void gate_release(struct gate *g)
{
    filter_release(&g->filter);
    suppressions_free(g->suppressions);
    *g = (struct gate){0};
}

/* ------------------------------------------------------------------ judging */

/* Whose memory a trace is of. */
struct image {
    uint32_t pid, number;
    char *run_id; /* owned */
};

static struct image image_of(const struct trace_reader *reader)
{
    const struct trace_facts *f = trace_reader_facts(reader);
    return (struct image){f->pid, f->image, mem_strdup(f->run_id ? f->run_id : "")};
}

/* Whether another trace is of what the same process executed afterwards: then this one's memory was
 * given back at that moment, and there is nothing to judge. */
static bool is_followed(const struct image *images, size_t count, size_t i)
{
    for (size_t k = 0; k < count; k++)
        if (images[k].pid == images[i].pid && images[k].number > images[i].number &&
            strcmp(images[k].run_id, images[i].run_id) == 0 && images[i].run_id[0])
            return true;
    return false;
}

struct judgement {
    struct gate *gate;
    const char *path;
    struct result *traces;
};

static enum seep_err make(void *arg, struct result **out, struct trace_reader *reader,
                          struct symbols *symbols, struct progress *progress, struct err *err)
{
    struct leaks_options *o = &((struct judgement *)arg)->gate->leaks;
    o->progress = progress_step;
    o->progress_arg = progress;
    return leaks_analyse(out, reader, symbols, o, err);
}

static int judge_one(const struct cli *cli, const struct analysis *a, struct trace_reader *reader,
                     struct result **result)
{
    const struct judgement *j = a->arg;
    (void)cli;
    check_add(j->traces, j->path, *result, trace_reader_summary(reader), &j->gate->check);
    *result = NULL;
    return CLI_OK;
}

/* Judges all traces. A first look at each tells which are of one process. */
static int judge_all(struct gate *g, const struct cli *cli, const char *const *paths, size_t count,
                     struct result *traces)
{
    struct image *images = mem_zalloc(count, sizeof *images);
    int status = CLI_OK;
    for (size_t i = 0; i < count && status == CLI_OK && count > 1; i++) {
        struct trace_reader *reader = NULL;
        status = open_trace(cli, paths[i], &reader);
        if (status == CLI_OK)
            images[i] = image_of(reader);
        trace_reader_free(reader);
    }
    for (size_t i = 0; i < count && status == CLI_OK; i++) {
        if (count > 1 && is_followed(images, count, i)) {
            check_skip(traces, paths[i], "the process executed another program");
            continue;
        }
        struct trace_reader *reader = NULL;
        status = open_trace(cli, paths[i], &reader);
        if (status == CLI_OK)
            status = analysis_run(
                cli,
                &(struct analysis){.make = make, .arg = &(struct judgement){g, paths[i], traces}},
                reader, judge_one, false);
        trace_reader_free(reader);
    }
    for (size_t i = 0; i < count; i++)
        free(images[i].run_id);
    free(images);
    return status;
}

static void print_rules(const struct gate *g, const struct result *result, FILE *out)
{
    struct strbuf text = {0};
    bool lsan = strcmp(g->rules, "lsan") == 0;
    const struct result *traces = result_get(result, "traces");
    for (size_t i = 0; i < result_length(traces); i++) {
        const struct result *leaks = result_get(result_at(traces, i), "leaks");
        if (leaks)
            suppressions_text(&text, leaks, lsan);
    }
    fwrite(text.text, 1, text.length, out);
    strbuf_release(&text);
}

int gate_judge(struct gate *g, const struct cli *cli, const char *const *paths, size_t count,
               FILE *out)
{
    struct result *document = result_new_object(), *result = result_new_object();
    struct result *completeness = result_object(document, "completeness");
    int status = judge_all(g, cli, paths, count, result_array(result, "traces"));
    if (status == CLI_OK) {
        enum check_verdict verdict = check_sum(result, completeness);
        status = verdict == CHECK_FAILED      ? g->found_status
                 : verdict == CHECK_UNDECIDED ? CLI_INCOMPLETE
                                              : CLI_OK;
        const struct report report = {
            .schema = "seep.check", .version = 1, .completeness = completeness, .result = result};
        if (g->rules)
            print_rules(g, result, out);
        else
            print_report_to(cli, &report, out);
    }
    result_free(result);
    result_free(document);
    return status;
}
