/* SPDX-License-Identifier: MIT */
#include "model/unwind_starts.h"

#include "util/bisect.h"

#include <dwarf.h>
#include <string.h>

#define HEADER_BYTES 12u /* version, three encodings, pointer to .eh_frame, count */
#define ENTRY_BYTES 8u   /* start of the function, its FDE; both relative to the header */

void unwind_starts_init(struct unwind_starts *u, const struct elf_file *f)
{
    memset(u, 0, sizeof *u);
    size_t segments;
    if (elf_getphdrnum(f->elf, &segments) != 0)
        return;
    for (size_t i = 0; i < segments; i++) {
        GElf_Phdr p;
        if (gelf_getphdr(f->elf, (int)i, &p) == NULL || p.p_type != PT_GNU_EH_FRAME ||
            p.p_filesz < HEADER_BYTES || p.p_offset > f->size || p.p_filesz > f->size - p.p_offset)
            continue;
        const uint8_t *header = f->bytes + p.p_offset;
        if (header[0] != 1 || (header[1] & 0x0f) != DW_EH_PE_sdata4 ||
            header[2] != DW_EH_PE_udata4 || header[3] != (DW_EH_PE_datarel | DW_EH_PE_sdata4))
            continue;
        uint32_t count;
        memcpy(&count, header + 8, sizeof count);
        if (count > (p.p_filesz - HEADER_BYTES) / ENTRY_BYTES)
            continue;
        u->table = header + HEADER_BYTES;
        u->count = count;
        u->address = p.p_vaddr;
        u->code_high = f->code_high;
    }
}

static uint64_t start_at(const struct unwind_starts *u, size_t index)
{
    int32_t offset;
    memcpy(&offset, u->table + index * ENTRY_BYTES, sizeof offset);
    return u->address + (uint64_t)(int64_t)offset;
}

bool unwind_starts_find(const struct unwind_starts *u, uint64_t address, uint64_t *start,
                        uint64_t *end)
{
    /* first that starts behind the address */
    size_t low = BISECT(i, u->count, start_at(u, i) <= address);
    if (low == 0)
        return false;
    *start = start_at(u, low - 1);
    *end = low < u->count ? start_at(u, low) : u->code_high;
    return *start < *end;
}
