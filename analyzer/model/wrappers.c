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
    /* C++ */
    "^operator new",
    "^std::allocator<",
    "^std::allocator_traits<",
    "^std::__new_allocator<",
    "^__gnu_cxx::new_allocator<",
    "^__gnu_cxx::__alloc_traits<",
    "^std::__allocate_guarded",
    "^std::_Vector_base<*::_M_allocate",
    "^std::_Deque_base<*::_M_allocate",
    "^std::_Rb_tree<*::_M_get_node",
    "^std::_Rb_tree<*::_M_create_node",
    "^std::_List_base<*::_M_get_node",
    "^std::__cxx11::_List_base<*::_M_get_node",
    "^std::__cxx11::list<*::_M_create_node",
    "^std::__detail::_Hashtable_alloc<",
    "^std::__cxx11::basic_string<*::_M_create",
    "^std::string::_Rep::_S_create",
    "^std::__1::allocator<",
    "^std::__1::allocator_traits<",
    "^std::__1::__libcpp_allocate",
    "^std::__1::__allocate_at_least",
    "^std::__1::__libcpp_operator_new",
    /* Rust */
    "^__rust_alloc",
    "^__rust_realloc",
    "^__rdl_alloc",
    "^__rdl_realloc",
    "^__rg_alloc",
    "^alloc::alloc::",
    "^alloc::raw_vec::",
    "^std::alloc::",
    "^std::sys::alloc::",
    "^<alloc::alloc::Global",
};

bool wrapper_is(const char *function)
{
    for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0]; i++)
        if (pattern_matches(wrappers[i], function))
            return true;
    return false;
}

const struct symbol_frame *wrapper_caller(const struct trace_dict *dict, struct symbols *symbols,
                                          uint32_t stack)
{
    const struct symbol_frame *innermost = NULL;
    for (uint32_t node = stack; node && !(dict->stacks[node].flags & SEEP_ROW_ROOT);
         node = dict->stacks[node].parent) {
        const struct symbol_address *a = symbols_of_node(symbols, node);
        for (uint32_t i = 0; i < a->count; i++) {
            if (!wrapper_is(a->frames[i].function))
                return &a->frames[i];
            if (!innermost)
                innermost = &a->frames[i];
        }
    }
    return innermost;
}
