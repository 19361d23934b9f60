/* SPDX-License-Identifier: MIT */
#include "trace/family.h"

#include "trace/pack.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Slashes at the end stay with the name. */
static const char *base_name(const char *path)
{
    const char *p = path + strlen(path);
    while (p > path && p[-1] == '/')
        p--;
    while (p > path && p[-1] != '/')
        p--;
    return p;
}

static bool is_spool_name(const char *name)
{
    size_t length = strlen(name), n = strlen(SEEP_SPOOL_SUFFIX);
    return length > n && strcmp(name + length - n, SEEP_SPOOL_SUFFIX) == 0;
}

/* NAME.spool becomes NAME.seep. */
static void add_trace_name(struct strbuf *out, const char *spool_name)
{
    size_t length = strlen(spool_name);
    strbuf_add(out, spool_name,
               is_spool_name(spool_name) ? length - strlen(SEEP_SPOOL_SUFFIX) : length);
    strbuf_adds(out, SEEP_TRACE_SUFFIX);
}

void family_add(struct family *f, const char *path, const char *fork_parent, const char *trace)
{
    struct strbuf name = {0};
    if (trace != NULL)
        strbuf_adds(&name, trace);
    else
        add_trace_name(&name, base_name(path));
    MEM_GROW(f->all, f->capacity, f->count + 1);
    f->all[f->count++] = (struct family_member){
        .path = mem_strdup(path), .trace = strbuf_detach(&name), .parent = mem_strdup(fork_parent)};
}

static bool is_member(const struct family *f, const char *path)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->all[i].path, path) == 0)
            return true;
    return false;
}

void family_add_siblings(struct family *f, const char *path)
{
    struct strbuf folder = {0};
    strbuf_add(&folder, path, (size_t)(base_name(path) - path));
    DIR *directory = opendir(folder.length > 0 ? folder.text : ".");
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        struct pack_spool probe;
        struct strbuf spool = {0};
        strbuf_addf(&spool, "%s%s", folder.length > 0 ? folder.text : "", entry->d_name);
        /* without an executable: its facts are not written yet */
        if (is_spool_name(entry->d_name) && !is_member(f, spool.text) &&
            pack_probe(spool.text, &probe, NULL) == SEEP_OK && probe.exe[0] != '\0')
            family_add(f, spool.text, probe.fork_parent,
                       probe.pid == f->main_pid ? f->main_trace : NULL);
        strbuf_release(&spool);
    }
    if (directory != NULL)
        closedir(directory);
    strbuf_release(&folder);
}

void family_release(struct family *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->all[i].path);
        free(f->all[i].trace);
        free(f->all[i].parent);
    }
    free(f->all);
    *f = (struct family){0};
}

size_t family_next_child(const struct family *f, const char *path, size_t from)
{
    const char *name = base_name(path);
    while (from < family_count(f) && strcmp(f->all[from].parent, name) != 0)
        from++;
    return from;
}

const struct family_member *family_parent(const struct family *f, const struct spool *spool)
{
    for (size_t i = 0; i < family_count(f) && spool->fork_parent[0] != '\0'; i++)
        if (strcmp(base_name(f->all[i].path), spool->fork_parent) == 0)
            return &f->all[i];
    return NULL;
}

char *family_parent_trace(const struct family *f, const struct spool *spool)
{
    const struct family_member *parent = family_parent(f, spool);
    if (parent != NULL)
        return mem_strdup(parent->trace);
    if (spool->fork_parent[0] == '\0' || strchr(spool->fork_parent, '/') != NULL)
        return NULL;
    /* its spool is gone: it was packed earlier */
    struct strbuf path = {0}, name = {0};
    add_trace_name(&name, spool->fork_parent);
    strbuf_add(&path, spool->path, (size_t)(base_name(spool->path) - spool->path));
    strbuf_adds(&path, name.text);
    bool there = access(path.text, F_OK) == 0;
    strbuf_release(&path);
    if (!there)
        strbuf_release(&name);
    return there ? strbuf_detach(&name) : NULL;
}
