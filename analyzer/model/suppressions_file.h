/* SPDX-License-Identifier: MIT
 *
 * What suppressions.c and the reader of files have between them. */
#ifndef MODEL_SUPPRESSIONS_FILE_H
#define MODEL_SUPPRESSIONS_FILE_H

#include "model/suppressions.h"
#include "model/suppressions_valgrind.h"

/* Keeps `text`, which was allocated and is owned from now on, for the set's life. */
const char *suppressions_keep(struct suppressions *s, char *text);

/* Add a rule behind the files' others. `file` is kept already; the block's content is taken over.
 */
void suppressions_add_pattern(struct suppressions *s, const char *text, size_t length,
                              const char *file, uint32_t line);
void suppressions_add_block(struct suppressions *s, struct valgrind_rule *block, const char *file,
                            uint32_t line);

#endif
