/* SPDX-License-Identifier: MIT
 *
 * Which file is loaded where, and when that changes. No lock of the loader is ever taken: modules
 * are met when a stack first runs through them (_dl_find_object), and an unload is noticed because
 * the loader calls our free() on its way. */
#ifndef REC_MODULES_H
#define REC_MODULES_H

#include "hidden.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rec_thread;

/* What unwinding and naming need to know of the module around a pc. */
struct rec_module {
    uintptr_t start, end;        /* mapped range */
    uintptr_t base;              /* load bias */
    const uint8_t *eh_frame_hdr; /* NULL: none */
};

/* Starts afresh, with generation 1; in a forked child again. */
bool rec_modules_init(void);

/* For tests: as with a glibc before 2.35, which has no _dl_find_object. To be set before init. */
extern bool rec_modules_by_maps;

/* Finds the module around `pc` without lock, system call or allocation; false if there is none.
 * (Without _dl_find_object it may take the cold-path lock and ask the kernel.) */
bool rec_modules_find(uintptr_t pc, struct rec_module *out);

/* Makes sure a SEEP_BESIDE_MODULE row for the module around `pc` is written, by the calling thread
 * and in the present generation. Called once per new pc, under the caller's cold-path lock, which
 * is held since rec_modules_note_begin(): each module is looked at once. */
void rec_modules_note_begin(void);
void rec_modules_note(struct rec_thread *t, uintptr_t pc);

/* Called by rec_modules_note() with an address in each module that it notes; NULL: nobody. Not with
 * rec_modules_by_maps and its like, where finding a module takes the lock that is held then. */
extern void (*rec_modules_met)(uintptr_t address);

/* The name by which the loader knows the module around `pc`: "" for the program itself, and where
 * it is not known. */
const char *rec_modules_name(uintptr_t pc);

extern _Atomic uint32_t rec_modules_now REC_HIDDEN;

/* The generation: counts unloads, from 1. */
static inline uint32_t rec_modules_generation(void)
{
    return atomic_load_explicit(&rec_modules_now, memory_order_acquire);
}

/* Where the dynamic loader's code lies. */
extern uintptr_t rec_modules_loader_low REC_HIDDEN, rec_modules_loader_high REC_HIDDEN;

/* True if `pc` lies in the dynamic loader: then rec_modules_check() is due. */
static inline bool rec_modules_is_loader(uintptr_t pc)
{
    return pc - rec_modules_loader_low < rec_modules_loader_high - rec_modules_loader_low;
}

/* Looks whether known modules are still there; if one is gone, begins a new generation: writes the
 * SEEP_BESIDE_UNLOAD row, and forgets the rules and stacks that ran through it. */
void rec_modules_check(struct rec_thread *t);

#endif
