/* SPDX-License-Identifier: MIT */
#include "model/pattern.h"

#include <stddef.h>
#include <string.h>

/* Matches `pattern`, which may hold `*`, against the start of `text`; the end is free unless
 * `to_end`. The usual backtracking to the last star: linear in practice, never exponential. */
static bool match_here(const char *pattern, size_t length, const char *text, bool to_end)
{
    const char *end = pattern + length, *star = NULL, *retry = NULL;
    for (;;) {
        if (pattern == end && (!to_end || !*text))
            return true;
        if (pattern < end && *pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (pattern < end && *text && *pattern == *text) {
            pattern++;
            text++;
        } else if (star && *retry) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
}

bool pattern_matches(const char *pattern, const char *text)
{
    if (!text || !*text)
        return false;
    bool anchored = *pattern == '^';
    if (anchored)
        pattern++;
    size_t length = strlen(pattern);
    bool to_end = length && pattern[length - 1] == '$';
    if (to_end)
        length--;
    if (!length)
        return !anchored || !to_end; /* "", "^", "$" are found in any text, "^$" in none */
    if (anchored || *pattern == '*')
        return match_here(pattern, length, text, to_end);
    while ((text = strchr(text, *pattern))) {
        if (match_here(pattern, length, text, to_end))
            return true;
        text++;
    }
    return false;
}
