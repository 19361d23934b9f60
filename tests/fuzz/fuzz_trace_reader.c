/* SPDX-License-Identifier: MIT
 *
 * Reads a trace of arbitrary bytes to its end, twice, and touches every live block. */
#include "trace/trace_reader.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t read_all(struct trace_reader *reader)
{
    uint64_t sum = 0;
    struct trace_event event;
    while (trace_reader_next(reader, &event, NULL) == SEEP_OK)
        sum += event.number + event.time_ns + (event.type == TRACE_BESIDE ? event.beside.length : 0);
    for (uint32_t slot = 0; slot < trace_reader_slot_count(reader); slot++) {
        const struct trace_block *block = trace_reader_block(reader, slot);
        if (block)
            sum += block->size;
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace_reader *reader;
    if (trace_reader_open_bytes(&reader, data, size, "input", NULL))
        return 0;
    volatile uint64_t sum = read_all(reader);
    if (trace_reader_rewind(reader, NULL) == SEEP_OK)
        sum += read_all(reader);
    trace_reader_free(reader);
    return 0;
}
