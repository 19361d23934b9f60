/* SPDX-License-Identifier: MIT
 *
 * Output that is written under a temporary name beside its own, and appears whole or not at all. */
#ifndef TRACE_PUBLISH_H
#define TRACE_PUBLISH_H

#include "util/err.h"

#include <stdbool.h>

/* A name in the directory of `path` that no other process uses; what stands there was left by one
 * that was killed, and is removed. Owned by the caller. */
char *publish_temporary(const char *path);

/* Gives the file `temporary` its own name. Without `overwrite` nothing is replaced, and with it
 * nothing but files and links: EXISTS. Errors: IO, EXISTS. */
enum seep_err publish(const char *temporary, const char *path, bool overwrite, struct err *err);

/* The error where `path` exists, and may not be replaced. */
enum seep_err publish_exists(const char *path, struct err *err);

#endif
