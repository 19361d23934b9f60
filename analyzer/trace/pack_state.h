/* SPDX-License-Identifier: MIT
 *
 * How far a packer that follows a process has come, kept in the spool beside the trace in the
 * making: what was given back of the rows is in that trace, so whoever packs the spool after the
 * packer was killed has to go on from there.
 *
 * Kept is what cannot be had again: places that were read and are not packed, where each lane's
 * reading stands, reallocations in flight, the clock's pairs, and, in a file of their own that only
 * grows, the definitions of stacks. Everything else comes from reading the trace again, event by
 * event, into a new one. The files never leave the machine: there is no version, only a layout that
 * is refused if it is not this build's. */
#ifndef TRACE_PACK_STATE_H
#define TRACE_PACK_STATE_H

#include "trace/packer.h"

/* Whether the spool has one. */
bool pack_state_exists(const struct packer *p);

/* Writes the state of `p`, whose writer was flushed. Errors: IO. */
enum seep_err pack_state_save(struct packer *p, struct err *err);

struct pack_state {
    uint8_t *data; /* owned; NULL: there is none */
    struct cursor at;
    uint64_t events, records; /* of the trace in the making */
    uint64_t lanes;
    uint32_t unit_us; /* of the trace in the making */
    uint64_t snapshot_at;
    uint64_t stack_bytes; /* of the file of definitions */
};

/* Reads the state of the spool, if there is one, and tells the spool which pieces are done, before
 * it is indexed. *state is the caller's in any case, pack_state_release(). Errors: IO, DAMAGED,
 * VERSION. */
enum seep_err pack_state_open(struct pack_state *state, struct packer *p, struct err *err);
void pack_state_release(struct pack_state *state);

static inline bool pack_state_is_there(const struct pack_state *state)
{
    return state->data != NULL;
}

/* Once the lanes are there: puts them where they were. Errors: DAMAGED. */
enum seep_err pack_state_restore_lanes(struct pack_state *state, struct packer *p, struct err *err);
/* Copies the trace in the making into the new one, behind what the process has from its parent, and
 * puts the order where it was. Errors: of reader and writer, INTERRUPTED. */
enum seep_err pack_state_restore_trace(struct pack_state *state, struct packer *p, struct err *err);

#endif
