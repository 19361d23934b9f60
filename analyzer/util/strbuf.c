/* SPDX-License-Identifier: MIT */
#include "util/strbuf.h"

#include "util/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_add(struct strbuf *b, const char *text, size_t length)
{
    MEM_GROW(b->text, b->capacity, b->length + length + 1);
    memcpy(b->text + b->length, text, length);
    b->length += length;
    b->text[b->length] = '\0';
}

void strbuf_adds(struct strbuf *b, const char *text)
{
    strbuf_add(b, text, strlen(text));
}

void strbuf_addc(struct strbuf *b, char c)
{
    strbuf_add(b, &c, 1);
}

void strbuf_addf(struct strbuf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length > 0) {
        MEM_GROW(b->text, b->capacity, b->length + (size_t)length + 1);
        vsnprintf(b->text + b->length, (size_t)length + 1, format, again);
        b->length += (size_t)length;
    }
    va_end(again);
}

void strbuf_reset(struct strbuf *b)
{
    b->length = 0;
    if (b->text)
        b->text[0] = '\0';
}

char *strbuf_detach(struct strbuf *b)
{
    strbuf_add(b, "", 0);
    char *text = b->text;
    *b = (struct strbuf){0};
    return text;
}

void strbuf_release(struct strbuf *b)
{
    free(b->text);
    *b = (struct strbuf){0};
}
