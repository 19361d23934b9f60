/* SPDX-License-Identifier: MIT
 *
 * The filters that all analyses take, one struct and one table of options.
 *
 * Filters of different options are all to hold; of several values of one option (given again, or
 * with commas for threads, processes and calls) one has to. A value that begins with `!` excludes:
 * it is to hold for none. Name patterns are those of pattern.h; they are looked for in every frame
 * of the stack, modules and sources by path and by base name.
 *
 *   from, to     a moment: a duration since the start (250ms, 3s), the name of a mark (NAME, or
 *                NAME@2 for the second of that name; mark:NAME where it looks like something else),
 *                or #N, the event number N
 *   size, lifetime   a range: MIN..MAX, MIN.., ..MAX, or one value; ends included
 *   thread       its number in the trace, tid:N, or a pattern of its name
 *   process      of a merged trace: its number there, pid:N, or a pattern of its program's name
 *
 *   filter_init -> filter_set per option given -> filter_bind once the trace is open ->
 *   filter_window per event, filter_block per block -> filter_release
 */
#ifndef MODEL_FILTER_H
#define MODEL_FILTER_H

#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

/* One row per option; the command line builds its own table from this one. All may be repeated; of
 * from, to, size and lifetime the last one given holds. */
struct filter_option {
    const char *name;  /* long name without dashes */
    const char *value; /* what the value is called in help; never NULL */
    const char *help;  /* one sentence */
};
extern const struct filter_option filter_options[]; /* ended by a NULL name */

struct filter_name; /* a name pattern, see filter.c */
struct filter_thread;

/* A moment as it was given, and what it means in a trace once bound. */
struct filter_moment {
    char *text;       /* as given, owned; NULL: not given */
    bool by_number;   /* `number` decides, else `time_ns` */
    uint64_t number;  /* events with a smaller number are before it */
    uint64_t time_ns; /* since the start; 0 for event numbers */
};

struct filter_range {
    bool given;
    uint64_t low, high; /* both inclusive */
};

struct filter {
    struct filter_moment from, to;
    struct filter_range size;              /* requested bytes */
    struct filter_range lifetime;          /* ns */
    uint64_t calls_wanted, calls_unwanted; /* bits by enum seep_call; wanted 0: any */
    struct filter_thread *threads;
    size_t thread_count, thread_capacity;
    struct filter_thread *processes;
    size_t process_count, process_capacity;
    struct filter_name *names;
    size_t name_count, name_capacity;
    /* set by filter_bind() */
    const struct trace_dict *dict; /* not owned */
    struct symbols *symbols;       /* not owned */
    uint8_t *thread_passes;        /* by number, 0 .. dict->thread_count */
    uint64_t *node_names;          /* per stack node: which names match it or a caller of it */
    uint8_t *node_known;
};

void filter_init(struct filter *f);
void filter_release(struct filter *f);

/* Takes one option of the table into the filter. USAGE with a message that names option and value
 * where the value makes no sense or the option does not exist. */
enum seep_err filter_set(struct filter *f, const char *name, const char *value, struct err *err);

/* True if anything was set at all; if a name pattern was set, so that stacks must be symbolised. */
bool filter_active(const struct filter *f);
bool filter_needs_names(const struct filter *f);

/* Finds marks and threads in the trace. Both arguments outlive the filter's use; `symbols` may be
 * NULL if !filter_needs_names(). USAGE where a mark or a thread of that name is not in the trace
 * (the message lists the marks there are). May be called again for another trace. */
enum seep_err filter_bind(struct filter *f, const struct trace_dict *dict, struct symbols *symbols,
                          struct err *err);

/* For a bound filter that has no start, over a trace that is a window: it starts where the window
 * does. What was live before is known there, but was not made within. Other traces change nothing.
 */
void filter_start_at_cut(struct filter *f, const struct trace_facts *facts);

/* Where a moment of the trace lies: the window is [from, to], ends included. For a mark the window
 * begins with the first event after it, and ends with the last one before it. */
enum filter_place { FILTER_BEFORE = -1, FILTER_INSIDE = 0, FILTER_AFTER = 1 };
enum filter_place filter_window(const struct filter *f, uint64_t number, uint64_t time_ns);

/* Moves the reader, which stands at the start, as near to the window's start as can be. */
enum seep_err filter_seek(const struct filter *f, struct trace_reader *reader, struct err *err);

/* True if the block passes threads, size and call filters (not window, lifetime and stack). */
bool filter_block(const struct filter *f, const struct trace_block *block);
/* True if the stack passes: memoised per node, symbolises what it must. A stack's answer is that of
 * all its blocks, so that it need not be asked for each of them. */
bool filter_stack(struct filter *f, uint32_t stack);
/* True if a block that lived so long passes. A block that is still live counts up to the window's
 * end. */
bool filter_lifetime(const struct filter *f, uint64_t lifetime_ns);

#endif
