/* SPDX-License-Identifier: MIT
 *
 * Where variables of static storage are declared, from DWARF. */
#ifndef MODEL_DEBUG_VARIABLES_H
#define MODEL_DEBUG_VARIABLES_H

#include "model/elf_file.h"
#include "model/text_pool.h"

struct debug_variables;

/* Lists the variables of `f`, which outlives it: those outside functions and those right inside
 * them. NULL if it has no debug information. Owned by the caller, debug_variables_free(). */
struct debug_variables *debug_variables_new(const struct elf_file *f);
void debug_variables_free(struct debug_variables *v);

/* Sets *file (pooled) and *line of the variable that begins at link-time `address`; leaves them
 * alone where it is not known. */
void debug_variables_find(struct debug_variables *v, uint64_t address, struct text_pool *pool,
                          const char **file, uint32_t *line);

#endif
