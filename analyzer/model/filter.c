/* SPDX-License-Identifier: MIT */
#include "model/filter.h"

#include "model/calls.h"
#include "model/pattern.h"
#include "util/mem.h"
#include "util/quantity.h"
#include "util/strbuf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum name_field { NAME_STACK, NAME_FUNCTION, NAME_MODULE, NAME_SOURCE, NAME_FIELDS };

struct filter_name {
    enum name_field field;
    bool exclude;
    char *pattern; /* owned */
};

struct filter_thread {
    bool exclude;
    enum { THREAD_NUMBER, THREAD_TID, THREAD_NAME } kind;
    uint64_t number;
    char *text; /* owned: the pattern of THREAD_NAME, and what was given, for messages */
};

#define NAME_LIMIT 64 /* bits of filter.node_names */

const struct filter_option filter_options[] = {
    {"from", "WHEN", "Only from this moment on: 250ms, 3s, the name of a mark, or #EVENT."},
    {"to", "WHEN", "Only up to this moment, as for --from."},
    {"thread", "LIST", "Only these threads: numbers, tid:N or names, with commas; !LIST excludes."},
    {"process", "LIST",
     "Only these processes of a merged trace: numbers, pid:N or names, with commas; !LIST "
     "excludes."},
    {"stack", "PATTERN",
     "Only stacks with this function, source file or module; !PATTERN excludes."},
    {"function", "PATTERN", "Only stacks through this function; !PATTERN excludes."},
    {"module", "PATTERN", "Only stacks through this module; !PATTERN excludes."},
    {"source", "PATTERN", "Only stacks through this source file; !PATTERN excludes."},
    {"size", "RANGE", "Only blocks of this many bytes: 4k, 100..200, 1M.., ..64."},
    {"lifetime", "RANGE", "Only blocks that lived this long: 10ms.., ..1s."},
    {"call", "LIST",
     "Only blocks from these calls: malloc, new[], ..., with commas; !LIST excludes."},
    {NULL, NULL, NULL},
};

void filter_init(struct filter *f)
{
    memset(f, 0, sizeof *f);
}

static void unbind(struct filter *f)
{
    free(f->thread_passes);
    free(f->node_names);
    free(f->node_known);
    f->thread_passes = f->node_known = NULL;
    f->node_names = NULL;
    f->dict = NULL;
    f->symbols = NULL;
}

void filter_release(struct filter *f)
{
    if (!f)
        return;
    unbind(f);
    for (size_t i = 0; i < f->thread_count; i++)
        free(f->threads[i].text);
    for (size_t i = 0; i < f->process_count; i++)
        free(f->processes[i].text);
    for (size_t i = 0; i < f->name_count; i++)
        free(f->names[i].pattern);
    free(f->threads);
    free(f->processes);
    free(f->names);
    free(f->from.text);
    free(f->to.text);
    memset(f, 0, sizeof *f);
}

/* ------------------------------------------------------------------ taking options in */

static enum seep_err bad_value(struct err *err, const char *name, const char *value,
                               const char *expected)
{
    return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "--%s=%s: %s", name, value, expected);
}

static enum seep_err set_moment(struct filter_moment *m, const char *name, const char *value,
                                struct err *err)
{
    uint64_t number;
    if (!*value)
        return bad_value(err, name, value, "a time (250ms, 3s), a mark's name or #EVENT is wanted");
    if (*value == '#' && !quantity_count(value + 1, &number))
        return bad_value(err, name, value, "an event number is wanted after #");
    free(m->text);
    memset(m, 0, sizeof *m);
    m->text = mem_strdup(value);
    return SEEP_OK;
}

static enum seep_err set_range(struct filter_range *range, const char *name, const char *value,
                               bool (*parse)(const char *, uint64_t *), const char *expected,
                               struct err *err)
{
    struct filter_range r = {.given = true, .low = 0, .high = UINT64_MAX};
    bool ok;
    const char *dots = strstr(value, "..");
    if (dots) {
        char *low = mem_strndup(value, (size_t)(dots - value));
        const char *high = dots + 2;
        ok = (*low || *high) && (!*low || parse(low, &r.low)) && (!*high || parse(high, &r.high));
        free(low);
    } else {
        ok = parse(value, &r.low);
        r.high = r.low;
    }
    if (!ok)
        return bad_value(err, name, value, expected);
    if (r.low > r.high)
        return bad_value(err, name, value, "the range ends before it begins");
    *range = r;
    return SEEP_OK;
}

static enum seep_err set_name(struct filter *f, enum name_field field, const char *name,
                              const char *value, struct err *err)
{
    bool exclude = *value == '!';
    const char *pattern = value + exclude;
    if (!*pattern)
        return bad_value(err, name, value, "a pattern is wanted");
    if (f->name_count == NAME_LIMIT)
        return bad_value(err, name, value, "more than 64 name patterns");
    MEM_GROW(f->names, f->name_capacity, f->name_count + 1);
    f->names[f->name_count++] =
        (struct filter_name){.field = field, .exclude = exclude, .pattern = mem_strdup(pattern)};
    return SEEP_OK;
}

/* A number, `prefix` and a number, or a name; in *t, whose text is the caller's. */
static enum seep_err read_thread(struct filter_thread *t, const char *name, const char *prefix,
                                 const char *item, bool exclude, struct err *err)
{
    size_t length = strlen(prefix);
    *t = (struct filter_thread){.exclude = exclude, .kind = THREAD_NAME};
    if (quantity_count(item, &t->number))
        t->kind = THREAD_NUMBER;
    else if (strncmp(item, prefix, length) == 0 && quantity_count(item + length, &t->number))
        t->kind = THREAD_TID;
    else if (strncmp(item, prefix, length) == 0)
        return bad_value(err, name, item, "a number is wanted after the colon");
    t->text = mem_strdup(item);
    return SEEP_OK;
}

static enum seep_err set_process(struct filter *f, const char *item, bool exclude, struct err *err)
{
    struct filter_thread t;
    enum seep_err code = read_thread(&t, "process", "pid:", item, exclude, err);
    if (code)
        return code;
    MEM_GROW(f->processes, f->process_capacity, f->process_count + 1);
    f->processes[f->process_count++] = t;
    return SEEP_OK;
}

static enum seep_err set_thread(struct filter *f, const char *item, bool exclude, struct err *err)
{
    struct filter_thread t;
    enum seep_err code = read_thread(&t, "thread", "tid:", item, exclude, err);
    if (code)
        return code;
    MEM_GROW(f->threads, f->thread_capacity, f->thread_count + 1);
    f->threads[f->thread_count++] = t;
    return SEEP_OK;
}

static enum seep_err set_call(struct filter *f, const char *item, bool exclude, struct err *err)
{
    int call = call_by_name(item);
    if (call < 0 || call >= 64)
        return bad_value(err, "call", item,
                         "no such call; there are malloc, calloc, realloc, "
                         "memalign, new, new[], ...");
    *(exclude ? &f->calls_unwanted : &f->calls_wanted) |= 1ull << call;
    return SEEP_OK;
}

/* Hands each item of a list with commas to `set`; an item may begin with `!`, and a list that
 * begins with it excludes all its items. */
static enum seep_err
set_list(struct filter *f, const char *name, const char *value,
         enum seep_err (*set)(struct filter *, const char *, bool, struct err *), struct err *err)
{
    bool exclude_all = *value == '!';
    const char *p = value + exclude_all;
    for (;;) {
        bool exclude = exclude_all || *p == '!';
        if (*p == '!')
            p++;
        size_t length = strcspn(p, ",");
        if (!length)
            return bad_value(err, name, value, "an item of the list is empty");
        char *item = mem_strndup(p, length);
        enum seep_err code = set(f, item, exclude, err);
        free(item);
        if (code)
            return code;
        if (!p[length])
            return SEEP_OK;
        p += length + 1;
    }
}

enum seep_err filter_set(struct filter *f, const char *name, const char *value, struct err *err)
{
    if (strcmp(name, "from") == 0)
        return set_moment(&f->from, name, value, err);
    if (strcmp(name, "to") == 0)
        return set_moment(&f->to, name, value, err);
    if (strcmp(name, "thread") == 0)
        return set_list(f, name, value, set_thread, err);
    if (strcmp(name, "process") == 0)
        return set_list(f, name, value, set_process, err);
    if (strcmp(name, "call") == 0)
        return set_list(f, name, value, set_call, err);
    if (strcmp(name, "stack") == 0)
        return set_name(f, NAME_STACK, name, value, err);
    if (strcmp(name, "function") == 0)
        return set_name(f, NAME_FUNCTION, name, value, err);
    if (strcmp(name, "module") == 0)
        return set_name(f, NAME_MODULE, name, value, err);
    if (strcmp(name, "source") == 0)
        return set_name(f, NAME_SOURCE, name, value, err);
    if (strcmp(name, "size") == 0)
        return set_range(&f->size, name, value, quantity_bytes,
                         "sizes like 64, 4k..1M, 1M.. or ..100 are wanted", err);
    if (strcmp(name, "lifetime") == 0)
        return set_range(&f->lifetime, name, value, quantity_ns,
                         "durations like 10ms, 10ms..1s, 1s.. or ..5us are wanted", err);
    return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "no filter is called --%s", name);
}

bool filter_active(const struct filter *f)
{
    return f->from.text || f->to.text || f->size.given || f->lifetime.given || f->calls_wanted ||
           f->calls_unwanted || f->thread_count || f->process_count || f->name_count;
}

bool filter_needs_names(const struct filter *f)
{
    return f->name_count != 0;
}

/* ------------------------------------------------------------------ meeting a trace */

static enum seep_err no_such_mark(const struct trace_dict *dict, const char *option,
                                  const char *text, struct err *err)
{
    struct strbuf known = {0};
    for (size_t i = 0; i < dict->mark_count && known.length < 400; i++) {
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = strcmp(dict->marks[i].name, dict->marks[j].name) == 0;
        if (!seen)
            strbuf_addf(&known, "%s%s", known.length ? ", " : "", dict->marks[i].name);
    }
    enum seep_err code =
        err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                "--%s=%s: neither a time (250ms, 3s) nor a mark in this trace (%s%s)", option, text,
                known.length ? "marks: " : "it has no marks", known.length ? known.text : "");
    strbuf_release(&known);
    return code;
}

/* The mark of that name; of the `which`th of that name (from 1). NULL: none. */
static const struct trace_mark *find_mark(const struct trace_dict *dict, const char *name,
                                          size_t length, uint64_t which)
{
    for (size_t i = 0; i < dict->mark_count; i++) {
        const struct trace_mark *m = &dict->marks[i];
        if (strlen(m->name) == length && memcmp(m->name, name, length) == 0 && --which == 0)
            return m;
    }
    return NULL;
}

/* An `end` includes the event it names: its number is the first one outside. */
static enum seep_err bind_moment(struct filter_moment *m, const struct trace_dict *dict,
                                 const char *option, bool end, struct err *err)
{
    m->by_number = false;
    m->number = m->time_ns = 0;
    if (!m->text)
        return SEEP_OK;
    if (*m->text == '#' && quantity_count(m->text + 1, &m->number)) {
        m->by_number = true;
        if (end && m->number < UINT64_MAX)
            m->number++;
        return SEEP_OK;
    }
    if (quantity_ns(m->text, &m->time_ns))
        return SEEP_OK;
    const char *name = strncmp(m->text, "mark:", 5) == 0 ? m->text + 5 : m->text;
    const struct trace_mark *mark = find_mark(dict, name, strlen(name), 1);
    const char *at = strrchr(name, '@');
    uint64_t which;
    if (!mark && at && quantity_count(at + 1, &which) && which)
        mark = find_mark(dict, name, (size_t)(at - name), which);
    if (!mark)
        return no_such_mark(dict, option, m->text, err);
    m->by_number = true;
    m->number = mark->number;
    m->time_ns = mark->time_ns;
    return SEEP_OK;
}

static bool thread_is(const struct filter_thread *wanted, const struct trace_thread *t)
{
    switch (wanted->kind) {
    case THREAD_NUMBER: return t->number == wanted->number;
    case THREAD_TID: return t->tid == wanted->number;
    case THREAD_NAME: return pattern_matches(wanted->text, t->name);
    }
    return false;
}

static enum seep_err bind_threads(struct filter *f, struct err *err)
{
    if (!f->thread_count)
        return SEEP_OK;
    const struct trace_dict *dict = f->dict;
    bool any_wanted = false;
    f->thread_passes = mem_zalloc(dict->thread_count + 1, 1);
    for (size_t i = 0; i < f->thread_count; i++) {
        const struct filter_thread *wanted = &f->threads[i];
        bool found = false;
        for (size_t t = 0; t < dict->thread_count; t++)
            if (thread_is(wanted, &dict->threads[t])) {
                found = true;
                if (!wanted->exclude)
                    f->thread_passes[t + 1] = 1;
            }
        if (!found)
            return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                           "--thread=%s: no such thread in this trace (it has %zu)", wanted->text,
                           dict->thread_count);
        any_wanted |= !wanted->exclude;
    }
    if (!any_wanted) /* only exclusions: everybody else, the unknown thread 0 too */
        memset(f->thread_passes, 1, dict->thread_count + 1);
    for (size_t i = 0; i < f->thread_count; i++)
        for (size_t t = 0; t < dict->thread_count; t++)
            if (f->threads[i].exclude && thread_is(&f->threads[i], &dict->threads[t]))
                f->thread_passes[t + 1] = 0;
    return SEEP_OK;
}

static bool process_is(const struct filter_thread *wanted, const struct trace_process *p)
{
    const char *slash = strrchr(p->facts->exe, '/');
    switch (wanted->kind) {
    case THREAD_NUMBER: return p->number == wanted->number;
    case THREAD_TID: return p->facts->pid == wanted->number;
    case THREAD_NAME: return pattern_matches(wanted->text, slash ? slash + 1 : p->facts->exe);
    }
    return false;
}

/* A process is all of its threads. */
static void leave_out(struct filter *f, const struct trace_process *p)
{
    size_t count = f->dict->thread_count;
    for (uint32_t n = p->first_thread; n <= count && n - p->first_thread < p->thread_count; n++)
        f->thread_passes[n] = 0;
}

static enum seep_err bind_processes(struct filter *f, struct err *err)
{
    const struct trace_dict *dict = f->dict;
    bool any_wanted = false;
    if (!f->process_count)
        return SEEP_OK;
    if (!f->thread_passes) {
        f->thread_passes = mem_alloc(dict->thread_count + 1);
        memset(f->thread_passes, 1, dict->thread_count + 1);
    }
    for (size_t i = 0; i < f->process_count; i++) {
        bool found = false;
        for (size_t n = 0; n < dict->process_count && !found; n++)
            found = process_is(&f->processes[i], &dict->processes[n]);
        if (!found)
            return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                           dict->process_count
                               ? "--process=%s: no such process in this trace (it has %zu)"
                               : "--process=%s: this trace is of one process (%zu are listed)",
                           f->processes[i].text, dict->process_count);
        any_wanted |= !f->processes[i].exclude;
    }
    f->thread_passes[0] &= !any_wanted;
    for (size_t n = 0; n < dict->process_count; n++) {
        bool passes = !any_wanted;
        for (size_t i = 0; i < f->process_count; i++)
            if (!f->processes[i].exclude && process_is(&f->processes[i], &dict->processes[n]))
                passes = true;
        for (size_t i = 0; i < f->process_count; i++)
            if (f->processes[i].exclude && process_is(&f->processes[i], &dict->processes[n]))
                passes = false;
        if (!passes)
            leave_out(f, &dict->processes[n]);
    }
    return SEEP_OK;
}

enum seep_err filter_bind(struct filter *f, const struct trace_dict *dict, struct symbols *symbols,
                          struct err *err)
{
    unbind(f);
    f->dict = dict;
    f->symbols = symbols;
    enum seep_err code = bind_moment(&f->from, dict, "from", false, err);
    if (!code)
        code = bind_moment(&f->to, dict, "to", true, err);
    if (!code)
        code = bind_threads(f, err);
    if (!code)
        code = bind_processes(f, err);
    if (code)
        return code;
    if (f->from.text && f->to.text && f->from.by_number == f->to.by_number &&
        (f->from.by_number ? f->from.number > f->to.number : f->from.time_ns > f->to.time_ns))
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "--from=%s lies after --to=%s",
                       f->from.text, f->to.text);
    if (f->name_count) {
        f->node_names = mem_zalloc((size_t)dict->stack_count + 1, sizeof *f->node_names);
        f->node_known = mem_zalloc((size_t)dict->stack_count + 1, 1);
    }
    return SEEP_OK;
}

void filter_start_at_cut(struct filter *f, const struct trace_facts *facts)
{
    if (f->from.text || !trace_facts_cut(facts) || !facts->cut_from[0])
        return;
    f->from = (struct filter_moment){.text = mem_strdup(facts->cut_from),
                                     .by_number = true,
                                     .number = facts->cut_first,
                                     .time_ns = facts->cut_from_ns};
}

/* ------------------------------------------------------------------ answering */

enum filter_place filter_window(const struct filter *f, uint64_t number, uint64_t time_ns)
{
    const struct filter_moment *from = &f->from, *to = &f->to;
    if (from->text && (from->by_number ? number < from->number : time_ns < from->time_ns))
        return FILTER_BEFORE;
    if (to->text && (to->by_number ? number >= to->number : time_ns > to->time_ns))
        return FILTER_AFTER;
    return FILTER_INSIDE;
}

enum seep_err filter_seek(const struct filter *f, struct trace_reader *reader, struct err *err)
{
    const struct filter_moment *from = &f->from;
    /* what a forked child has from its parent is told at the start only */
    if (!from->text || trace_reader_facts(reader)->fork_parent_pid)
        return SEEP_OK;
    return from->by_number ? trace_reader_seek_number(reader, from->number, err)
                           : trace_reader_seek_time(reader, from->time_ns, err);
}

static bool matches_path(const char *pattern, const char *path)
{
    if (pattern_matches(pattern, path))
        return true;
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash && pattern_matches(pattern, slash + 1);
}

static bool matches_frame(const struct filter_name *n, const struct symbol_frame *frame)
{
    switch (n->field) {
    case NAME_FUNCTION: return pattern_matches(n->pattern, frame->function);
    case NAME_MODULE: return matches_path(n->pattern, frame->module);
    case NAME_SOURCE: return matches_path(n->pattern, frame->file);
    case NAME_STACK:
        return pattern_matches(n->pattern, frame->function) ||
               matches_path(n->pattern, frame->file) || matches_path(n->pattern, frame->module);
    case NAME_FIELDS: break;
    }
    return false;
}

/* The patterns that some frame of this node matches, as bits. */
static uint64_t match_node(struct filter *f, uint32_t stack)
{
    const struct symbol_address *a = symbols_of_node(f->symbols, stack);
    uint64_t bits = 0;
    for (size_t i = 0; i < f->name_count; i++)
        for (uint32_t k = 0; k < a->count; k++)
            if (matches_frame(&f->names[i], &a->frames[k])) {
                bits |= 1ull << i;
                break;
            }
    return bits;
}

/* The patterns that the node or a caller of it matches. Goes out to the first node that is known
 * and comes back, once per node of the trace. */
static uint64_t match_stack(struct filter *f, uint32_t stack)
{
    const struct trace_stack_node *nodes = f->dict->stacks;
    if (f->node_known[stack])
        return f->node_names[stack];
    uint32_t *path = NULL;
    size_t depth = 0, capacity = 0;
    uint32_t node = stack;
    for (; node && !f->node_known[node]; node = nodes[node].parent) {
        MEM_GROW(path, capacity, depth + 1);
        path[depth++] = node;
    }
    uint64_t bits = node ? f->node_names[node] : 0;
    while (depth) {
        node = path[--depth];
        if (!(nodes[node].flags & SEEP_ROW_ROOT))
            bits |= match_node(f, node);
        f->node_names[node] = bits;
        f->node_known[node] = 1;
    }
    free(path);
    return bits;
}

bool filter_stack(struct filter *f, uint32_t stack)
{
    if (!f->name_count)
        return true;
    uint64_t bits = stack <= f->dict->stack_count ? match_stack(f, stack) : 0;
    bool wanted[NAME_FIELDS] = {false}, found[NAME_FIELDS] = {false};
    for (size_t i = 0; i < f->name_count; i++) {
        const struct filter_name *n = &f->names[i];
        bool hit = bits >> i & 1;
        if (n->exclude && hit)
            return false;
        if (!n->exclude) {
            wanted[n->field] = true;
            found[n->field] |= hit;
        }
    }
    for (size_t i = 0; i < NAME_FIELDS; i++)
        if (wanted[i] && !found[i])
            return false;
    return true;
}

static bool in_range(const struct filter_range *r, uint64_t value)
{
    return !r->given || (value >= r->low && value <= r->high);
}

bool filter_block(const struct filter *f, const struct trace_block *block)
{
    if (!in_range(&f->size, block->size))
        return false;
    uint64_t call = block->call < 64 ? 1ull << block->call : 0;
    if ((f->calls_wanted && !(f->calls_wanted & call)) || (f->calls_unwanted & call))
        return false;
    return !f->thread_passes ||
           f->thread_passes[block->thread <= f->dict->thread_count ? block->thread : 0];
}

bool filter_lifetime(const struct filter *f, uint64_t lifetime_ns)
{
    return in_range(&f->lifetime, lifetime_ns);
}
