/* SPDX-License-Identifier: MIT
 *
 * Words for what asked for a heap graph snapshot, and for why there is none. */
#ifndef MODEL_GRAPH_WORDS_H
#define MODEL_GRAPH_WORDS_H

#include "seep/trace_format.h"

/* "exit", "call", "signal", "mark"; "unknown" for a number that is none. */
const char *graph_trigger_name(uint64_t trigger);
/* "at exit", "at a call", ...: when it was taken. */
const char *graph_trigger_words(uint64_t trigger);
/* Why there is no graph: "the kernel refused to fork the program". Of enum seep_graph_state, TAKEN
 * aside. */
const char *graph_state_words(uint64_t state);

#endif
