/* SPDX-License-Identifier: MIT */
#include "trace/summary.h"

enum kind { COUNT, SMALL, STATUS, FLAG };

static const struct summary_row {
    enum seep_summary key;
    enum kind kind;
    size_t offset;
} rows[] = {
    {SEEP_SUMMARY_EVENTS, COUNT, offsetof(struct trace_summary, events)},
    {SEEP_SUMMARY_LOST_NESTED, COUNT, offsetof(struct trace_summary, lost_nested)},
    {SEEP_SUMMARY_LOST_STOPPED, COUNT, offsetof(struct trace_summary, lost_stopped)},
    {SEEP_SUMMARY_LOST_EARLY, COUNT, offsetof(struct trace_summary, lost_early)},
    {SEEP_SUMMARY_LOST_NO_LANE, COUNT, offsetof(struct trace_summary, lost_no_lane)},
    {SEEP_SUMMARY_LOST_FULL, COUNT, offsetof(struct trace_summary, lost_full)},
    {SEEP_SUMMARY_LOST_DAMAGED, COUNT, offsetof(struct trace_summary, lost_damaged)},
    {SEEP_SUMMARY_REPAIRED, COUNT, offsetof(struct trace_summary, repaired)},
    {SEEP_SUMMARY_RACED, COUNT, offsetof(struct trace_summary, raced)},
    {SEEP_SUMMARY_UNKNOWN_FREES, COUNT, offsetof(struct trace_summary, unknown_frees)},
    {SEEP_SUMMARY_CUT_STACKS, COUNT, offsetof(struct trace_summary, cut_stacks)},
    {SEEP_SUMMARY_GUESSED_FRAMES, COUNT, offsetof(struct trace_summary, guessed_frames)},
    {SEEP_SUMMARY_DURATION_NS, COUNT, offsetof(struct trace_summary, duration_ns)},
    {SEEP_SUMMARY_RECORDER_BYTES, COUNT, offsetof(struct trace_summary, recorder_bytes)},
    {SEEP_SUMMARY_PEAK_RSS_BYTES, COUNT, offsetof(struct trace_summary, peak_rss_bytes)},
    {SEEP_SUMMARY_SPOOL_STATE, SMALL, offsetof(struct trace_summary, spool_state)},
    {SEEP_SUMMARY_STOP_REASON, SMALL, offsetof(struct trace_summary, stop_reason)},
    {SEEP_SUMMARY_UNSEEN, SMALL, offsetof(struct trace_summary, unseen)},
    {SEEP_SUMMARY_WAIT_STATUS, STATUS, offsetof(struct trace_summary, wait_status)},
    {SEEP_SUMMARY_TRUNCATED, FLAG, offsetof(struct trace_summary, truncated)},
    {SEEP_SUMMARY_DAMAGED, FLAG, offsetof(struct trace_summary, damaged)},
};
#define ROWS (sizeof rows / sizeof *rows)

static uint64_t get(const struct trace_summary *s, const struct summary_row *row)
{
    const char *field = (const char *)s + row->offset;
    switch (row->kind) {
    case COUNT: return *(const uint64_t *)field;
    case SMALL: return *(const uint32_t *)field;
    case STATUS: return (uint64_t)(*(const int32_t *)field + INT64_C(1));
    case FLAG: return *(const bool *)field;
    }
    return 0;
}

static void set(struct trace_summary *s, const struct summary_row *row, uint64_t v)
{
    char *field = (char *)s + row->offset;
    switch (row->kind) {
    case COUNT: *(uint64_t *)field = v; break;
    case SMALL: *(uint32_t *)field = (uint32_t)v; break;
    case STATUS: *(int32_t *)field = (int32_t)(v - 1); break;
    case FLAG: *(bool *)field = v != 0; break;
    }
}

void summary_encode(const struct trace_summary *s, uint64_t numbers, struct bytes *out)
{
    bytes_varint(out, SEEP_SUMMARY_NUMBERS);
    bytes_varint(out, numbers);
    for (size_t i = 0; i < ROWS; i++) {
        uint64_t v = get(s, &rows[i]);
        if (!v)
            continue;
        bytes_varint(out, rows[i].key);
        bytes_varint(out, v);
    }
}

bool summary_decode(struct trace_summary *s, uint64_t *numbers, const struct bytes *records)
{
    struct cursor c = cursor_of(records);
    while (!cursor_done(&c)) {
        uint64_t key = cursor_varint(&c), v = cursor_varint(&c);
        if (c.bad)
            break;
        if (key == SEEP_SUMMARY_NUMBERS)
            *numbers = v;
        for (size_t i = 0; i < ROWS; i++)
            if (rows[i].key == key)
                set(s, &rows[i], v);
    }
    return !c.bad;
}
