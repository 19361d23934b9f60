/* SPDX-License-Identifier: MIT
 *
 * rows.h as tests of the recorder's stacks and modules need it: rows are kept, in one order over
 * all threads, instead of going into a tail. Nothing here allocates. */
#ifndef TEST_FAKE_ROWS_H
#define TEST_FAKE_ROWS_H

#include "rows.h"

struct fake_row {
    enum { FAKE_ROOT, FAKE_STACK, FAKE_BESIDE } what;
    uint8_t flags;
    uint32_t id, parent; /* ROOT: parent is the generation; BESIDE: id is the kind */
    uintptr_t pc;
    size_t length;
    const uint8_t *bytes; /* BESIDE: its payload; NULL if there were too many */
};

/* Rows so far; they never move. A row may be read once its index lies below fake_rows_count(). */
uint32_t fake_rows_count(void);
const struct fake_row *fake_rows_at(uint32_t index);
/* Forgets all rows, and makes room for `limit`. */
void fake_rows_init(uint32_t limit);
/* As after recording has stopped: every row is refused. */
extern bool fake_rows_refuse;

#endif
