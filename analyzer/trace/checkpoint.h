/* SPDX-License-Identifier: MIT
 *
 * The live blocks at the start of a group, in columns. */
#ifndef TRACE_CHECKPOINT_H
#define TRACE_CHECKPOINT_H

#include "trace/columns.h"
#include "trace/event_sums.h"

/* Columns of the checkpoint are those below this id. */
#define CHECKPOINT_COLUMNS_END 32u

/* Fills the checkpoint's columns from `l`, as live_renumber() left it, the peak so far and who last
 * made what. Times are stored `unit_us` off at most. */
void checkpoint_encode(struct columns *c, const struct live *l, const struct trace_peak *peak,
                       struct last_made *last_made, uint32_t unit_us);

/* Decodes the checkpoint's columns of `t` and replaces `l`, `peak` and `last_made` by them. Of
 * threads above `threads` nothing is noted there, nor with NULL. `header` holds the counts, which
 * are taken as limits. False, with `l` empty, where anything contradicts. */
bool checkpoint_decode(struct columns *c, const struct columns_table *t,
                       const struct seep_group_header *header, struct live *l,
                       struct trace_peak *peak, struct last_made *last_made, uint32_t threads);

#endif
