/* SPDX-License-Identifier: MIT */
#include "trace/event_clock.h"

void event_clock_reset(struct event_clock *c, struct columns *columns, uint64_t start_ns,
                       uint32_t unit_us)
{
    *c = (struct event_clock){
        .columns = columns,
        .base_ns = start_ns,
        .least_ticks = -(int64_t)(start_ns / 1000 * EVENT_CLOCK_TICKS_PER_US),
        .unit_ticks = (int64_t)unit_us * EVENT_CLOCK_TICKS_PER_US,
    };
}

static void learn(uint16_t *step, int ticks)
{
    if (ticks > 0 ? *step < UINT16_MAX : ticks < 0 && *step > 0)
        *step = (uint16_t)(*step + ticks);
}

/* In ticks, what a correction of so many units teaches. */
static int lesson(int64_t units)
{
    if (units > EVENT_CLOCK_OUTLIER || units < -EVENT_CLOCK_OUTLIER)
        return 0;
    return (units > 0) - (units < 0);
}

/* ------------------------------------------------------------------ writing */

/* The multiple of the unit at or below. */
static int64_t round_down(const struct event_clock *c, int64_t ticks)
{
    if (c->unit_ticks == EVENT_CLOCK_TICKS_PER_US)
        return ticks & -EVENT_CLOCK_TICKS_PER_US; /* the usual one: without a division */
    int64_t rest = ticks % c->unit_ticks;
    return ticks - rest - (rest < 0 ? c->unit_ticks : 0);
}

/* Stores the least correction that does for the segment. */
static void end_segment(struct event_clock *c)
{
    struct event_clock_segment *s = &c->segment;
    int64_t correction = s->low > 0 ? s->low : s->high < 0 ? s->high : 0;
    int64_t units = correction / c->unit_ticks;
    bytes_varint(&c->columns->column[SEEP_COLUMN_TIME_GAP], s->gap);
    bytes_svarint(&c->columns->column[SEEP_COLUMN_TIME], units);
    c->ticks = s->ticks + correction;
    learn(s->step, lesson(units));
    s->gap = s->events - 1;
    s->events = 0;
}

void event_clock_put(struct event_clock *c, uint16_t *step, uint64_t time_ns)
{
    struct event_clock_segment *s = &c->segment;
    double since_ns = (double)(int64_t)(time_ns - c->base_ns);
    int64_t due = (int64_t)(since_ns * (EVENT_CLOCK_TICKS_PER_US / 1000.0));
    int64_t from = due - c->unit_ticks + 1, to = due + c->unit_ticks;
    if (from < c->least_ticks)
        from = c->least_ticks;
    if (s->events) {
        int64_t ticks = s->ticks + *step;
        int64_t low = from - ticks, high = to - ticks;
        low = low > s->low ? -round_down(c, -low) : s->low;
        high = high < s->high ? round_down(c, high) : s->high;
        if (low <= high) {
            s->ticks = ticks;
            s->low = low;
            s->high = high;
            s->events++;
            return;
        }
        end_segment(c);
    }
    s->step = step;
    s->ticks = c->ticks + *step;
    s->low = -round_down(c, -(from - s->ticks));
    s->high = round_down(c, to - s->ticks);
    s->events = 1;
}

void event_clock_flush(struct event_clock *c)
{
    if (c->segment.events)
        end_segment(c);
    c->segment.gap = 0;
}

/* ------------------------------------------------------------------ reading */

static void read_gap(struct event_clock *c)
{
    c->gap = cursor_done(&c->gaps) ? UINT64_MAX : cursor_varint(&c->gaps);
}

void event_clock_begin(struct event_clock *c)
{
    c->gaps = cursor_of(&c->columns->column[SEEP_COLUMN_TIME_GAP]);
    c->corrections = cursor_of(&c->columns->column[SEEP_COLUMN_TIME]);
    read_gap(c);
}

bool event_clock_correct(struct event_clock *c, uint16_t *step)
{
    int64_t units = cursor_svarint(&c->corrections);
    if (c->gaps.bad || c->corrections.bad || units > EVENT_CLOCK_TICKS_MAX / c->unit_ticks ||
        units < -EVENT_CLOCK_TICKS_MAX / c->unit_ticks)
        return false;
    learn(c->at_step, c->learnt);
    c->at_step = step;
    c->learnt = lesson(units);
    c->ticks += *step + units * c->unit_ticks;
    read_gap(c);
    return c->ticks >= c->least_ticks && c->ticks <= EVENT_CLOCK_TICKS_MAX;
}

int64_t event_clock_latest(const struct event_clock *c)
{
    struct cursor corrections = c->corrections;
    int64_t units = c->gap ? 0 : cursor_svarint(&corrections);
    if (units > EVENT_CLOCK_TICKS_MAX / c->unit_ticks)
        return INT64_MAX;
    return c->ticks + UINT16_MAX + (units > 0 ? units * c->unit_ticks : 0);
}
