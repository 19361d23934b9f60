/* SPDX-License-Identifier: MIT */
#include "model/symbol_table.h"

#include <string.h>

enum { SIZED = 0, SIZELESS = 1 }; /* depth of a range: of one start, those with a size come first */

#define ALIAS_LIMIT 64 /* names of one address that are compared */

static Elf_Scn *find_table(Elf *elf, bool dynamic, GElf_Shdr *header)
{
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;)
        if (gelf_getshdr(section, header) && header->sh_type == (dynamic ? SHT_DYNSYM : SHT_SYMTAB))
            return section;
    return NULL;
}

/* A label rather than a function gives no name: ARM's "$x", the assembler's ".L1". */
static bool is_name(const struct symbol_table *t, const GElf_Sym *symbol)
{
    const char *name = elf_strptr(t->elf, t->strings, symbol->st_name);
    return name && name[0] && name[0] != '$' && strncmp(name, ".L", 2) != 0;
}

/* Gives those without a size the room up to the next symbol; drops those that a symbol with a size
 * already covers. Those without have come in as ranges up to the end of their section. */
static void settle_sizeless(struct ranges *r)
{
    ranges_sort(r);
    uint64_t sized_reach = 0;
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct range range = r->items[i];
        if (range.depth == SIZED) {
            if (range.end > sized_reach)
                sized_reach = range.end;
        } else {
            if (range.start < sized_reach)
                continue;
            size_t next = i + 1;
            while (next < r->count && r->items[next].start == range.start)
                next++;
            if (next < r->count && r->items[next].start < range.end)
                range.end = r->items[next].start;
        }
        r->items[kept++] = range;
    }
    r->count = kept;
    ranges_sort(r);
}

/* Opens the table, whose symbols are *count; false if the file has none. */
static bool open_table(struct symbol_table *t, const struct elf_file *f, bool dynamic,
                       size_t *count)
{
    memset(t, 0, sizeof *t);
    GElf_Shdr header;
    Elf_Scn *section = find_table(f->elf, dynamic, &header);
    if (section == NULL || header.sh_type == SHT_NOBITS || header.sh_entsize == 0)
        return false;
    t->elf = f->elf;
    t->strings = header.sh_link;
    t->symbols = elf_getdata(section, NULL);
    if (t->symbols == NULL)
        return false;
    *count = t->symbols->d_size / header.sh_entsize;
    return true;
}

bool symbol_table_init_data(struct symbol_table *t, const struct elf_file *f, bool dynamic)
{
    size_t count;
    if (!open_table(t, f, dynamic, &count))
        return false;
    for (size_t i = 1; i < count && i <= INT32_MAX; i++) {
        GElf_Sym symbol;
        if (gelf_getsym(t->symbols, (int)i, &symbol) == NULL)
            break;
        if (GELF_ST_TYPE(symbol.st_info) == STT_OBJECT && symbol.st_shndx != SHN_UNDEF &&
            symbol.st_shndx < SHN_LORESERVE)
            ranges_add(&t->ranges, symbol.st_value, symbol.st_value + symbol.st_size, (uint32_t)i,
                       SIZED);
    }
    ranges_sort(&t->ranges);
    return t->ranges.count > 0;
}

bool symbol_table_init(struct symbol_table *t, const struct elf_file *f, bool dynamic)
{
    size_t count;
    if (!open_table(t, f, dynamic, &count))
        return false;
    size_t code = 0; /* index and bounds of the section seen last: symbols come in runs */
    GElf_Shdr code_header = {0};
    for (size_t i = 1; i < count && i <= INT32_MAX; i++) {
        GElf_Sym symbol;
        if (gelf_getsym(t->symbols, (int)i, &symbol) == NULL)
            break;
        int type = GELF_ST_TYPE(symbol.st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) ||
            symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE)
            continue;
        if (symbol.st_shndx != code) {
            Elf_Scn *scn = elf_getscn(f->elf, symbol.st_shndx);
            if (scn == NULL || gelf_getshdr(scn, &code_header) == NULL)
                continue;
            code = symbol.st_shndx;
        }
        if (!(code_header.sh_flags & SHF_EXECINSTR) || (type == STT_NOTYPE && !is_name(t, &symbol)))
            continue;
        bool sized = symbol.st_size > 0;
        uint64_t end =
            sized ? symbol.st_value + symbol.st_size : code_header.sh_addr + code_header.sh_size;
        ranges_add(&t->ranges, symbol.st_value, end, (uint32_t)i, sized ? SIZED : SIZELESS);
    }
    settle_sizeless(&t->ranges);
    return t->ranges.count > 0;
}

void symbol_table_release(struct symbol_table *t)
{
    ranges_release(&t->ranges);
    memset(t, 0, sizeof *t);
}

static size_t underscores(const char *name)
{
    /* the "_Z" and "_R" of mangled names are no decoration */
    size_t n = strspn(name, "_");
    return n == 1 && (name[1] == 'Z' || name[1] == 'R') ? 0 : n;
}

/* 0 global, 1 weak, 2 local */
static int binding_rank(const GElf_Sym *symbol)
{
    switch (GELF_ST_BIND(symbol->st_info)) {
    case STB_GLOBAL: return 0;
    case STB_WEAK: return 1;
    default: return 2;
    }
}

const char *symbol_table_find(const struct symbol_table *t, uint64_t address, uint64_t *start,
                              uint64_t *end)
{
    const char *best = NULL;
    int best_rank = 0, seen = 0;
    size_t cursor = RANGES_FIRST;
    const struct range *range;
    while ((range = ranges_next(&t->ranges, address, &cursor)) != NULL && seen++ < ALIAS_LIMIT) {
        if (best && range->start != *start)
            break; /* the innermost one names the code */
        GElf_Sym symbol;
        const char *name = gelf_getsym(t->symbols, (int)range->value, &symbol)
                               ? elf_strptr(t->elf, t->strings, symbol.st_name)
                               : NULL;
        if (name == NULL || *name == '\0')
            continue;
        int rank = binding_rank(&symbol);
        int order = 0;
        if (best) {
            order =
                (underscores(name) > underscores(best)) - (underscores(name) < underscores(best));
            if (order == 0)
                order = rank - best_rank;
            if (order == 0)
                order = strcmp(name, best);
        }
        if (best == NULL || order < 0) {
            best = name;
            best_rank = rank;
            *start = range->start;
            *end = range->end;
        }
    }
    return best;
}
