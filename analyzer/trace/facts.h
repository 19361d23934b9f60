/* SPDX-License-Identifier: MIT
 *
 * Facts about the process: enum seep_fact decoded. */
#ifndef TRACE_FACTS_H
#define TRACE_FACTS_H

#include "trace/trace_event.h"

/* Decodes as many facts as are readable; missing texts are "", missing lists empty, so that no
 * pointer is NULL. False where the bytes end within a fact. facts_release(). */
bool facts_decode(struct trace_facts *f, const uint8_t *bytes, size_t length);
void facts_release(struct trace_facts *f);

/* Append a fact as it is stored. A text that is empty or NULL is left out. */
struct bytes;
void facts_put(struct bytes *out, enum seep_fact fact, const void *value, size_t length);
void facts_put_text(struct bytes *out, enum seep_fact fact, const char *text);
void facts_put_number(struct bytes *out, enum seep_fact fact, uint64_t value);
/* Appends those of `stored` that are wanted. */
void facts_put_wanted(struct bytes *out, const struct bytes *stored, bool (*wanted)(uint64_t fact));

#endif
