/* SPDX-License-Identifier: MIT */
#include "model/debug_info.h"

#include "model/debug_lines.h"
#include "model/debug_names.h"
#include "model/ranges.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_LIMIT 128        /* of nested DIEs; compilers stay far below, damage may not */
#define ROW_LIMIT 400000       /* line rows libdw may hold (56 bytes each) before it is restarted */
#define NOT_INLINED UINT32_MAX /* parent of a call that is inlined straight into the function */

struct inlined {
    Dwarf_Off die;
    uint32_t parent; /* index of the inlined call around it, or NOT_INLINED */
    uint32_t call_line;
    const char *call_file;
    const char *name, *linkage; /* once named */
    bool named;
};

struct function {
    Dwarf_Off die;
    const char *name, *linkage; /* once named */
    struct ranges scopes;       /* value: index in inlined */
    struct inlined *inlined;
    size_t inlined_count, inlined_capacity;
    bool named, scoped;
};

enum unit_state { UNIT_UNREAD = 0, UNIT_QUICK, UNIT_DEEP };

struct unit {
    Dwarf_Off die;
    bool split; /* a skeleton: all but its lines is in a .dwo file, which may be opened */
    enum unit_state state;
    bool lines_read;
    struct debug_lines lines;
    struct debug_lines split_files; /* a .dwo file counts files in its own way; no rows */
    struct ranges functions;        /* value: index in list */
    struct function *list;
    size_t count, capacity;
};

struct debug_info {
    const struct elf_file *file;
    struct text_pool *pool;
    uint64_t code_low, code_high;
    struct elf_file alt;
    Dwarf *dwarf, *alt_dwarf;
    size_t rows; /* decoded by the present `dwarf` */
    struct unit *units;
    size_t unit_count, unit_capacity;
    struct ranges unit_ranges; /* value: index in units */
    bool incomplete;
};

static void end_dwarf(struct debug_info *d)
{
    if (d->dwarf)
        dwarf_end(d->dwarf);
    if (d->alt_dwarf)
        dwarf_end(d->alt_dwarf);
    d->dwarf = d->alt_dwarf = NULL;
    d->rows = 0;
}

static bool begin_dwarf(struct debug_info *d)
{
    d->dwarf = dwarf_begin_elf(d->file->elf, DWARF_C_READ, NULL);
    if (d->dwarf && d->alt.elf) {
        d->alt_dwarf = dwarf_begin_elf(d->alt.elf, DWARF_C_READ, NULL);
        if (d->alt_dwarf)
            dwarf_setalt(d->dwarf, d->alt_dwarf);
    }
    return d->dwarf != NULL;
}

/* Adds the DIE's code to `r`. Code that the linker threw away stays in debug information with
 * addresses around 0 or at the top; what is outside the file's code is that. Returns how many
 * ranges were added. */
static size_t add_ranges(const struct debug_info *d, Dwarf_Die *die, struct ranges *r,
                         uint32_t value, uint32_t depth)
{
    Dwarf_Addr base, start, end;
    size_t added = 0;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &start, &end)) > 0;) {
        if (start < d->code_low || end > d->code_high || start >= end)
            continue;
        ranges_add(r, start, end, value, depth);
        added++;
    }
    return added;
}

/* Whether the .dwo file of a skeleton unit is there. libdw opens it by itself, whatever it is. */
static bool has_split_file(Dwarf_Die *die)
{
    Dwarf_Attribute name_attribute, directory_attribute;
    if (dwarf_attr(die, DW_AT_dwo_name, &name_attribute) == NULL &&
        dwarf_attr(die, DW_AT_GNU_dwo_name, &name_attribute) == NULL)
        return false;
    const char *name = dwarf_formstring(&name_attribute);
    const char *directory = dwarf_attr(die, DW_AT_comp_dir, &directory_attribute)
                                ? dwarf_formstring(&directory_attribute)
                                : NULL;
    if (name == NULL || (name[0] != '/' && (directory == NULL || directory[0] != '/')))
        return false;
    struct strbuf path = {0};
    if (name[0] != '/')
        strbuf_addf(&path, "%s/", directory);
    strbuf_adds(&path, name);
    bool found = elf_file_is_one(path.text);
    strbuf_release(&path);
    return found;
}

/* The root of what describes the unit's functions; NULL, or the handle that its offsets belong to.
 */
static Dwarf *unit_root(const struct debug_info *d, const struct unit *u, Dwarf_Die *root)
{
    Dwarf_Die split;
    if (dwarf_offdie(d->dwarf, u->die, root) == NULL)
        return NULL;
    if (!u->split || dwarf_cu_info(root->cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) != 0 ||
        split.cu == NULL)
        return d->dwarf;
    *root = split;
    return dwarf_cu_getdwarf(split.cu);
}

static void list_units(struct debug_info *d)
{
    Dwarf_CU *cu = NULL;
    Dwarf_Die die;
    uint8_t type;
    while (dwarf_get_units(d->dwarf, cu, &cu, NULL, &type, &die, NULL) == 0) {
        if (type != DW_UT_compile && type != DW_UT_skeleton)
            continue;
        if (dwarf_tag(&die) != DW_TAG_compile_unit && dwarf_tag(&die) != DW_TAG_skeleton_unit)
            continue; /* before DWARF 5 a partial unit shows by its tag only */
        MEM_GROW(d->units, d->unit_capacity, d->unit_count + 1);
        uint32_t index = (uint32_t)d->unit_count++;
        d->units[index] =
            (struct unit){.die = dwarf_dieoffset(&die), .split = has_split_file(&die)};
        add_ranges(d, &die, &d->unit_ranges, index, 0);
    }
    ranges_sort(&d->unit_ranges);
}

struct debug_info *debug_info_new(const struct elf_file *f, uint64_t code_low, uint64_t code_high,
                                  const struct debug_search *search, struct text_pool *pool)
{
    if (!elf_file_has_section(f, ".debug_info") && !elf_file_has_section(f, ".zdebug_info"))
        return NULL;
    struct debug_info *d = mem_zalloc(1, sizeof *d);
    d->file = f;
    d->pool = pool;
    d->code_low = code_low;
    d->code_high = code_high;
    if (!begin_dwarf(d)) {
        free(d);
        return NULL;
    }
    if (elf_file_has_section(f, ".gnu_debugaltlink")) {
        d->incomplete = !debug_search_open_alt(search, f, d->dwarf, &d->alt);
        end_dwarf(d);
        if (!begin_dwarf(d)) {
            debug_info_free(d);
            return NULL;
        }
    }
    list_units(d);
    return d;
}

bool debug_info_incomplete(const struct debug_info *d)
{
    return d->incomplete;
}

void debug_info_free(struct debug_info *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->unit_count; i++) {
        struct unit *u = &d->units[i];
        for (size_t k = 0; k < u->count; k++) {
            ranges_release(&u->list[k].scopes);
            free(u->list[k].inlined);
        }
        free(u->list);
        ranges_release(&u->functions);
        debug_lines_release(&u->lines);
        debug_lines_release(&u->split_files);
    }
    free(d->units);
    ranges_release(&d->unit_ranges);
    end_dwarf(d);
    elf_file_release(&d->alt);
    free(d);
}

/* Lists the functions with code below `parent`. Quick: those of the unit, its namespaces and
 * modules, which is where compilers put nearly all. Deep: everywhere, for the nested functions and
 * local classes of some. */
static void list_functions(const struct debug_info *d, struct unit *u, Dwarf_Die *parent, bool deep,
                           unsigned depth)
{
    Dwarf_Die die;
    if (depth > DEPTH_LIMIT || dwarf_child(parent, &die) != 0)
        return;
    do {
        switch (dwarf_tag(&die)) {
        case DW_TAG_subprogram:
            if (add_ranges(d, &die, &u->functions, (uint32_t)u->count, depth) > 0) {
                MEM_GROW(u->list, u->capacity, u->count + 1);
                u->list[u->count++] = (struct function){.die = dwarf_dieoffset(&die)};
            }
            if (deep)
                list_functions(d, u, &die, deep, depth + 1);
            break;
        case DW_TAG_namespace:
        case DW_TAG_module: list_functions(d, u, &die, deep, depth + 1); break;
        default:
            if (deep && dwarf_haschildren(&die))
                list_functions(d, u, &die, deep, depth + 1);
        }
    } while (dwarf_siblingof(&die, &die) == 0);
}

static void drop_functions(struct unit *u)
{
    for (size_t i = 0; i < u->count; i++) {
        ranges_release(&u->list[i].scopes);
        free(u->list[i].inlined);
    }
    u->count = 0;
    ranges_release(&u->functions);
}

static struct function *function_at(struct unit *u, uint64_t address)
{
    size_t cursor = RANGES_FIRST;
    const struct range *range = ranges_next(&u->functions, address, &cursor);
    return range ? &u->list[range->value] : NULL;
}

static struct function *find_function(struct debug_info *d, struct unit *u, uint64_t address)
{
    struct function *f = u->state == UNIT_UNREAD ? NULL : function_at(u, address);
    while (f == NULL && u->state != UNIT_DEEP) {
        u->state = u->state == UNIT_UNREAD ? UNIT_QUICK : UNIT_DEEP;
        Dwarf_Die die;
        if (unit_root(d, u, &die) == NULL)
            return NULL;
        drop_functions(u);
        list_functions(d, u, &die, u->state == UNIT_DEEP, 0);
        ranges_sort(&u->functions);
        f = function_at(u, address);
    }
    return f;
}

static uint32_t number_of(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    if (dwarf_attr(die, name, &attribute) == NULL || dwarf_formudata(&attribute, &value) != 0 ||
        value > UINT32_MAX)
        return 0;
    return (uint32_t)value;
}

static void list_inlined(struct debug_info *d, struct unit *u, struct function *f,
                         Dwarf_Die *parent, uint32_t around, unsigned depth)
{
    Dwarf_Die die;
    if (depth > DEPTH_LIMIT || dwarf_child(parent, &die) != 0)
        return;
    do {
        switch (dwarf_tag(&die)) {
        case DW_TAG_inlined_subroutine: {
            uint32_t index = (uint32_t)f->inlined_count;
            if (add_ranges(d, &die, &f->scopes, index, depth) == 0)
                break;
            MEM_GROW(f->inlined, f->inlined_capacity, f->inlined_count + 1);
            f->inlined[f->inlined_count++] = (struct inlined){
                .die = dwarf_dieoffset(&die),
                .parent = around,
                .call_line = number_of(&die, DW_AT_call_line),
                .call_file = debug_lines_file(u->split ? &u->split_files : &u->lines,
                                              number_of(&die, DW_AT_call_file)),
            };
            list_inlined(d, u, f, &die, index, depth + 1);
            break;
        }
        case DW_TAG_lexical_block:
        case DW_TAG_try_block:
        case DW_TAG_catch_block:
        case DW_TAG_with_stmt: list_inlined(d, u, f, &die, around, depth + 1); break;
        default: break;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
}

static void read_scopes(struct debug_info *d, struct unit *u, struct function *f)
{
    Dwarf_Die root, die;
    f->scoped = true;
    Dwarf *dwarf = unit_root(d, u, &root);
    if (dwarf == NULL || dwarf_offdie(dwarf, f->die, &die) == NULL)
        return;
    list_inlined(d, u, f, &die, NOT_INLINED, 0);
    ranges_sort(&f->scopes);
}

static const char *name_at(struct debug_info *d, const struct unit *u, Dwarf_Off offset,
                           const char **linkage)
{
    Dwarf_Die root, die;
    *linkage = NULL;
    Dwarf *dwarf = unit_root(d, u, &root);
    if (dwarf == NULL || dwarf_offdie(dwarf, offset, &die) == NULL)
        return NULL;
    return debug_name(&die, d->pool, linkage);
}

/* The innermost inlined call around the address, or NULL. */
static const struct inlined *innermost(const struct function *f, uint64_t address)
{
    const struct range *best = NULL, *range;
    size_t cursor = RANGES_FIRST;
    while ((range = ranges_next(&f->scopes, address, &cursor)) != NULL)
        if (best == NULL || range->depth > best->depth)
            best = range;
    return best ? &f->inlined[best->value] : NULL;
}

static size_t tell_function(struct debug_info *d, struct unit *u, struct function *f,
                            uint64_t address, struct debug_frame *frames)
{
    size_t count = 0;
    struct debug_frame here = frames[0]; /* file and line from the line table */
    if (!f->scoped)
        read_scopes(d, u, f);
    for (const struct inlined *at = innermost(f, address); at && count < DEBUG_FRAME_LIMIT - 1;
         at = at->parent == NOT_INLINED ? NULL : &f->inlined[at->parent]) {
        struct inlined *call = &f->inlined[at - f->inlined];
        if (!call->named) {
            call->name = name_at(d, u, call->die, &call->linkage);
            call->named = true;
        }
        here.function = call->name;
        here.linkage = call->linkage;
        frames[count++] = here;
        here = (struct debug_frame){.file = call->call_file, .line = call->call_line};
    }
    if (!f->named) {
        f->name = name_at(d, u, f->die, &f->linkage);
        f->named = true;
    }
    here.function = f->name;
    here.linkage = f->linkage;
    frames[count++] = here;
    return count;
}

static void read_lines(struct debug_info *d, struct unit *u)
{
    u->lines_read = true;
    if (d->rows > ROW_LIMIT) { /* nothing of ours points into it */
        end_dwarf(d);
        if (!begin_dwarf(d))
            return;
    }
    Dwarf_Die die;
    if (dwarf_offdie(d->dwarf, u->die, &die))
        d->rows += debug_lines_read(&u->lines, &die, d->pool);
    if (u->split && unit_root(d, u, &die))
        debug_lines_read_files(&u->split_files, &die, d->pool);
}

size_t debug_info_find(struct debug_info *d, uint64_t address, struct debug_frame *frames)
{
    size_t cursor = RANGES_FIRST;
    const struct range *range;
    bool known = false;
    while ((range = ranges_next(&d->unit_ranges, address, &cursor)) != NULL) {
        struct unit *u = &d->units[range->value];
        struct debug_frame here = {0};
        if (!u->lines_read)
            read_lines(d, u);
        if (d->dwarf == NULL)
            break;
        debug_lines_find(&u->lines, address, &here.file, &here.line);
        struct function *f = find_function(d, u, address);
        if (f || !known)
            frames[0] = here;
        if (f)
            return tell_function(d, u, f, address, frames);
        known = known || here.file;
    }
    return known ? 1 : 0;
}
