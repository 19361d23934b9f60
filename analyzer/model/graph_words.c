/* SPDX-License-Identifier: MIT */
#include "model/graph_words.h"

const char *graph_trigger_name(uint64_t trigger)
{
    switch (trigger) {
    case SEEP_GRAPH_AT_EXIT: return "exit";
    case SEEP_GRAPH_AT_CALL: return "call";
    case SEEP_GRAPH_AT_SIGNAL: return "signal";
    case SEEP_GRAPH_AT_MARK: return "mark";
    default: return "unknown";
    }
}

const char *graph_trigger_words(uint64_t trigger)
{
    switch (trigger) {
    case SEEP_GRAPH_AT_EXIT: return "at exit";
    case SEEP_GRAPH_AT_CALL: return "at a call";
    case SEEP_GRAPH_AT_SIGNAL: return "at a signal";
    case SEEP_GRAPH_AT_MARK: return "at a mark";
    default: return "at a moment of an unknown kind";
    }
}

const char *graph_state_words(uint64_t state)
{
    switch (state) {
    case SEEP_GRAPH_NO_FORK: return "the kernel refused to fork the program";
    case SEEP_GRAPH_SANDBOX: return "the program is in a sandbox";
    case SEEP_GRAPH_NO_FILE: return "its file could not be written";
    case SEEP_GRAPH_STOPPED: return "recording had stopped";
    case SEEP_GRAPH_BUSY: return "another snapshot was under way";
    case SEEP_GRAPH_THREADS: return "the program's threads could not be stopped";
    default: return "for a reason unknown to this seep";
    }
}
