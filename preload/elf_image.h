/* SPDX-License-Identifier: MIT
 *
 * An ELF file as the loader mapped it: its program headers, read from memory. What a module says of
 * itself is checked before it is followed; nothing is read outside its readable segments. */
#ifndef REC_ELF_IMAGE_H
#define REC_ELF_IMAGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_image {
    const Elf64_Phdr *headers; /* in the module's memory */
    unsigned count;
    uintptr_t base; /* load bias */
};

/* `start`, `end`: the module's mapped range. False if there is no ELF header with readable program
 * headers. */
bool elf_image_open(uintptr_t start, uintptr_t end, struct elf_image *image);

/* The readable segment around `address`. */
bool elf_image_segment(const struct elf_image *image, uintptr_t address, uintptr_t *low,
                       uintptr_t *high);

/* The end of the last segment. */
uintptr_t elf_image_end(const struct elf_image *image);

/* Address of the first segment of that type; 0 if there is none or it is not readable. */
uintptr_t elf_image_find(const struct elf_image *image, uint32_t type);

/* The GNU build ID: its length, 0 if there is none; *bytes lie in the module's memory. */
size_t elf_image_build_id(const struct elf_image *image, const uint8_t **bytes);

#endif
