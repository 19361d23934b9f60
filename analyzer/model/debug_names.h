/* SPDX-License-Identifier: MIT
 *
 * The name of a function in debug information. */
#ifndef MODEL_DEBUG_NAMES_H
#define MODEL_DEBUG_NAMES_H

#include "model/text_pool.h"

#include <elfutils/libdw.h>
#include <stdbool.h>

/* The name of a subprogram or inlined call: its linker symbol demangled (`*linkage` is that symbol
 * then, pooled, else NULL), else its source name with the namespaces and classes around it. Follows
 * abstract origins and specifications, into supplementary files too. Pooled; NULL if it has none.
 */
const char *debug_name(Dwarf_Die *die, struct text_pool *pool, const char **linkage);

#endif
