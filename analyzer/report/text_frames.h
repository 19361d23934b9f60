/* SPDX-License-Identifier: MIT */
#ifndef REPORT_TEXT_FRAMES_H
#define REPORT_TEXT_FRAMES_H

#include "report/text.h"

/* The stack of a call site (see `frames` in analysis/leaks.h), a line per frame. */
void text_frames(struct text *t, const struct result *site, size_t indent);

/* Appends a function's name, escaped, shortened to at most `columns` (see function_name.h), and cut
 * there if `cut`. */
void text_frame_function(struct strbuf *out, const char *name, size_t columns, bool cut);

/* Whether it is one of the frames that every stack ends with and that say nothing: main's callers.
 */
bool text_frame_is_runtime(const struct result *frame);

/* Appends where a frame's code stands: "src/cache.c:88", else the module's base name, else
 * nothing. Escaped. */
void text_frame_place(struct strbuf *out, const struct result *frame);

#endif
