/* SPDX-License-Identifier: MIT
 * A growing text. Zero-initialise; `text` is NULL until something was added, else NUL-ended. */
#ifndef UTIL_STRBUF_H
#define UTIL_STRBUF_H

#include <stddef.h>

struct strbuf {
    char *text; /* owned, freed by strbuf_release() */
    size_t length;
    size_t capacity;
};

void strbuf_add(struct strbuf *b, const char *text, size_t length);
void strbuf_adds(struct strbuf *b, const char *text);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Empties the text and keeps the memory. */
void strbuf_reset(struct strbuf *b);
/* Hands the text over to the caller, who frees it; never NULL. `b` is empty afterwards. */
char *strbuf_detach(struct strbuf *b);
void strbuf_release(struct strbuf *b);

#endif
