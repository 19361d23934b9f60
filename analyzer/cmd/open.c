/* SPDX-License-Identifier: MIT */
#include "cmd/open.h"

#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "trace/family.h"
#include "trace/pack.h"
#include "util/human.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Messages name files and quote values: what those hold must not reach the terminal raw. */
static void print_message(const struct cli *cli, const char *message, uint64_t offset)
{
    struct strbuf shown = {0};
    utf8_add_visible(&shown, message, strlen(message));
    const char *text = shown.text ? shown.text : "";
    if (offset == ERR_NO_OFFSET)
        cli_error(cli, "%s", text);
    else
        cli_error(cli, "%s (offset %" PRIu64 ")", text, offset);
    strbuf_release(&shown);
}

int open_failed(const struct cli *cli, enum seep_err code, const struct err *err)
{
    if (code == SEEP_ERR_INTERRUPTED)
        return interrupt_finish();
    if (code == SEEP_ERR_USAGE)
        return cli_usage_error(cli, "%s", err->message);
    print_message(cli, err->message[0] ? err->message : err_str(code), err->offset);
    return cli->command->failure;
}

const char *open_argument(const struct cli *cli)
{
    if (cli->argument_count == 1)
        return cli->arguments[0];
    if (cli->argument_count == 0)
        cli_usage_error(cli, "which trace?");
    else
        cli_usage_error(cli, "one trace at a time, not also '%s'", cli->arguments[1]);
    return NULL;
}

/* Length of the path without slashes at its end. */
static size_t trimmed(const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    return length;
}

static bool ends_in(const char *path, size_t length, const char *suffix)
{
    size_t n = strlen(suffix);
    return length > n && memcmp(path + length - n, suffix, n) == 0;
}

void open_trace_of_spool(struct strbuf *out, const char *spool_path)
{
    size_t length = trimmed(spool_path);
    if (ends_in(spool_path, length, SEEP_SPOOL_SUFFIX))
        length -= strlen(SEEP_SPOOL_SUFFIX);
    strbuf_add(out, spool_path, length);
    strbuf_adds(out, SEEP_TRACE_SUFFIX);
}

/* A directory of our own for a trace that nobody is to see. */
static enum seep_err make_temporary(struct strbuf *directory, struct err *err)
{
    const char *base = getenv("TMPDIR");
    strbuf_addf(directory, "%s/seep-XXXXXX", base && base[0] ? base : "/tmp");
    if (mkdtemp(directory->text))
        return SEEP_OK;
    return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: no temporary directory: %s",
                   directory->text, strerror(errno));
}

static enum seep_err pack(const char *spool, const char *trace, struct pack_options *options,
                          struct err *err)
{
    struct strbuf what = {0};
    struct progress progress;
    strbuf_addf(&what, "packing %s", spool);
    progress_begin(&progress, what.text);
    options->progress = progress_step;
    options->progress_arg = &progress;
    struct family family = {0};
    family_add_siblings(&family, spool);
    options->family = &family;
    pack_ancestors(spool, trace, &family);
    enum seep_err code = pack_spool(spool, trace, options, err);
    family_release(&family);
    progress_end(&progress);
    strbuf_release(&what);
    return code;
}

static enum seep_err open_packed_aside(const char *spool, struct trace_reader **out,
                                       struct err *err)
{
    struct strbuf directory = {0}, trace = {0};
    struct pack_options options = {.keep_spool = true, .running_ok = true};
    enum seep_err code = make_temporary(&directory, err);
    if (code != SEEP_OK)
        goto done;
    strbuf_addf(&trace, "%s/trace" SEEP_TRACE_SUFFIX, directory.text);
    code = pack(spool, trace.text, &options, err);
    if (code == SEEP_OK)
        code = trace_reader_open(out, trace.text, err);
    unlink(trace.text);
    rmdir(directory.text);
done:
    strbuf_release(&directory);
    strbuf_release(&trace);
    return code;
}

/* Signals are put off: on every way out no temporary file is left. */
static enum seep_err open_spool(const struct cli *cli, const char *spool, struct trace_reader **out,
                                struct err *err)
{
    struct strbuf trace = {0};
    struct pack_spool probe;
    struct stat st;
    enum seep_err code = pack_probe(spool, &probe, err);
    if (code != SEEP_OK)
        return code;
    char *part = NULL;
    if (pack_is_followed(spool, &part)) {
        cli_error(cli, "%s: process %u still runs; this is what of it has been packed so far",
                  spool, probe.pid);
        code = trace_reader_open(out, part, err);
        free(part);
        return code;
    }
    open_trace_of_spool(&trace, spool);
    bool aside = probe.running || lstat(trace.text, &st) == 0;
    if (probe.running)
        cli_error(cli, "%s: process %u still runs; this is what it has recorded so far", spool,
                  probe.pid);
    if (!aside) {
        struct pack_options options = {0};
        code = pack(spool, trace.text, &options, err);
        if (code == SEEP_OK) {
            fprintf(stderr, "seep %s: packed %s into %s\n", cli->command->name, spool, trace.text);
            code = trace_reader_open(out, trace.text, err);
        } else {
            /* a directory that cannot be written, or a process that came back to life */
            aside = code == SEEP_ERR_IO || code == SEEP_ERR_EXISTS || code == SEEP_ERR_BUSY;
        }
    }
    if (aside)
        code = open_packed_aside(spool, out, err);
    strbuf_release(&trace);
    return code;
}

/* While a program runs its trace is not there, only spools beside its place, one for each process
 * ("work.4711.0.python3.spool"): says so. */
static void name_spools(const char *path, struct err *err)
{
    size_t length = trimmed(path), stem = length - strlen(SEEP_TRACE_SUFFIX);
    if (access(path, F_OK) == 0 || !ends_in(path, length, SEEP_TRACE_SUFFIX))
        return;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *directory = slash ? mem_strndup(path, (size_t)(slash + 1 - path)) : mem_strdup(".");
    DIR *entries = opendir(directory);
    struct strbuf first = {0};
    size_t count = 0, before = (size_t)(name - path);
    for (struct dirent *e; entries && (e = readdir(entries)) != NULL;) {
        if (strncmp(e->d_name, name, stem - before) != 0 || e->d_name[stem - before] != '.' ||
            !ends_in(e->d_name, strlen(e->d_name), SEEP_SPOOL_SUFFIX))
            continue;
        if (count++ == 0 || strcmp(e->d_name, first.text + before) < 0) {
            strbuf_reset(&first);
            strbuf_add(&first, path, before);
            strbuf_adds(&first, e->d_name);
        }
    }
    if (entries)
        closedir(entries);
    if (count)
        err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: not there yet; look at %s%s", path,
                first.text, count > 1 ? ", or another .spool beside it" : "");
    strbuf_release(&first);
    free(directory);
}

int open_trace(const struct cli *cli, const char *path, struct trace_reader **out)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    struct strbuf sibling = {0};
    enum seep_err code;
    interrupt_init();
    if (pack_is_spool(path)) {
        interrupt_defer(true);
        code = open_spool(cli, path, out, &err);
        if (code != SEEP_ERR_INTERRUPTED)
            interrupt_defer(false);
    } else {
        if (access(path, F_OK) != 0 && ends_in(path, trimmed(path), SEEP_SPOOL_SUFFIX)) {
            open_trace_of_spool(&sibling, path);
            if (access(sibling.text, F_OK) == 0)
                path = sibling.text;
        }
        code = trace_reader_open(out, path, &err);
        if (code == SEEP_ERR_IO)
            name_spools(path, &err);
    }
    strbuf_release(&sibling);
    return code == SEEP_OK ? CLI_OK : open_failed(cli, code, &err);
}
