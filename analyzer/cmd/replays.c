/* SPDX-License-Identifier: MIT */
#include "cmd/replays.h"

#include "cmd/interrupt.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "run/recorder.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_option replays_options[] = {
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

static enum seep_err add(struct replays *list, const char *name, const char *settings,
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
static enum seep_err add_named(const struct cli *cli, struct replays *list, struct err *err)
{
    size_t position = 0;
    const char *names;
    enum seep_err code = SEEP_OK;
    if (!cli_value(cli, "with"))
        for (const char *const *name = candidate_names; *name; name++)
            if (add(list, *name, "", err))
                strbuf_addf(&list->missing, "seep %s: left out: %s\n", cli->command->name,
                            err->message);
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
static enum seep_err add_settings(const struct cli *cli, struct replays *list, struct err *err)
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

bool replays_show_stage(void *arg, const char *candidate, const char *what, unsigned run)
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

int replays_take(struct replays *r, const struct cli *cli)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    if (!take_numbers(cli, &r->options))
        return CLI_FAILED;
    enum seep_err code = add_named(cli, r, &err);
    if (!code)
        code = add_settings(cli, r, &err);
    if (!code)
        code = recorder_find_replayer(&r->program, &err);
    if (code)
        return open_failed(cli, code, &err);
    if (r->missing.length)
        fputs(r->missing.text, stderr);
    r->options.program = r->program;
    r->options.candidates = r->all;
    r->options.candidate_count = r->count;
    return CLI_OK;
}

void replays_release(struct replays *r)
{
    for (size_t i = 0; i < r->count; i++)
        candidate_release(&r->all[i]);
    free(r->all);
    free(r->program);
    strbuf_release(&r->missing);
    *r = (struct replays){0};
}

enum seep_err replays_run(struct result **out, const struct replays *r, struct trace_reader *reader,
                          struct progress *progress, struct err *err)
{
    struct compare_options options = r->options;
    options.progress = progress_step;
    options.stage = replays_show_stage;
    options.arg = progress;
    enum seep_err code = compare_analyse(out, reader, &options, err);
    progress_end(progress);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    return code;
}
