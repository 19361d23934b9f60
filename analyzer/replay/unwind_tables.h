/* SPDX-License-Identifier: MIT
 *
 * Where modules' tables for unwinding stacks lie. The recorder reads them, so that pages of files
 * are resident which the program alone would not touch, but for exceptions: some 0.5 MiB of a
 * program that has 10. */
#ifndef REPLAY_UNWIND_TABLES_H
#define REPLAY_UNWIND_TABLES_H

#include "trace/trace_reader.h"

struct unwind_tables {
    struct unwind_table {
        uint64_t start, end; /* whole pages */
    } * tables;              /* owned */
    size_t count, capacity;
};

/* Of those modules whose files are on this machine, by their build IDs. */
void unwind_tables_init(struct unwind_tables *t, const struct trace_dict *dict);
void unwind_tables_release(struct unwind_tables *t);

/* Bytes of [start, end) that lie in them. */
uint64_t unwind_tables_bytes(const struct unwind_tables *t, uint64_t start, uint64_t end);

#endif
