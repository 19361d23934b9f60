/* SPDX-License-Identifier: MIT */
#include "trace/stamp_clock.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/* Pairs nearer to each other than this say little about the rate: reading one takes up to some
 * hundred nanoseconds, and a virtual machine may be descheduled in the middle. */
#define PAIR_SPAN_NS 1000000u
#define MEASURE_NS 10000000

/* Counters run at 10 MHz to 10 GHz. */
static bool rate_is_sane(double rate)
{
    return rate > 0.1 && rate < 100;
}

static double rate_between(const struct spool_clock_pair *a, const struct spool_clock_pair *b)
{
    return (double)(b->ns - a->ns) / (double)(b->stamp - a->stamp);
}

static uint64_t monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#if defined(__x86_64__)
/* Reads both clocks together: of several tries the one that was interrupted least. */
static struct spool_clock_pair read_pair(void)
{
    struct spool_clock_pair best = {0};
    uint64_t best_took = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t before = __rdtsc(), ns = monotonic_ns(), took = __rdtsc() - before;
        if (took < best_took) {
            best_took = took;
            best = (struct spool_clock_pair){before + took / 2, ns};
        }
    }
    return best;
}
#endif

static struct spool_clock_pair prepared; /* by stamp_clock_prepare(); 0: it was not called */

void stamp_clock_prepare(void)
{
    stamp_clock_read_pair(SEEP_CLOCK_TSC, &prepared);
}

bool stamp_clock_read_pair(uint32_t clock, struct spool_clock_pair *out)
{
#if defined(__x86_64__)
    if (clock == SEEP_CLOCK_TSC) {
        *out = read_pair();
        return true;
    }
#endif
    uint64_t ns = monotonic_ns();
    *out = (struct spool_clock_pair){ns, ns};
    return clock == SEEP_CLOCK_MONOTONIC;
}

#if defined(__x86_64__)
/* Whether a rate between two pairs is as good as is needed for times of up to so many ticks. Each
 * pair may be off by some ten nanoseconds: so are times no longer than what is between the two. */
static bool is_long_enough(const struct spool_clock_pair *a, const struct spool_clock_pair *b,
                           uint64_t ticks)
{
    uint64_t ns = b->ns - a->ns;
    return ns >= MEASURE_NS || (ns >= PAIR_SPAN_NS && b->stamp - a->stamp >= ticks);
}
#endif

/* ns per tick of this machine's counter, for times of up to `ticks`, measured against the clock the
 * recorder uses: the kernel tells its own estimate to privileged readers only. Good to some 10 ppm,
 * or to what such times need. 0: there is none. */
static double measure_rate(uint64_t ticks)
{
#if defined(__x86_64__)
    /* once: children that live for a moment come by the thousands. Two threads may both measure. */
    static _Atomic double rate;
    struct spool_clock_pair a = prepared.stamp ? prepared : read_pair(), b = read_pair();
    if (is_long_enough(&a, &b, ticks))
        return rate_between(&a, &b);
    if (rate == 0) {
        nanosleep(&(struct timespec){.tv_nsec = (long)(MEASURE_NS - (b.ns - a.ns))}, NULL);
        b = read_pair();
        if (b.stamp > a.stamp && b.ns > a.ns)
            rate = rate_between(&a, &b);
    }
    return rate;
#else
    (void)ticks;
    return 0;
#endif
}

static bool made_here(const struct spool *spool)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    return spool->host[0] != '\0' && strcmp(host, spool->host) == 0;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct spool_clock_pair *x = a, *y = b;
    return x->stamp < y->stamp ? -1 : x->stamp > y->stamp;
}

static bool is_later(const struct spool_clock_pair *p, const struct spool_clock_pair *than)
{
    return p->stamp > than->stamp && p->ns > than->ns && rate_is_sane(rate_between(than, p));
}

/* Only pairs after the start whose times rise with their stamps, at a believable rate. Returns the
 * rate up to the last pair even where all are too near to be kept; 0: none. */
static double take_pairs(struct stamp_clock *c, const struct spool *spool)
{
    double short_rate = 0;
    const struct seep_control *control = &spool->control;
    size_t count = spool->pair_count;
    struct spool_clock_pair *all = mem_zalloc(count + 1, sizeof *all);
    if (count > 0)
        memcpy(all, spool->pairs, count * sizeof *all);
    if (control->last_seq % 2 == 0 && control->last_ns != 0)
        all[count++] = (struct spool_clock_pair){control->last_stamp, control->last_ns};
    qsort(all, count, sizeof *all, compare_pairs);
    c->pair_capacity = count + 1;
    c->pairs = mem_zalloc(c->pair_capacity, sizeof *c->pairs);
    c->pairs[c->pair_count++] = (struct spool_clock_pair){control->start_stamp, control->start_ns};
    for (size_t i = 0; i < count; i++) {
        const struct spool_clock_pair *last = &c->pairs[c->pair_count - 1], *p = &all[i];
        if (!is_later(p, last))
            continue;
        if (c->pair_count == 1)
            short_rate = rate_between(last, p);
        if (p->ns - last->ns >= PAIR_SPAN_NS)
            c->pairs[c->pair_count++] = *p;
    }
    free(all);
    return short_rate;
}

void stamp_clock_init(struct stamp_clock *c, const struct spool *spool, uint64_t newest_stamp,
                      uint64_t last_snapshot_ns)
{
    const struct seep_control *control = &spool->control;
    *c = (struct stamp_clock){.rate = 1};
    if (control->clock == SEEP_CLOCK_MONOTONIC) {
        c->basis = STAMP_CLOCK_EXACT;
        c->pairs = mem_alloc(sizeof *c->pairs);
        c->pair_capacity = 1;
        c->pairs[c->pair_count++] =
            (struct spool_clock_pair){control->start_stamp, control->start_ns};
        return;
    }
    double short_rate = take_pairs(c, spool);
    const struct spool_clock_pair *first = &c->pairs[0], *last = &c->pairs[c->pair_count - 1];
    if (c->pair_count > 1) {
        c->basis = STAMP_CLOCK_PAIRS;
        c->rate = rate_between(first, last);
        return;
    }
    uint64_t end = control->last_stamp > newest_stamp ? control->last_stamp : newest_stamp;
    uint64_t ticks = end > first->stamp ? end - first->stamp : 0;
    c->rate = made_here(spool) ? measure_rate(ticks) : 0;
    c->basis = STAMP_CLOCK_MEASURED;
    if (rate_is_sane(c->rate))
        return;
    if (short_rate > 0) {
        c->rate = short_rate;
        c->basis = STAMP_CLOCK_PAIRS;
        return;
    }
    if (newest_stamp > first->stamp && last_snapshot_ns > first->ns) {
        c->rate = (double)(last_snapshot_ns - first->ns) / (double)(newest_stamp - first->stamp);
        c->basis = STAMP_CLOCK_SNAPSHOTS;
        if (rate_is_sane(c->rate))
            return;
    }
    c->rate = 1;
    c->basis = STAMP_CLOCK_TICKS;
}

void stamp_clock_add(struct stamp_clock *c, const struct spool_clock_pair *pair)
{
    const struct spool_clock_pair *last = &c->pairs[c->pair_count - 1];
    if (c->basis == STAMP_CLOCK_EXACT || !is_later(pair, last) ||
        pair->ns - last->ns < PAIR_SPAN_NS)
        return;
    MEM_GROW(c->pairs, c->pair_capacity, c->pair_count + 1);
    c->pairs[c->pair_count++] = *pair;
    c->rate = rate_between(&c->pairs[0], pair);
    c->basis = STAMP_CLOCK_PAIRS;
    c->at_rate = 0;
}

void stamp_clock_release(struct stamp_clock *c)
{
    free(c->pairs);
    *c = (struct stamp_clock){0};
}

/* 2^63 and more would overflow where a time is stored signed. */
static uint64_t to_ns(double ns)
{
    return ns >= 9e18 ? (uint64_t)9e18 : (uint64_t)(ns + 0.5);
}

static void find_segment(struct stamp_clock *c, uint64_t stamp)
{
    while (c->at > 0 && stamp < c->pairs[c->at].stamp)
        c->at--;
    while (c->at + 1 < c->pair_count && stamp >= c->pairs[c->at + 1].stamp)
        c->at++;
    c->at_rate =
        c->at + 1 < c->pair_count ? rate_between(&c->pairs[c->at], &c->pairs[c->at + 1]) : c->rate;
}

uint64_t stamp_clock_ns(struct stamp_clock *c, uint64_t stamp)
{
    const struct spool_clock_pair *pairs = c->pairs;
    if (stamp <= pairs[0].stamp)
        return 0;
    if (stamp < pairs[c->at].stamp || c->at_rate == 0 ||
        (c->at + 1 < c->pair_count && stamp >= pairs[c->at + 1].stamp))
        find_segment(c, stamp);
    uint64_t since = pairs[c->at].ns - pairs[0].ns;
    return to_ns((double)since + (double)(stamp - pairs[c->at].stamp) * c->at_rate);
}

uint64_t stamp_clock_end_ns(const struct stamp_clock *c)
{
    return c->pairs[c->pair_count - 1].ns - c->pairs[0].ns;
}

const char *stamp_clock_basis_name(enum stamp_clock_basis basis)
{
    switch (basis) {
    case STAMP_CLOCK_EXACT: return "exact";
    case STAMP_CLOCK_PAIRS: return "pairs";
    case STAMP_CLOCK_MEASURED: return "measured";
    case STAMP_CLOCK_SNAPSHOTS: return "snapshots";
    case STAMP_CLOCK_TICKS: return "ticks";
    }
    return "unknown";
}
