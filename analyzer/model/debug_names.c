/* SPDX-License-Identifier: MIT */
#include "model/debug_names.h"

#include "util/strbuf.h"

#include <dwarf.h>
#include <stdlib.h>

#define HOP_LIMIT 16 /* abstract origins and specifications followed */

static const char *string_of(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    return dwarf_attr(die, name, &attribute) ? dwarf_formstring(&attribute) : NULL;
}

/* Steps from a concrete or inlined instance towards its declaration. */
static bool step(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Die next;
    if (dwarf_attr(die, DW_AT_abstract_origin, &attribute) == NULL &&
        dwarf_attr(die, DW_AT_specification, &attribute) == NULL)
        return false;
    if (dwarf_formref_die(&attribute, &next) == NULL)
        return false;
    *die = next;
    return true;
}

/* Names in C and assembler are complete; elsewhere scopes say which one is meant. */
static bool has_scopes(Dwarf_Die *die)
{
    Dwarf_Die unit;
    if (dwarf_diecu(die, &unit, NULL, NULL) == NULL)
        return false;
    switch (dwarf_srclang(&unit)) {
    case DW_LANG_C89:
    case DW_LANG_C:
    case DW_LANG_C99:
    case DW_LANG_C11:
    case DW_LANG_Mips_Assembler:
    case -1: return false;
    default: return true;
    }
}

static const char *qualified(Dwarf_Die *die, const char *name, struct text_pool *pool)
{
    Dwarf_Die *scopes = NULL;
    struct strbuf text = {0};
    int count = has_scopes(die) ? dwarf_getscopes_die(die, &scopes) : 0;
    for (int i = count - 1; i > 0; i--) { /* outermost last, the DIE itself first */
        const char *scope = string_of(&scopes[i], DW_AT_name);
        switch (dwarf_tag(&scopes[i])) {
        case DW_TAG_namespace:
            strbuf_addf(&text, "%s::", scope ? scope : "(anonymous namespace)");
            break;
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
        case DW_TAG_union_type:
        case DW_TAG_module:
            if (scope)
                strbuf_addf(&text, "%s::", scope);
            break;
        default: break;
        }
    }
    free(scopes);
    strbuf_adds(&text, name);
    const char *out = text_pool_add(pool, text.text);
    strbuf_release(&text);
    return out;
}

const char *debug_name(Dwarf_Die *die, struct text_pool *pool, const char **linkage)
{
    Dwarf_Die at = *die;
    const char *name = NULL;
    *linkage = NULL;
    for (int hop = 0; hop < HOP_LIMIT; hop++) {
        const char *symbol = string_of(&at, DW_AT_linkage_name);
        if (symbol == NULL)
            symbol = string_of(&at, DW_AT_MIPS_linkage_name);
        if (symbol && *symbol) {
            *linkage = text_pool_add(pool, symbol);
            return text_pool_demangled(pool, symbol);
        }
        if (name == NULL)
            name = string_of(&at, DW_AT_name);
        if (!step(&at))
            break;
    }
    /* the scopes are those of the declaration, which is where the chain ended */
    return name && *name ? qualified(&at, name, pool) : NULL;
}
