/* SPDX-License-Identifier: MIT
 *
 * The tree an analysis yields. Text, JSON and later HTML print the same tree; no report knows the
 * analysis. A tree is made of objects (ordered fields), arrays, and leaves with a unit.
 */
#ifndef ANALYSIS_RESULT_H
#define ANALYSIS_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum result_type {
    RESULT_OBJECT,
    RESULT_ARRAY,
    RESULT_INTEGER,
    RESULT_REAL,
    RESULT_TEXT,
    RESULT_BOOL,
    RESULT_NULL
};

/* How a leaf is shown to people; machines get the plain value. */
enum result_unit {
    UNIT_NONE,
    UNIT_COUNT,
    UNIT_BYTES,
    UNIT_NS /* a duration or time since start */,
    UNIT_PERCENT /* a real 0 .. 100 */,
    UNIT_ADDRESS /* JSON: "0x..." text */,
};

struct result {
    enum result_type type;
    enum result_unit unit;
    uint32_t further_parents; /* beside the first: result_share() */
    const char *name;         /* field name within an object, snake_case, a constant; NULL in
                                 arrays */
    union {
        int64_t integer;
        uint64_t count; /* UNIT_BYTES, UNIT_COUNT, UNIT_NS, UNIT_ADDRESS */
        double real;
        char *text; /* owned */
        bool boolean;
        struct {
            struct result **items; /* owned */
            size_t count, capacity;
        } children;
    } u;
};

/* Roots and children. Every function that adds returns the child, owned by its parent. In arrays
 * `name` is NULL; else it is kept as it is, for there are millions of fields: a literal, or a text
 * that outlives the tree. Texts are copied; a NULL text becomes RESULT_NULL. */
struct result *result_new_object(void);
void result_free(struct result *r);
struct result *result_object(struct result *parent, const char *name);
struct result *result_array(struct result *parent, const char *name);
struct result *result_count(struct result *parent, const char *name, uint64_t value);
struct result *result_bytes(struct result *parent, const char *name, uint64_t value);
struct result *result_ns(struct result *parent, const char *name, uint64_t value);
struct result *result_integer(struct result *parent, const char *name, int64_t value);
struct result *result_percent(struct result *parent, const char *name, double value);
struct result *result_real(struct result *parent, const char *name, double value);
struct result *result_address(struct result *parent, const char *name, uint64_t value);
struct result *result_text(struct result *parent, const char *name, const char *value);
struct result *result_bool(struct result *parent, const char *name, bool value);
struct result *result_null(struct result *parent, const char *name);
/* Makes `child`, a root, a child of `parent`, which owns it from now on. */
void result_adopt(struct result *parent, const char *name, struct result *child);
/* Adds `item`, an item of another array, to this one as well: what occurs often is held once. It
 * lives as long as one of its parents. */
void result_share(struct result *array, struct result *item);

/* The field of an object, or NULL. */
const struct result *result_get(const struct result *object, const char *name);
size_t result_length(const struct result *r);
const struct result *result_at(const struct result *r, size_t index);

#endif
