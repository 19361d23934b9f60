/* SPDX-License-Identifier: MIT
 *
 * Takes the kernel's picture of every recorded process from outside, while it runs, and appends it
 * to the process's spool (`snapshots`, see trace_format.h).
 *
 * How often: a look at each process's RSS every few milliseconds at first, every 100 ms from the
 * first second on; a MEMORY record where RSS has changed by 5 % since the last one, or none was
 * made for 1/64 of the process's age (100 ms to a minute); a MAPPINGS record, which costs some 10
 * ms per gigabyte, where RSS has changed so and the last one is 1/16 of the age ago (20 ms to half
 * a minute), or five minutes. A MAPPINGS record stands between two MEMORY records, which tell when
 * it began and ended, and what RSS did meanwhile. All of it together may use 1 % of a core (plus 20
 * ms at once): after a costly record nothing more is done until that has been made up for. So short
 * runs get a close picture, and long ones stay cheap and small.
 *
 * The end itself is not seen: a process's memory is gone before its parent is told. What the kernel
 * keeps, the peak, is recorded then. */
#ifndef RUN_SAMPLER_H
#define RUN_SAMPLER_H

#include "run/process_memory.h"
#include "run/spools.h"
#include "run/supervise.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sampler_process; /* what is known of one process image */

struct sampler {
    struct run_spools *spools;         /* not owned */
    struct sampler_process *processes; /* owned; index as in spools->all */
    size_t count, capacity;
    uint64_t begin_ns;
    uint64_t begin_cpu_ns;              /* our thread's processor time then */
    struct process_buffer maps, record; /* scratch */
    enum process_residency way;
};

void sampler_init(struct sampler *s, struct run_spools *spools);
void sampler_release(struct sampler *s);

/* Looks around, and takes what is due. Returns the nanoseconds after which to come again. `sampler`
 * is a struct sampler; the type is supervise_wait()'s. */
uint64_t sampler_tick(void *sampler);

/* Writes how the main process ended to its last image's spool. */
void sampler_finish(struct sampler *s, uint32_t main_pid, const struct supervise_end *end);

#endif
