/* SPDX-License-Identifier: MIT */
#include "model/debug_variables.h"

#include "model/debug_lines.h"
#include "util/mem.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>

#define DEPTH_LIMIT 16 /* of namespaces */

struct variable {
    uint64_t address;
    Dwarf_Off unit, die;
};

struct debug_variables {
    Dwarf *dwarf;           /* owned */
    struct variable *items; /* by address; owned */
    size_t count, capacity;
};

/* Adds the DIE if its place is an address. */
static void add(struct debug_variables *v, Dwarf_Die *die, Dwarf_Off unit)
{
    Dwarf_Attribute attribute;
    Dwarf_Op *ops;
    size_t count;
    if (dwarf_attr(die, DW_AT_location, &attribute) == NULL ||
        dwarf_getlocation(&attribute, &ops, &count) != 0 || count != 1 || ops[0].atom != DW_OP_addr)
        return;
    MEM_GROW(v->items, v->capacity, v->count + 1);
    v->items[v->count++] = (struct variable){ops[0].number, unit, dwarf_dieoffset(die)};
}

static void list(struct debug_variables *v, Dwarf_Die *parent, Dwarf_Off unit, unsigned depth)
{
    Dwarf_Die die;
    if (depth > DEPTH_LIMIT || dwarf_child(parent, &die) != 0)
        return;
    do {
        switch (dwarf_tag(&die)) {
        case DW_TAG_variable: add(v, &die, unit); break;
        case DW_TAG_namespace: list(v, &die, unit, depth + 1); break;
        case DW_TAG_subprogram: list(v, &die, unit, DEPTH_LIMIT); break;
        default: break;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
}

static int by_address(const void *a, const void *b)
{
    uint64_t x = ((const struct variable *)a)->address, y = ((const struct variable *)b)->address;
    return (x > y) - (x < y);
}

struct debug_variables *debug_variables_new(const struct elf_file *f)
{
    Dwarf *dwarf = dwarf_begin_elf(f->elf, DWARF_C_READ, NULL);
    if (dwarf == NULL)
        return NULL;
    struct debug_variables *v = mem_zalloc(1, sizeof *v);
    Dwarf_CU *cu = NULL;
    Dwarf_Die die;
    uint8_t type;
    v->dwarf = dwarf;
    while (dwarf_get_units(dwarf, cu, &cu, NULL, &type, &die, NULL) == 0)
        if (type == DW_UT_compile)
            list(v, &die, dwarf_dieoffset(&die), 0);
    if (v->count > 0)
        qsort(v->items, v->count, sizeof *v->items, by_address);
    return v;
}

void debug_variables_free(struct debug_variables *v)
{
    if (v == NULL)
        return;
    dwarf_end(v->dwarf);
    free(v->items);
    free(v);
}

void debug_variables_find(struct debug_variables *v, uint64_t address, struct text_pool *pool,
                          const char **file, uint32_t *line)
{
    struct variable key = {.address = address};
    struct variable *found =
        v->count == 0 ? NULL : bsearch(&key, v->items, v->count, sizeof *v->items, by_address);
    Dwarf_Die die, unit;
    Dwarf_Attribute attribute;
    Dwarf_Word index, number;
    if (found == NULL || dwarf_offdie(v->dwarf, found->die, &die) == NULL ||
        dwarf_offdie(v->dwarf, found->unit, &unit) == NULL)
        return;
    /* through the declaration in a class or a header that it refers to */
    if (dwarf_attr_integrate(&die, DW_AT_decl_file, &attribute) == NULL ||
        dwarf_formudata(&attribute, &index) != 0)
        return;
    if (dwarf_attr_integrate(&die, DW_AT_decl_line, &attribute) != NULL &&
        dwarf_formudata(&attribute, &number) == 0)
        *line = (uint32_t)number;
    struct debug_lines files = {0};
    debug_lines_read_files(&files, &unit, pool);
    *file = debug_lines_file(&files, index);
    debug_lines_release(&files);
    if (*file == NULL)
        *line = 0;
}
