/* SPDX-License-Identifier: MIT */
#include "model/calls.h"

#include <stddef.h>
#include <string.h>

/* Blocks of one family are ended within it. */
enum family { FAMILY_ANY, FAMILY_C, FAMILY_NEW, FAMILY_NEW_ARRAY };

static const struct {
    const char *name;
    enum family family;
} calls[] = {
    [SEEP_CALL_MALLOC] = {"malloc", FAMILY_C},
    [SEEP_CALL_CALLOC] = {"calloc", FAMILY_C},
    [SEEP_CALL_REALLOC] = {"realloc", FAMILY_C},
    [SEEP_CALL_REALLOCARRAY] = {"reallocarray", FAMILY_C},
    [SEEP_CALL_MEMALIGN] = {"memalign", FAMILY_C},
    [SEEP_CALL_POSIX_MEMALIGN] = {"posix_memalign", FAMILY_C},
    [SEEP_CALL_ALIGNED_ALLOC] = {"aligned_alloc", FAMILY_C},
    [SEEP_CALL_VALLOC] = {"valloc", FAMILY_C},
    [SEEP_CALL_PVALLOC] = {"pvalloc", FAMILY_C},
    [SEEP_CALL_NEW] = {"new", FAMILY_NEW},
    [SEEP_CALL_NEW_ARRAY] = {"new[]", FAMILY_NEW_ARRAY},
    /* jemalloc documents its extended calls and the standard ones as interchangeable */
    [SEEP_CALL_MALLOCX] = {"mallocx", FAMILY_C},
    [SEEP_CALL_RALLOCX] = {"rallocx", FAMILY_C},
    [SEEP_CALL_XALLOCX] = {"xallocx", FAMILY_C},
    [SEEP_CALL_FREE] = {"free", FAMILY_C},
    [SEEP_CALL_FREE_SIZED] = {"free_sized", FAMILY_C},
    [SEEP_CALL_DELETE] = {"delete", FAMILY_NEW},
    [SEEP_CALL_DELETE_ARRAY] = {"delete[]", FAMILY_NEW_ARRAY},
    [SEEP_CALL_DALLOCX] = {"dallocx", FAMILY_C},
    [SEEP_CALL_POOL] = {"pool", FAMILY_ANY},
};
#define CALL_COUNT (sizeof calls / sizeof calls[0])

const char *call_name(uint8_t call)
{
    return call < CALL_COUNT && calls[call].name ? calls[call].name : "unknown";
}

int call_by_name(const char *name)
{
    for (size_t i = 0; i < CALL_COUNT; i++)
        if (calls[i].name && strcmp(calls[i].name, name) == 0)
            return (int)i;
    return -1;
}

static enum family family_of(uint8_t call)
{
    return call < CALL_COUNT ? calls[call].family : FAMILY_ANY;
}

bool call_mismatch(uint8_t maker, uint8_t ender)
{
    enum family made = family_of(maker), ended = family_of(ender);
    return made != FAMILY_ANY && ended != FAMILY_ANY && made != ended;
}
