/* SPDX-License-Identifier: MIT */
#include "util/quantity.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit byte_units[] = {
    {"", 1},
    {"B", 1},
    {"k", 1ull << 10},
    {"KB", 1ull << 10},
    {"KiB", 1ull << 10},
    {"M", 1ull << 20},
    {"MB", 1ull << 20},
    {"MiB", 1ull << 20},
    {"G", 1ull << 30},
    {"GB", 1ull << 30},
    {"GiB", 1ull << 30},
    {"T", 1ull << 40},
    {"TB", 1ull << 40},
    {"TiB", 1ull << 40},
    {NULL, 0},
};

static const struct unit time_units[] = {
    {"", 1000000000ull},
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, /* micro sign */
    {"ms", 1000000},
    {"s", 1000000000ull},
    {"m", 60 * 1000000000ull},
    {"min", 60 * 1000000000ull},
    {"h", 3600 * 1000000000ull},
    {NULL, 0},
};

/* Digits, and an optional fraction that is scaled by `units`. Whole numbers stay exact; strtod()
 * would take signs, exponents, hexadecimal and the locale's decimal comma. */
static bool parse(const char *text, const struct unit *units,
                  int (*compare)(const char *, const char *), uint64_t *out)
{
    if (!text || !isdigit((unsigned char)*text))
        return false;
    uint64_t whole = 0;
    for (; isdigit((unsigned char)*text); text++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*text - '0'), &whole))
            return false;
    double fraction = 0, place = 0.1;
    if (*text == '.') {
        text++;
        if (!isdigit((unsigned char)*text))
            return false;
        for (; isdigit((unsigned char)*text); text++, place /= 10)
            fraction += place * (*text - '0');
    }
    while (*text == ' ')
        text++;
    for (; units->name; units++) {
        if (compare(text, units->name) != 0)
            continue;
        uint64_t total, part = (uint64_t)(fraction * (double)units->factor + 0.5);
        if (__builtin_mul_overflow(whole, units->factor, &total) ||
            __builtin_add_overflow(total, part, &total))
            return false;
        *out = total;
        return true;
    }
    return false;
}

bool quantity_count(const char *text, uint64_t *out)
{
    return text && strspn(text, "0123456789") == strlen(text) &&
           parse(text, byte_units, strcmp, out);
}

bool quantity_bytes(const char *text, uint64_t *out)
{
    return parse(text, byte_units, strcasecmp, out);
}

bool quantity_ns(const char *text, uint64_t *out)
{
    return parse(text, time_units, strcmp, out); /* 5M is no duration */
}
