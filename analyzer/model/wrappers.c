/* SPDX-License-Identifier: MIT */
#include "model/wrappers.h"

#include "model/pattern.h"

#include <stddef.h>

static const char *const wrappers[] = {
    /* C */
    "^malloc$",
    "^calloc$",
    "^realloc$",
    "^reallocarray$",
    "^aligned_alloc$",
    "^memalign$",
    "^posix_memalign$",
    "^valloc$",
    "^pvalloc$",
    "^strdup$",
    "^strndup$",
    "^__strdup$",
    "^__strndup$",
    "^wcsdup$",
    "^asprintf$",
    "^vasprintf$",
    "^__asprintf",
    "^__vasprintf",
    /* gnulib's and everybody's that never fail */
    "^xmalloc",
    "^xzalloc",
    "^xcalloc",
    "^xrealloc",
    "^xnmalloc",
    "^x2realloc",
    "^x2nrealloc",
    "^xnrealloc",
    "^xreallocarray",
    "^xstrdup",
    "^xstrndup",
    "^xmemdup",
    "^xasprintf",
    "^xvasprintf",
    /* some programs' and libraries' own */
    "^CRYPTO_malloc$",
    "^CRYPTO_zalloc$",
    "^CRYPTO_realloc$",
    "^PyMem_Malloc$",
    "^PyMem_Calloc$",
    "^PyMem_Realloc$",
    "^_PyMem_Raw",
    "^_PyObject_Malloc$",
    "^_PyObject_Calloc$",
    "^_PyObject_Realloc$",
    "^PyObject_Malloc$",
    "^PyObject_Calloc$",
    "^PyObject_Realloc$",
    "^Perl_safesys",
    "^sqlite3Malloc",
    "^sqlite3_malloc",
    "^sqlite3DbMalloc",
    "^zmalloc",
    "^zcalloc",
    "^zrealloc",
    "^ztrymalloc",
    "^zstrdup$",
    /* GLib */
    "^g_malloc",
    "^g_try_malloc",
    "^g_realloc",
    "^g_try_realloc",
    "^g_strdup",
    "^g_strndup",
    "^g_memdup",
    "^g_slice_alloc",
    "^g_slice_copy",
    "^g_aligned_alloc",
    /* a program that tells of its pools */
    "^seep_pool_allocated$",
    "^seep_pool_moved$",
    /* C++ */
    "^operator new",
    /* Rust */
    "^__rust_alloc",
    "^__rust_realloc",
    "^__rdl_alloc",
    "^__rdl_realloc",
    "^__rg_alloc",
    "^alloc::alloc::",
    "^alloc::raw_vec::",
    "^<alloc::alloc::Global",
};

/* Where the qualified name begins: templates are demangled with their return type before it, and a
 * space within brackets ends nothing. */
static const char *qualified_name(const char *function)
{
    const char *begin = function;
    int depth = 0;
    for (const char *p = function; *p; p++) {
        if (*p == '(' && depth == 0)
            break;
        depth += *p == '<' || *p == '(';
        depth -= *p == '>' || *p == ')';
        if (*p == ' ' && depth == 0)
            begin = p + 1;
    }
    return begin;
}

/* Containers and strings allocate at whoever's bidding called them. */
static bool is_standard_library(const char *function)
{
    if (function == NULL)
        return false;
    const char *name = qualified_name(function);
    return pattern_matches("^std::", name) || pattern_matches("^__gnu_cxx::", name);
}

bool wrapper_is(const char *function)
{
    for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0]; i++)
        if (pattern_matches(wrappers[i], function))
            return true;
    return is_standard_library(function);
}

const struct symbol_frame *wrapper_caller(const struct trace_dict *dict, struct symbols *symbols,
                                          uint32_t stack)
{
    /* Known wrappers count only next to the allocator: std::for_each may well call who asks. What
     * the user names counts wherever it stands. */
    bool to_the_end = symbols_have_alloc_fns(symbols);
    const struct symbol_frame *innermost = NULL, *caller = NULL;
    for (uint32_t node = stack; node && !(dict->stacks[node].flags & SEEP_ROW_ROOT);
         node = dict->stacks[node].parent) {
        const struct symbol_address *a = symbols_of_node(symbols, node);
        for (uint32_t i = 0; i < a->count; i++) {
            const struct symbol_frame *f = &a->frames[i];
            innermost = innermost ? innermost : f;
            if (f->alloc_fn)
                caller = NULL;
            else if (!caller && !wrapper_is(f->function))
                caller = f;
            if (caller && !to_the_end)
                return caller;
        }
    }
    return caller ? caller : innermost;
}
