/* SPDX-License-Identifier: MIT
 *
 * Texts without libc: a bounded buffer that is appended to, and a few comparisons. What does not
 * fit is cut. */
#ifndef REC_TEXT_H
#define REC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* NUL-ended; not owned */
    size_t length;
    size_t room; /* size of `bytes` */
};

static inline size_t text_length(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

static inline bool text_starts(const char *s, const char *prefix)
{
    while (*prefix)
        if (*s++ != *prefix++)
            return false;
    return true;
}

static inline bool text_equal(const char *a, const char *b)
{
    return text_starts(a, b) && a[text_length(b)] == '\0';
}

static inline void text_addc(struct text *t, char c)
{
    if (t->length + 1 < t->room) {
        t->bytes[t->length++] = c;
        t->bytes[t->length] = '\0';
    }
}

static inline void text_add(struct text *t, const char *s)
{
    while (*s)
        text_addc(t, *s++);
}

static inline void text_add_number(struct text *t, uint64_t v)
{
    char digits[20];
    int n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n)
        text_addc(t, digits[--n]);
}

static inline bool text_ends(const char *s, const char *suffix)
{
    size_t length = text_length(s), n = text_length(suffix);
    return length >= n && text_equal(s + length - n, suffix);
}

/* The length of a text that ends after `most` bytes at the latest. */
static inline size_t text_length_within(const char *s, size_t most)
{
    size_t n = 0;
    while (n < most && s[n])
        n++;
    return n;
}

/* The length of a text up to a letter, or its end. */
static inline size_t text_length_until(const char *s, char letter)
{
    size_t n = 0;
    while (s[n] && s[n] != letter)
        n++;
    return n;
}

/* The part of a path behind its last slash. */
static inline const char *text_base_name(const char *path)
{
    const char *base = path;
    for (; *path; path++)
        if (*path == '/')
            base = path + 1;
    return base;
}

#define TEXT(buffer) ((struct text){.bytes = (buffer), .room = sizeof(buffer)})

#endif
