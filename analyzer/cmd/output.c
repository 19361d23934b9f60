/* SPDX-License-Identifier: MIT */
#include "cmd/output.h"

#include "cmd/open.h"
#include "trace/publish.h"
#include "util/human.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether a file can be made beside `path`; what is said speaks of `path`, not of the temporary. */
static enum seep_err check_folder(const char *temporary, const char *path, struct err *err)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", path, strerror(errno));
    close(fd);
    unlink(temporary);
    return SEEP_OK;
}

enum seep_err output_write(const char *path, bool overwrite,
                           enum seep_err (*write)(void *arg, const char *temporary,
                                                  struct err *err),
                           void *arg, struct err *err)
{
    struct stat st;
    if (!overwrite && lstat(path, &st) == 0)
        return publish_exists(path, err);
    char *temporary = publish_temporary(path);
    enum seep_err code = check_folder(temporary, path, err);
    if (code == SEEP_OK)
        code = write(arg, temporary, err);
    if (code == SEEP_OK)
        code = publish(temporary, path, overwrite, err);
    unlink(temporary); /* gone already if it was renamed */
    free(temporary);
    return code;
}

void output_print_done(const char *path, const char *from)
{
    struct strbuf shown = {0};
    struct stat st;
    utf8_add_visible(&shown, path, strlen(path));
    if (stat(path, &st) == 0)
        strbuf_addf(&shown, ": %s", human_bytes((uint64_t)st.st_size).text);
    strbuf_adds(&shown, ", from ");
    utf8_add_visible(&shown, from, strlen(from));
    puts(shown.text);
    strbuf_release(&shown);
}

static enum seep_err write_text(void *arg, const char *temporary, struct err *err)
{
    const struct strbuf *text = arg;
    FILE *f = fopen(temporary, "we");
    if (!f)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", temporary, strerror(errno));
    fwrite(text->text, 1, text->length, f);
    bool failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", temporary, strerror(errno));
    return SEEP_OK;
}

/* Owned by the caller; NULL: standard output. */
static char *path_of(const struct cli *cli, const char *trace, const char *suffix)
{
    const char *given = cli_value(cli, "output");
    struct strbuf name = {0};
    if ((given && strcmp(given, "-") == 0) || (!given && !suffix))
        return NULL;
    size_t length = strlen(trace), own = strlen(SEEP_TRACE_SUFFIX);
    while (length && trace[length - 1] == '/')
        length--;
    if (length > own && strncmp(trace + length - own, SEEP_TRACE_SUFFIX, own) == 0)
        length -= own;
    if (given) {
        strbuf_adds(&name, given);
    } else {
        strbuf_add(&name, trace, length);
        strbuf_adds(&name, suffix);
    }
    return strbuf_detach(&name);
}

int output_check(const struct cli *cli, const char *trace, const char *suffix)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    char *path = path_of(cli, trace, suffix);
    struct stat st;
    bool stands = path && !cli_flag(cli, "force") && lstat(path, &st) == 0 &&
                  (stat(path, &st) != 0 || S_ISREG(st.st_mode));
    enum seep_err code = stands ? publish_exists(path, &err) : SEEP_OK;
    free(path);
    return code ? open_failed(cli, code, &err) : CLI_OK;
}

int output_text(const struct cli *cli, const char *trace, const char *suffix,
                const struct strbuf *text)
{
    struct err err = {.offset = ERR_NO_OFFSET};
    char *path = path_of(cli, trace, suffix);
    enum seep_err code = SEEP_OK;
    struct stat st;
    if (!path) {
        fwrite(text->text, 1, text->length, stdout);
    } else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        code = write_text((void *)text, path, &err); /* a device or a pipe: nothing to replace */
    } else {
        code = output_write(path, cli_flag(cli, "force"), write_text, (void *)text, &err);
        if (!code)
            output_print_done(path, trace);
    }
    free(path);
    return code ? open_failed(cli, code, &err) : CLI_OK;
}
