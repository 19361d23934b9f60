/* SPDX-License-Identifier: MIT */
#include "analysis/result.h"

#include "util/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void result_free(struct result *r)
{
    if (!r || r->further_parents-- > 0)
        return;
    if (r->type == RESULT_OBJECT || r->type == RESULT_ARRAY) {
        for (size_t i = 0; i < r->u.children.count; i++)
            result_free(r->u.children.items[i]);
        free(r->u.children.items);
    } else if (r->type == RESULT_TEXT) {
        free(r->u.text);
    }
    free(r);
}

struct result *result_new_object(void)
{
    return mem_zalloc(1, sizeof(struct result)); /* RESULT_OBJECT, UNIT_NONE */
}

static void append(struct result *parent, struct result *child)
{
    MEM_GROW(parent->u.children.items, parent->u.children.capacity, parent->u.children.count + 1);
    parent->u.children.items[parent->u.children.count++] = child;
}

static struct result *add(struct result *parent, const char *name, enum result_type type,
                          enum result_unit unit)
{
    assert(parent->type == RESULT_OBJECT ? name != NULL
                                         : parent->type == RESULT_ARRAY && name == NULL);
    struct result *r = mem_zalloc(1, sizeof *r);
    r->type = type;
    r->unit = unit;
    r->name = name;
    append(parent, r);
    return r;
}

struct result *result_object(struct result *parent, const char *name)
{
    return add(parent, name, RESULT_OBJECT, UNIT_NONE);
}

struct result *result_array(struct result *parent, const char *name)
{
    return add(parent, name, RESULT_ARRAY, UNIT_NONE);
}

static struct result *add_count(struct result *parent, const char *name, enum result_unit unit,
                                uint64_t value)
{
    struct result *r = add(parent, name, RESULT_INTEGER, unit);
    r->u.count = value;
    return r;
}

struct result *result_count(struct result *parent, const char *name, uint64_t value)
{
    return add_count(parent, name, UNIT_COUNT, value);
}

struct result *result_bytes(struct result *parent, const char *name, uint64_t value)
{
    return add_count(parent, name, UNIT_BYTES, value);
}

struct result *result_ns(struct result *parent, const char *name, uint64_t value)
{
    return add_count(parent, name, UNIT_NS, value);
}

struct result *result_address(struct result *parent, const char *name, uint64_t value)
{
    return add_count(parent, name, UNIT_ADDRESS, value);
}

struct result *result_integer(struct result *parent, const char *name, int64_t value)
{
    struct result *r = add(parent, name, RESULT_INTEGER, UNIT_NONE);
    r->u.integer = value;
    return r;
}

static struct result *add_real(struct result *parent, const char *name, enum result_unit unit,
                               double value)
{
    struct result *r = add(parent, name, RESULT_REAL, unit);
    r->u.real = value;
    return r;
}

struct result *result_percent(struct result *parent, const char *name, double value)
{
    return add_real(parent, name, UNIT_PERCENT, value);
}

struct result *result_real(struct result *parent, const char *name, double value)
{
    return add_real(parent, name, UNIT_NONE, value);
}

struct result *result_text(struct result *parent, const char *name, const char *value)
{
    if (!value)
        return result_null(parent, name);
    struct result *r = add(parent, name, RESULT_TEXT, UNIT_NONE);
    r->u.text = mem_strdup(value);
    return r;
}

struct result *result_bool(struct result *parent, const char *name, bool value)
{
    struct result *r = add(parent, name, RESULT_BOOL, UNIT_NONE);
    r->u.boolean = value;
    return r;
}

struct result *result_null(struct result *parent, const char *name)
{
    return add(parent, name, RESULT_NULL, UNIT_NONE);
}

void result_adopt(struct result *parent, const char *name, struct result *child)
{
    assert(!child->name);
    child->name = name;
    append(parent, child);
}

void result_share(struct result *array, struct result *item)
{
    assert(array->type == RESULT_ARRAY && !item->name);
    item->further_parents++;
    append(array, item);
}

const struct result *result_get(const struct result *object, const char *name)
{
    if (!object || object->type != RESULT_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->u.children.count; i++)
        if (strcmp(object->u.children.items[i]->name, name) == 0)
            return object->u.children.items[i];
    return NULL;
}

size_t result_length(const struct result *r)
{
    return r && (r->type == RESULT_OBJECT || r->type == RESULT_ARRAY) ? r->u.children.count : 0;
}

const struct result *result_at(const struct result *r, size_t index)
{
    return index < result_length(r) ? r->u.children.items[index] : NULL;
}
