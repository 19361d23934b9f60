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

void run_spools_init(struct run_spools *s, const char *file, const char *run_id)
{
    *s = (struct run_spools){.file = file, .run_id = run_id};
}

void run_spools_release(struct run_spools *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->all[i].path);
    free(s->all);
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
    spool->start_ns = probe.start_ns;
    memcpy(spool->exe, probe.exe, sizeof spool->exe);
    if (spool->foreign)
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct run_spool *other = &s->all[i];
        if (other == spool || !other->known || other->foreign || other->pid != spool->pid)
            continue;
        bool after = spool->start_ns > other->start_ns;
        (after ? spool : other)->later = true;
        (after ? other : spool)->replaced = true;
    }
}

static bool is_listed(const struct run_spools *s, const char *path)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->all[i].path, path) == 0)
            return true;
    return false;
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
        char *path = mem_alloc(directory_length + strlen(entry->d_name) + 1);
        memcpy(path, s->file, directory_length);
        strcpy(path + directory_length, entry->d_name);
        if (is_listed(s, path)) {
            free(path);
            continue;
        }
        MEM_GROW(s->all, s->capacity, s->count + 1);
        s->all[s->count++] = (struct run_spool){.path = path};
    }
}

void run_spools_scan(struct run_spools *s)
{
    size_t length = (size_t)(strrchr(s->file, '/') + 1 - s->file);
    char *path = mem_strndup(s->file, length);
    struct stat st;
    /* A change within the clock tick of the last look leaves the time as it was; the kernel's is
     * a few milliseconds, and a process that lives shorter is found at the end. */
    if (stat(path, &st) == 0 &&
        (st.st_mtim.tv_sec != s->changed.tv_sec || st.st_mtim.tv_nsec != s->changed.tv_nsec)) {
        s->changed = st.st_mtim;
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
        if (spool->known && !spool->foreign && !spool->replaced && spool->pid == pid)
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

size_t run_spools_living(struct run_spools *s)
{
    size_t count = 0;
    struct process_buffer environment = {0};
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc && (entry = readdir(proc)))
        if (isdigit((unsigned char)entry->d_name[0]))
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
