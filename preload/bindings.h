/* SPDX-License-Identifier: MIT
 *
 * Where the calls of other modules lead: the slots that the loader fills in when it relocates them.
 *
 * Most calls of malloc and its kind lead to us, because we are first in the global scope. Two kinds
 * do not. An allocator's own functions (mallocx, tc_malloc, mi_malloc, ...) have names that we must
 * not take: programs ask by a weak reference whether they are there, and would believe us. So the
 * slots are redirected instead, in the modules that have them, and only where the allocator that
 * defines them serves malloc. And a module opened with RTLD_DEEPBIND or dlmopen looks into its own
 * libraries first, on purpose: that is left alone, and said. */
#ifndef REC_BINDINGS_H
#define REC_BINDINGS_H

#include <stdint.h>

/* Redirects the slots of all modules that are loaded now. At the start, by its only thread. */
void rec_bindings_start(void);

/* Redirects the slots of the module around `address`, and looks whether its malloc is ours. The
 * module must not go away meanwhile. */
void rec_bindings_look(uintptr_t address);

/* Looks at what was loaded since the start. */
void rec_bindings_end(void);

#endif
