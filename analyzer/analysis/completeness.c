/* SPDX-License-Identifier: MIT */
#include "analysis/completeness.h"

#include "util/strbuf.h"

#include <inttypes.h>
#include <stdio.h>

static const char *stop_text(uint32_t reason)
{
    switch ((enum seep_stop)reason) {
    case SEEP_STOP_NONE: return NULL;
    case SEEP_STOP_DISK_FULL: return "the disk was full";
    case SEEP_STOP_CAP: return "the recording reached its size limit";
    case SEEP_STOP_FILE_LIMIT: return "the limit on file sizes was reached";
    case SEEP_STOP_IO: return "the recording could no longer be written";
    case SEEP_STOP_MEMORY: return "the recorder had no memory left";
    case SEEP_STOP_SANDBOX: return "the program restricted its own system calls (seccomp)";
    }
    return "for an unknown reason";
}

uint64_t completeness_lost(const struct trace_summary *s)
{
    return s->lost_nested + s->lost_stopped + s->lost_early + s->lost_no_lane + s->lost_full +
           s->lost_damaged;
}

/* "1,234 events were " */
static void add_events(struct strbuf *b, uint64_t count)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            strbuf_addc(b, ',');
        strbuf_addc(b, digits[i]);
    }
    strbuf_adds(b, count == 1 ? " event was " : " events were ");
}

static void add_reason(struct result *reasons, const char *before, uint64_t count,
                       const char *after, const char *cause)
{
    if (!count)
        return;
    struct strbuf b = {0};
    strbuf_adds(&b, before);
    add_events(&b, count);
    strbuf_adds(&b, after);
    if (cause)
        strbuf_addf(&b, ": %s", cause);
    result_text(reasons, NULL, b.text);
    strbuf_release(&b);
}

static void add_reasons(struct result *reasons, const struct trace_summary *s)
{
    const char *stop = stop_text(s->stop_reason);
    add_reason(reasons, "", s->lost_stopped, "lost after recording stopped", stop);
    if (stop && !s->lost_stopped) {
        struct strbuf b = {0};
        strbuf_addf(&b, "recording stopped early: %s", stop);
        result_text(reasons, NULL, b.text);
        strbuf_release(&b);
    }
    add_reason(reasons, "", s->lost_early, "lost before the recorder could start", NULL);
    add_reason(reasons, "", s->lost_nested, "lost inside signal handlers", NULL);
    add_reason(reasons, "", s->lost_no_lane, "lost for want of memory for their thread", NULL);
    add_reason(reasons, "", s->lost_full, "dropped while the spool was full",
               "--when-full=wait slows the program instead");
    add_reason(reasons, "at least ", s->lost_damaged, "lost in damaged parts", NULL);
    if (s->damaged)
        result_text(reasons, NULL, "parts of the trace are damaged: their checksums do not match");
    if (s->truncated)
        result_text(reasons, NULL, "the trace ends too early: all up to the cut was read");
}

static void add_unseen(struct result *unseen, uint32_t what)
{
    if (what & SEEP_UNSEEN_DEEPBIND)
        result_text(unseen, NULL, "libraries opened with RTLD_DEEPBIND, which call another malloc");
    if (what & SEEP_UNSEEN_NAMESPACE)
        result_text(unseen, NULL,
                    "libraries opened with dlmopen, which have a malloc of their own");
    if (what & SEEP_UNSEEN_DIRECT)
        result_text(unseen, NULL, "some of the allocator's own functions, called directly");
}

struct result *completeness_add(struct result *parent, const char *name,
                                const struct trace_summary *s)
{
    struct result *r = result_object(parent, name);
    bool complete = trace_summary_complete(s);
    result_bool(r, "complete", complete);
    result_text(r, "word", complete ? "complete" : "incomplete");
    add_reasons(result_array(r, "reasons"), s);
    add_unseen(result_array(r, "unseen"), s->unseen);
    result_count(r, "lost_events", completeness_lost(s));
    struct result *lost = result_object(r, "lost");
    result_count(lost, "nested", s->lost_nested);
    result_count(lost, "stopped", s->lost_stopped);
    result_count(lost, "early", s->lost_early);
    result_count(lost, "no_lane", s->lost_no_lane);
    result_count(lost, "full", s->lost_full);
    result_count(lost, "damaged", s->lost_damaged);
    result_text(r, "stop_reason", stop_text(s->stop_reason));
    result_bool(r, "truncated", s->truncated);
    result_bool(r, "damaged", s->damaged);
    return r;
}
