/* SPDX-License-Identifier: MIT
 *
 * What an executable file is, as far as preloading into it goes. */
#ifndef RUN_PROGRAM_FILE_H
#define RUN_PROGRAM_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum program_kind {
    PROGRAM_DYNAMIC,   /* ELF for this machine, started by glibc's loader: can be recorded */
    PROGRAM_SCRIPT,    /* begins with "#!": `interpreter` runs it */
    PROGRAM_TEXT,      /* a text without "#!" */
    PROGRAM_STATIC,    /* ELF without a loader */
    PROGRAM_32BIT,     /* ELF for 32 bits */
    PROGRAM_MACHINE,   /* ELF for another processor */
    PROGRAM_MUSL,      /* ELF, started by musl's loader */
    PROGRAM_SANITIZED, /* ELF that brings a sanitizer with an allocator of its own: `sanitizer` */
    PROGRAM_NOT_EXECUTABLE, /* an ELF file that is no program, a damaged one, or no format at all */
    PROGRAM_UNREADABLE,     /* may not be read by us */
};

struct program_file {
    enum program_kind kind;
    char interpreter[256]; /* SCRIPT: as written behind "#!"; DYNAMIC, MUSL: the ELF interpreter */
    const char *sanitizer; /* "AddressSanitizer", ...; else NULL */
};

/* Looks into the regular file at `path`. */
void program_file_inspect(struct program_file *out, const char *path);

/* The same over the file's content. */
void program_file_inspect_bytes(struct program_file *out, const void *bytes, size_t length,
                                const char *path);

#endif
