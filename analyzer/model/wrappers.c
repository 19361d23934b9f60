/* SPDX-License-Identifier: MIT */
#include "model/wrappers.h"

#include "model/pattern.h"

#include <stddef.h>
#include <string.h>

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
};

/* Allocators above the C library's. A function without a name that one of these calls is a part of
 * it. */
static const char *const allocators[] = {
    /* gnulib's and everybody's that never fail */
    "^xmalloc",
    "^do_xmalloc$",
    "^do_xrealloc$",
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
    "^PyMem_RawMalloc$",
    "^PyMem_RawCalloc$",
    "^PyMem_RawRealloc$",
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
    "^sqlite3DbRealloc",
    "^sqlite3MemMalloc$",
    "^sqlite3MemRealloc$",
    "^sqlite3Realloc$",
    "^sqlite3_realloc",
    "^mallocWithAlarm$",
    "^dbMallocRawFinish$",
    "^zmalloc",
    "^zcalloc",
    "^zrealloc",
    "^ztrymalloc",
    "^zstrdup$",
    "^bfd_malloc",
    "^bfd_zmalloc",
    "^bfd_alloc",
    "^bfd_zalloc",
    "^_objalloc_alloc$",
    /* strings of redis and what took them over, as std::string is in C++ */
    "^sdsnew",
    "^_sdsnewlen$",
    "^sdstrynewlen$",
    "^sdsempty$",
    "^sdsdup$",
    "^sdscat",
    "^sdscpy",
    "^sdsgrowzero$",
    "^sdsfromlonglong$",
    "^sdsMakeRoomFor",
    "^_sdsMakeRoomFor$",
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

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Whether a type or function of Rust's, `text`, is of its standard library; or of the crate that
 * has its hash tables. */
static bool in_rust_library(const char *text)
{
    static const char *const crates[] = {"alloc::", "core::", "std::", "hashbrown::"};
    text += strspn(text, "<&");
    for (size_t i = 0; i < sizeof crates / sizeof crates[0]; i++)
        if (begins(text, crates[i]))
            return true;
    return false;
}

/* In "<TYPE as TRAIT>::function" where the trait begins and the type ends, or NULL. */
static const char *rust_trait(const char *function)
{
    int depth = 0;
    for (const char *p = function; *p; p++) {
        depth += *p == '<';
        depth -= *p == '>' && p[-1] != '-';
        if (depth == 0)
            return NULL;
        if (depth == 1 && begins(p, " as "))
            return p + strlen(" as ");
    }
    return NULL;
}

/* A type's method is the library's where the type is; a trait's where that is, and the type is its
 * own, or anybody's ("T"): what a program's own type does is the program's doing. */
static bool is_rust_library(const char *function)
{
    size_t length = strlen(function);
    if (length == 0 || strchr(")]&", function[length - 1]) || strstr(function, ") const"))
        return false; /* C++ may have a namespace of that name; its functions have parameters */
    const char *trait = function[0] == '<' ? rust_trait(function) : NULL;
    if (!trait)
        return in_rust_library(function);
    bool anybody = memmem(function, (size_t)(trait - function), "::", 2) == NULL;
    return in_rust_library(trait) && (anybody || in_rust_library(function));
}

/* Containers and strings allocate at whoever's bidding called them. */
static bool is_standard_library(const char *function)
{
    if (function == NULL)
        return false;
    const char *name = qualified_name(function);
    return begins(name, "std::") || begins(name, "__gnu_cxx::") || is_rust_library(function);
}

static bool is_allocator(const char *function)
{
    for (size_t i = 0; i < sizeof allocators / sizeof allocators[0]; i++)
        if (pattern_matches(allocators[i], function))
            return true;
    return false;
}

bool wrapper_is(const char *function)
{
    for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0]; i++)
        if (pattern_matches(wrappers[i], function))
            return true;
    return is_allocator(function) || is_standard_library(function);
}

bool wrapper_is_helper(const struct symbol_frame *f, const struct symbol_frame *outer,
                       const struct symbol_frame *outermost)
{
    if (!f || f->named || !outer)
        return false;
    if (outer->named)
        return is_allocator(outer->function);
    return outermost && is_allocator(outermost->function);
}

/* The frames of a stack one after the other, from the innermost on. */
struct walk {
    const struct trace_dict *dict;
    struct symbols *symbols;
    uint32_t node, inlined; /* where the next one is */
};

static const struct symbol_frame *next_frame(struct walk *w)
{
    if (!w->node || w->dict->stacks[w->node].flags & SEEP_ROW_ROOT)
        return NULL;
    const struct symbol_address *a = symbols_of_node(w->symbols, w->node);
    const struct symbol_frame *f = &a->frames[w->inlined++];
    if (w->inlined == a->count) {
        w->inlined = 0;
        w->node = w->dict->stacks[w->node].parent;
    }
    return f;
}

/* `after` stands behind `f`. */
static bool hands_on(const struct symbol_frame *f, struct walk after)
{
    if (wrapper_is(f->function))
        return true;
    if (f->named) /* most are: no names outwards of them are needed */
        return false;
    const struct symbol_frame *outer = next_frame(&after);
    return wrapper_is_helper(f, outer, outer && !outer->named ? next_frame(&after) : NULL);
}

const struct symbol_frame *wrapper_caller(const struct trace_dict *dict, struct symbols *symbols,
                                          uint32_t stack)
{
    /* Known wrappers count only next to the allocator: std::for_each may well call who asks. What
     * the user names counts wherever it stands. */
    bool to_the_end = symbols_have_alloc_fns(symbols);
    const struct symbol_frame *innermost = NULL, *caller = NULL, *f;
    struct walk walk = {.dict = dict, .symbols = symbols, .node = stack};
    while ((f = next_frame(&walk))) {
        innermost = innermost ? innermost : f;
        if (f->alloc_fn)
            caller = NULL;
        else if (!caller && !hands_on(f, walk))
            caller = f;
        if (caller && !to_the_end)
            return caller;
    }
    return caller ? caller : innermost;
}
