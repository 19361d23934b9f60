/* SPDX-License-Identifier: MIT */
#include "run/output_name.h"

#include "seep/trace_format.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum seep_err output_name_check(const char *pattern, struct err *err)
{
    size_t length = strlen(pattern);
    if (length == 0 || pattern[length - 1] == '/')
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "'%s': a file's name is needed",
                       pattern);
    for (const char *p = pattern; (p = strchr(p, '%')); p += 2)
        if (!p[1] || !strchr("peht%", p[1]))
            return err_set(err, SEEP_ERR_USAGE, (uint64_t)(p - pattern),
                           "%s: '%.2s' stands for nothing; there are %%p (pid), %%e (program), %%h "
                           "(host), %%t (time) and %%%%",
                           pattern, p);
    return SEEP_OK;
}

static void add_name(struct strbuf *b, const char *name)
{
    for (; *name; name++)
        strbuf_addc(b, *name == '/' ? '_' : *name);
}

char *output_name_expand(const char *pattern, const struct output_name_values *values)
{
    struct strbuf b = {0};
    for (const char *p = pattern; *p; p++) {
        if (*p != '%' || !p[1]) {
            strbuf_addc(&b, *p);
            continue;
        }
        switch (*++p) {
        case 'p': strbuf_addf(&b, "%ld", (long)values->pid); break;
        case 'e': add_name(&b, values->exe); break;
        case 'h': add_name(&b, values->host); break;
        case 't': strbuf_addf(&b, "%llu", (unsigned long long)values->realtime_s); break;
        default: strbuf_addc(&b, *p);
        }
    }
    return strbuf_detach(&b);
}

char *output_name_default(const struct output_name_values *values, unsigned attempt)
{
    struct strbuf b = {0};
    strbuf_adds(&b, "seep.");
    add_name(&b, values->exe);
    strbuf_addf(&b, ".%ld", (long)values->pid);
    if (attempt > 1)
        strbuf_addf(&b, "-%u", attempt);
    strbuf_adds(&b, SEEP_TRACE_SUFFIX);
    return strbuf_detach(&b);
}

char *output_name_absolute(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *directory = !slash          ? mem_strdup(".")
                      : slash == path ? mem_strdup("/")
                                      : mem_strndup(path, (size_t)(slash - path));
    char *real = realpath(directory, NULL);
    char *result = NULL;
    if (real) {
        struct strbuf b = {0};
        strbuf_adds(&b, real);
        if (strcmp(real, "/") != 0)
            strbuf_addc(&b, '/');
        strbuf_adds(&b, slash ? slash + 1 : path);
        result = strbuf_detach(&b);
    } else {
        err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: the trace cannot be written there: %s: %s",
                path, directory, strerror(errno));
    }
    free(real);
    free(directory);
    return result;
}

size_t output_name_stem(const char *file)
{
    size_t length = strlen(file), suffix = strlen(SEEP_TRACE_SUFFIX);
    return length > suffix && strcmp(file + length - suffix, SEEP_TRACE_SUFFIX) == 0
               ? length - suffix
               : length;
}
