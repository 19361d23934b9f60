/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "analysis/completeness.h"
#include "cmd/interrupt.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/print.h"
#include "cmd/progress.h"
#include "replay/compare.h"
#include "run/recorder.h"
#include "util/mem.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct cli_option own_options[] = {
    {"with", 0, "NAME,...",
     "Replay with these: glibc, jemalloc, tcmalloc, mimalloc, or the path of a library (default: "
     "those of the four that are installed)."},
    {"set", 0, "NAME:VARIABLE=VALUE",
     "Replay with that allocator under this setting as well, such as "
     "'jemalloc:MALLOC_CONF=dirty_decay_ms:0' or 'glibc:MALLOC_ARENA_MAX=1'; blanks between "
     "several. May be repeated."},
    {"repeat", 0, "N",
     "Replay N times for memory (default: until two agree within 3 %, 5 times at most)."},
    {"speed", 0, "N",
     "Let time run N times as fast, and the delays of allocators that return memory after a while "
     "too."},
    {"scale", 0, "N", "Replay only every Nth block of each size, where the heap is too large."},
    {"free-running", 0, NULL,
     "Where speed is measured, let threads run freely instead of taking turns as recorded."},
    {NULL},
};

struct candidates {
    struct candidate *all; /* owned */
    size_t count, capacity;
    struct strbuf missing; /* those of the usual ones that are not installed, a line each */
};

static enum seep_err add(struct candidates *list, const char *name, const char *settings,
                         struct err *err)
{
    struct candidate c;
    enum seep_err code = candidate_find(&c, name, settings, err);
    if (code) {
        candidate_release(&c);
        return code;
    }
    for (size_t i = 0; i < list->count; i++)
        if (candidate_is(&list->all[i], &c)) {
            candidate_release(&c);
            return SEEP_OK;
        }
    MEM_GROW(list->all, list->capacity, list->count + 1);
    list->all[list->count++] = c;
    return SEEP_OK;
}

/* Those that --with names, or all that there are. */
static enum seep_err add_named(const struct cli *cli, struct candidates *list, struct err *err)
{
    size_t position = 0;
    const char *names;
    enum seep_err code = SEEP_OK;
    if (!cli_value(cli, "with"))
        for (const char *const *name = candidate_names; *name; name++)
            if (add(list, *name, "", err))
                strbuf_addf(&list->missing, "seep compare: left out: %s\n", err->message);
    while (!code && (names = cli_next_value(cli, "with", &position)))
        for (const char *at = names; !code && *at;) {
            size_t length = strcspn(at, ",");
            char *name = mem_strndup(at, length);
            if (length)
                code = add(list, name, "", err);
            free(name);
            at += length + (at[length] == ',');
        }
    return code;
}

/* NAME:VARIABLE=VALUE of --set; a path may have no colon in it, LD_PRELOAD cannot name it. */
static enum seep_err add_settings(const struct cli *cli, struct candidates *list, struct err *err)
{
    size_t position = 0;
    const char *text;
    enum seep_err code = SEEP_OK;
    while (!code && (text = cli_next_value(cli, "set", &position))) {
        const char *colon = strchr(text, ':'), *equals = strchr(text, '=');
        if (!colon || !equals || equals < colon)
            return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                           "--set=%s: not NAME:VARIABLE=VALUE, such as "
                           "'jemalloc:MALLOC_CONF=dirty_decay_ms:0'",
                           text);
        char *name = mem_strndup(text, (size_t)(colon - text));
        code = add(list, name, colon + 1, err);
        free(name);
    }
    return code;
}

static bool take_numbers(const struct cli *cli, struct compare_options *o)
{
    uint64_t repeat = 0, speed = 1, scale = 0;
    if (!options_count(cli, "repeat", false, &repeat) ||
        !options_count(cli, "speed", false, &speed) || !options_count(cli, "scale", false, &scale))
        return false;
    if (repeat > 100 || speed < 1 || speed > 1000000 || scale > 1000000) {
        cli_usage_error(cli, "--repeat, --speed or --scale is out of range");
        return false;
    }
    o->repeat = (unsigned)repeat;
    o->speed_percent = (unsigned)speed * 100;
    o->scale = (unsigned)scale;
    o->free_running = cli_flag(cli, "free-running");
    return true;
}

/* One line that says which replay is under way, on a terminal. */
static bool show_stage(void *arg, const char *candidate, const char *what, unsigned run)
{
    progress_end(arg);
    if (isatty(STDERR_FILENO)) {
        struct strbuf name = {0}; /* it may be the trace's word */
        utf8_add_visible(&name, candidate, strlen(candidate));
        fprintf(stderr, "\r\033[Kreplaying with %s: %s, run %u", name.text, what, run);
        fflush(stderr);
        strbuf_release(&name);
    }
    return !interrupt_pending();
}

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

static int compare(struct cli *cli, struct compare_options *o, const char *path)
{
    struct trace_reader *reader = NULL;
    struct result *result = NULL;
    struct progress progress;
    struct err err = {.offset = ERR_NO_OFFSET};
    int status = open_trace(cli, path, &reader);
    if (status != CLI_OK)
        return status;
    progress_begin(&progress, "reading the trace");
    o->progress = progress_step;
    o->stage = show_stage;
    o->arg = &progress;
    enum seep_err code = compare_analyse(&result, reader, o, &err);
    progress_end(&progress);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    status = code ? open_failed(cli, code, &err) : print(cli, reader, result);
    result_free(result);
    trace_reader_free(reader);
    return status;
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli);
    struct candidates list = {0};
    struct compare_options options = {0};
    struct err err = {.offset = ERR_NO_OFFSET};
    char *program = NULL;
    int status = CLI_FAILED;
    if (!path || !take_numbers(cli, &options))
        return CLI_FAILED;
    enum seep_err code = add_named(cli, &list, &err);
    if (!code)
        code = add_settings(cli, &list, &err);
    if (!code)
        code = recorder_find_replayer(&program, &err);
    if (code) {
        status = open_failed(cli, code, &err);
    } else {
        if (list.missing.length)
            fputs(list.missing.text, stderr);
        options.program = program;
        options.candidates = list.all;
        options.candidate_count = list.count;
        status = compare(cli, &options, path);
    }
    for (size_t i = 0; i < list.count; i++)
        candidate_release(&list.all[i]);
    free(list.all);
    strbuf_release(&list.missing);
    free(program);
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
    .options = (const struct cli_option *const[]){own_options, options_output, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
