/* SPDX-License-Identifier: MIT
 *
 * Who asks how large blocks really are. A program that does may fill what the allocator gives
 * beyond what was asked for, and so asks for other sizes with another allocator: a replay cannot
 * know. Told by what the modules import, where their files are on this machine; a library that is
 * loaded and plays no part in the heap is none. */
#ifndef REPLAY_SIZE_ASKERS_H
#define REPLAY_SIZE_ASKERS_H

#include "trace/trace_reader.h"

#define SIZE_ASKERS_MAX 8u

struct size_askers {
    struct size_asker {
        const struct trace_module *module; /* the dictionary's */
        uint64_t bytes;                    /* asked for with it on the stack */
    } all[SIZE_ASKERS_MAX];
    size_t count;
    uint64_t bytes; /* asked for in all */
    uint8_t *of;    /* by stack node: index + 1 of the innermost, 0: none; owned */
    uint32_t of_count;
};

void size_askers_init(struct size_askers *s, const struct trace_dict *dict);
void size_askers_release(struct size_askers *s);

/* A block of so many bytes was made, or changed, by that stack. */
void size_askers_count(struct size_askers *s, uint32_t stack, uint64_t bytes);

/* The file name of the one with the largest part in the heap, the dictionary's; NULL: none has part
 * enough to matter. */
const char *size_askers_name(const struct size_askers *s);

#endif
