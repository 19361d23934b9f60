/* SPDX-License-Identifier: MIT */
#include "run/target.h"

#include "run/program_file.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPTS_MAX 5 /* interpreters that are scripts themselves; the kernel allows as many */
#define DEFAULT_PATH "/bin:/usr/bin"

struct target_user target_user_self(void)
{
    return (struct target_user){
        .uid = getuid(),
        .gid = getgid(),
        .no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
    };
}

static enum target_verdict verdict(enum target_verdict v, struct err *err, const char *program,
                                   const char *text)
{
    err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "%s: %s", program, text);
    return v;
}

/* Executable by us, as execve() would find. 0, or an errno; ENOEXEC for devices, FIFOs, sockets. */
static int executable(const char *path, struct stat *st)
{
    if (stat(path, st) != 0)
        return errno;
    if (S_ISDIR(st->st_mode))
        return EISDIR;
    if (!S_ISREG(st->st_mode))
        return ENOEXEC;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* The first executable file of that name along the path; where there is none but something else of
 * that name, *out is that, so that it can be said what is wrong with it. */
static bool search(char **out, const char *name, const char *path)
{
    char *other = NULL;
    for (const char *entry = path;; entry++) {
        size_t length = strcspn(entry, ":");
        struct strbuf b = {0};
        strbuf_add(&b, entry, length);
        strbuf_adds(&b, length ? "/" : "./");
        strbuf_adds(&b, name);
        struct stat st;
        int error = executable(b.text, &st);
        if (error == 0) {
            free(other);
            *out = strbuf_detach(&b);
            return true;
        }
        if (error != ENOENT && error != ENOTDIR && !other)
            other = strbuf_detach(&b);
        strbuf_release(&b);
        entry += length;
        if (!*entry)
            break;
    }
    *out = other;
    return other != NULL;
}

/* Why the loader would be in secure-execution mode, in which it ignores LD_PRELOAD; or NULL. The
 * kernel's rules: an identity that changes (fs/exec.c, bprm_fill_uid), or file capabilities for
 * anybody but root (security/commoncap.c). */
static const char *secure_execution(const char *path, const struct stat *st,
                                    struct target_user user)
{
    struct statvfs fs;
    if (user.no_new_privileges || (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID)))
        return NULL;
    if ((st->st_mode & S_ISUID) && st->st_uid != user.uid)
        return "set-user-ID";
    if ((st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) && st->st_gid != user.gid)
        return "set-group-ID";
    if (user.uid != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        return "it has file capabilities";
    return NULL;
}

static const char *refusal(enum program_kind kind)
{
    switch (kind) {
    case PROGRAM_STATIC:
        return "statically linked: nothing can be preloaded into it; link it dynamically to record "
               "it";
    case PROGRAM_32BIT: return "a 32-bit program; this seep records 64-bit programs only";
    case PROGRAM_MACHINE: return "built for another processor";
    case PROGRAM_MUSL:
        return "uses musl libc, which is not supported; programs of glibc can be recorded";
    case PROGRAM_NOT_EXECUTABLE: return "not in a format that can be executed";
    default: return NULL;
    }
}

/* Checks the file that is executed in the end. `what` names it in messages. */
static enum target_verdict check_binary(const char *what, const char *path, const struct stat *st,
                                        const struct program_file *file, struct target_user user,
                                        struct err *err)
{
    const char *reason = refusal(file->kind);
    if (reason)
        return verdict(TARGET_REFUSED, err, what, reason);
    if (file->kind == PROGRAM_SANITIZED) {
        err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                "%s: built with %s, which replaces malloc itself; build it without to record it",
                what, file->sanitizer);
        return TARGET_REFUSED;
    }
    const char *secure = secure_execution(path, st, user);
    if (secure) {
        err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                "%s: %s: the loader preloads nothing into such programs; record a copy without "
                "that privilege",
                what, secure);
        return TARGET_REFUSED;
    }
    if (file->interpreter[0] && access(file->interpreter, F_OK) != 0) {
        err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "%s: its loader %s: %s", what,
                file->interpreter, strerror(errno));
        return TARGET_NOT_FOUND;
    }
    return TARGET_OK;
}

/* Checks `path`, and what runs it if it is a script. `what` begins every message; it grows with
 * each interpreter: "script: its interpreter /bin/x". */
static enum target_verdict check(struct target *out, const char *path, struct target_user user,
                                 struct strbuf *what, struct err *err)
{
    char interpreter[sizeof((struct program_file *)0)->interpreter];
    for (int depth = 0; depth <= SCRIPTS_MAX; depth++) {
        struct stat st;
        int error = executable(path, &st);
        if (error)
            return verdict(error == ENOENT || error == ENOTDIR ? TARGET_NOT_FOUND : TARGET_REFUSED,
                           err, what->text,
                           error == ENOEXEC ? "not a file that can be executed" : strerror(error));
        struct program_file file;
        program_file_inspect(&file, path);
        if (file.kind == PROGRAM_TEXT && depth == 0) {
            out->by_shell = true;
            strcpy(file.interpreter, "/bin/sh");
        } else if (file.kind == PROGRAM_TEXT) {
            file.kind = PROGRAM_NOT_EXECUTABLE;
        }
        if (file.kind != PROGRAM_SCRIPT && file.kind != PROGRAM_TEXT)
            return check_binary(what->text, path, &st, &file, user, err);
        memcpy(interpreter, file.interpreter, sizeof interpreter);
        strbuf_addf(what, ": its interpreter %s", interpreter);
        path = interpreter;
    }
    return verdict(TARGET_REFUSED, err, what->text, "too many scripts that run scripts");
}

enum target_verdict target_resolve(struct target *out, const char *program, const char *search_path,
                                   struct target_user user, struct err *err)
{
    *out = (struct target){0};
    if (strchr(program, '/'))
        out->path = mem_strdup(program);
    else if (!*program || !search(&out->path, program, search_path ? search_path : DEFAULT_PATH))
        return verdict(TARGET_NOT_FOUND, err, *program ? program : "''",
                       "there is no such program along PATH");
    struct strbuf what = {0};
    strbuf_adds(&what, out->path);
    enum target_verdict v = check(out, out->path, user, &what, err);
    strbuf_release(&what);
    if (v != TARGET_OK)
        target_release(out);
    return v;
}

void target_release(struct target *target)
{
    free(target->path);
    *target = (struct target){0};
}
