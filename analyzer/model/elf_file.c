/* SPDX-License-Identifier: MIT */
#include "model/elf_file.h"

#include "util/mem.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* What is not a regular file is not even opened: opening a device or a FIFO can have effects or
 * wait. Kernel files look regular and are not: /proc/kcore is an "ELF file" of 128 TiB. */
static int open_regular(const char *path)
{
    struct stat before, after;
    struct statfs fs;
    if (stat(path, &before) != 0)
        return -ELF_FILE_MISSING;
    if (!S_ISREG(before.st_mode) || before.st_size < (off_t)sizeof(Elf32_Ehdr))
        return -ELF_FILE_UNSUITABLE;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -ELF_FILE_MISSING;
    char magic[SELFMAG];
    if (fstat(fd, &after) == 0 && S_ISREG(after.st_mode) && after.st_dev == before.st_dev &&
        after.st_ino == before.st_ino && fstatfs(fd, &fs) == 0 && fs.f_type != PROC_SUPER_MAGIC &&
        fs.f_type != SYSFS_MAGIC && pread(fd, magic, SELFMAG, 0) == SELFMAG &&
        memcmp(magic, ELFMAG, SELFMAG) == 0)
        return fd;
    close(fd);
    return -ELF_FILE_UNSUITABLE;
}

bool elf_file_is_one(const char *path)
{
    int fd = open_regular(path);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Reads what every user of the file asks for. */
static bool describe(struct elf_file *f)
{
    GElf_Ehdr header;
    size_t count;
    if (f->elf == NULL || elf_kind(f->elf) != ELF_K_ELF || gelf_getehdr(f->elf, &header) == NULL ||
        (header.e_type != ET_EXEC && header.e_type != ET_DYN && header.e_type != ET_REL) ||
        elf_getphdrnum(f->elf, &count) != 0)
        return false;
    f->bytes = (const uint8_t *)elf_rawfile(f->elf, &f->size);
    if (f->bytes == NULL)
        return false;
    f->machine = header.e_machine;
    f->elf_class = header.e_ident[EI_CLASS];
    f->code_low = UINT64_MAX;
    f->segments = mem_zalloc(count, sizeof *f->segments);
    f->segment_file_bytes = mem_zalloc(count, sizeof *f->segment_file_bytes);
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(f->elf, (int)i, &segment) == NULL)
            return false;
        if (segment.p_type != PT_LOAD || segment.p_vaddr + segment.p_memsz < segment.p_vaddr)
            continue;
        f->segments[f->segment_count] = (struct trace_segment){
            .address = segment.p_vaddr,
            .bytes = segment.p_memsz,
            .file_offset = segment.p_offset,
            .flags = segment.p_flags,
        };
        f->segment_file_bytes[f->segment_count++] = segment.p_filesz;
        if (!(segment.p_flags & PF_X))
            continue;
        if (segment.p_vaddr < f->code_low)
            f->code_low = segment.p_vaddr;
        if (segment.p_vaddr + segment.p_memsz > f->code_high)
            f->code_high = segment.p_vaddr + segment.p_memsz;
    }
    const void *id;
    ssize_t bytes = dwelf_elf_gnu_build_id(f->elf, &id);
    if (bytes > 0) {
        f->build_id = id;
        f->build_id_bytes = (size_t)bytes;
    }
    return true;
}

enum elf_file_status elf_file_open(struct elf_file *f, const char *path)
{
    memset(f, 0, sizeof *f);
    elf_version(EV_CURRENT);
    int fd = open_regular(path);
    if (fd < 0)
        return (enum elf_file_status) - fd;
    f->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (f->elf)
        elf_cntl(f->elf, ELF_C_FDREAD); /* all is mapped: a trace may name more files than we may
                                           keep open */
    close(fd);
    if (!describe(f)) {
        elf_file_release(f);
        return ELF_FILE_UNSUITABLE;
    }
    f->path = mem_strdup(path);
    return ELF_FILE_OK;
}

enum elf_file_status elf_file_open_vdso(struct elf_file *f)
{
    memset(f, 0, sizeof *f);
    elf_version(EV_CURRENT);
    const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
    if (image == NULL)
        return ELF_FILE_MISSING;
    GElf_Ehdr header; /* of our own kernel, and of our own class; its sections come last */
    if (memcmp(image, ELFMAG, SELFMAG) != 0 || image[EI_CLASS] != ELFCLASS64)
        return ELF_FILE_UNSUITABLE;
    memcpy(&header, image, sizeof header);
    size_t bytes = header.e_shoff + (size_t)header.e_shnum * header.e_shentsize;
    f->copy = mem_alloc(bytes);
    memcpy(f->copy, image, bytes);
    f->elf = elf_memory(f->copy, bytes);
    if (!describe(f)) {
        elf_file_release(f);
        return ELF_FILE_UNSUITABLE;
    }
    f->path = mem_strdup("[vdso]");
    return ELF_FILE_OK;
}

void elf_file_release(struct elf_file *f)
{
    if (f->elf)
        elf_end(f->elf);
    free(f->copy);
    free(f->path);
    free(f->segments);
    free(f->segment_file_bytes);
    memset(f, 0, sizeof *f);
}

bool elf_file_has_build_id(const struct elf_file *f, const uint8_t *id, size_t bytes)
{
    return bytes == f->build_id_bytes && bytes > 0 && memcmp(f->build_id, id, bytes) == 0;
}

bool elf_file_section(const struct elf_file *f, const char *name, uint64_t *address,
                      uint64_t *bytes)
{
    size_t names;
    if (elf_getshdrstrndx(f->elf, &names) != 0)
        return false;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(f->elf, section)) != NULL;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == NULL || header.sh_type == SHT_NOBITS)
            continue;
        const char *text = elf_strptr(f->elf, names, header.sh_name);
        if (text && strcmp(text, name) == 0) {
            *address = header.sh_addr;
            *bytes = header.sh_size;
            return true;
        }
    }
    return false;
}

bool elf_file_has_section(const struct elf_file *f, const char *name)
{
    uint64_t address, bytes;
    return elf_file_section(f, name, &address, &bytes);
}

const uint8_t *elf_file_code(const struct elf_file *f, uint64_t address, size_t *before,
                             size_t *after)
{
    for (size_t i = 0; i < f->segment_count; i++) {
        const struct trace_segment *s = &f->segments[i];
        uint64_t bytes = f->segment_file_bytes[i] < s->bytes ? f->segment_file_bytes[i] : s->bytes;
        if (!(s->flags & PF_X) || address < s->address || address - s->address > bytes ||
            s->file_offset > f->size || bytes > f->size - s->file_offset)
            continue;
        *before = (size_t)(address - s->address);
        *after = (size_t)(bytes - *before);
        return f->bytes + s->file_offset + *before;
    }
    return NULL;
}
