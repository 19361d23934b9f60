/* SPDX-License-Identifier: MIT
 *
 * The one pattern language for names, LeakSanitizer's: a pattern is found anywhere in the text,
 * `*` stands for any run of characters, a leading `^` and a final `$` anchor the pattern to the
 * text's start and end. Case matters. */
#ifndef MODEL_PATTERN_H
#define MODEL_PATTERN_H

#include <stdbool.h>

/* False for a NULL or empty text, whatever the pattern, as in LeakSanitizer. */
bool pattern_matches(const char *pattern, const char *text);

#endif
