/* SPDX-License-Identifier: MIT */
#include "model/demangle.h"

#include "util/mem.h"
#include "util/strbuf.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct output {
    struct strbuf text;
    jmp_buf too_long;
};

/* libiberty holds nothing on the heap while it calls this, so leaving it by longjmp loses none. */
static void take(const char *piece, size_t length, void *arg)
{
    struct output *out = arg;
    if (out->text.length + length > DEMANGLE_TEXT_LIMIT)
        longjmp(out->too_long, 1);
    strbuf_add(&out->text, piece, length);
}

typedef int demangler(const char *, int, demangle_callbackref, void *);

static char *attempt(demangler *function, const char *name, int options)
{
    struct output *out = mem_zalloc(1, sizeof *out); /* survives the longjmp whatever it holds */
    char *text = NULL;
    if (setjmp(out->too_long) == 0 &&
        function(name, DMGL_PARAMS | DMGL_ANSI | options, take, out) && out->text.length > 0)
        text = strbuf_detach(&out->text);
    strbuf_release(&out->text);
    free(out);
    return text;
}

/* Old Rust symbols are C++ symbols by their form; the hash at their end tells them apart, which
 * rust_demangle_callback() checks. */
char *demangle(const char *name)
{
    char *text = NULL;
    if (strnlen(name, DEMANGLE_NAME_LIMIT + 1) <= DEMANGLE_NAME_LIMIT) {
        if (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R'))
            text = attempt(rust_demangle_callback, name, 0);
        /* libiberty's own limit refuses C++ names beyond 1,024 characters, which templates reach;
         * ours bounds the recursion as well. Rust's needs theirs: a name may refer to itself. */
        if (text == NULL && name[0] == '_' && name[1] == 'Z')
            text = attempt(cplus_demangle_v3_callback, name, DMGL_NO_RECURSE_LIMIT);
    }
    return text ? text : mem_strdup(name);
}
