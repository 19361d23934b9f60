/* SPDX-License-Identifier: MIT
 *
 * Cuts a window out of a trace of arbitrary bytes, and makes a trace of several processes of it.
 * What was written is a sound trace: its reader finds no damage but the gaps that the first had. */
#include "trace/cut.h"
#include "trace/unite.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_MAX 200000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A few bytes may tell of millions of events: not more than so many are worth the time. */
static bool go_on(void *arg, double fraction)
{
    (void)fraction;
    unsigned *calls = arg;
    return ++*calls < EVENTS_MAX / 65536;
}

static void read_back(const char *path)
{
    struct trace_reader *reader;
    struct err err;
    struct trace_event event;
    if (trace_reader_open(&reader, path, &err) != SEEP_OK)
        abort();
    for (unsigned n = 0; n < EVENTS_MAX && !trace_reader_next(reader, &event, NULL); n++)
        ;
    trace_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace_reader *reader;
    char path[64];
    snprintf(path, sizeof path, "/tmp/seep-derive-%ld", (long)getpid());
    if (trace_reader_open_bytes(&reader, data, size, "input", NULL))
        return 0;
    unsigned calls = 0;
    uint64_t from = size ? data[size / 2] : 0;
    struct cut_options cut = {.from = {"#", size & 1, from, from * 10000},
                              .to = {"#", size & 2, 2 * from, from * 30000},
                              .name = "input",
                              .progress = go_on,
                              .progress_arg = &calls};
    unlink(path);
    if (cut_trace(reader, path, &cut, NULL) == SEEP_OK)
        read_back(path);
    struct unite_input input = {reader, "input"};
    struct unite_options unite = {.align_starts = true, .progress = go_on, .progress_arg = &calls};
    unlink(path);
    calls = 0;
    if (trace_reader_rewind(reader, NULL) == SEEP_OK &&
        unite_traces(&input, 1, path, &unite, NULL) == SEEP_OK)
        read_back(path);
    unlink(path);
    trace_reader_free(input.reader);
    return 0;
}
