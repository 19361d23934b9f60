/* SPDX-License-Identifier: MIT
 *
 * Names of the calls that make and end blocks, and which may end which. */
#ifndef MODEL_CALLS_H
#define MODEL_CALLS_H

#include "seep/trace_format.h"

#include <stdbool.h>

/* "malloc", "new[]", "free", ...; "unknown" for a number that is none. */
const char *call_name(uint8_t call);

/* The enum seep_call of that name, or -1. */
int call_by_name(const char *name);

/* True if a block made by `maker` (or last changed by it) may not be given to `ender`: new to free,
 * malloc to delete, new to delete[], new to realloc and so on. Unknown calls match everything. */
bool call_mismatch(uint8_t maker, uint8_t ender);

#endif
