/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "text.h"

#include <stdbool.h>

enum kind { TEXT, BYTES, NUMBER, FLAG };

static const struct {
    const char *name;
    enum kind kind;
    const char *fallback;
} table[REC_OPTION_COUNT] = {
#define X(name, kind, fallback, help) {"SEEP_" #name, kind, fallback},
    SEEP_RECORDER_OPTIONS(X)
#undef X
};

static struct {
    const char *text; /* in the environment's copy, or the default */
    uint64_t number;
} values[REC_OPTION_COUNT];

/* A number with an optional k, m or g. False if `text` is something else. */
static bool parse_number(const char *text, bool units, uint64_t *out)
{
    uint64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (p == text)
        return false;
    unsigned shift = 0;
    if (units && *p) {
        char unit = (char)(*p | 0x20);
        shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 64;
        if (shift == 64 || v > UINT64_MAX >> shift)
            return false;
        p++;
    }
    if (*p)
        return false;
    *out = v << shift;
    return true;
}

static void set(enum rec_option option, const char *text)
{
    uint64_t number = 0;
    if (table[option].kind != TEXT && !parse_number(text, table[option].kind == BYTES, &number))
        return; /* what cannot be read leaves the default: a recorder never ends its program */
    values[option].text = text;
    values[option].number = number;
}

void rec_options_read(const char *environment, size_t length)
{
    for (unsigned i = 0; i < REC_OPTION_COUNT; i++)
        set(i, table[i].fallback);
    for (const char *entry = environment, *end = environment + length; entry < end;
         entry += text_length(entry) + 1) {
        if (!text_starts(entry, "SEEP_"))
            continue;
        for (unsigned i = 0; i < REC_OPTION_COUNT; i++) {
            size_t n = text_length(table[i].name);
            if (text_starts(entry, table[i].name) && entry[n] == '=')
                set(i, entry + n + 1);
        }
    }
}

const char *rec_option_text(enum rec_option option)
{
    return values[option].text;
}

uint64_t rec_option_number(enum rec_option option)
{
    return values[option].number;
}

bool rec_option_changed(unsigned index, const char **name, const char **value)
{
    for (unsigned i = 0; i < REC_OPTION_COUNT; i++) {
        if (text_equal(values[i].text, table[i].fallback))
            continue;
        if (index-- == 0) {
            *name = table[i].name;
            *value = values[i].text;
            return true;
        }
    }
    return false;
}
