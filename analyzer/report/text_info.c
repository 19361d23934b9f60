/* SPDX-License-Identifier: MIT
 *
 * `seep info` for people: a sheet of facts, the figures under each other. */
#include "report/text.h"

#include "util/human.h"
#include "util/utf8.h"

#include <string.h>

#define LABEL 18  /* columns of the labels */
#define FIGURE 13 /* and of the figures behind them */
#define GAP 3     /* between a figure and what is said about it */

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

/* ------------------------------------------------------------------ lines of the sheet */

static void print_heading(struct text *t, const char *heading)
{
    strbuf_addc(t->out, '\n');
    text_add(t, LOOK_NAME, heading);
    strbuf_addc(t->out, '\n');
}

static void print_label(struct text *t, const char *label)
{
    text_pad(t, 2);
    text_left(t, LOOK_DIM, label, LABEL);
}

/* A figure, and what is to be said about it. */
static void print_figure(struct text *t, const char *label, const char *figure, const char *about)
{
    print_label(t, label);
    text_right(t, LOOK_PLAIN, figure, FIGURE);
    if (about && about[0]) {
        struct strbuf words = {0};
        strbuf_addf(&words, TEXT_FAINT "%s" TEXT_OFF, about);
        text_pad(t, GAP);
        text_flow(t, words.text, 2 + LABEL + FIGURE + GAP, 2 + LABEL + FIGURE + GAP);
        strbuf_release(&words);
    } else {
        strbuf_addc(t->out, '\n');
    }
}

static void print_count(struct text *t, const struct result *r, const char *name, const char *label,
                        const char *about)
{
    print_figure(t, label, human_count(text_number(r, name)).text, about);
}

/* The same where zero is what everyone expects. */
static void print_count_if(struct text *t, const struct result *r, const char *name,
                           const char *label, const char *about)
{
    if (text_number(r, name) > 0)
        print_count(t, r, name, label, about);
}

/* Words, wrapped below themselves. Nothing is printed for an empty text. */
static void print_words(struct text *t, const char *label, const char *words)
{
    if (!words || !words[0])
        return;
    print_label(t, label);
    text_flow(t, words, 2 + LABEL, 2 + LABEL);
}

static void print_foreign(struct text *t, const char *label, const char *value)
{
    struct strbuf words = {0};
    utf8_add_visible(&words, value, strlen(value));
    print_words(t, label, words.text);
    strbuf_release(&words);
}

/* ------------------------------------------------------------------ the sections */

static void print_title(struct text *t, const struct result *r)
{
    const struct result *process = field(r, "process");
    const char *command = text_text(process, "command");
    size_t columns = t->style.cut ? t->style.width : 0;
    text_add_foreign(t, LOOK_STRONG, command[0] ? command : text_text(process, "exe"), columns);
    strbuf_addc(t->out, '\n');
    struct strbuf words = {0};
    const char *start = text_text(process, "start"), *host = text_text(process, "host");
    strbuf_adds(&words, "recorded");
    if (start[0])
        strbuf_addf(&words, " %.10s %.8s UTC", start, strlen(start) > 11 ? start + 11 : "");
    if (host[0]) {
        strbuf_adds(&words, " on ");
        text_words_foreign(&words, host);
    }
    strbuf_addf(&words, text_has(r, "window") ? ", a window of %s" : ", ran %s",
                human_ns(text_number(r, "duration_ns")).text);
    const char *exit = text_text(field(r, "exit"), "word");
    if (text_has(r, "processes"))
        strbuf_addf(&words, ", %zu processes", result_length(field(r, "processes")));
    else if (strcmp(exit, "not known") == 0)
        strbuf_adds(&words, ", how it ended is not known");
    else if (exit[0]) {
        strbuf_adds(&words, ", ");
        text_words_foreign(&words, exit); /* in one piece */
    }
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

static void print_completeness(struct text *t, const struct result *r)
{
    const struct result *completeness = field(r, "completeness");
    struct strbuf words = {0};
    if (text_bool(completeness, "complete")) {
        strbuf_adds(&words, "complete: no event was lost");
    } else {
        const struct result *reasons = field(completeness, "reasons");
        strbuf_adds(&words, TEXT_WARN "incomplete" TEXT_OFF);
        for (size_t i = 0; i < result_length(reasons); i++)
            strbuf_addf(&words, "%s%s", i ? "; " : ": ", result_at(reasons, i)->u.text);
    }
    if (strcmp(text_text(field(r, "exit"), "recording"), "open") == 0 && !text_has(r, "processes"))
        strbuf_adds(&words, " (the process ended without a word)");
    print_words(t, "recording", words.text);
    strbuf_release(&words);
}

/* "of work.seep, from 250ms to its end (250 to 300 ms), events from number 1,204 on" */
static void print_window(struct text *t, const struct result *r)
{
    const struct result *window = field(r, "window");
    if (!text_has(r, "window"))
        return;
    struct strbuf words = {0};
    strbuf_adds(&words, "of ");
    text_words_foreign(&words, text_text(window, "of"));
    strbuf_adds(&words, ", from ");
    text_words_foreign(&words, text_has(window, "from") ? text_text(window, "from") : "its start");
    strbuf_adds(&words, " to ");
    text_words_foreign(&words, text_has(window, "to") ? text_text(window, "to") : "its end");
    strbuf_addf(&words, " (%s to ", human_ns(text_number(window, "from_ns")).text);
    strbuf_addf(&words, "%s), ", human_ns(text_number(window, "to_ns")).text);
    strbuf_addf(&words, "events from number %s on",
                human_count(text_number(window, "first_event")).text);
    print_words(t, "window", words.text);
    strbuf_release(&words);
}

static void print_process(struct text *t, const struct result *r)
{
    const struct result *process = field(r, "process");
    print_heading(t, "Process");
    print_window(t, r);
    print_completeness(t, r);
    struct strbuf words = {0};
    text_words_foreign(&words, text_text(process, "exe"));
    if (text_has(process, "pid"))
        strbuf_addf(&words, "%spid %d", words.length ? ", " : "", (int)text_number(process, "pid"));
    if (text_has(process, "fork_parent_pid"))
        strbuf_addf(&words, ", forked from %d", (int)text_number(process, "fork_parent_pid"));
    if (text_has(process, "parent_trace")) {
        strbuf_adds(&words, " (");
        text_words_foreign(&words, text_text(process, "parent_trace"));
        strbuf_adds(&words, ")");
    }
    if (text_has(process, "fork_ns"))
        strbuf_addf(&words, " at %s", human_ns(text_number(process, "fork_ns")).text);
    print_words(t, "program", words.text);
    print_foreign(t, "directory", text_text(process, "working_directory"));
    strbuf_reset(&words);
    text_words_foreign(&words, text_text(r, "allocator"));
    if (text_has(r, "allocator_version")) {
        strbuf_addc(&words, ' ');
        text_words_foreign(&words, text_text(r, "allocator_version"));
    }
    if (text_has(r, "allocator_path")) {
        strbuf_adds(&words, " (");
        text_words_foreign(&words, text_text(r, "allocator_path"));
        strbuf_adds(&words, ")");
    }
    print_words(t, "malloc by", words.text);
    strbuf_reset(&words);
    text_words_foreign(&words, text_text(process, "kernel"));
    const char *libc = text_text(process, "libc");
    if (libc[0]) {
        strbuf_adds(&words, words.length ? ", " : "");
        text_words_foreign(&words, libc);
    }
    if (text_has(process, "cpus"))
        strbuf_addf(&words, ", %d CPU%s", (int)text_number(process, "cpus"),
                    text_number(process, "cpus") == 1 ? "" : "s");
    print_words(t, "system", words.text);
    const struct result *options = field(process, "options");
    strbuf_reset(&words);
    for (size_t i = 0; i < result_length(options); i++) {
        const char *option = result_at(options, i)->u.text;
        if (strncmp(option, "SEEP_RUN_ID=", 12) == 0 || strncmp(option, "SEEP_MAIN_", 10) == 0 ||
            strncmp(option, "SEEP_SPOOL_LIMIT=", 17) == 0)
            continue; /* set by `seep run`, and of no use to people */
        strbuf_adds(&words, words.length ? " " : "");
        text_words_foreign(&words, option);
    }
    print_words(t, "options", words.length ? words.text : NULL);
    strbuf_release(&words);
}

/* "in 1,204 blocks, at 1.24 s" */
static void print_bytes(struct text *t, const char *label, uint64_t bytes, const char *about)
{
    print_figure(t, label, human_bytes(bytes).text, about);
}

/* What the end of the trace is called: that of a window is none of the program. */
static const char *live_label(const struct result *r)
{
    if (text_has(r, "processes"))
        return "live at exits";
    return text_has(field(r, "window"), "to") ? "live at its end" : "live at exit";
}

/* What lives at most and at the end, and what of it a parent made. */
static void print_live(struct text *t, const struct result *r, const char *end)
{
    struct strbuf about = {0};
    strbuf_adds(&about, "in ");
    text_plural(&about, text_number(r, "peak_live_blocks"), "block", "blocks");
    strbuf_addf(&about, ", at %s", human_ns(text_number(r, "peak_time_ns")).text);
    print_bytes(t, "peak live", text_number(r, "peak_live_bytes"), about.text);
    strbuf_reset(&about);
    strbuf_adds(&about, "in ");
    text_plural(&about, text_number(r, "live_blocks"), "block", "blocks");
    if (text_number(r, "live_usable_bytes") > text_number(r, "live_bytes"))
        strbuf_addf(&about, ", %s usable", human_bytes(text_number(r, "live_usable_bytes")).text);
    print_bytes(t, end, text_number(r, "live_bytes"), about.text);
    if (text_number(r, "inherited_blocks") > 0) {
        strbuf_reset(&about);
        strbuf_adds(&about, "in ");
        text_plural(&about, text_number(r, "inherited_blocks"), "block", "blocks");
        strbuf_adds(&about, ", made before the fork");
        print_bytes(t, "inherited", text_number(r, "inherited_bytes"), about.text);
    }
    strbuf_release(&about);
}

static void print_heap(struct text *t, const struct result *r)
{
    struct strbuf about = {0};
    print_heading(t, "Heap");
    uint64_t allocations = text_number(r, "allocations"), ns = text_number(r, "duration_ns");
    if (ns > 0 && text_number(r, "events") > 0)
        strbuf_addf(
            &about, "%s a second",
            human_count((uint64_t)((double)text_number(r, "events") * 1e9 / (double)ns)).text);
    print_count(t, r, "events", "events", about.text);
    strbuf_reset(&about);
    print_count(t, r, "allocations", "allocations", NULL);
    print_count(t, r, "frees", "frees", NULL);
    print_count(t, r, "reallocations", "reallocations", NULL);
    print_count_if(t, r, "failed", "failed calls", "returned NULL");
    if (allocations > 0)
        strbuf_addf(
            &about, "%s of allocations, freed before the next",
            human_percent(100. * (double)text_number(r, "temporary") / (double)allocations).text);
    print_count_if(t, r, "temporary", "temporary", about.text);
    print_count_if(t, r, "mismatched_frees", "mismatched frees",
                   "new given to free, malloc to delete, ...: seep dump --mismatched");
    print_bytes(t, "requested", text_number(r, "allocated_bytes"), "in all");
    print_live(t, r, live_label(r));
    if (text_has(r, "peak_rss_bytes")) {
        strbuf_reset(&about);
        if (text_number(r, "recorder_bytes") > 0)
            strbuf_addf(&about, "%s of it the recorder's",
                        human_bytes(text_number(r, "recorder_bytes")).text);
        print_bytes(t, "peak RSS", text_number(r, "peak_rss_bytes"), about.text);
    }
    print_count(t, r, "threads", "threads", NULL);
    strbuf_release(&about);
}

static void print_pools(struct text *t, const struct result *r)
{
    if (!text_has(r, "pools"))
        return;
    const struct result *pools = field(r, "pools");
    print_heading(t, "Pools, within the heap's blocks");
    print_count(t, pools, "allocations", "allocations", NULL);
    print_count(t, pools, "frees", "frees", NULL);
    print_count(t, pools, "reallocations", "reallocations", NULL);
    print_bytes(t, "requested", text_number(pools, "allocated_bytes"), "in all");
    print_live(t, pools, live_label(r));
}

static void print_trace(struct text *t, const struct result *r)
{
    struct strbuf about = {0};
    print_heading(t, "Trace");
    if (text_number(r, "events") > 0)
        strbuf_addf(&about, "%.2f bytes an event", text_real(r, "bytes_per_event"));
    print_bytes(t, "size", text_number(r, "trace_bytes"), about.text);
    print_count_if(t, r, "lost_events", "lost events", NULL);
    print_count_if(t, r, "repaired", "repaired", "places in the order of events corrected");
    print_count_if(t, r, "raced", "raced", "frees that were not recorded but must have been");
    print_count_if(t, r, "unknown_frees", "unknown frees",
                   "of blocks whose making was not recorded");
    strbuf_reset(&about);
    strbuf_adds(&about, "through ");
    text_plural(&about, text_number(r, "modules"), "module", "modules");
    print_count(t, r, "stacks", "stack frames", about.text);
    print_count_if(t, r, "cut_stacks", "cut stacks", "whose outermost frames are not known");
    print_count_if(t, r, "guessed_frames", "guessed frames", "for want of unwind data");
    print_count_if(t, r, "suspect_frames", "suspect frames", "no call stands before the address");
    strbuf_reset(&about);
    if (text_has(r, "missing_library"))
        strbuf_addf(&about, "nothing decodes code here: %s cannot be loaded",
                    field(r, "missing_library")->u.text);
    print_count_if(t, r, "unprovable_frames", "unproved frames",
                   about.length ? about.text : "their code is not on this machine");
    strbuf_release(&about);
}

static void print_marks(struct text *t, const struct result *r)
{
    const struct result *marks = field(r, "marks");
    if (result_length(marks) == 0)
        return;
    print_heading(t, "Marks");
    size_t shown = result_length(marks) <= 20 ? result_length(marks) : 15;
    for (size_t i = 0; i < shown; i++) {
        const struct result *mark = result_at(marks, i);
        text_pad(t, 2);
        text_right(t, LOOK_PLAIN, human_ns(text_number(mark, "time_ns")).text, LABEL - 4);
        text_pad(t, 2);
        text_add_foreign(t, LOOK_PLAIN, text_text(mark, "name"),
                         t->style.cut ? t->style.width - LABEL : 0);
        strbuf_addc(t->out, '\n');
    }
    if (result_length(marks) > shown)
        text_addf(t, LOOK_DIM, "  %zu more; --format=json has them all\n",
                  result_length(marks) - shown);
}

/* "    3  1204  sort, forked by 1    12 ms to 40 ms    4.1 KiB in 12 blocks" */
static void print_process_line(struct text *t, const struct result *p)
{
    struct strbuf about = {0};
    const char *exe = text_text(p, "exe"), *slash = strrchr(exe, '/');
    text_words_foreign(&about, slash && slash[1] ? slash + 1 : exe);
    strbuf_addf(&about, ", pid %d", (int)text_number(p, "pid"));
    if (text_has(p, "parent"))
        strbuf_addf(&about, ", %s by %d", text_bool(p, "forked") ? "forked" : "started",
                    (int)text_number(p, "parent"));
    strbuf_addf(&about, ", %s", human_ns(text_number(p, "start_ns")).text);
    strbuf_addf(&about, " to %s", human_ns(text_number(p, "end_ns")).text);
    if (!text_bool(field(p, "completeness"), "complete"))
        strbuf_adds(&about, ", " TEXT_WARN "incomplete" TEXT_OFF);
    struct strbuf number = {0};
    strbuf_addf(&number, "%d", (int)text_number(p, "number"));
    print_figure(t, number.text, human_bytes(text_number(p, "live_bytes")).text, about.text);
    strbuf_release(&number);
    strbuf_release(&about);
}

static void print_processes(struct text *t, const struct result *r)
{
    const struct result *processes = field(r, "processes");
    if (!text_has(r, "processes"))
        return;
    print_heading(t, "Processes, and what each left live");
    size_t count = result_length(processes), shown = count <= 20 ? count : 15;
    for (size_t i = 0; i < shown; i++)
        print_process_line(t, result_at(processes, i));
    if (count > shown)
        text_addf(t, LOOK_DIM, "  %zu more; --format=json has them all\n", count - shown);
}

/* "  graph at exit   12 KiB   of 1,104 blocks; threads were held for 106 µs" */
static void print_snapshot(struct text *t, const struct result *s)
{
    struct strbuf about = {0}, label = {0};
    bool at_exit = strcmp(text_text(s, "trigger"), "exit") == 0;
    strbuf_addf(&label, "graph at %s", at_exit ? "exit" : human_ns(text_number(s, "time_ns")).text);
    if (text_has(s, "missing")) {
        strbuf_addf(&about, "%s", text_text(s, "missing"));
        print_figure(t, label.text, "none", about.text);
    } else {
        strbuf_adds(&about, "of ");
        text_plural(&about, text_number(s, "blocks"), "block", "blocks");
        strbuf_addf(&about, "; the program was held for %s",
                    human_ns(text_number(s, "held_ns")).text);
        if (text_number(s, "missed_threads") > 0)
            strbuf_addf(&about, "; %s did not stop in time",
                        human_count(text_number(s, "missed_threads")).text);
        print_figure(t, label.text, human_bytes(text_number(s, "bytes")).text, about.text);
    }
    strbuf_release(&label);
    strbuf_release(&about);
}

static void print_snapshots(struct text *t, const struct result *r)
{
    const struct result *snapshots = field(r, "snapshots");
    size_t count = result_length(snapshots), shown = count <= 5 ? count : 4;
    for (size_t i = 0; i < shown; i++)
        print_snapshot(t, result_at(snapshots, i));
    if (count > shown)
        text_addf(t, LOOK_DIM, "  %zu more graphs; --format=json has them all\n", count - shown);
}

void text_info(struct text *t, const struct result *result, const struct result *completeness)
{
    text_completeness(t, completeness);
    print_title(t, result);
    print_process(t, result);
    print_processes(t, result);
    print_heap(t, result);
    print_pools(t, result);
    print_trace(t, result);
    print_snapshots(t, result);
    print_marks(t, result);
}
