/* SPDX-License-Identifier: MIT */
#include "elf_image.h"

#include "sys.h"

#define PAGE 4096u
#define HEADERS_MAX 256u

static bool readable(uintptr_t low, uintptr_t high)
{
    for (uintptr_t p = low & ~(uintptr_t)(PAGE - 1); p < high; p += PAGE)
        if (!sys_readable((const void *)p))
            return false;
    return true;
}

bool elf_image_open(uintptr_t start, uintptr_t end, struct elf_image *image)
{
    const Elf64_Ehdr *header = (const void *)start;
    /* Protected programs unmap their header. One question costs less than decoding a rule. */
    if (end - start < sizeof *header || !sys_readable(header) ||
        header->e_ident[EI_MAG0] != ELFMAG0 || header->e_ident[EI_MAG1] != ELFMAG1 ||
        header->e_ident[EI_MAG2] != ELFMAG2 || header->e_ident[EI_MAG3] != ELFMAG3 ||
        header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_phentsize != sizeof(Elf64_Phdr) ||
        header->e_phnum == 0 || header->e_phnum > HEADERS_MAX)
        return false;
    size_t bytes = header->e_phnum * sizeof(Elf64_Phdr);
    if (header->e_phoff > end - start || bytes > end - start - header->e_phoff)
        return false;
    uintptr_t at = start + header->e_phoff;
    /* Usually in the first page. Elsewhere (patchelf moves them) it is not sure that offset and
     * address agree, so ask first. */
    if (header->e_phoff + bytes > PAGE && !readable(at, at + bytes))
        return false;
    image->headers = (const void *)at;
    image->count = header->e_phnum;
    for (unsigned i = 0; i < image->count; i++) {
        const Elf64_Phdr *h = &image->headers[i];
        if (h->p_type != PT_LOAD)
            continue;
        /* The loader maps the first PT_LOAD at `start`, rounded down to a page. */
        image->base = start - (h->p_vaddr & ~(uintptr_t)(PAGE - 1));
        return h->p_offset < PAGE; /* else what was read is no ELF header */
    }
    return false;
}

bool elf_image_segment(const struct elf_image *image, uintptr_t address, uintptr_t *low,
                       uintptr_t *high)
{
    for (unsigned i = 0; i < image->count; i++) {
        const Elf64_Phdr *h = &image->headers[i];
        uintptr_t start = image->base + h->p_vaddr;
        if (h->p_type != PT_LOAD || !(h->p_flags & PF_R) || address - start >= h->p_memsz)
            continue;
        *low = start;
        *high = start + h->p_memsz;
        return *high > *low;
    }
    return false;
}

uintptr_t elf_image_end(const struct elf_image *image)
{
    uintptr_t end = 0;
    for (unsigned i = 0; i < image->count; i++) {
        const Elf64_Phdr *h = &image->headers[i];
        if (h->p_type == PT_LOAD && image->base + h->p_vaddr + h->p_memsz > end)
            end = image->base + h->p_vaddr + h->p_memsz;
    }
    return end;
}

static const Elf64_Phdr *find(const struct elf_image *image, uint32_t type, unsigned from)
{
    for (unsigned i = from; i < image->count; i++) {
        const Elf64_Phdr *h = &image->headers[i];
        uintptr_t low, high;
        if (h->p_type == type && elf_image_segment(image, image->base + h->p_vaddr, &low, &high))
            return h;
    }
    return NULL;
}

uintptr_t elf_image_find(const struct elf_image *image, uint32_t type)
{
    const Elf64_Phdr *h = find(image, type, 0);
    return h ? image->base + h->p_vaddr : 0;
}

static size_t align_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

size_t elf_image_build_id(const struct elf_image *image, const uint8_t **bytes)
{
    const Elf64_Phdr *h;
    for (unsigned from = 0; (h = find(image, PT_NOTE, from)) != NULL;
         from = (unsigned)(h - image->headers) + 1) {
        uintptr_t at = image->base + h->p_vaddr, low, high;
        if (!elf_image_segment(image, at, &low, &high))
            continue;
        size_t left = h->p_memsz < high - at ? h->p_memsz : high - at;
        size_t align = h->p_align == 8 ? 8 : 4;
        while (left >= sizeof(Elf64_Nhdr)) {
            const Elf64_Nhdr *note = (const void *)at;
            size_t name = align_up(sizeof *note + note->n_namesz, align);
            size_t size = align_up(name + note->n_descsz, align);
            if (size > left || size < name)
                break;
            const char *text = (const char *)(note + 1);
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && text[0] == 'G' &&
                text[1] == 'N' && text[2] == 'U') {
                *bytes = (const uint8_t *)at + name;
                return note->n_descsz;
            }
            at += size;
            left -= size;
        }
    }
    return 0;
}
