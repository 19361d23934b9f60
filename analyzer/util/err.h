/* SPDX-License-Identifier: MIT
 * Results of the analyser's functions. */
#ifndef UTIL_ERR_H
#define UTIL_ERR_H

#include <stdint.h>

/* 0 is success. A damaged or cut trace is no error but a normal result with losses stated. */
enum seep_err {
    SEEP_OK = 0,
    SEEP_END,           /* no more items; not a failure */
    SEEP_ERR_IO,        /* a file could not be read or written */
    SEEP_ERR_NOT_TRACE, /* the file is something else */
    SEEP_ERR_VERSION,   /* a format version this program does not know */
    SEEP_ERR_DAMAGED,   /* nothing readable is left */
    SEEP_ERR_EXISTS,    /* output exists and may not be overwritten */
    SEEP_ERR_BUSY,      /* the recording is still being written */
    SEEP_ERR_MEMORY,
    SEEP_ERR_USAGE,
    SEEP_ERR_INTERRUPTED, /* Ctrl-C */
};

#define ERR_NO_OFFSET UINT64_MAX

/* Detail of a failure, filled by the function that fails, printed by cmd/ only. */
struct err {
    char message[1024]; /* one line without final newline: names the file and the cause */
    uint64_t offset;    /* byte in the file, or ERR_NO_OFFSET */
};

/* Formats `e->message` (cut at its size), sets `e->offset`, and returns `code`. `e` may be NULL. */
enum seep_err err_set(struct err *e, enum seep_err code, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A constant text for each code. */
const char *err_str(enum seep_err code);

#endif
