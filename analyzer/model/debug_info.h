/* SPDX-License-Identifier: MIT
 *
 * Functions, inlined calls and source lines of link-time addresses, from DWARF (versions 2 to 5).
 *
 * Only the units asked for are read, each once: an address finds its unit, the unit its functions,
 * the function its inlined calls, all in sorted tables of our own. libdw keeps whatever it ever
 * decoded until its handle ends, which for a large program is gigabytes of line rows; so what is
 * needed is copied out in compact form and the handle is exchanged now and then. */
#ifndef MODEL_DEBUG_INFO_H
#define MODEL_DEBUG_INFO_H

#include "model/debug_search.h"
#include "model/elf_file.h"
#include "model/text_pool.h"

#define DEBUG_FRAME_LIMIT 64u /* inlined calls at one address that are told */

struct debug_frame {
    const char *function; /* pooled; NULL: not known */
    const char *file;     /* pooled; NULL: not known */
    uint32_t line;        /* 0: not known */
    const char *linkage;  /* pooled: the linker symbol that `function` is made of; or NULL */
};

struct debug_info;

/* Debug information of `f` for code within [code_low, code_high); NULL if it has none. `f`,
 * `search` and `pool` outlive it. Owned by the caller, debug_info_free(). */
struct debug_info *debug_info_new(const struct elf_file *f, uint64_t code_low, uint64_t code_high,
                                  const struct debug_search *search, struct text_pool *pool);
void debug_info_free(struct debug_info *d);

/* Fills `frames` (DEBUG_FRAME_LIMIT of them), innermost inlined call first, and returns how many; 0
 * if the address is in no unit. The outermost one may have a line and no function. */
size_t debug_info_find(struct debug_info *d, uint64_t address, struct debug_frame *frames);

/* True if a supplementary file is referred to and could not be found: names are missing. */
bool debug_info_incomplete(const struct debug_info *d);

#endif
