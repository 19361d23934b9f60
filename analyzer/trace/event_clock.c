/* SPDX-License-Identifier: MIT */
#include "trace/event_clock.h"

void event_clock_init(struct event_clock *c, struct columns *columns)
{
    *c = (struct event_clock){.columns = columns};
    c->duration = mem_zalloc(1u << EVENT_CLOCK_BITS, sizeof *c->duration);
}

void event_clock_release(struct event_clock *c)
{
    free(c->duration);
    *c = (struct event_clock){0};
}

void event_clock_reset(struct event_clock *c, uint64_t start_ns, uint32_t unit_us)
{
    if (c->lessons > EVENT_CLOCK_TAUGHT)
        memset(c->duration, 0, sizeof *c->duration << EVENT_CLOCK_BITS);
    else
        while (c->lessons)
            c->duration[c->taught[--c->lessons]] = 0;
    c->lessons = 0;
    c->base_ns = start_ns;
    c->ticks = 0;
    c->least_ticks = -(int64_t)(start_ns / 1000 * EVENT_CLOCK_TICKS_PER_US);
    c->unit_ticks = (int64_t)unit_us * EVENT_CLOCK_TICKS_PER_US;
    c->segment = (struct event_clock_segment){0};
    c->learnt = 0;
}

static void learn(struct event_clock *c, uint32_t step, int ticks)
{
    int duration = c->duration[step] + ticks;
    if (!ticks)
        return;
    if (c->lessons < EVENT_CLOCK_TAUGHT)
        c->taught[c->lessons] = step;
    if (c->lessons <= EVENT_CLOCK_TAUGHT)
        c->lessons++;
    if (duration >= 0 && duration <= UINT16_MAX)
        c->duration[step] = (uint16_t)duration;
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
    learn(c, s->step, lesson(units));
    s->gap = s->events - 1;
    s->events = 0;
}

void event_clock_put(struct event_clock *c, uint32_t step, uint64_t time_ns)
{
    struct event_clock_segment *s = &c->segment;
    double since_ns = (double)(int64_t)(time_ns - c->base_ns);
    int64_t due = (int64_t)(since_ns * (EVENT_CLOCK_TICKS_PER_US / 1000.0));
    int64_t from = due - c->unit_ticks + 1, to = due + c->unit_ticks;
    if (from < c->least_ticks)
        from = c->least_ticks;
    if (s->events) {
        int64_t ticks = s->ticks + c->duration[step];
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
    s->ticks = c->ticks + c->duration[step];
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

bool event_clock_correct(struct event_clock *c, uint32_t step)
{
    int64_t units = cursor_svarint(&c->corrections);
    if (c->gaps.bad || c->corrections.bad || units > EVENT_CLOCK_TICKS_MAX / c->unit_ticks ||
        units < -EVENT_CLOCK_TICKS_MAX / c->unit_ticks)
        return false;
    learn(c, c->at_step, c->learnt);
    c->at_step = step;
    c->learnt = lesson(units);
    c->ticks += c->duration[step] + units * c->unit_ticks;
    read_gap(c);
    return c->ticks >= c->least_ticks && c->ticks <= EVENT_CLOCK_TICKS_MAX;
}
