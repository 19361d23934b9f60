/* SPDX-License-Identifier: MIT */
#include "run/program_file.h"

#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#else
#error "machine not known"
#endif

#define SCRIPT_LINE_MAX 256 /* BINPRM_BUF_SIZE: what the kernel reads of a script's first line */

/* Functions by which sanitized code calls its runtime, shared or linked in; each replaces malloc.
 */
static const struct {
    const char *symbol, *name;
} sanitizers[] = {
    {"__asan_init", "AddressSanitizer"}, {"__hwasan_init", "HWAddressSanitizer"},
    {"__tsan_init", "ThreadSanitizer"},  {"__msan_init", "MemorySanitizer"},
    {"__lsan_init", "LeakSanitizer"},
};

struct elf {
    const uint8_t *bytes;
    size_t length;
    Elf64_Ehdr header;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool within(const struct elf *e, uint64_t offset, uint64_t size)
{
    return offset <= e->length && size <= e->length - offset;
}

/* Copies program header `i`; false past the last or where the file is cut. */
static bool program_header(const struct elf *e, unsigned i, Elf64_Phdr *out)
{
    if (i >= e->header.e_phnum || e->header.e_phentsize != sizeof *out ||
        !within(e, e->header.e_phoff, (uint64_t)(i + 1) * sizeof *out))
        return false;
    memcpy(out, e->bytes + e->header.e_phoff + i * sizeof *out, sizeof *out);
    return true;
}

static bool find_header(const struct elf *e, uint32_t type, Elf64_Phdr *out)
{
    for (unsigned i = 0; program_header(e, i, out); i++)
        if (out->p_type == type)
            return true;
    return false;
}

/* Where the file holds what is loaded at `address`; false where nothing is. */
static bool file_offset(const struct elf *e, uint64_t address, uint64_t *offset)
{
    Elf64_Phdr load;
    for (unsigned i = 0; program_header(e, i, &load); i++) {
        if (load.p_type == PT_LOAD && address >= load.p_vaddr &&
            address - load.p_vaddr < load.p_filesz) {
            *offset = address - load.p_vaddr + load.p_offset;
            return true;
        }
    }
    return false;
}

/* The names of the dynamic symbols and needed libraries; false if there are none. */
static bool dynamic_strings(const struct elf *e, const char **strings, size_t *length)
{
    Elf64_Phdr dynamic;
    if (!find_header(e, PT_DYNAMIC, &dynamic) || !within(e, dynamic.p_offset, dynamic.p_filesz))
        return false;
    uint64_t address = 0, size = 0, offset;
    for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic.p_filesz; at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        memcpy(&entry, e->bytes + dynamic.p_offset + at, sizeof entry);
        if (entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_STRTAB)
            address = entry.d_un.d_ptr;
        if (entry.d_tag == DT_STRSZ)
            size = entry.d_un.d_val;
    }
    if (size == 0 || !file_offset(e, address, &offset) || !within(e, offset, size))
        return false;
    *strings = (const char *)e->bytes + offset;
    *length = size;
    return true;
}

static const char *find_sanitizer(const struct elf *e)
{
    const char *strings;
    size_t length;
    if (!dynamic_strings(e, &strings, &length))
        return NULL;
    for (size_t i = 0; i < sizeof sanitizers / sizeof sanitizers[0]; i++)
        if (memmem(strings, length, sanitizers[i].symbol, strlen(sanitizers[i].symbol) + 1))
            return sanitizers[i].name;
    return NULL;
}

static enum program_kind elf_kind(struct program_file *out, struct elf *e, const char *path)
{
    if (e->length < sizeof e->header)
        return PROGRAM_NOT_EXECUTABLE;
    memcpy(&e->header, e->bytes, sizeof e->header);
    const Elf64_Ehdr *h = &e->header;
    if (h->e_ident[EI_CLASS] == ELFCLASS32)
        return PROGRAM_32BIT;
    if (h->e_ident[EI_CLASS] != ELFCLASS64)
        return PROGRAM_NOT_EXECUTABLE;
    if (h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != NATIVE_MACHINE)
        return PROGRAM_MACHINE;
    if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
        return PROGRAM_NOT_EXECUTABLE;
    Elf64_Phdr interp;
    if (!find_header(e, PT_INTERP, &interp)) {
        /* The loader itself, given a program as its argument, preloads as ever. */
        bool loader = h->e_type == ET_DYN && strncmp(base_name(path), "ld-linux", 8) == 0;
        return loader ? PROGRAM_DYNAMIC : PROGRAM_STATIC;
    }
    if (!within(e, interp.p_offset, interp.p_filesz) || interp.p_filesz < 2 ||
        interp.p_filesz > sizeof out->interpreter)
        return PROGRAM_NOT_EXECUTABLE;
    memcpy(out->interpreter, e->bytes + interp.p_offset, interp.p_filesz);
    out->interpreter[interp.p_filesz - 1] = '\0';
    if (strncmp(base_name(out->interpreter), "ld-musl", 7) == 0)
        return PROGRAM_MUSL;
    out->sanitizer = find_sanitizer(e);
    return out->sanitizer ? PROGRAM_SANITIZED : PROGRAM_DYNAMIC;
}

/* "#! /path argument": the path ends at a space or tab. */
static enum program_kind script_kind(struct program_file *out, const char *text, size_t length)
{
    size_t at = 2;
    if (length > SCRIPT_LINE_MAX)
        length = SCRIPT_LINE_MAX;
    while (at < length && (text[at] == ' ' || text[at] == '\t'))
        at++;
    size_t n = 0;
    while (at + n < length && !strchr(" \t\n", text[at + n])) /* finds a NUL too */
        n++;
    if (n == 0 || n >= sizeof out->interpreter)
        return PROGRAM_NOT_EXECUTABLE;
    memcpy(out->interpreter, text + at, n);
    return PROGRAM_SCRIPT;
}

/* Shells take a file for a text where its first line holds no NUL. */
static bool is_text(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length && i < SCRIPT_LINE_MAX && bytes[i] != '\n'; i++)
        if (bytes[i] == '\0')
            return false;
    return true;
}

void program_file_inspect_bytes(struct program_file *out, const void *bytes, size_t length,
                                const char *path)
{
    *out = (struct program_file){0};
    if (length >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0) {
        struct elf e = {.bytes = bytes, .length = length};
        out->kind = elf_kind(out, &e, path);
    } else if (length >= 2 && memcmp(bytes, "#!", 2) == 0) {
        out->kind = script_kind(out, bytes, length);
    } else {
        out->kind = is_text(bytes, length) ? PROGRAM_TEXT : PROGRAM_NOT_EXECUTABLE;
    }
}

void program_file_inspect(struct program_file *out, const char *path)
{
    *out = (struct program_file){.kind = PROGRAM_UNREADABLE};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        size_t length = (size_t)st.st_size;
        void *bytes = length ? mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
        if (bytes != MAP_FAILED) {
            program_file_inspect_bytes(out, bytes ? bytes : "", length, path);
            if (bytes)
                munmap(bytes, length);
        }
    }
    close(fd);
}
