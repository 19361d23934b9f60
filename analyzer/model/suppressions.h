/* SPDX-License-Identifier: MIT
 *
 * Call sites that are known and not to be reported: LeakSanitizer's and valgrind's files, and a
 * built-in list of what libc and the loader keep for the life of the process.
 *
 * A file has lines `leak:PATTERN`, LeakSanitizer's, and blocks in braces, valgrind's
 * (suppressions_valgrind.h); empty lines and lines that begin with `#` are skipped. PATTERN
 * (pattern.h) is compared with the module's path, the function's name and the source file of every
 * frame, inline ones too, from the allocation outwards; the first frame that matches decides, and
 * within it the first rule. Where none matches, the first block that does decides.
 */
#ifndef MODEL_SUPPRESSIONS_H
#define MODEL_SUPPRESSIONS_H

#include "model/symbols.h"
#include "trace/trace_event.h"
#include "util/err.h"

/* What a block is that a rule is asked about; a block in braces may be for some only. */
enum suppression_kind {
    SUPPRESSION_DEFINITE = 1,
    SUPPRESSION_INDIRECT = 2,
    SUPPRESSION_POSSIBLE = 4,
    SUPPRESSION_REACHABLE = 8,
    SUPPRESSION_ALL = 15,
};

struct suppression {
    const char *pattern; /* text after "leak:"; of a block in braces its name; of a built-in rule
                            what it looks for, in words */
    const char *reason;  /* built-in rules; else NULL */
    const char *file;    /* where it stands; NULL: built in */
    uint32_t line;
    bool of_program; /* the recorded program brings it: it need not match anything */
    const struct valgrind_rule *frames; /* of a block in braces; else NULL */
    uint64_t blocks, bytes, stacks;     /* hits so far, counted by suppressions_count() */
};

struct suppressions;

/* An empty set with the built-in rules. Owned by the caller, suppressions_free(). */
struct suppressions *suppressions_new(void);
void suppressions_free(struct suppressions *s);

/* Adds the rules of a file. IO, or USAGE naming file and line where a line is not a rule. */
enum seep_err suppressions_load(struct suppressions *s, const char *path, struct err *err);
/* The same from memory; `name` stands for the file in messages. `text` need not end in NUL. */
enum seep_err suppressions_parse(struct suppressions *s, const char *text, size_t length,
                                 const char *name, struct err *err);

/* To be called once the trace is open, before matching. Both outlive the set's use. Adds the rules
 * that the recorded program brings, behind those of files, as far as they can be read; forgets the
 * counts, and the rules, of an earlier trace. */
void suppressions_bind(struct suppressions *s, const struct trace_dict *dict,
                       struct symbols *symbols);

/* The rule that matches this stack, or NULL: files' rules first, then built-in ones. `kinds`: of
 * what the blocks are (enum suppression_kind), SUPPRESSION_ALL where that is not known. Without any
 * file's rule only stacks that begin in libc, the loader or libstdc++ are symbolised. */
struct suppression *suppressions_match(struct suppressions *s, uint32_t stack, unsigned kinds);
void suppressions_count(struct suppression *rule, uint64_t blocks, uint64_t bytes);

/* True if a file's rule was added: then every stack that is asked about is symbolised whole. */
bool suppressions_need_names(const struct suppressions *s);

/* All rules, the files' in their order, then the built-in ones; NULL past the last. */
const struct suppression *suppressions_at(const struct suppressions *s, size_t index);

#endif
