/* SPDX-License-Identifier: MIT
 *
 * How a call site's live bytes behave over time: whether they keep growing, above all. The question
 * that no total answers: is this site leaking, or is it a cache that has its size?
 *
 * Looked at are the buckets from the first with anything live up to the shutdown, for a program
 * that frees everything before it exits has leaked all the same while it ran. What decides is the
 * floor, the lowest value in each of 24 stretches: what is in use for the moment only is not in it.
 * Growing is a site for which all of this holds:
 *
 *   - it has made at least 12 blocks after the first quarter of what is looked at, some of them in
 *     the last one; all of it is at least 8 buckets, and an eighth of the time;
 *   - leaving that quarter out, as warm-up, the floor rises from third to third, each rise at
 *     least a fifth of what an even rise would be, and with no overlap: the lowest of the last
 *     third is above the median of the first, the highest of the first below that of the last;
 *   - the rise is more than an accident: 0.5 % of the highest value, 15 % where at least half of
 *     what was made was freed again;
 *   - in that case, too: hardly any of what was freed was old, made in the first half of the time
 *     until then; less than a quarter of the blocks gained. A leak keeps what it has, however much
 *     is freed young, while a cache that is still filling drops old entries already;
 *   - it has not come to a halt: there is no final stretch, of 1/32, 1/16, 1/8 or 1/4, in which
 *     allocation went on while the highest value rose by less than 30 % of the usual, unless the
 *     number of buckets in which it rose, by a tenth of the usual at least, is to be expected
 *     (probability above 1 %) by how rarely it did before; nor one in which frees are as many as
 *     allocations where before there were hardly any;
 *   - it does not level off: the last third's rise is not, significantly (2 standard errors),
 *     less than half of the first third's.
 *
 * Least squares or a rank correlation over all of it would call a cache that fills slowly and a
 * start-up in steps growing; both have a fine slope. The slope is told as evidence only. */
#ifndef ANALYSIS_GROWTH_CLASS_H
#define ANALYSIS_GROWTH_CLASS_H

#include "analysis/growth_series.h"
#include "analysis/growth_sites.h"

enum growth_class {
    GROWTH_GROWING,   /* see above */
    GROWTH_BOUNDED,   /* made and freed to the end, but what is live stays below a bound */
    GROWTH_STOPPED,   /* grew like that for at least a quarter of the time; then, for an eighth at
                         least, nothing was made there, and what there was was kept */
    GROWTH_ONE_TIME,  /* made in the beginning, or at one time, and kept */
    GROWTH_SHUTDOWN,  /* the same, and freed when the program ended */
    GROWTH_SAWTOOTH,  /* collected and given back, at least three times over */
    GROWTH_TEMPORARY, /* the same with hardly more than a block at a time */
    GROWTH_IRREGULAR, /* none of these */
    GROWTH_CLASSES
};

/* Names for trees and the command line, in the enum's order, NULL-ended: "growing", ... */
extern const char *const growth_class_names[];

struct growth_evidence {
    enum growth_class class;
    size_t first, end;    /* buckets of the sites' grid that were looked at: first .. end - 1 */
    uint64_t level_bytes; /* live at the end of those: before the shutdown */
    uint64_t high_bytes;  /* the most in them */
    int64_t risen_bytes;  /* by which the floor rose after the first quarter of them */
    uint64_t made, freed; /* blocks, in them */
    uint64_t made_late;   /* of `made`, in the last quarter */
    bool freed_at_end;    /* the shutdown freed nearly all */
    bool shuts_down;      /* it begins in the last of the buckets */
};

/* The bucket of the series from which on the program only shuts down: the final stretch, of a
 * quarter at most, in which frees outweigh allocations most, an allocation weighing four frees.
 * `count` where there is none; to be asked only where the trace ends with the program. */
size_t growth_shutdown(const struct growth_series *s);

/* The buckets of the sites' grid, (1 << coarser) of the series each, in which the program paused:
 * nothing was made or freed at all, although in as long a time before, and in as long a time behind
 * or what there is of it, 20 blocks or more were made. They are taken out of what is looked at, for
 * a wait would look like a halt. */
void growth_pauses(bool paused[GROWTH_POINTS], const struct growth_series *s, size_t buckets,
                   unsigned coarser);

/* `end`: buckets of the grid that are not of the shutdown; with `shuts_down` it begins within the
 * last of them. */
void growth_classify(struct growth_evidence *e, const struct growth_curve *curve,
                     const struct growth_site *site, size_t end, bool shuts_down);

/* The rise of the last bytes of each bucket over those looked at but the first quarter. */
struct growth_slope {
    bool known;        /* there were at least 4 buckets */
    double per_bucket; /* bytes: the median of all slopes between two buckets (Theil, Sen) */
    double low, high;  /* its 95 % confidence interval by Kendall's statistic, widened for what
                          the residuals of neighbouring buckets have in common */
    double r2;         /* of a least-squares line, 0 .. 1 */
};
void growth_slope(struct growth_slope *out, const struct growth_curve *curve,
                  const struct growth_evidence *e);

#endif
