/* SPDX-License-Identifier: MIT
 *
 * What the tests of naming share: a made-up trace of one module, and what other tools say of it. */
#ifndef TESTS_PROBE_H
#define TESTS_PROBE_H

#include "model/symbols.h"

/* A trace whose only module is a file of this machine, loaded at `base`, with a stack node per
 * address: all are link-time. */
struct probe {
    struct trace_module module;
    struct trace_dict dict;
    struct symbols *symbols;
    size_t count;
};

/* `exact`: the addresses were executed; else they are return addresses. The build ID and segments
 * are what readelf says. */
void probe_open(struct probe *p, const char *path, const uint64_t *addresses, size_t count,
                bool exact, const struct symbol_options *options);
const struct symbol_address *probe_at(struct probe *p, size_t index);
void probe_close(struct probe *p);

/* Runs a shell command and returns its output as lines without their ends, NULL-ended; the test
 * fails if the command does. Owned by the caller, free_lines(). */
char **run_lines(const char *format, ...) __attribute__((format(printf, 1, 2)));
void free_lines(char **lines);

/* An instruction as objdump sees it. */
struct instruction {
    uint64_t address;
    bool call;
};

/* All instructions of the file's sections of code, or of the section named only. */
struct instruction *list_instructions(const char *path, const char *section, size_t *count);

#endif
