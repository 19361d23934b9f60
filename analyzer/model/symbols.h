/* SPDX-License-Identifier: MIT
 *
 * Names of code addresses: the modules of a trace, opened where this machine has them. */
#ifndef MODEL_SYMBOLS_H
#define MODEL_SYMBOLS_H

#include "trace/trace_event.h"
#include "util/err.h"

/* One function at one place. Texts are owned by the symboliser and live as long as it does. */
struct symbol_frame {
    const char *function; /* demangled; "module+0x1234" or "0x1234" where nothing is known */
    const char *symbol;   /* the linker's, which `function` was made of; or NULL */
    const char *file;     /* source path, or NULL */
    uint32_t line;        /* 0 = unknown */
    const char *module;   /* path of the module, or NULL */
    bool inlined;         /* inlined into the next frame of the same address */
    bool named;           /* false: the function is only an address */
    bool alloc_fn;        /* the user counts it as part of the allocator: alloc_fns below */
};

enum symbol_suspicion {
    SYMBOL_PROVED = 0, /* a call instruction ends at the return address, or pc is exact */
    SYMBOL_SUSPECT,    /* no call precedes it */
    SYMBOL_UNPROVABLE, /* the code is not at hand */
};

/* All frames of one address, innermost inline frame first; count >= 1. */
struct symbol_address {
    const struct symbol_frame *frames;
    uint32_t count;
    enum symbol_suspicion suspicion;
};

struct symbol_options {
    const char *sysroot;          /* prefix of module paths, or NULL */
    const char *debug_dirs;       /* colon-separated, beside the usual ones; or NULL */
    const char *const *alloc_fns; /* patterns (pattern.h) of functions that are a part of the
                                     allocator, NULL-ended; or NULL. Outlive the symboliser */
    /* called now and then by symbols_resolve(); false interrupts it; may be NULL */
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
};

struct symbols;

/* A symboliser for the modules of `dict`, which outlives it. Opens files lazily. Modules whose
 * file is missing or has another build ID yield addresses only, and are listed by
 * symbols_problem(). Owned by the caller, symbols_free(). */
struct symbols *symbols_new(const struct trace_dict *dict, const struct symbol_options *options);
void symbols_free(struct symbols *s);

/* Names of stack node `stack` (not a root). Cached per (module, address); never NULL. */
const struct symbol_address *symbols_of_node(struct symbols *s, uint32_t stack);

/* Resolves `count` nodes ahead, in an order that suits the files and with calls of the progress
 * function; symbols_of_node() finds them at once afterwards. Roots and 0 are passed over. Errors:
 * INTERRUPTED if the progress function returned false; what was resolved stays. */
enum seep_err symbols_resolve(struct symbols *s, const uint32_t *stacks, size_t count);

/* The module a stack node's address lies in, in its generation; NULL if none. */
const struct trace_module *symbols_module_of_node(struct symbols *s, uint32_t stack);

/* Names of a return address that stands in no stack, as it was at that time. Cached in the same
 * way; never NULL. */
const struct symbol_address *symbols_of_return(struct symbols *s, uint64_t pc, uint64_t time_ns);

/* A variable. Texts are owned by the symboliser, too. */
struct symbol_data {
    const char *name;   /* demangled; NULL: not known */
    uint64_t offset;    /* of the address in it */
    const char *file;   /* where it is declared, or NULL */
    uint32_t line;      /* 0 = unknown */
    const char *module; /* path; NULL: the address is in no module */
};

/* The variable, or other data, around `address` as it was at that time. False where it has no name.
 */
bool symbols_of_data(struct symbols *s, uint64_t address, uint64_t time_ns,
                     struct symbol_data *out);

/* Problems met so far, one line each ("libfoo.so: not found on this machine"); NULL past the
 * last. */
const char *symbols_problem(const struct symbols *s, size_t index);

/* Whether any patterns of alloc_fns were given: then who asked for a block (wrappers.h) takes all
 * frames of its stack to tell. */
bool symbols_have_alloc_fns(const struct symbols *s);

/* Of the patterns in alloc_fns those that no function named so far matches; NULL past the last. */
const char *symbols_unmet_alloc_fn(const struct symbols *s, size_t index);

/* Demangles a C++ or Rust name. Owned by the caller; a copy of `name` if it is not mangled. */
char *symbols_demangle(const char *name);

#endif
