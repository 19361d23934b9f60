/* SPDX-License-Identifier: MIT */
#include "trace/pack.h"

#include "trace/pack_state.h"
#include "trace/publish.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_RETRY_NS 50000000
#define PARENT_TRIES 100 /* for five seconds */

static void take_note(void *arg, const char *text)
{
    struct packer *p = arg;
    if (p->options->note != NULL && p->noted++ < PACK_NOTES)
        p->options->note(p->options->note_arg, text);
}

bool packer_go_on(const struct packer *p, double fraction)
{
    return p->options->progress == NULL || p->options->progress(p->options->progress_arg, fraction);
}

enum seep_err packer_interrupted(struct err *err)
{
    return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
}

/* ------------------------------------------------------------------ probing */

bool pack_is_spool(const char *path)
{
    uint8_t magic[8];
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return false;
    int fd = openat(directory, "control", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    close(directory);
    if (fd < 0)
        return false;
    bool is = spool_pread(fd, magic, sizeof magic, 0) &&
              memcmp(magic, SEEP_SPOOL_MAGIC, sizeof magic) == 0;
    close(fd);
    return is;
}

enum seep_err pack_probe(const char *spool_path, struct pack_spool *out, struct err *err)
{
    struct spool s;
    *out = (struct pack_spool){0};
    enum seep_err e = spool_open(&s, spool_path, err);
    if (e == SEEP_OK) {
        out->pid = s.control.pid;
        out->pid_namespace = s.pid_namespace;
        out->image = s.image;
        out->parent_pid = s.parent_pid;
        out->start_ns = s.control.start_ns;
        memcpy(out->exe, s.exe, sizeof out->exe);
        memcpy(out->run_id, s.run_id, sizeof out->run_id);
        memcpy(out->fork_parent, s.fork_parent, sizeof out->fork_parent);
        out->state = s.control.state;
        out->bytes = s.bytes;
        out->running = s.running;
    }
    spool_release(&s);
    return e;
}

bool pack_is_followed(const char *spool_path, char **part)
{
    struct spool s;
    bool followed = spool_open(&s, spool_path, NULL) == SEEP_OK && s.running && s.control.packer &&
                    flock(s.control_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK &&
                    faccessat(s.directory, PACKER_PART_FILE, R_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (followed) {
        struct strbuf path = {0};
        strbuf_addf(&path, "%s/" PACKER_PART_FILE, spool_path);
        *part = strbuf_detach(&path);
    }
    spool_release(&s);
    return followed;
}

/* ------------------------------------------------------------------ files */

/* Only one process packs a spool at a time. Waits for the lock; *gone tells that the other one has
 * removed the spool meanwhile. The kernel takes the lock back from whoever dies. */
static enum seep_err lock_spool(struct packer *p, bool *gone, struct err *err)
{
    while (flock(p->spool.control_fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        spool_renew(&p->spool);
        if (error == EWOULDBLOCK && p->spool.running && p->spool.control.packer)
            return err_set(err, SEEP_ERR_BUSY, ERR_NO_OFFSET,
                           "%s: another process packs it while it grows", p->spool.path);
        errno = error;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s/control: cannot be locked: %s",
                           p->spool.path, strerror(errno));
        if (!packer_go_on(p, 0))
            return packer_interrupted(err);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_RETRY_NS}, NULL);
    }
    struct stat st;
    *gone = fstat(p->spool.control_fd, &st) == 0 && st.st_nlink == 0;
    return SEEP_OK;
}

static char *in_spool(const struct packer *p, const char *name)
{
    struct strbuf path = {0};
    strbuf_addf(&path, "%s/%s", p->spool.path, name);
    return strbuf_detach(&path);
}

/* A name that nobody else uses while the spool is locked: what is found under it was left by a
 * packer that was killed. */
static void name_temporary(struct packer *p, const char *trace_path)
{
    struct stat st = {0};
    fstat(p->spool.control_fd, &st);
    const char *slash = strrchr(trace_path, '/');
    struct strbuf name = {0};
    if (slash != NULL)
        strbuf_add(&name, trace_path, (size_t)(slash + 1 - trace_path));
    strbuf_addf(&name, ".seep-packing-%llx-%llx", (unsigned long long)st.st_dev,
                (unsigned long long)st.st_ino);
    p->temporary = strbuf_detach(&name);
    unlink(p->temporary);
}

/* Makes the new file `to` of `from`. 0 or an errno. */
static int copy_file(const char *from, const char *to)
{
    char buffer[64 << 10];
    int error = 0, in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        error = errno;
    ssize_t n;
    while (error == 0 && (n = read(in, buffer, sizeof buffer)) != 0) {
        for (ssize_t done = 0, w; n > 0 && done < n && error == 0; done += w)
            if ((w = write(out, buffer + done, (size_t)(n - done))) < 0)
                error = errno;
        if (n < 0)
            error = errno;
    }
    if (in >= 0)
        close(in);
    if (out >= 0 && close(out) != 0 && error == 0)
        error = errno;
    return error;
}

/* The trace that was made while the process was followed gets its place. */
static enum seep_err publish_followed(struct packer *p, const char *trace_path, struct err *err)
{
    p->temporary = in_spool(p, PACKER_TRACE_FILE);
    p->keep_part = true;
    if (!p->options->keep_spool) {
        enum seep_err e = publish(p->temporary, trace_path, p->options->overwrite, err);
        if (e != SEEP_ERR_IO)
            return e;
    }
    /* on another file system, or the spool is to stay as it is */
    char *whole = p->temporary;
    name_temporary(p, trace_path);
    p->keep_part = false;
    int error = copy_file(whole, p->temporary);
    free(whole);
    if (error != 0)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", trace_path, strerror(error));
    return publish(p->temporary, trace_path, p->options->overwrite, err);
}

static bool was_followed(const struct packer *p)
{
    return faccessat(p->spool.directory, PACKER_TRACE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ------------------------------------------------------------------ the whole */

static void release(struct packer *p)
{
    order_release(&p->order);
    handout_release(&p->handout);
    inherited_release(&p->inherited);
    merge_release(&p->merge);
    beside_release(&p->beside);
    graph_packer_release(&p->graphs);
    stamp_clock_release(&p->clock);
    stack_map_release(&p->stacks);
    if (p->writer != NULL)
        trace_writer_abort(p->writer);
    if (p->temporary != NULL && !p->keep_part)
        unlink(p->temporary); /* gone already if it was renamed */
    free(p->temporary);
    follow_release(p);
    spool_release(&p->spool); /* and the lock with it, once the temporary is gone */
}

/* Sees to it that a forked child is told what it has from its parent: by the packer that follows
 * that, or by packing what there is of it here. */
static enum seep_err meet_parent(struct packer *p, struct err *err)
{
    family_add_siblings(&p->family, p->spool.path);
    for (int tries = 0;
         tries < PARENT_TRIES && p->spool.fork_parent[0] != '\0' && !inherited_is_there(&p->spool);
         tries++) {
        const struct family_member *parent = family_parent(&p->family, &p->spool);
        char *part = NULL;
        if (parent == NULL)
            break;
        if (!pack_is_followed(parent->path, &part)) {
            pack_ancestors(p->spool.path, p->temporary, &p->family);
            break;
        }
        free(part);
        if (!packer_go_on(p, 0))
            return packer_interrupted(err);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_RETRY_NS}, NULL);
    }
    return SEEP_OK;
}

/* What is complete in the spool's directory stands there under that name. */
static enum seep_err name_whole(const struct packer *p, struct err *err)
{
    char *whole = in_spool(p, PACKER_TRACE_FILE);
    enum seep_err e = SEEP_OK;
    if (rename(p->temporary, whole) != 0)
        e = err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", whole, strerror(errno));
    free(whole);
    return e;
}

/* Packs a running process into its spool's directory. */
static enum seep_err pack_followed(struct packer *p, struct err *err)
{
    bool gone = false;
    enum seep_err e = lock_spool(p, &gone, err);
    if (e != SEEP_OK || gone || was_followed(p))
        return e;
    if (pack_state_exists(p))
        return err_set(err, SEEP_ERR_BUSY, ERR_NO_OFFSET, "%s: was followed before", p->spool.path);
    p->temporary = in_spool(p, PACKER_PART_FILE);
    unlink(p->temporary); /* a packer's that was killed before it gave anything back */
    p->keep_part = true;
    e = follow_begin(p, err);
    if (e == SEEP_OK)
        e = meet_parent(p, err);
    if (e == SEEP_OK)
        e = packer_write_trace(p, err);
    return e == SEEP_OK ? name_whole(p, err) : e;
}

/* Packs a process that has ended into its spool's directory. One that ended by exit() has counted
 * its forks; one that did not may have gone by _exit() behind the back of a child, as daemon()
 * does, which is not counted. */
static enum seep_err pack_ahead(struct packer *p, struct err *err)
{
    bool gone = false;
    enum seep_err e = lock_spool(p, &gone, err);
    if (e != SEEP_OK || gone || was_followed(p))
        return e;
    const struct seep_control *c = &p->spool.control;
    if (p->spool.running || p->spool.fork_parent[0] != '\0' || c->state != SEEP_SPOOL_CLOSED ||
        c->forks > 0 || pack_state_exists(p))
        return err_set(err, SEEP_ERR_BUSY, ERR_NO_OFFSET, "%s: is for later", p->spool.path);
    p->temporary = in_spool(p, PACKER_PART_FILE);
    unlink(p->temporary); /* of a packer that was killed */
    e = packer_write_trace(p, err);
    return e == SEEP_OK ? name_whole(p, err) : e;
}

static enum seep_err pack_at_once(struct packer *p, const char *trace_path, struct err *err)
{
    bool gone = false;
    struct stat st;
    bool was_there = lstat(trace_path, &st) == 0;
    if (was_there && !p->options->overwrite)
        return publish_exists(trace_path, err);
    if (p->spool.running && !p->options->running_ok)
        return err_set(err, SEEP_ERR_BUSY, ERR_NO_OFFSET, "%s: process %u is still being recorded",
                       p->spool.path, p->spool.control.pid);
    enum seep_err e = lock_spool(p, &gone, err);
    if (e != SEEP_OK)
        return e;
    if (gone) {
        if (was_there || lstat(trace_path, &st) != 0)
            e = err_set(err, SEEP_ERR_BUSY, ERR_NO_OFFSET,
                        "%s: was packed elsewhere by another process meanwhile", p->spool.path);
        return e;
    }
    if (was_followed(p)) {
        e = publish_followed(p, trace_path, err);
    } else {
        name_temporary(p, trace_path);
        e = packer_write_trace(p, err);
        if (e == SEEP_OK)
            e = publish(p->temporary, trace_path, p->options->overwrite, err);
    }
    if (e == SEEP_OK && !p->options->keep_spool && !p->spool.running && !spool_remove(&p->spool))
        take_note(p, "the spool could not be removed");
    if (e == SEEP_OK)
        packer_go_on(p, 1);
    return e;
}

enum seep_err pack_spool(const char *spool_path, const char *trace_path,
                         const struct pack_options *options, struct err *err)
{
    static const struct pack_options defaults;
    struct packer p = {.options = options != NULL ? options : &defaults};
    p.notes = (struct spool_notes){take_note, &p};
    stack_map_init(&p.stacks);
    enum seep_err e = spool_open(&p.spool, spool_path, err);
    if (e == SEEP_OK)
        e = p.options->follow  ? pack_followed(&p, err)
            : p.options->ahead ? pack_ahead(&p, err)
                               : pack_at_once(&p, trace_path, err);
    release(&p);
    return e;
}

static void pack_parent(const char *spool_path, const struct family *family, const char *scratch,
                        size_t depth)
{
    struct spool s;
    const struct family_member *parent = NULL;
    if (spool_open(&s, spool_path, NULL) == SEEP_OK && !inherited_is_there(&s))
        parent = family_parent(family, &s);
    spool_release(&s);
    if (parent == NULL || depth > family_count(family))
        return;
    pack_parent(parent->path, family, scratch, depth + 1);
    struct pack_options options = {
        .overwrite = true, .keep_spool = true, .running_ok = true, .family = family};
    if (pack_spool(parent->path, scratch, &options, NULL) == SEEP_OK)
        unlink(scratch);
}

void pack_ancestors(const char *spool_path, const char *trace_path, const struct family *family)
{
    struct strbuf scratch = {0};
    strbuf_addf(&scratch, "%s.parent-%ld", trace_path, (long)getpid());
    pack_parent(spool_path, family, scratch.text, 0);
    strbuf_release(&scratch);
}
