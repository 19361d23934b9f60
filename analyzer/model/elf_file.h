/* SPDX-License-Identifier: MIT
 *
 * An ELF file on this machine, opened with care: its path may come from a trace, which anybody may
 * have written. Only regular files are ever opened; nothing is executed, downloaded or waited on.
 */
#ifndef MODEL_ELF_FILE_H
#define MODEL_ELF_FILE_H

#include "trace/trace_event.h"

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file {
    char *path;           /* as opened; owned */
    Elf *elf;             /* owned */
    const uint8_t *bytes; /* the whole file; libelf's */
    size_t size;
    void *copy;              /* elf_file_open_vdso(): what `elf` reads from; owned */
    uint16_t machine;        /* EM_... */
    uint8_t elf_class;       /* ELFCLASS32 or ELFCLASS64 */
    const uint8_t *build_id; /* within the file, or NULL */
    size_t build_id_bytes;
    struct trace_segment *segments; /* its PT_LOADs; owned */
    uint64_t *segment_file_bytes;   /* p_filesz of each; owned */
    size_t segment_count;
    uint64_t code_low, code_high; /* bounds of its executable segments */
};

enum elf_file_status {
    ELF_FILE_OK = 0,
    ELF_FILE_MISSING,    /* nothing there, or it may not be read */
    ELF_FILE_UNSUITABLE, /* not a regular file, not ELF, or damaged */
};

/* Opens `path` for reading. `f` holds something only after ELF_FILE_OK; release it then. */
enum elf_file_status elf_file_open(struct elf_file *f, const char *path);

/* True if elf_file_open() would open `path`, as far as its kind and first bytes tell: for files
 * that a library is about to open by itself. */
bool elf_file_is_one(const char *path);

/* Opens the vDSO of the running process. */
enum elf_file_status elf_file_open_vdso(struct elf_file *f);

void elf_file_release(struct elf_file *f);

bool elf_file_has_build_id(const struct elf_file *f, const uint8_t *id, size_t bytes);
bool elf_file_has_section(const struct elf_file *f, const char *name);
/* The same, with its link-time address and size. */
bool elf_file_section(const struct elf_file *f, const char *name, uint64_t *address,
                      uint64_t *bytes);

/* The code at link-time `address`: a pointer to its byte, and how many bytes of the same executable
 * segment lie in the file before and from it. `address` may be the end of the segment. NULL if
 * there is no code. */
const uint8_t *elf_file_code(const struct elf_file *f, uint64_t address, size_t *before,
                             size_t *after);

#endif
