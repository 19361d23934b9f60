/* SPDX-License-Identifier: MIT
 *
 * Rows of two lanes, decoded and merged. The input's first two bytes say where it is cut into the
 * chunks of the lanes; the rest are rows. Every place that is not marked late must come in order.
 */
#include "trace/merge.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1u << 20)
        return 0;
    uint32_t bytes = (uint32_t)size - 2;
    uint32_t first = bytes * data[0] / 256, second = first + (bytes - first) * data[1] / 256;
    struct spool_piece one[] = {
        {.offset = 0, .lane = 0, .sequence = 0, .bytes = first, .thread = 1, .file = SPOOL_MEMORY},
        {.offset = first,
         .lane = 0,
         .sequence = 1,
         .bytes = second - first,
         .thread = 1,
         .file = SPOOL_MEMORY},
    };
    struct spool_piece other = {.offset = second,
                                .lane = 1,
                                .sequence = 0,
                                .bytes = bytes - second,
                                .thread = 2,
                                .file = SPOOL_MEMORY};
    uint8_t *rows = malloc(bytes + 1);
    memcpy(rows, data + 2, bytes);
    struct spool_lane lanes[] = {
        {.pieces = one, .piece_count = 2, .tail = rows},
        {.pieces = &other, .piece_count = 1, .tail = rows},
    };
    struct spool spool = {.lanes = lanes, .lane_count = 2, .newest_stamp = UINT64_MAX};

    struct stack_map stacks;
    struct merge merge;
    const struct place *place;
    uint64_t last = 0, places = 0;
    stack_map_init(&stacks);
    merge_init(&merge, &spool, NULL, &stacks);
    merge_renew(&merge);
    while ((place = merge_head(&merge)) != NULL) {
        if (!place->late && place->stamp < last)
            abort();
        last = place->stamp > last ? place->stamp : last;
        places++;
        if (place->type == PLACE_BESIDE)
            free(place->payload);
        merge_pop(&merge);
    }
    if (places > 2 * (uint64_t)bytes) /* a row has at least two bytes, and at most two places */
        abort();
    while (merge_read_definitions(&merge))
        ;
    merge_release(&merge);
    stack_map_release(&stacks);
    free(rows);
    return 0;
}
