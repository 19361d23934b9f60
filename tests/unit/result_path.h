/* SPDX-License-Identifier: MIT
 *
 * Fields of result trees by path ("process.pid"); a test that asks for one that is not there fails.
 */
#ifndef RESULT_PATH_H
#define RESULT_PATH_H

#include "analysis/result.h"

#include <string.h>

static inline const struct result *get(const struct result *r, const char *path)
{
    char name[64];
    while (*path) {
        size_t n = strcspn(path, ".");
        assert_true(n < sizeof name);
        memcpy(name, path, n);
        name[n] = '\0';
        r = result_get(r, name);
        if (!r)
            fail_msg("no field %s", path);
        path += n + (path[n] == '.');
    }
    return r;
}

static inline uint64_t number(const struct result *r, const char *path)
{
    return get(r, path)->u.count;
}

/* NULL where no text is known. */
static inline const char *text(const struct result *r, const char *path)
{
    const struct result *t = get(r, path);
    return t->type == RESULT_TEXT ? t->u.text : NULL;
}

/* One of an array. */
static inline const struct result *item(const struct result *r, const char *path, size_t i)
{
    const struct result *one = result_at(get(r, path), i);
    assert_non_null(one);
    return one;
}

#endif
