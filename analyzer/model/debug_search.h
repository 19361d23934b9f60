/* SPDX-License-Identifier: MIT
 *
 * Where separate debug information lies: the places GDB and Debian use, on this machine only.
 *
 * No network: the search is our own rather than libdwfl's, which asks a debuginfod server as soon
 * as DEBUGINFOD_URLS is set, as many systems do for everybody. */
#ifndef MODEL_DEBUG_SEARCH_H
#define MODEL_DEBUG_SEARCH_H

#include "model/elf_file.h"

#include <elfutils/libdw.h>

struct debug_search {
    char **directories; /* NULL-ended; owned */
    char *sysroot;      /* prefix of module paths, "" without; owned */
};

/* Both may be NULL; `debug_dirs` is colon-separated. */
void debug_search_init(struct debug_search *s, const char *sysroot, const char *debug_dirs);
void debug_search_release(struct debug_search *s);

/* Finds the debug file of `module`: by build ID, else by .gnu_debuglink name and checksum. True: it
 * is open in `out`. */
bool debug_search_open(const struct debug_search *s, const struct elf_file *module,
                       struct elf_file *out);

/* Finds the supplementary file (made by dwz) that `debug`, opened as `dwarf`, refers to. */
bool debug_search_open_alt(const struct debug_search *s, const struct elf_file *debug, Dwarf *dwarf,
                           struct elf_file *out);

#endif
