/* SPDX-License-Identifier: MIT
 *
 * The functions, or the variables, of an ELF symbol table, by address. */
#ifndef MODEL_SYMBOL_TABLE_H
#define MODEL_SYMBOL_TABLE_H

#include "model/elf_file.h"
#include "model/ranges.h"

struct symbol_table {
    Elf *elf; /* the file's, which outlives the table */
    Elf_Data *symbols;
    size_t strings;       /* index of the section of names */
    struct ranges ranges; /* value: index of the symbol */
};

/* Reads .symtab, or .dynsym if `dynamic`. False, and an empty table, if the file has none. */
bool symbol_table_init(struct symbol_table *t, const struct elf_file *f, bool dynamic);
/* The same of variables, whatever can be written or not: symbols of data objects that have a size.
 */
bool symbol_table_init_data(struct symbol_table *t, const struct elf_file *f, bool dynamic);
void symbol_table_release(struct symbol_table *t);

/* The name of the function, or variable, around link-time `address`, and its range; NULL if there
 * is none. Among names of one address the plainest: fewest leading underscores, then global before
 * weak before local, then alphabetical. Symbols without a size reach to the next one. */
const char *symbol_table_find(const struct symbol_table *t, uint64_t address, uint64_t *start,
                              uint64_t *end);

#endif
