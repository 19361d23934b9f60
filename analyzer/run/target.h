/* SPDX-License-Identifier: MIT
 *
 * The program to be recorded: where it is, and whether the recorder can get into it at all. What
 * cannot be preloaded would run unrecorded without a word; it is refused before it is started. */
#ifndef RUN_TARGET_H
#define RUN_TARGET_H

#include "util/err.h"

#include <stdbool.h>
#include <sys/types.h>

enum target_verdict {
    TARGET_OK,
    TARGET_REFUSED,   /* there, but not executable or not recordable */
    TARGET_NOT_FOUND, /* it or what it needs to start is not there */
};

struct target {
    char *path;    /* owned: what to execute; found along PATH where the name has no slash */
    bool by_shell; /* a text without "#!": /bin/sh runs it, as execvp() and shells do */
};

/* Who would run it: decides whether set-user-ID bits change anything. */
struct target_user {
    uid_t uid;
    gid_t gid;
    bool no_new_privileges; /* set-user-ID bits have no effect */
};

struct target_user target_user_self(void);

/* Finds `program` along `search_path` (NULL: the system's default) and checks it and, if it is a
 * script, its interpreters. On TARGET_OK *out is the caller's, target_release(); otherwise
 * err->message says why not, beginning with the program's name. A program that may be executed but
 * not read is not checked. */
enum target_verdict target_resolve(struct target *out, const char *program, const char *search_path,
                                   struct target_user user, struct err *err);
void target_release(struct target *target);

#endif
