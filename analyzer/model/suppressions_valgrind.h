/* SPDX-License-Identifier: MIT
 *
 * Suppressions in valgrind's syntax: blocks in braces that tell a stack frame by frame. Private to
 * suppressions.c.
 *
 *   {
 *      any name
 *      Memcheck:Leak                          other tools and kinds are skipped
 *      match-leak-kinds: definite,possible    may be left out: all
 *      fun:malloc                             the allocation function; then frames from inside out:
 *      fun:_ZN5cache6insertEi                 the linker's symbol, or the name as it is shown
 *      obj:*libfoo.so*                        path of the module
 *      ...                                    any number of frames
 *      src:main.c:12                          source file, and line if one is given
 *   }
 *
 * `*` and `?` are wildcards; a pattern has to match the whole name. The frames told must be the
 * innermost ones, further ones may follow. valgrind manual, section 2.5, "Suppressing errors". */
#ifndef MODEL_SUPPRESSIONS_VALGRIND_H
#define MODEL_SUPPRESSIONS_VALGRIND_H

#include "model/symbols.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_rule_kind { FRAME_FUNCTION, FRAME_OBJECT, FRAME_SOURCE, FRAME_ANY_NUMBER };

struct frame_rule {
    enum frame_rule_kind kind;
    char *text;    /* owned; NULL for FRAME_ANY_NUMBER */
    uint32_t line; /* FRAME_SOURCE: 0 = any */
};

/* A rule being read, then a rule. */
struct valgrind_rule {
    char *name;                /* owned */
    bool leak;                 /* it is of Memcheck:Leak */
    unsigned kinds;            /* enum suppression_kind */
    struct frame_rule *frames; /* owned */
    size_t count, capacity;
};

void valgrind_rule_release(struct valgrind_rule *r);

/* Takes line `n` (0: the name) behind the opening brace, blanks at its ends taken off. Returns
 * NULL, or what is wrong with it, in words. */
const char *valgrind_rule_line(struct valgrind_rule *r, size_t n, const char *line, size_t length);

/* Whether the rule matches a stack of `count` frames, innermost first, inlined calls as frames of
 * their own. The allocation function is none of them: the rule's first line stands for it. */
bool valgrind_rule_matches(const struct valgrind_rule *r, const struct symbol_frame *const *frames,
                           size_t count);

#endif
