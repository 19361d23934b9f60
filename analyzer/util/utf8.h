/* SPDX-License-Identifier: MIT
 *
 * Texts that come from a trace are bytes someone else chose: names of functions, files, threads and
 * marks. What is valid, how wide it stands on a terminal, and how it is shown without obeying it.
 */
#ifndef UTIL_UTF8_H
#define UTIL_UTF8_H

#include "util/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the code point at `s` (`length` bytes are there, at least 1) into *out. Returns the bytes
 * it takes, or 0 where they are not valid UTF-8 (overlong forms, surrogates, above U+10FFFF). */
size_t utf8_decode(const char *s, size_t length, uint32_t *out);

/* Columns of a terminal that the text takes: 2 for East Asian wide characters and emoji, 0 for
 * combining ones. Bytes that are not UTF-8 count 1. */
size_t utf8_width(const char *s, size_t length);

/* Bytes of the longest beginning of `s` that takes at most `columns`. */
size_t utf8_fit(const char *s, size_t length, size_t columns);

/* Appends the text with everything escaped that would act on a terminal or hide in it: control
 * characters ("\n", "\x1b"), controls of the writing direction ("\u202e"), bytes that are not UTF-8
 * ("\xff"), and the backslash where it could be taken for one of these. */
void utf8_add_visible(struct strbuf *out, const char *s, size_t length);

#endif
