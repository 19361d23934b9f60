/* SPDX-License-Identifier: MIT
 *
 * Linker symbols as people write them: C++ (Itanium ABI) and Rust (legacy and v0).
 *
 * The work is libiberty's: one library, kept by the binutils, that knows all three, and whose
 * demanglers may be linked into any program without condition. Its callback form matters: what a
 * name expands to can be exponential in its length, so output is taken piece by piece and the
 * attempt dropped at a limit. __cxa_demangle offers no such hold, and knows no Rust v0. */
#ifndef MODEL_DEMANGLE_H
#define MODEL_DEMANGLE_H

#define DEMANGLE_NAME_LIMIT 4096u  /* longer symbols stay as they are */
#define DEMANGLE_TEXT_LIMIT 65536u /* as do those that expand to more than this */

/* Owned by the caller, free(). A copy of `name` if it is not mangled or passes a limit. */
char *demangle(const char *name);

#endif
