/* SPDX-License-Identifier: MIT */
#include "model/debug_lines.h"

#include "util/bisect.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

void debug_lines_read_files(struct debug_lines *l, Dwarf_Die *unit, struct text_pool *pool)
{
    Dwarf_Files *files;
    size_t count;
    if (dwarf_getsrcfiles(unit, &files, &count) != 0)
        return;
    l->files = mem_zalloc(count, sizeof *l->files);
    l->file_count = count;
    for (size_t i = 0; i < count; i++)
        l->files[i] = text_pool_add(pool, dwarf_filesrc(files, i, NULL, NULL));
}

size_t debug_lines_read(struct debug_lines *l, Dwarf_Die *unit, struct text_pool *pool)
{
    Dwarf_Lines *lines;
    size_t count;
    if (dwarf_getsrclines(unit, &lines, &count) != 0 || count == 0)
        return 0;
    debug_lines_read_files(l, unit, pool);
    l->rows = mem_zalloc(count, sizeof *l->rows);
    for (size_t i = 0; i < count; i++) {
        Dwarf_Line *line = dwarf_onesrcline(lines, i);
        Dwarf_Addr address;
        bool end;
        int number;
        size_t file;
        Dwarf_Files *of;
        if (dwarf_lineaddr(line, &address) != 0 || dwarf_lineendsequence(line, &end) != 0 ||
            dwarf_lineno(line, &number) != 0 || dwarf_line_file(line, &of, &file) != 0)
            continue;
        if (l->count == 0)
            l->base = address;
        else if (address - l->base > UINT32_MAX) /* sorted: so is all that follows */
            break;
        l->rows[l->count++] = (struct debug_line_row){
            .offset = (uint32_t)(address - l->base),
            .line = end ? DEBUG_LINE_END : (uint32_t)number,
            .file = (uint32_t)file,
        };
    }
    return count;
}

void debug_lines_find(const struct debug_lines *l, uint64_t address, const char **file,
                      uint32_t *line)
{
    if (l->count == 0 || address < l->base || address - l->base > UINT32_MAX)
        return;
    uint32_t offset = (uint32_t)(address - l->base);
    /* first row behind the address */
    size_t low = BISECT(i, l->count, l->rows[i].offset <= offset);
    const struct debug_line_row *row = &l->rows[low - 1];
    if (row->line == DEBUG_LINE_END)
        return;
    *file = debug_lines_file(l, row->file);
    *line = row->line;
}

const char *debug_lines_file(const struct debug_lines *l, uint64_t index)
{
    return index < l->file_count ? l->files[index] : NULL;
}

void debug_lines_release(struct debug_lines *l)
{
    free(l->rows);
    free(l->files);
    memset(l, 0, sizeof *l);
}
