/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "cmd/interrupt.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/progress.h"
#include "trace/family.h"
#include "trace/pack.h"
#include "util/human.h"
#include "util/utf8.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct cli_option own_options[] = {
    {"output", 'o', "FILE", "Write the trace to FILE; without it, NAME.spool becomes NAME.seep."},
    {"force", 'f', NULL, "Replace a trace that exists."},
    {"keep", 'k', NULL, "Keep the spool; without it, it is removed once its trace is complete."},
    {"running", 0, NULL,
     "Pack what has been recorded so far although the program still runs; keeps the spool."},
    {NULL},
};

static void print_note(void *arg, const char *text)
{
    const struct cli *cli = arg;
    struct strbuf shown = {0};
    utf8_add_visible(&shown, text, strlen(text));
    cli_error(cli, "%s", shown.text ? shown.text : "");
    strbuf_release(&shown);
}

static void print_done(const char *spool, uint64_t spool_bytes, const char *trace)
{
    struct strbuf shown = {0};
    struct stat st;
    utf8_add_visible(&shown, trace, strlen(trace));
    if (stat(trace, &st) == 0)
        strbuf_addf(&shown, ": %s", human_bytes((uint64_t)st.st_size).text);
    strbuf_addf(&shown, ", from %s of ", human_bytes(spool_bytes).text);
    utf8_add_visible(&shown, spool, strlen(spool));
    puts(shown.text);
    strbuf_release(&shown);
}

static int pack_one(const struct cli *cli, const char *spool, const char *trace,
                    const struct family *family, struct trace_coding coding)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    struct strbuf what = {0};
    struct progress progress;
    struct pack_spool probe;
    enum seep_err code = pack_probe(spool, &probe, &err);
    if (code != SEEP_OK)
        return open_failed(cli, code, &err);
    strbuf_addf(&what, "packing %s", spool);
    progress_begin(&progress, what.text);
    struct pack_options options = {
        .overwrite = cli_flag(cli, "force"),
        .keep_spool = cli_flag(cli, "keep"),
        .running_ok = cli_flag(cli, "running"),
        .coding = coding,
        .progress = progress_step,
        .progress_arg = &progress,
        .note = print_note,
        .note_arg = (void *)cli,
        .family = family,
    };
    pack_ancestors(spool, trace, family);
    code = pack_spool(spool, trace, &options, &err);
    progress_end(&progress);
    strbuf_release(&what);
    if (code != SEEP_OK)
        return open_failed(cli, code, &err);
    print_done(spool, probe.bytes, trace);
    return CLI_OK;
}

static int run(struct cli *cli)
{
    const char *output = cli_value(cli, "output");
    if (cli->argument_count == 0)
        return cli_usage_error(cli, "which spool?");
    if (output && cli->argument_count > 1)
        return cli_usage_error(cli, "--output=%s: one file cannot hold %d traces", output,
                               cli->argument_count);
    struct trace_coding coding = {0};
    if (!options_coding(cli, &coding))
        return CLI_FAILED;
    int status = CLI_OK;
    struct family family = {0}; /* of the first one's directory */
    interrupt_init();
    interrupt_defer(true);
    for (int i = 0; i < cli->argument_count; i++) {
        struct strbuf trace = {0};
        if (output)
            strbuf_adds(&trace, output);
        else
            open_trace_of_spool(&trace, cli->arguments[i]);
        if (!family.count)
            family_add_siblings(&family, cli->arguments[i]);
        int one = pack_one(cli, cli->arguments[i], trace.text, &family, coding);
        status = one == CLI_OK ? status : one;
        strbuf_release(&trace);
    }
    interrupt_defer(false);
    family_release(&family);
    return status;
}

const struct cli_command cmd_pack = {
    .name = "pack",
    .summary = "make a trace of a spool",
    .arguments = "SPOOL...",
    .description =
        "Makes a trace of what a program recorded without 'seep run': a directory NAME.spool. "
        "Every other command does so by itself when it is handed a spool. No half-written trace "
        "is ever left; the spool goes once its trace is complete.",
    .options = (const struct cli_option *const[]){own_options, options_packing, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
