/* SPDX-License-Identifier: MIT */
#include "trace/spool.h"

#include "seep/trace_codec.h"
#include "util/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A command line and an environment fill at most a few MiB; facts above that are refused. */
#define FACTS_LIMIT (16u << 20)

static const char *const spool_files[] = {"rows",   "snapshots", "inherited", "trace.part",
                                          "packed", "stacks",    "trace",     "control"};

bool spool_pread(int fd, void *to, size_t bytes, uint64_t offset)
{
    uint8_t *p = to;
    while (bytes > 0) {
        ssize_t got = pread(fd, p, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return true;
}

/* ------------------------------------------------------------------ facts */

static void copy_text(char *to, size_t size, const uint8_t *text, uint64_t length)
{
    size_t n = length < size - 1 ? (size_t)length : size - 1;
    memcpy(to, text, n);
    to[n] = '\0';
}

static void take_fact(struct spool *s, uint64_t key, const uint8_t *bytes, uint64_t length)
{
    const uint8_t *p = bytes;
    uint64_t number = 0;
    switch (key) {
    case SEEP_FACT_PARENT_PID:
    case SEEP_FACT_IMAGE:
    case SEEP_FACT_FORK_PARENT_PID:
    case SEEP_FACT_FORK_GENERATION:
        if (!seep_get_varint(&p, bytes + length, &number))
            return;
        *(key == SEEP_FACT_PARENT_PID        ? &s->parent_pid
          : key == SEEP_FACT_IMAGE           ? &s->image
          : key == SEEP_FACT_FORK_PARENT_PID ? &s->fork_parent_pid
                                             : &s->fork_generation) = (uint32_t)number;
        return;
    case SEEP_FACT_PID_NAMESPACE: seep_get_varint(&p, bytes + length, &s->pid_namespace); return;
    case SEEP_FACT_FORK_STAMP: seep_get_u64(&p, bytes + length, &s->fork_stamp); return;
    case SEEP_FACT_FORK_PARENT:
        copy_text(s->fork_parent, sizeof s->fork_parent, bytes, length);
        return;
    case SEEP_FACT_FORK_LANES:
        s->fork_lanes = bytes;
        s->fork_lanes_bytes = (size_t)length;
        return;
    case SEEP_FACT_EXE:
        for (uint64_t i = length; i-- > 0;) {
            if (bytes[i] == '/') {
                copy_text(s->exe, sizeof s->exe, bytes + i + 1, length - i - 1);
                return;
            }
        }
        copy_text(s->exe, sizeof s->exe, bytes, length);
        return;
    case SEEP_FACT_RUN_ID: copy_text(s->run_id, sizeof s->run_id, bytes, length); return;
    case SEEP_FACT_HOST: copy_text(s->host, sizeof s->host, bytes, length); return;
    }
}

/* A file of the spool, or -1: never through a link, and a FIFO that nobody writes to must not hold
 * us up. */
static int open_member(struct spool *s, const char *name, uint64_t *size)
{
    int fd = openat(s->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        return -1;
    }
    if (fd >= 0) {
        s->bytes += (uint64_t)st.st_blocks * 512;
        if (size != NULL)
            *size = (uint64_t)st.st_size;
    }
    return fd;
}

/* Keeps the leading facts that are whole: `control`, of that size, may be cut anywhere. */
static void read_facts(struct spool *s, uint64_t size)
{
    uint64_t from = s->control.facts_offset, bytes = s->control.facts_bytes;
    if (from < size && bytes > size - from)
        bytes = size - from;
    if (from < size && bytes > 0 && bytes <= FACTS_LIMIT) {
        s->facts = mem_alloc((size_t)bytes);
        if (spool_pread(s->control_fd, s->facts, (size_t)bytes, from))
            s->facts_bytes = (size_t)bytes;
    }
    const uint8_t *p = s->facts, *end = p + s->facts_bytes;
    s->facts_bytes = 0;
    while (p < end) {
        uint64_t key, length;
        if (!seep_get_varint(&p, end, &key) || !seep_get_varint(&p, end, &length) ||
            length > (uint64_t)(end - p) || key == 0)
            break;
        take_fact(s, key, p, length);
        p += length;
        s->facts_bytes = (size_t)(p - s->facts);
    }
}

/* ------------------------------------------------------------------ is it alive */

/* The kernel's word on whether the process maps this very control file: a pid alone may long belong
 * to another program. The file's inode is compared, not its path, which may have been renamed. A
 * process whose maps cannot be read (another user's) counts as alive. Seen from another pid
 * namespace than the recorded one, a process cannot be found, and counts as dead. */
static bool is_running(const struct spool *s, uint64_t inode)
{
    if (s->control.pid == 0 || s->control.pid > INT_MAX)
        return false;
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/maps", s->control.pid);
    FILE *maps = fopen(path, "re");
    if (maps == NULL)
        return errno == EACCES || errno == EPERM;
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    errno = 0;
    while (!found && getline(&line, &capacity, maps) > 0) {
        unsigned long ino;
        int name = 0;
        if (sscanf(line, "%*s %*s %*s %*s %lu %n", &ino, &name) == 1 && name > 0 && ino == inode)
            found = strstr(line + name, "/control") != NULL;
    }
    bool refused = errno == EACCES || errno == EPERM;
    free(line);
    fclose(maps);
    return found || (refused && kill((pid_t)s->control.pid, 0) == 0);
}

/* ------------------------------------------------------------------ opening */

enum seep_err spool_open(struct spool *s, const char *path, struct err *err)
{
    *s = (struct spool){.directory = -1, .control_fd = -1, .rows = -1, .snapshots = -1};
    s->newest_stamp = UINT64_MAX;
    s->path = mem_strdup(path);
    for (size_t n = strlen(path); n > 1 && s->path[n - 1] == '/'; n--)
        s->path[n - 1] = '\0';
    s->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->directory < 0)
        return err_set(err, errno == ENOTDIR ? SEEP_ERR_NOT_TRACE : SEEP_ERR_IO, ERR_NO_OFFSET,
                       "%s: %s", path,
                       errno == ENOTDIR ? "not a spool directory" : strerror(errno));
    s->control_fd = open_member(s, "control", NULL);
    if (s->control_fd < 0)
        return err_set(err, errno == ENOENT ? SEEP_ERR_NOT_TRACE : SEEP_ERR_IO, ERR_NO_OFFSET,
                       "%s/control: %s", path,
                       errno == ENOENT ? "missing: not a spool" : strerror(errno));
    struct seep_control *c = &s->control;
    if (!spool_pread(s->control_fd, c, sizeof *c, 0) ||
        memcmp(c->magic, SEEP_SPOOL_MAGIC, sizeof c->magic) != 0)
        return err_set(err, SEEP_ERR_NOT_TRACE, 0, "%s/control: not the control file of a spool",
                       path);
    if (c->version != SEEP_SPOOL_VERSION)
        return err_set(err, SEEP_ERR_VERSION, offsetof(struct seep_control, version),
                       "%s/control: spool version %u is not known to this seep", path, c->version);
    struct stat st;
    if (fstat(s->control_fd, &st) != 0)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s/control: %s", path, strerror(errno));
    s->rows = open_member(s, "rows", NULL);
    s->snapshots = open_member(s, "snapshots", &s->snapshots_bytes);
    read_facts(s, (uint64_t)st.st_size);
    s->running = is_running(s, (uint64_t)st.st_ino);
    return SEEP_OK;
}

void spool_renew(struct spool *s)
{
    struct seep_control c;
    struct stat st;
    if (s->running)
        s->running = fstat(s->control_fd, &st) == 0 && is_running(s, (uint64_t)st.st_ino);
    /* after the look: once the process is dead this is its last word */
    if (spool_pread(s->control_fd, &c, sizeof c, 0))
        s->control = c;
    if (s->snapshots >= 0 && fstat(s->snapshots, &st) == 0 && st.st_size > 0)
        s->snapshots_bytes = (uint64_t)st.st_size;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void spool_release(struct spool *s)
{
    if (s->path == NULL)
        return;
    close_if_open(s->directory);
    close_if_open(s->control_fd);
    close_if_open(s->rows);
    close_if_open(s->snapshots);
    free(s->path);
    free(s->facts);
    for (size_t i = 0; i < s->lane_count; i++) {
        free(s->lanes[i].pieces);
        free(s->lanes[i].tail);
    }
    free(s->lanes);
    free(s->early);
    free(s->gaps);
    free(s->pairs);
    *s = (struct spool){0};
}

ssize_t spool_read(const struct spool *s, const struct spool_piece *piece, uint32_t from, void *to,
                   size_t bytes)
{
    size_t left = piece->bytes - from;
    if (bytes > left)
        bytes = left;
    if (piece->file == SPOOL_MEMORY) {
        memcpy(to, s->lanes[piece->lane].tail + piece->offset + from, bytes);
        return (ssize_t)bytes;
    }
    int fd = piece->file == SPOOL_ROWS ? s->rows : s->control_fd;
    size_t done = 0;
    while (done < bytes) {
        ssize_t got =
            pread(fd, (uint8_t *)to + done, bytes - done, (off_t)(piece->offset + from + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* Unlinks the `graph.N`; what cannot be goes on standing in the directory's way. */
static void remove_graphs(const struct spool *s)
{
    int fd = openat(s->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        const char *number = entry->d_name + strlen(SPOOL_GRAPH_PREFIX);
        if (strncmp(entry->d_name, SPOOL_GRAPH_PREFIX, strlen(SPOOL_GRAPH_PREFIX)) == 0 &&
            number[strspn(number, "0123456789")] == '\0')
            unlinkat(s->directory, entry->d_name, 0);
    }
    if (directory != NULL)
        closedir(directory);
    else if (fd >= 0)
        close(fd);
}

bool spool_remove(const struct spool *s)
{
    remove_graphs(s);
    /* `control` goes last: while it is there, the directory is still known as a spool. */
    for (size_t i = 0; i < sizeof spool_files / sizeof *spool_files; i++) {
        if (unlinkat(s->directory, spool_files[i], 0) != 0 && errno != ENOENT)
            return false;
    }
    return rmdir(s->path) == 0;
}
