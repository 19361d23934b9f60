/* SPDX-License-Identifier: MIT */
#include "suppressions.h"

#include "beside.h"
#include "modules.h"
#include "sys.h"
#include "text.h"

#include <elf.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define NAME "__lsan_default_suppressions"
#define ROW_BYTES 4096u /* of the text in a row */
#define TEXT_MAX (1u << 20)

static atomic_bool told;

struct file {
    const uint8_t *bytes;
    size_t length;
};

static bool open_program(struct file *f)
{
    struct stat st = {0};
    long fd = sys_call(SYS_openat, AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (sys_failed(fd))
        return false;
    long p = sys_call(SYS_fstat, fd, &st);
    if (!sys_failed(p))
        p = sys_call(SYS_mmap, 0, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    sys_call(SYS_close, fd);
    f->bytes = (const uint8_t *)p;
    f->length = (size_t)st.st_size;
    return !sys_failed(p);
}

/* `count` things of `bytes` bytes at an offset; NULL if the file has not so many. */
static const void *part(const struct file *f, uint64_t offset, uint64_t count, uint64_t bytes)
{
    return offset <= f->length && count <= (f->length - offset) / bytes ? f->bytes + offset : NULL;
}

/* Where the name begins in a table of names; 0, which is the empty one, if it is not there. */
static uint32_t find_name(const char *names, uint64_t length)
{
    const char *end = names + length;
    for (const char *p = names; (size_t)(end - p) >= sizeof NAME;) {
        p = memchr(p, '_', (size_t)(end - p) - (sizeof NAME - 1));
        if (p == NULL)
            break;
        if (memcmp(p, NAME, sizeof NAME) == 0 && p > names && p[-1] == '\0')
            return (uint32_t)(p - names);
        p++;
    }
    return 0;
}

/* The function's address as the file has it; 0: there is none. */
static uint64_t find_in(const struct file *f, const Elf64_Ehdr *header)
{
    const Elf64_Shdr *sections = part(f, header->e_shoff, header->e_shnum, sizeof *sections);
    for (unsigned i = 0; sections && i < header->e_shnum; i++) {
        const Elf64_Shdr *s = &sections[i];
        if (s->sh_type != SHT_SYMTAB || s->sh_link >= header->e_shnum)
            continue;
        const Elf64_Shdr *n = &sections[s->sh_link];
        const Elf64_Sym *symbols =
            part(f, s->sh_offset, s->sh_size / sizeof *symbols, sizeof *symbols);
        const char *names = part(f, n->sh_offset, n->sh_size, 1);
        uint32_t name = names && symbols ? find_name(names, n->sh_size) : 0;
        for (size_t k = 0; name && k < s->sh_size / sizeof *symbols; k++)
            if (symbols[k].st_name == name && symbols[k].st_shndx != SHN_UNDEF &&
                ELF64_ST_TYPE(symbols[k].st_info) == STT_FUNC)
                return symbols[k].st_value;
    }
    return 0;
}

static uintptr_t find_function(void)
{
    struct file f;
    struct rec_module program;
    if (!open_program(&f))
        return 0;
    const Elf64_Ehdr *header = part(&f, 0, 1, sizeof *header);
    uint64_t value = 0;
    if (header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
        header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_shentsize == sizeof(Elf64_Shdr))
        value = find_in(&f, header);
    sys_call(SYS_munmap, f.bytes, f.length);
    if (value == 0 || !rec_modules_find(getauxval(AT_PHDR), &program) ||
        value >= program.end - program.base)
        return 0;
    return program.base + value;
}

void rec_suppressions_tell(struct rec_thread *t)
{
    if (atomic_exchange(&told, true))
        return;
    const char *(*function)(void) = (const char *(*)(void))find_function();
    const char *text = function ? function() : NULL;
    for (size_t left = text ? text_length_within(text, TEXT_MAX) : 0; left;) {
        size_t length = left < ROW_BYTES ? left : ROW_BYTES;
        struct rec_beside row;
        if (!rec_beside_begin(&row, t))
            return;
        rec_beside_end(&row, SEEP_BESIDE_SUPPRESSIONS, (const uint8_t *)text, length);
        text += length;
        left -= length;
    }
}

void rec_suppressions_init(void)
{
    atomic_store(&told, false);
}
