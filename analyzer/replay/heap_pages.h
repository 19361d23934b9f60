/* SPDX-License-Identifier: MIT
 *
 * How much of a picture of the pages is the heap's. */
#ifndef REPLAY_HEAP_PAGES_H
#define REPLAY_HEAP_PAGES_H

#include "model/memory_map.h"
#include "replay/large.h"
#include "trace/mapped.h"
#include "trace/trace_reader.h"

/* Bytes resident in private mappings of no file that hold blocks, without what the program
 * (`mapped`) or the recorder (`own`) has mapped itself: neighbours of the same sort are one mapping
 * for the kernel. `beside` is a MAPPINGS record whose residency `large` has taken in; the blocks
 * are those that live where the reader stands. One look at each of them, in any order. */
uint64_t heap_pages_bytes(const struct trace_reader *reader, const struct large *large,
                          const struct mapped *mapped, const struct memory_map *own,
                          const struct trace_beside *beside);

#endif
