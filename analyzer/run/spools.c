/* SPDX-License-Identifier: MIT */
#include "run/spools.h"

#include "run/output_name.h"
#include "run/process_memory.h"
#include "seep/trace_format.h"
#include "trace/pack.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLED_NS 50000000
/* The kernel has 32768 numbers for processes at least, and hands out no more than some of them in
 * this time. */
#define NUMBERS_LAST_NS UINT64_C(100000000)

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void run_spools_init(struct run_spools *s, const char *file, const char *run_id)
{
    *s = (struct run_spools){.file = file,
                             .run_id = run_id,
                             .begin_ns = now_ns(),
                             .pid_namespace = run_spools_pid_namespace()};
}

uint64_t run_spools_pid_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/pid_for_children", &st) == 0 ? st.st_ino : 0;
}

void run_spools_release(struct run_spools *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->all[i].path);
        free(s->all[i].fork_parent);
    }
    free(s->all);
    free(s->slots);
    *s = (struct run_spools){0};
}

/* Tells whose the spool is, once its recorder has got that far. */
static void look(struct run_spools *s, struct run_spool *spool)
{
    struct pack_spool probe;
    if (pack_probe(spool->path, &probe, NULL) != SEEP_OK)
        return;
    spool->known = true;
    spool->foreign = strcmp(probe.run_id, s->run_id) != 0;
    spool->pid = probe.pid;
    spool->pid_namespace = probe.pid_namespace ? probe.pid_namespace : s->pid_namespace;
    spool->start_ns = probe.start_ns;
    spool->fork_parent = mem_strdup(probe.fork_parent);
    spool->hidden = !probe.running;
    if (spool->foreign)
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct run_spool *other = &s->all[i];
        if (other == spool || !other->known || other->foreign || other->pid != spool->pid ||
            other->pid_namespace != spool->pid_namespace)
            continue;
        bool after = spool->start_ns > other->start_ns;
        (after ? spool : other)->later = true;
        (after ? other : spool)->replaced = true;
    }
}

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

/* The slot of that path, or the empty one where it belongs. At most half of the slots are taken. */
static uint32_t *slot_of(const struct run_spools *s, const char *path)
{
    size_t i = hash(path) & (s->slot_count - 1);
    while (s->slots[i] && strcmp(s->all[s->slots[i] - 1].path, path) != 0)
        i = (i + 1) & (s->slot_count - 1);
    return &s->slots[i];
}

/* Adds the spool unless it is there already. Takes `path` over. */
static void add(struct run_spools *s, char *path)
{
    if (s->slot_count < 2 * (s->count + 1)) {
        s->slot_count = s->slot_count ? 2 * s->slot_count : 64;
        free(s->slots);
        s->slots = mem_zalloc(s->slot_count, sizeof *s->slots);
        for (size_t i = 0; i < s->count; i++)
            *slot_of(s, s->all[i].path) = (uint32_t)i + 1;
    }
    uint32_t *slot = slot_of(s, path);
    if (*slot) {
        free(path);
        return;
    }
    MEM_GROW(s->all, s->capacity, s->count + 1);
    s->all[s->count++] = (struct run_spool){.path = path};
    *slot = (uint32_t)s->count;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), n = strlen(end);
    return length > n && strcmp(text + length - n, end) == 0;
}

static void list(struct run_spools *s, DIR *directory, size_t directory_length)
{
    const char *stem = s->file + directory_length;
    size_t stem_length = output_name_stem(s->file) - directory_length;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (strncmp(entry->d_name, stem, stem_length) != 0 || entry->d_name[stem_length] != '.' ||
            !ends_with(entry->d_name, SEEP_SPOOL_SUFFIX))
            continue;
        struct strbuf path = {0};
        strbuf_add(&path, s->file, directory_length);
        strbuf_adds(&path, entry->d_name);
        add(s, strbuf_detach(&path));
    }
}

/* A file system tells times in steps of some milliseconds: what changes within one step after it
 * was looked at leaves no trace in the time. */
static bool is_settled(struct timespec changed)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age_ns =
        (now.tv_sec - changed.tv_sec) * INT64_C(1000000000) + now.tv_nsec - changed.tv_nsec;
    return age_ns > SETTLED_NS;
}

void run_spools_scan(struct run_spools *s)
{
    size_t length = (size_t)(strrchr(s->file, '/') + 1 - s->file);
    char *path = mem_strndup(s->file, length);
    struct stat st;
    if (stat(path, &st) == 0 && (!s->settled || st.st_mtim.tv_sec != s->changed.tv_sec ||
                                 st.st_mtim.tv_nsec != s->changed.tv_nsec)) {
        s->changed = st.st_mtim;
        s->settled = is_settled(st.st_mtim);
        DIR *directory = opendir(path);
        if (directory) {
            list(s, directory, length);
            closedir(directory);
        }
    }
    free(path);
    for (size_t i = 0; i < s->count; i++)
        if (!s->all[i].known)
            look(s, &s->all[i]);
}

struct run_spool *run_spools_last_image(const struct run_spools *s, uint32_t pid)
{
    for (size_t i = 0; i < s->count; i++) {
        struct run_spool *spool = &s->all[i];
        if (spool->known && !spool->foreign && !spool->replaced && spool->pid == pid &&
            spool->pid_namespace == s->pid_namespace)
            return spool;
    }
    return NULL;
}

bool run_spool_is_running(const struct run_spool *spool)
{
    struct pack_spool probe;
    return !spool->replaced && pack_probe(spool->path, &probe, NULL) == SEEP_OK && probe.running;
}

/* True if the process was started with this run id, by us or by a process of the run. */
static bool carries_id(const char *pid, const char *run_id, struct process_buffer *environment)
{
    struct strbuf path = {0}, variable = {0};
    strbuf_addf(&path, "/proc/%s/environ", pid);
    strbuf_addf(&variable, "SEEP_RUN_ID=%s", run_id);
    bool found =
        process_read_file(path.text, environment) &&
        memmem(environment->bytes, environment->length, variable.text, variable.length + 1);
    strbuf_release(&path);
    strbuf_release(&variable);
    return found;
}

/* Numbers of processes that may have begun since the run did. */
struct numbers {
    bool all;
    long after, last; /* in the order in which the kernel hands them out, from 1 again at the end */
};

static struct numbers numbers_of_run(const struct run_spools *s)
{
    struct numbers n = {.all = true, .after = (long)getpid()};
    struct process_buffer load = {0};
    if (now_ns() - s->begin_ns < NUMBERS_LAST_NS && process_read_file("/proc/loadavg", &load)) {
        const char *last = memrchr(load.bytes, ' ', load.length);
        n.last = last ? strtol(last, NULL, 10) : 0;
        n.all = n.last <= 0;
    }
    process_buffer_release(&load);
    return n;
}

static bool is_among(const struct numbers *n, const char *pid)
{
    if (n->all)
        return true;
    long number = strtol(pid, NULL, 10);
    bool above = number > n->after, below = number <= n->last;
    return n->last >= n->after ? above && below : above || below;
}

size_t run_spools_living(struct run_spools *s)
{
    size_t count = 0;
    struct process_buffer environment = {0};
    struct numbers numbers = numbers_of_run(s);
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc && (entry = readdir(proc)))
        if (isdigit((unsigned char)entry->d_name[0]) && is_among(&numbers, entry->d_name))
            count += carries_id(entry->d_name, s->run_id, &environment);
    if (proc)
        closedir(proc);
    run_spools_scan(s);
    for (size_t i = 0; i < s->count; i++) {
        const struct run_spool *spool = &s->all[i];
        if (!spool->known || spool->foreign || !run_spool_is_running(spool))
            continue;
        char pid[16];
        snprintf(pid, sizeof pid, "%u", spool->pid);
        count += !carries_id(pid, s->run_id, &environment);
    }
    process_buffer_release(&environment);
    return count;
}
