/* SPDX-License-Identifier: MIT
 *
 * Demangled C++ names run to thousands of characters, most of them about types nobody asked for.
 * Here they become as long as there is room, by leaving out what can best be spared first:
 *
 *   the standard library's spelling of its own names (std::__cxx11::basic_string<char, ...> is
 *   std::string), then parameters, then the return type that templates carry, then template
 *   arguments. What is left out shows as "…". */
#ifndef REPORT_FUNCTION_NAME_H
#define REPORT_FUNCTION_NAME_H

#include "util/strbuf.h"

/* Appends the longest form that takes at most `columns`, else the shortest form there is. `name` is
 * printed as it is: it should be escaped before. */
void function_name_fit(struct strbuf *out, const char *name, size_t columns);

#endif
