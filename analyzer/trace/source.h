/* SPDX-License-Identifier: MIT
 *
 * Where the bytes of a trace come from. Files are read, not mapped: one that shrinks meanwhile must
 * not kill the reader. */
#ifndef TRACE_SOURCE_H
#define TRACE_SOURCE_H

#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source {
    char *name;           /* for messages; owned */
    int fd;               /* owned; -1: in memory */
    const uint8_t *bytes; /* not owned */
    uint64_t size_bytes;
};

/* Errors: IO (missing, a directory, no permission), NOT_TRACE (no regular file). */
enum seep_err source_open(struct source *s, const char *path, struct err *err);
void source_open_bytes(struct source *s, const void *bytes, size_t length, const char *name);
void source_close(struct source *s);

/* Reads exactly `length` bytes at `offset`. *got says whether they are there; errors: IO. */
enum seep_err source_read(const struct source *s, uint64_t offset, void *to, size_t length,
                          bool *got, struct err *err);

#endif
