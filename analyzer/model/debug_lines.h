/* SPDX-License-Identifier: MIT
 *
 * The line table of one unit, at 12 bytes a row. */
#ifndef MODEL_DEBUG_LINES_H
#define MODEL_DEBUG_LINES_H

#include "model/text_pool.h"

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

struct debug_line_row {
    uint32_t offset; /* address - base */
    uint32_t line;   /* or DEBUG_LINE_END: no code from here on */
    uint32_t file;   /* index in files */
};

#define DEBUG_LINE_END UINT32_MAX

/* Zero-initialise. */
struct debug_lines {
    uint64_t base;
    struct debug_line_row *rows; /* by rising address; owned */
    size_t count;
    const char **files; /* pooled, NULL where damaged; the array is owned */
    size_t file_count;
};

/* Reads the table of `unit`, and returns how many rows libdw now holds for it. */
size_t debug_lines_read(struct debug_lines *l, Dwarf_Die *unit, struct text_pool *pool);

/* Reads its list of files only. */
void debug_lines_read_files(struct debug_lines *l, Dwarf_Die *unit, struct text_pool *pool);

/* Sets `*file` and `*line` of link-time `address`; leaves them alone where the table says nothing.
 */
void debug_lines_find(const struct debug_lines *l, uint64_t address, const char **file,
                      uint32_t *line);

/* The source file that attributes of the unit call `index`; NULL if there is none. */
const char *debug_lines_file(const struct debug_lines *l, uint64_t index);

void debug_lines_release(struct debug_lines *l);

#endif
