/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "cmd/dump_print.h"
#include "cmd/open.h"
#include "cmd/options.h"
#include "cmd/print.h"
#include "model/heap.h"
#include "util/human.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WRITE_AT (128u << 10) /* bytes of output kept back at most */

static const struct cli_option own_options[] = {
    {"stacks", 0, NULL, "Print the frames of each event's stack below it."},
    {"mismatched", 0, NULL,
     "Only what ended a block by a call of another family than made it: new given to free, new[] "
     "to "
     "delete and the like. With --stacks, where the block was made too."},
    {NULL},
};
static const struct cli_option format_options[] = {
    {"", 0, NULL, "Output"},
    {"format", 0, "text|json", "Lines of text for people, or an object of JSON per line."},
    {NULL},
};

/* True if anything but the time window is filtered by: then what is not about blocks is left out.
 */
static bool filters_blocks(const struct filter *f)
{
    return f->size.given || f->lifetime.given || f->calls_wanted || f->calls_unwanted ||
           f->thread_count || f->process_count || f->name_count;
}

/* Filters here look at the call itself: who made it, from where, and on how large a block. */
static bool passes(struct filter *f, const struct trace_event *ev, bool block_filters)
{
    if (!block_filters)
        return true;
    if (ev->type == TRACE_BESIDE || ev->type == TRACE_GAP)
        return false;
    bool ends =
        ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT;
    if (f->lifetime.given && !(ends && filter_lifetime(f, ev->time_ns - ev->before.time_ns)))
        return false;
    bool old = ev->type == TRACE_FREE || ev->type == TRACE_REALLOC_OUT;
    struct trace_block block = old ? ev->before : ev->after;
    if (ev->type == TRACE_FAILED || ev->type == TRACE_FREE_UNKNOWN)
        block = (struct trace_block){.size = ev->failed_size};
    block.thread = ev->thread;
    block.call = ev->call;
    block.stack = ev->stack ? ev->stack : block.stack;
    return filter_block(f, &block);
}

static bool write_out(struct strbuf *out)
{
    bool ok = fwrite(out->text, 1, out->length, stdout) == out->length;
    strbuf_reset(out);
    return ok;
}

static enum seep_err dump_events(struct dump_printer *printer, struct trace_reader *reader,
                                 struct filter *filter, bool mismatched, struct err *err)
{
    struct trace_event ev;
    enum seep_err code;
    bool block_filters = filters_blocks(filter), window = filter->from.text || filter->to.text;
    code = filter_seek(filter, reader, err);
    if (code)
        return code;
    dump_print_head(printer);
    while ((code = trace_reader_next(reader, &ev, err)) == SEEP_OK) {
        if (window) {
            enum filter_place place = filter_window(filter, ev.number, ev.time_ns);
            if (place == FILTER_AFTER)
                break;
            if (place == FILTER_BEFORE)
                continue;
        }
        if (!passes(filter, &ev, block_filters) || (mismatched && !heap_mismatch(&ev)))
            continue;
        dump_print_event(printer, &ev);
        if (printer->out.length >= WRITE_AT && !write_out(&printer->out))
            return SEEP_OK; /* main() says why */
    }
    if (printer->out.length)
        write_out(&printer->out);
    return code == SEEP_END ? SEEP_OK : code;
}

static int dump(const struct cli *cli, struct trace_reader *reader, struct filter *filter)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    struct options_names names = {0};
    const struct trace_dict *dict = trace_reader_dict(reader);
    bool stacks = cli_flag(cli, "stacks");
    struct symbols *symbols = NULL;
    if (stacks || filter_needs_names(filter))
        symbols = options_new_symbols(cli, dict, &names, NULL);
    struct dump_printer printer = {
        .json = options_json(cli), .dict = dict, .symbols = stacks ? symbols : NULL};
    enum seep_err code = filter_bind(filter, dict, symbols, &err);
    if (code == SEEP_OK)
        code = dump_events(&printer, reader, filter, cli_flag(cli, "mismatched"), &err);
    int status = CLI_OK;
    if (code != SEEP_OK) {
        fflush(stdout);
        status = open_failed(cli, code, &err);
    } else {
        fflush(stdout);
        print_losses(cli, trace_reader_summary(reader));
    }
    strbuf_release(&printer.out);
    makers_release(&printer.makers);
    symbols_free(symbols);
    options_names_release(&names);
    return status;
}

static int run(struct cli *cli)
{
    const char *path = open_argument(cli);
    if (!path)
        return CLI_FAILED;
    struct filter filter;
    struct err err = {.offset = ERR_NO_OFFSET};
    struct trace_reader *reader = NULL;
    int status;
    enum seep_err code = options_filter(cli, &filter, &err);
    if (code != SEEP_OK)
        status = open_failed(cli, code, &err);
    else
        status = open_trace(cli, path, &reader);
    if (status == CLI_OK)
        status = dump(cli, reader, &filter);
    trace_reader_free(reader);
    filter_release(&filter);
    return status;
}

const struct cli_command cmd_dump = {
    .name = "dump",
    .summary = "print every event as a line",
    .arguments = "TRACE",
    .description =
        "Prints every event of a trace in order, one line each: its number, seconds since the "
        "start, the thread that called, the block's slot, address, requested and usable bytes, the "
        "call and its stack. What stands beside the events (marks, threads, modules, memory) has "
        "lines of its own, with a '*'.\n\n"
        "Filters look at the call that the line is about: --thread at who called, --size at the "
        "block, --lifetime at how long a block that ends here lived.",
    .options = (const struct cli_option *const[]){own_options, options_filters, options_symbols,
                                                  format_options, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
