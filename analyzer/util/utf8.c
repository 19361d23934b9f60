/* SPDX-License-Identifier: MIT */
#include "util/utf8.h"

#include <string.h>

size_t utf8_decode(const char *s, size_t length, uint32_t *out)
{
    const unsigned char *p = (const unsigned char *)s;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = p[0] < 0x80   ? 1
                  : p[0] < 0xc2 ? 0
                  : p[0] < 0xe0 ? 2
                  : p[0] < 0xf0 ? 3
                  : p[0] < 0xf5 ? 4
                                : 0;
    if (need == 0 || need > length)
        return 0;
    uint32_t c = need == 1 ? p[0] : p[0] & (0xffu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[need] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *out = c;
    return need;
}

struct range {
    uint32_t first, last;
};

/* Blocks, not single characters: enough for columns that look straight. From Unicode 15's
 * EastAsianWidth.txt (W, F) and UnicodeData.txt (Mn, Me, Cf). */
static const struct range wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2e80, 0x303e},   {0x3041, 0x33ff},
    {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xa960, 0xa97f},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
    {0x20000, 0x3fffd},
};
static const struct range zero[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd},   {0x0610, 0x061a}, {0x064b, 0x065f},
    {0x0e34, 0x0e3a}, {0x200b, 0x200f}, {0x2060, 0x2064},   {0x20d0, 0x20f0}, {0x3099, 0x309a},
    {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef},
};

static bool in(const struct range *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

static size_t width_of(uint32_t c)
{
    if (c < 0x300)
        return 1;
    if (in(zero, sizeof zero / sizeof zero[0], c))
        return 0;
    return in(wide, sizeof wide / sizeof wide[0], c) ? 2 : 1;
}

size_t utf8_width(const char *s, size_t length)
{
    size_t columns = 0;
    while (length > 0) {
        uint32_t c;
        size_t bytes = utf8_decode(s, length, &c);
        columns += bytes ? width_of(c) : 1;
        bytes = bytes ? bytes : 1;
        s += bytes;
        length -= bytes;
    }
    return columns;
}

size_t utf8_fit(const char *s, size_t length, size_t columns)
{
    size_t at = 0;
    while (at < length) {
        uint32_t c;
        size_t bytes = utf8_decode(s + at, length - at, &c);
        size_t width = bytes ? width_of(c) : 1;
        if (width > columns)
            break;
        columns -= width;
        at += bytes ? bytes : 1;
    }
    return at;
}

void utf8_add_visible(struct strbuf *out, const char *s, size_t length)
{
    while (length > 0) {
        uint32_t c;
        size_t bytes = utf8_decode(s, length, &c);
        if (!bytes) {
            strbuf_addf(out, "\\x%02x", (unsigned char)*s);
            bytes = 1;
        } else if (c == '\n' || c == '\t' || c == '\r') {
            strbuf_adds(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        } else if (c < 0x20 || c == 0x7f) {
            strbuf_addf(out, "\\x%02x", c);
        } else if ((c >= 0x80 && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
                   (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x2028 ||
                   c == 0x2029 || c == 0xfeff) {
            strbuf_addf(out, "\\u%04x", c);
        } else if (c == '\\' && length > 1 && strchr("ntrxu\\", s[1])) {
            strbuf_adds(out, "\\\\");
        } else {
            strbuf_add(out, s, bytes);
        }
        s += bytes;
        length -= bytes;
    }
}
