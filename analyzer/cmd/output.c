/* SPDX-License-Identifier: MIT */
#include "cmd/output.h"

#include "trace/publish.h"
#include "util/human.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum seep_err output_write(const char *path, bool overwrite,
                           enum seep_err (*write)(void *arg, const char *temporary,
                                                  struct err *err),
                           void *arg, struct err *err)
{
    struct stat st;
    if (!overwrite && lstat(path, &st) == 0)
        return publish_exists(path, err);
    char *temporary = publish_temporary(path);
    enum seep_err code = write(arg, temporary, err);
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
