/* SPDX-License-Identifier: MIT */
#include "cmd/run_summary.h"

#include "model/heap.h"
#include "run/output_name.h"
#include "trace/trace_reader.h"
#include "util/human.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 3       /* other traces that are named */
#define LOOKED_AT_MAX 256 /* other traces that are opened */
/* So much larger a process is named for it; small ones may end before all they have was seen. */
#define LARGER_BYTES (16u << 20)

/* The text as a shell takes it for one word. */
static char *quoted(const char *text)
{
    struct strbuf b = {0};
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:,@%";
    if (*text && text[strspn(text, plain)] == '\0' && *text != '-') {
        strbuf_adds(&b, text);
        return strbuf_detach(&b);
    }
    strbuf_adds(&b, *text == '-' ? "./" : "");
    strbuf_addc(&b, '\'');
    for (; *text; text++)
        strbuf_adds(&b, *text == '\'' ? "'\\''" : (char[]){*text, '\0'});
    strbuf_addc(&b, '\'');
    return strbuf_detach(&b);
}

char *run_summary_beside(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/'), *base = strrchr(path, '/');
    struct strbuf b = {0};
    if (slash)
        strbuf_add(&b, file, (size_t)(slash + 1 - file));
    strbuf_adds(&b, base ? base + 1 : path);
    return strbuf_detach(&b);
}

static bool tell_reading(void *arg, double fraction)
{
    const struct collect_options *options = arg;
    return options->progress(options->progress_arg, "reading the trace", fraction);
}

/* Reads the whole trace; false where that failed or was interrupted. */
static bool read_totals(const char *path, const struct collect_options *options,
                        struct heap_totals *totals, struct trace_summary *summary)
{
    struct trace_reader *reader;
    if (trace_reader_open(&reader, path, NULL) != SEEP_OK)
        return false;
    struct heap heap;
    heap_init(&heap);
    const struct heap_watch watch = {.progress = options->progress ? tell_reading : NULL,
                                     .arg = (void *)options};
    enum seep_err e = heap_read(&heap, reader, &watch, NULL);
    *totals = heap.totals;
    *summary = *trace_reader_summary(reader);
    heap_release(&heap);
    trace_reader_free(reader);
    return e == SEEP_OK;
}

static void print_content(const struct run_summary *s, const struct collect_options *options)
{
    struct heap_totals t;
    struct trace_summary summary;
    if (!read_totals(s->collected->main, options, &t, &summary))
        return;
    fprintf(stderr, "seep: %s events in %s; peak %s live", human_count(heap_events(&t)).text,
            human_ns(summary.duration_ns).text, human_bytes(t.peak_live_bytes).text);
    if (t.live_blocks)
        fprintf(stderr, ", %s in %s block%s live at exit\n", human_bytes(t.live_bytes).text,
                human_count(t.live_blocks).text, t.live_blocks == 1 ? "" : "s");
    else
        fprintf(stderr, ", nothing live at exit\n");
    if (!trace_summary_complete(&summary))
        fprintf(stderr, "seep: the recording is incomplete; seep info says what is missing\n");
}

/* "and of 5 other processes: a.seep, b.seep, c.seep, ..."; images of the main process before its
 * last are programs that it executed away from. */
static void print_others(const struct run_summary *s)
{
    const struct collected *c = s->collected;
    if (c->other_count == 0)
        return;
    size_t earlier = 0;
    for (size_t i = 0; i < c->other_count; i++)
        earlier += c->others[i].pid == s->main_pid;
    bool all_earlier = earlier == c->other_count;
    fprintf(stderr, "seep: %zu more trace%s, of %s: ", c->other_count,
            c->other_count == 1 ? "" : "s",
            all_earlier           ? "what the process was before exec"
            : earlier             ? "child processes and programs before exec"
            : c->other_count == 1 ? "a child process"
                                  : "child processes");
    for (size_t i = 0; i < c->other_count && i < NAMES_MAX; i++) {
        char *name = run_summary_beside(s->file, c->others[i].path);
        fprintf(stderr, "%s%s", i ? ", " : "", name);
        free(name);
    }
    fprintf(stderr, "%s\n", c->other_count > NAMES_MAX ? ", ..." : "");
}

/* The most memory that the process had, by the kernel's word; 0 where that is not known. */
static uint64_t peak_rss_bytes(const char *path)
{
    struct trace_reader *reader;
    if (trace_reader_open(&reader, path, NULL) != SEEP_OK)
        return 0;
    uint64_t bytes = trace_reader_summary(reader)->peak_rss_bytes;
    trace_reader_free(reader);
    return bytes;
}

/* A compiler's driver, a shell or a test runner is seldom what the memory is in. */
static void print_largest(const struct run_summary *s)
{
    const struct collected *c = s->collected;
    const char *largest = NULL;
    uint64_t most = c->main && c->other_count ? peak_rss_bytes(c->main) : 0, least = most;
    for (size_t i = 0; i < c->other_count && i < LOOKED_AT_MAX; i++) {
        uint64_t bytes = peak_rss_bytes(c->others[i].path);
        if (bytes > most) {
            most = bytes;
            largest = c->others[i].path;
        }
    }
    if (!largest || most / 2 < least || most - least < LARGER_BYTES)
        return;
    char *name = run_summary_beside(s->file, largest);
    fprintf(stderr, "seep: the largest process, of %s resident, is in %s\n", human_bytes(most).text,
            name);
    free(name);
}

/* Its name is none that the pattern for the others matches: so the line can be used again. */
static void print_merge(const struct run_summary *s)
{
    if (!s->collected->main || s->collected->other_count == 0)
        return;
    char *stem = mem_strndup(s->file, output_name_stem(s->file));
    char *word = quoted(stem), *file = quoted(s->file);
    fprintf(stderr, "seep: as one: %s merge -o %s-all%s %s %s.*%s\n", s->seep, word,
            SEEP_TRACE_SUFFIX, file, word, SEEP_TRACE_SUFFIX);
    free(stem);
    free(word);
    free(file);
}

/* "STEM.*.spool" for a shell: what is left of the run */
static void print_left_pattern(const struct run_summary *s)
{
    char *stem = mem_strndup(s->file, output_name_stem(s->file));
    char *word = quoted(stem);
    fprintf(stderr, "%s.*.spool\n", word);
    free(word);
    free(stem);
}

static void print_running(const struct run_summary *s)
{
    size_t running = s->collected->running;
    if (running == 0)
        return;
    fprintf(stderr, "seep: %zu process%s still running; when %s ended: %s pack ", running,
            running == 1 ? " is" : "es are", running == 1 ? "it has" : "they have", s->seep);
    print_left_pattern(s);
}

void run_summary_print_left(const struct run_summary *s)
{
    const struct collected *c = s->collected;
    if (c->main_spool) {
        char *name = run_summary_beside(s->file, c->main_spool), *spool = quoted(name),
             *file = quoted(s->file);
        fprintf(stderr, "seep: to go on with the trace: %s pack -o %s %s\n", s->seep, file, spool);
        free(name);
        free(spool);
        free(file);
    }
    if (c->left > (c->main_spool ? 1 : 0)) {
        fprintf(stderr, "seep: to go on with %s: %s pack ",
                c->main_spool ? "the others" : "the rest", s->seep);
        print_left_pattern(s);
    }
}

void run_summary_print(const struct run_summary *s, const struct collect_options *options)
{
    const struct collected *c = s->collected;
    char *next = NULL;
    if (c->main) {
        fprintf(stderr, "seep: %s is recorded in %s\n", s->program, s->file);
        print_content(s, options);
        next = quoted(s->file);
    } else if (c->left == 0) {
        fprintf(stderr,
                "seep: nothing was recorded of %s: the recorder was not loaded into it, or said "
                "above why it cannot record\n",
                s->program);
    }
    print_others(s);
    print_largest(s);
    print_running(s);
    if (!next && c->other_count) {
        char *name = run_summary_beside(s->file, c->others[0].path);
        next = quoted(name);
        free(name);
    }
    print_merge(s);
    if (next && !s->checked)
        fprintf(stderr, "seep: next: %s leaks %s\n", s->seep, next);
    free(next);
}
