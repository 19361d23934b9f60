/* SPDX-License-Identifier: MIT
 *
 * mmap(), munmap() and mremap(), interposed to tell the program's own mappings from those of the
 * allocator and the C library: pointers in the former keep blocks alive. Of calls that another
 * library's allocator makes some may be missing: those it makes before its thread is known. */
#ifndef REC_MAP_CALLS_H
#define REC_MAP_CALLS_H

/* Learns where the allocator's code lies; at the start, and in a forked child again. */
void rec_map_calls_init(void);

#endif
