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

#endif
