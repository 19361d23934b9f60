/* SPDX-License-Identifier: MIT
 *
 * What a heap would be were some of its blocks not there, or in a pool: the recording replayed with
 * its own allocator as it is, and so changed. What both replays get wrong in the same way falls out
 * of their difference. */
#ifndef REPLAY_COUNTERFACTUAL_H
#define REPLAY_COUNTERFACTUAL_H

#include "analysis/result.h"
#include "replay/script.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct counterfactual_options {
    const char *program; /* path of seep-replay */
    struct script_change change;
    uint64_t moment_ns; /* of the picture that is looked at */
    /* false: stop, INTERRUPTED. Either may be NULL. */
    bool (*progress)(void *arg, double fraction);
    bool (*stage)(void *arg, const char *candidate, const char *what, unsigned run);
    void *arg;
};

/* Replays the trace, from its start, and adds to `parent` the object `replay`:
 *
 *   allocator, version, settings  texts: of the recording allocator, which it was replayed with
 *   calls           [count] of a replay as it is
 *   speed_percent   [count]: how fast time ran; above 100 where it plays no part, or would be long
 *   runs            [count] of both sorts
 *   rss_bytes, peak_rss_bytes
 *                   [bytes] as recorded, less the recorder's own, at the moment and at most
 *   saved_bytes, peak_saved_bytes
 *                   integers: how much less of these it would be
 *   error_bytes     [bytes]: half of the distance between equal replays farthest apart
 *   self_check      null: cannot be told, or object {peak_miss_percent, final_miss_percent (reals,
 *                   of the RSS: how far the replay as it is is off the recording), sound: bool}
 *
 * Errors: as compare_analyse(); USAGE also where the recording allocator is not on this machine.
 * Nothing is added then. */
enum seep_err counterfactual_add(struct result *parent, struct trace_reader *reader,
                                 const struct counterfactual_options *options, struct err *err);

#endif
