/* SPDX-License-Identifier: MIT */
#include "replay/candidate.h"

#include "util/mem.h"
#include "util/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name, *file, *package, *note;
} known[] = {
    {"glibc", NULL, "libc6", NULL},
    {"jemalloc", "libjemalloc.so.2", "libjemalloc2", NULL},
    {"tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4",
     "gperftools' tcmalloc, not the one that Google develops further"},
    {"mimalloc", "libmimalloc.so.2", "libmimalloc2.0", NULL},
};
#define KNOWN_COUNT (sizeof known / sizeof known[0])

const char *const candidate_names[] = {"glibc", "jemalloc", "tcmalloc", "mimalloc", NULL};

static const char *const folders[] = {
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/local/lib",
    "/usr/lib64",
    "/usr/lib",
    "/lib64",
    "/lib",
};

/* Variables that steer allocators: none of the user's own is to reach a replay. */
static const char *const steering[] = {
    "MALLOC_",   "GLIBC_TUNABLES=", "LD_PRELOAD=",  "JE_MALLOC_CONF=",
    "TCMALLOC_", "MIMALLOC_",       "HEAPPROFILE=",
};

static bool steers(const char *variable)
{
    for (size_t i = 0; i < sizeof steering / sizeof steering[0]; i++)
        if (strncmp(variable, steering[i], strlen(steering[i])) == 0)
            return true;
    return false;
}

static size_t known_index(const char *name)
{
    size_t i = 0;
    while (i < KNOWN_COUNT && strcmp(known[i].name, name) != 0)
        i++;
    return i;
}

const char *candidate_package(const char *name)
{
    size_t i = known_index(name);
    return i < KNOWN_COUNT ? known[i].package : NULL;
}

const char *candidate_note(const char *name)
{
    size_t i = known_index(name);
    return i < KNOWN_COUNT ? known[i].note : NULL;
}

static char *find_library(const char *file)
{
    struct strbuf path = {0};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        strbuf_reset(&path);
        strbuf_addf(&path, "%s/%s", folders[i], file);
        struct stat st;
        if (stat(path.text, &st) == 0 && S_ISREG(st.st_mode))
            return strbuf_detach(&path);
    }
    strbuf_release(&path);
    return NULL;
}

enum seep_err candidate_find(struct candidate *c, const char *name, const char *settings,
                             struct err *err)
{
    size_t i = known_index(name);
    *c = (struct candidate){.name = mem_strdup(name), .settings = mem_strdup(settings)};
    if (i < KNOWN_COUNT && !known[i].file)
        return SEEP_OK;
    if (i < KNOWN_COUNT) {
        c->library = find_library(known[i].file);
        if (c->library)
            return SEEP_OK;
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "%s: %s is not installed (Debian package %s)", name, known[i].file,
                       known[i].package);
    }
    if (!strchr(name, '/'))
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "%s: no allocator of that name is known; there are glibc, jemalloc, "
                       "tcmalloc, mimalloc, and paths of libraries",
                       name);
    c->library = realpath(name, NULL);
    if (!c->library || access(c->library, R_OK) != 0)
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "%s: there is no such library", name);
    if (strpbrk(c->library, " :"))
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "%s: LD_PRELOAD cannot name a path with a space or colon in it", name);
    free(c->name);
    c->name = mem_strdup(strrchr(c->library, '/') + 1);
    return SEEP_OK;
}

/* Whether a file is one of the system's, or of this user's in its place: a trace may come from
 * elsewhere, and names what is to be run. */
static bool is_of_the_system(const char *path)
{
    struct stat st;
    char *real = realpath(path, NULL);
    bool found = false;
    for (size_t i = 0; real && !found && i < sizeof folders / sizeof folders[0]; i++) {
        size_t length = strlen(folders[i]);
        found = strncmp(real, folders[i], length) == 0 && real[length] == '/';
    }
    found = found && stat(real, &st) == 0 && S_ISREG(st.st_mode) &&
            (st.st_uid == 0 || st.st_uid == geteuid()) && !(st.st_mode & S_IWOTH);
    free(real);
    return found;
}

static bool is_named(const char *path, const struct candidate *named, size_t count)
{
    char *real = realpath(path, NULL);
    bool found = false;
    for (size_t i = 0; real && i < count; i++)
        found = found || (named[i].library && strcmp(named[i].library, real) == 0);
    free(real);
    return found;
}

/* Settings that the trace has of the program's environment; "": none. Owned by the caller. */
static char *recorded_settings(const struct trace_facts *facts)
{
    struct strbuf settings = {0};
    for (char **v = facts->environment; v && *v; v++)
        if (steers(*v) && strncmp(*v, "LD_PRELOAD=", strlen("LD_PRELOAD=")) != 0 &&
            strncmp(*v, "HEAPPROFILE=", strlen("HEAPPROFILE=")) != 0 && /* files to be written */
            !strchr(*v, ' '))
            strbuf_addf(&settings, "%s%s", settings.length ? " " : "", *v);
    return settings.text ? strbuf_detach(&settings) : mem_strdup("");
}

enum seep_err candidate_recorded(struct candidate *c, const struct trace_facts *facts,
                                 const struct candidate *named, size_t named_count, struct err *err)
{
    const char *name = facts->allocator[0] ? facts->allocator : "glibc";
    const char *path = facts->allocator_path;
    char *settings = recorded_settings(facts);
    enum seep_err code = candidate_find(c, name, settings, err);
    bool there = strchr(path, '/') && access(path, R_OK) == 0 && !strpbrk(path, " :");
    bool allowed = there && (is_of_the_system(path) || is_named(path, named, named_count));
    if (allowed && (code || c->library)) { /* the very library */
        free(c->library);
        c->library = mem_strdup(path);
        code = SEEP_OK;
    } else if (code && there) {
        code = err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "%s, which the recording names, is not in a directory of the system, or is "
                       "another user's; --with=%s has it loaded",
                       path, path);
    }
    c->recorded = true;
    free(settings);
    return code;
}

static bool is_preloaded(const struct trace_facts *facts, const char *path)
{
    for (char **v = facts->environment; v && *v; v++)
        if (strncmp(*v, "LD_PRELOAD=", strlen("LD_PRELOAD=")) == 0 &&
            strstr(*v, strrchr(path, '/')))
            return true;
    return false;
}

const char *const candidate_shared[CANDIDATE_SHARED] = {"libstdc++.so.6", "libm.so.6",
                                                        "libgcc_s.so.1"};

char *candidate_beside(const struct trace_facts *facts, unsigned shared)
{
    const char *path = facts->allocator_path;
    bool other = facts->allocator[0] && strcmp(facts->allocator, "glibc") != 0;
    struct strbuf b = {0};
    if (other && (!strchr(path, '/') || is_preloaded(facts, path)))
        return mem_strdup(""); /* the program may have them because of it alone */
    if (other && is_of_the_system(path) && !strpbrk(path, " :"))
        strbuf_addf(&b, ":%s", path);
    for (size_t i = 0; i < CANDIDATE_SHARED; i++)
        if (shared & 1u << i)
            strbuf_addf(&b, ":%s", candidate_shared[i]);
    return b.text ? strbuf_detach(&b) : mem_strdup("");
}

bool candidate_is(const struct candidate *a, const struct candidate *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->settings, b->settings) == 0;
}

void candidate_release(struct candidate *c)
{
    free(c->name);
    free(c->library);
    free(c->settings);
    *c = (struct candidate){0};
}

/* ------------------------------------------------------------------ environment */

struct environment {
    char **variables;
    size_t count, capacity;
};

static void put(struct environment *e, char *variable)
{
    MEM_GROW(e->variables, e->capacity, e->count + 2);
    e->variables[e->count++] = variable;
    e->variables[e->count] = NULL;
}

/* Copies a MALLOC_CONF with its delays divided. */
static void add_conf(struct strbuf *out, const char *conf, unsigned speed_percent)
{
    while (*conf) {
        size_t length = strcspn(conf, ",");
        const char *delay = memmem(conf, length, "_decay_ms:", strlen("_decay_ms:"));
        strbuf_addc(out, ',');
        if (delay && delay[strlen("_decay_ms:")] != '-') {
            delay += strlen("_decay_ms:");
            strbuf_add(out, conf, (size_t)(delay - conf));
            strbuf_addf(out, "%llu", strtoull(delay, NULL, 10) * 100 / speed_percent);
        } else {
            strbuf_add(out, conf, length);
        }
        conf += length;
        conf += *conf == ',';
    }
}

/* jemalloc takes the last word on an option, so that what it is told here comes first. */
static char *jemalloc_conf(const char *conf, unsigned cpus, unsigned here_cpus,
                           unsigned speed_percent)
{
    struct strbuf b = {0};
    strbuf_adds(&b, "MALLOC_CONF=abort:false");
    if (cpus != here_cpus)
        strbuf_addf(&b, ",narenas:%u", cpus * 4); /* its own rule */
    if (speed_percent != 100)                     /* 10 s is the default; the other one's is 0 */
        strbuf_addf(&b, ",dirty_decay_ms:%u", 10000u * 100 / speed_percent);
    add_conf(&b, conf, speed_percent);
    return strbuf_detach(&b);
}

/* Puts the settings in, those of jemalloc aside, whose value is returned ("": none). */
static const char *put_settings(struct environment *e, const char *settings, struct strbuf *conf)
{
    static const char name[] = "MALLOC_CONF=";
    for (const char *at = settings; *at;) {
        size_t length = strcspn(at, " ");
        if (strncmp(at, name, strlen(name)) == 0)
            strbuf_add(conf, at + strlen(name), length - strlen(name));
        else if (length)
            put(e, mem_strndup(at, length));
        at += length;
        at += strspn(at, " ");
    }
    return conf->text ? conf->text : "";
}

char **candidate_environment(const struct candidate *c, const char *beside, unsigned cpus,
                             unsigned here_cpus, unsigned speed_percent)
{
    struct environment e = {0};
    struct strbuf b = {0}, conf = {0};
    for (char **v = environ; *v; v++)
        if (!steers(*v))
            put(&e, mem_strdup(*v));
    if (c->library || beside[0]) {
        strbuf_addf(&b, "LD_PRELOAD=%s%s", c->library ? c->library : "libc.so.6", beside);
        put(&e, strbuf_detach(&b));
    }
    if (!c->library && cpus != here_cpus && !strstr(c->settings, "ARENA_MAX") &&
        !strstr(c->settings, "arena_max")) {
        strbuf_addf(&b, "MALLOC_ARENA_MAX=%u", cpus * 8); /* glibc's own rule, 64 bit */
        put(&e, strbuf_detach(&b));
    }
    const char *given = put_settings(&e, c->settings, &conf);
    if (strcmp(c->name, "jemalloc") == 0 || given[0])
        put(&e, jemalloc_conf(given, cpus, here_cpus, speed_percent));
    if (strcmp(c->name, "mimalloc") == 0 && speed_percent != 100) {
        strbuf_addf(&b, "MIMALLOC_DECOMMIT_DELAY=%u", 25u * 100 / speed_percent);
        put(&e, strbuf_detach(&b));
        strbuf_addf(&b, "MIMALLOC_SEGMENT_DECOMMIT_DELAY=%u", 500u * 100 / speed_percent);
        put(&e, strbuf_detach(&b));
    }
    strbuf_release(&conf);
    return e.variables;
}

void candidate_environment_free(char **environment)
{
    for (char **v = environment; v && *v; v++)
        free(*v);
    free(environment);
}
