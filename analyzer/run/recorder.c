/* SPDX-License-Identifier: MIT */
#include "run/recorder.h"

#include "run/process_memory.h"
#include "seep/memory_snapshot.h"
#include "seep/recorder_options.h"
#include "util/mem.h"
#include "util/quantity.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARY "libseep.so"

enum kind { TEXT, BYTES, NUMBER, FLAG };

static const struct {
    const char *name;
    enum kind kind;
} options[] = {
#define X(name, kind, fallback, help) {#name, kind},
    SEEP_RECORDER_OPTIONS(X)
#undef X
};

/* What `seep run` sets by itself. */
static const char *const own_options[] = {"OUT",      "QUIET",          "RUN_ID",      "FILTERS",
                                          "MAIN_PID", "MAIN_NAMESPACE", "SPOOL_LIMIT", "WHEN_FULL"};

/* Relative to the directory of the seep executable. SEEP_LIBRARY_PATH is libdir/seep as seen from
 * bindir, so that an installed tree may be moved, or absolute where it has no place in the prefix.
 */
static const char *const folders[] = {"",         "preload",     "../preload",
                                      "replayer", "../replayer", SEEP_LIBRARY_PATH};

static enum seep_err find(char **out, const char *name, struct err *err)
{
    char *self = realpath("/proc/self/exe", NULL);
    if (!self)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "/proc/self/exe: %s", strerror(errno));
    *strrchr(self, '/') = '\0';
    *out = NULL;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && !*out; i++) {
        struct strbuf b = {0};
        if (folders[i][0] != '/')
            strbuf_addf(&b, "%s/", self);
        strbuf_addf(&b, "%s/%s", folders[i], name);
        struct stat st;
        if (stat(b.text, &st) == 0 && S_ISREG(st.st_mode) && access(b.text, R_OK) == 0)
            *out = realpath(b.text, NULL);
        strbuf_release(&b);
    }
    enum seep_err e = SEEP_OK;
    if (!*out)
        e = err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: not found beside %s/seep", name, self);
    free(self);
    return e;
}

enum seep_err recorder_find_library(char **out, struct err *err)
{
    enum seep_err e = find(out, LIBRARY, err);
    if (!e && strpbrk(*out, " :"))
        e = err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET,
                    "%s: LD_PRELOAD cannot name a path with a space or colon in it", *out);
    return e;
}

enum seep_err recorder_find_replayer(char **out, struct err *err)
{
    return find(out, "seep-replay", err);
}

/* ------------------------------------------------------------------ options */

static bool is_own(const char *name)
{
    for (size_t i = 0; i < sizeof own_options / sizeof own_options[0]; i++)
        if (strcmp(own_options[i], name) == 0)
            return true;
    return false;
}

static enum seep_err unknown_option(const char *setting, struct err *err)
{
    struct strbuf names = {0};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (!is_own(options[i].name))
            strbuf_addf(&names, "%s%s", names.length ? ", " : "", options[i].name);
    err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
            "%s: not an option of the recorder and its value; there are %s", setting, names.text);
    strbuf_release(&names);
    return SEEP_ERR_USAGE;
}

/* The recorder reads one letter as unit and no fractions: sizes are handed over in bytes. */
static bool normalise(struct strbuf *out, enum kind kind, const char *value)
{
    uint64_t number;
    if (kind == TEXT) {
        strbuf_adds(out, value);
        return true;
    }
    if (!(kind == BYTES ? quantity_bytes(value, &number) : quantity_count(value, &number)) ||
        (kind == FLAG && number > 1))
        return false;
    strbuf_addf(out, "%llu", (unsigned long long)number);
    return true;
}

static bool is_signal(const char *name)
{
    static const char *const names[] = {
#define X(name) #name,
        SEEP_SNAPSHOT_SIGNALS(X)
#undef X
    };
    const char *plain = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], plain) == 0)
            return true;
    char *end;
    long number = strtol(name, &end, 10);
    /* glibc keeps those between the standard and the real-time ones to itself */
    return isdigit((unsigned char)*name) && *end == '\0' && number > 0 && number <= SIGRTMAX &&
           number != SIGKILL && number != SIGSTOP && (number < 32 || number >= SIGRTMIN);
}

bool recorder_snapshot_is_known(const char *when)
{
    if (strchr(when, ','))
        return false;
    if (strncmp(when, "signal:", 7) == 0)
        return is_signal(when + 7);
    return strcmp(when, "exit") == 0 || strcmp(when, "never") == 0 ||
           (strncmp(when, "mark:", 5) == 0 && when[5]);
}

enum seep_err recorder_option(struct strbuf *out, const char *setting, struct err *err)
{
    size_t length = strcspn(setting, "=");
    if (!setting[length])
        return unknown_option(setting, err);
    struct strbuf name = {0};
    for (size_t i = 0; i < length; i++)
        strbuf_addc(&name, setting[i] == '-' ? '_' : (char)toupper((unsigned char)setting[i]));
    const char *plain = name.text ? name.text : "";
    if (strncmp(plain, "SEEP_", 5) == 0)
        plain += 5;
    enum seep_err e = SEEP_ERR_USAGE;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(options[i].name, plain) != 0 || is_own(plain))
            continue;
        strbuf_addf(out, "SEEP_%s=", plain);
        e = normalise(out, options[i].kind, setting + length + 1)
                ? SEEP_OK
                : err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "%s: not a value for %s", setting,
                          plain);
        goto done;
    }
    unknown_option(setting, err);
done:
    strbuf_release(&name);
    return e;
}

/* ------------------------------------------------------------------ environment */

static bool is_preload(const char *variable)
{
    return strncmp(variable, "LD_PRELOAD=", 11) == 0;
}

/* Ours stands first, once: another seep may have put it there already. */
static char *preload_variable(const char *library, const char *before)
{
    struct strbuf b = {0};
    strbuf_addf(&b, "LD_PRELOAD=%s", library);
    size_t length = strlen(library);
    while (before && *before) {
        size_t n = strcspn(before, " :");
        if (n && !(n == length && strncmp(before, library, n) == 0)) {
            strbuf_addc(&b, ':');
            strbuf_add(&b, before, n);
        }
        before += n + (before[n] != '\0');
    }
    return strbuf_detach(&b);
}

char **recorder_environment(char *const *base, const char *library, char *const *settings)
{
    size_t count = 0, added = 0;
    while (base[count])
        count++;
    while (settings[added])
        added++;
    char **result = mem_zalloc(count + added + 2, sizeof *result);
    size_t used = 0;
    const char *before = NULL;
    for (size_t i = 0; i < count; i++) {
        if (is_preload(base[i]))
            before = before ? before : base[i] + strlen("LD_PRELOAD=");
        else if (strncmp(base[i], "SEEP_", 5) != 0)
            result[used++] = mem_strdup(base[i]);
    }
    result[used++] = preload_variable(library, before);
    for (size_t i = 0; i < added; i++)
        result[used++] = mem_strdup(settings[i]);
    return result;
}

char *recorder_filters(void)
{
    static const char name[] = "\nSeccomp_filters:";
    struct process_buffer status = {0};
    unsigned long count = 0;
    if (process_read_file("/proc/self/status", &status)) {
        const char *line = memmem(status.bytes, status.length, name, sizeof name - 1);
        const char *p = line ? line + sizeof name - 1 : NULL,
                   *end = (char *)status.bytes + status.length;
        if (p)
            count = seep_text_number(&p, end);
    }
    process_buffer_release(&status);
    struct strbuf b = {0};
    strbuf_addf(&b, "SEEP_FILTERS=%lu", count);
    return strbuf_detach(&b);
}

void recorder_environment_free(char **environment)
{
    for (char **p = environment; p && *p; p++)
        free(*p);
    free(environment);
}
