/* SPDX-License-Identifier: MIT
 *
 * Live blocks by call site: against a naive second implementation over random programs, and case by
 * case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_trace.h"
#include "result_path.h"
#include "analysis/leaks.h"
#include "util/strbuf.h"

#include <stdio.h>

/* ------------------------------------------------------------------ a random program */

#define LIVES 3000
#define NODES 80

/* From one allocation or reallocation to the next, or the free. What the naive side knows. */
struct life {
    uint32_t stack, thread;
    uint64_t size, start_ns, start, end; /* event numbers; end UINT64_MAX: never */
    uint8_t call;
};

struct program {
    struct trace_reader trace;
    struct symbols symbols;
    struct life lives[LIVES];
    int life_count;
    int live[LIVES], live_count;
    uint32_t slot[LIVES];
};

/* Places with wrappers, inlined functions and functions of one name in two modules. */
static void make_places(struct symbols *s)
{
    fake_function(s, "main", "/src/main.c", "/bin/prog");
    fake_function(s, "parse", "/src/parse.c", "/bin/prog");
    fake_function(s, "parse", NULL, "/lib/libother.so");
    fake_function(s, "operator new(unsigned long)", NULL, "/lib/libstdc++.so.6");
    fake_function(s, "xmalloc", "/src/xmalloc.c", "/bin/prog");
    struct symbol_frame inlined[] = {
        {.function = "std::allocator<int>::allocate(unsigned long)",
         .file = "/usr/include/c++/12/bits/allocator.h",
         .line = 3,
         .module = "/bin/prog",
         .inlined = true,
         .named = true},
        {.function = "grow",
         .file = "/src/vector.cc",
         .line = 4,
         .module = "/bin/prog",
         .named = true},
    };
    fake_place(s, inlined, 2, SYMBOL_SUSPECT);
    fake_function(s, "node_new", "/src/tree.c", "/lib/libtree.so");
}

static void make_stacks(struct program *p)
{
    uint32_t root = fake_node(&p->trace, 0, 1, SEEP_ROW_ROOT);
    uint32_t cut = fake_node(&p->trace, 0, 1, SEEP_ROW_ROOT | SEEP_ROW_CUT);
    while (p->trace.dict.stack_count < NODES) {
        uint32_t n = p->trace.dict.stack_count;
        uint32_t parent = 1 + (uint32_t)fake_random(&p->trace, n);
        uint64_t pc = FAKE_PC + fake_random(&p->trace, p->symbols.count);
        bool known = false;
        for (uint32_t i = cut + 1; i <= n; i++)
            known |= p->trace.dict.stacks[i].parent == parent && p->trace.dict.stacks[i].pc == pc;
        if (!known)
            fake_node(&p->trace, parent, pc, fake_random(&p->trace, 5) ? 0 : SEEP_ROW_GUESSED);
    }
    (void)root;
}

static void begin_life(struct program *p, uint32_t slot)
{
    const struct trace_event *ev = &p->trace.events[p->trace.count - 1];
    p->lives[p->life_count] = (struct life){.stack = ev->stack,
                                            .thread = ev->thread,
                                            .size = ev->after.size,
                                            .start_ns = ev->time_ns,
                                            .start = ev->number,
                                            .end = UINT64_MAX,
                                            .call = ev->call};
    p->slot[p->life_count] = slot;
    p->live[p->live_count++] = p->life_count++;
}

static void make_program(struct program *p, uint64_t seed, int events)
{
    static const uint8_t calls[] = {SEEP_CALL_MALLOC, SEEP_CALL_CALLOC, SEEP_CALL_NEW};
    struct trace_reader *t = &p->trace;
    memset(p, 0, sizeof *p);
    fake_init(t, seed);
    p->symbols.dict = &t->dict;
    make_places(&p->symbols);
    make_stacks(p);
    fake_thread(t, 100, "main");
    fake_thread(t, 101, "worker-1");
    fake_thread(t, 102, "worker-2");
    uint64_t now = 0;
    for (int i = 0; i < events; i++) {
        uint32_t thread = 1 + (uint32_t)fake_random(t, 3);
        uint32_t stack = 3 + (uint32_t)fake_random(t, NODES - 2);
        uint64_t size = 1 + fake_random(t, 300), roll = fake_random(t, 10);
        now += fake_random(t, 4) * 1000;
        if (i == events / 2)
            fake_mark(t, "half", now);
        if (roll < 6 || !p->live_count) {
            begin_life(p, fake_alloc(t, thread, now, stack, size, calls[fake_random(t, 3)], 0));
            continue;
        }
        int at = (int)fake_random(t, (uint64_t)p->live_count), life = p->live[at];
        p->live[at] = p->live[--p->live_count];
        p->lives[life].end = t->number;
        if (roll < 8) {
            fake_free(t, thread, now, p->slot[life], SEEP_CALL_FREE, 0);
        } else if (roll < 9) {
            fake_realloc(t, thread, now, stack, p->slot[life], size);
            begin_life(p, p->slot[life]);
        } else {
            struct trace_event out = fake_realloc_out(t, thread, now, stack, p->slot[life]);
            fake_realloc_in(t, &out, now + 1, size);
            begin_life(p, t->events[t->count - 1].slot);
        }
    }
    t->summary.duration_ns = now + 5000;
}

static void release_program(struct program *p)
{
    fake_symbols_release(&p->symbols);
    fake_release(&p->trace);
}

/* ------------------------------------------------------------------ the naive side */

/* What a test asks for, said in both languages. */
struct question {
    const char *through;     /* function in the stack */
    uint64_t from_ns, to_ns; /* 0: not given */
    uint64_t from, to;       /* event numbers, [from, to); to 0: not given */
    uint64_t min_size;
    uint32_t thread; /* 0: any */
    enum site_by by;
};

static bool answers(const struct program *p, const struct life *l, const struct question *q)
{
    uint64_t end = UINT64_MAX; /* number of the first event behind the window */
    if (q->to)
        end = q->to;
    for (size_t i = 0; q->to_ns && i < p->trace.count; i++)
        if (p->trace.events[i].time_ns > q->to_ns) {
            end = p->trace.events[i].number;
            break;
        }
    if (l->start >= end || l->end < end)
        return false;
    if (l->start_ns < q->from_ns || l->start < q->from || l->size < q->min_size ||
        (q->thread && l->thread != q->thread))
        return false;
    for (uint32_t n = l->stack; q->through; n = p->trace.dict.stacks[n].parent) {
        if (p->trace.dict.stacks[n].flags & SEEP_ROW_ROOT)
            return false;
        const struct symbol_address *a = &p->symbols.places[p->trace.dict.stacks[n].pc - FAKE_PC];
        for (uint32_t k = 0; k < a->count; k++)
            if (strstr(a->frames[k].function, q->through))
                return true;
    }
    return true;
}

/* The whole stack as text, or the one frame that asked for the memory. */
static void key_of(const struct program *p, uint32_t stack, enum site_by by, struct strbuf *key)
{
    static const char *const wrappers[] = {"operator new(unsigned long)", "xmalloc",
                                           "std::allocator<int>::allocate(unsigned long)"};
    const struct symbol_frame *caller = NULL, *first = NULL;
    uint32_t n = stack;
    for (; !(p->trace.dict.stacks[n].flags & SEEP_ROW_ROOT); n = p->trace.dict.stacks[n].parent) {
        uint64_t pc = p->trace.dict.stacks[n].pc;
        const struct symbol_address *a = &p->symbols.places[pc - FAKE_PC];
        for (uint32_t k = 0; k < a->count; k++) {
            const struct symbol_frame *f = &a->frames[k];
            bool wrapper = false;
            for (int w = 0; w < 3; w++)
                wrapper |= strcmp(wrappers[w], f->function) == 0;
            if (!wrapper && !caller)
                caller = f;
            if (!first)
                first = f;
            if (by == SITE_BY_STACK)
                strbuf_addf(key, "%s@%llx<", f->function, (unsigned long long)pc);
        }
    }
    if (by == SITE_BY_STACK)
        strbuf_adds(key, p->trace.dict.stacks[n].flags & SEEP_ROW_CUT ? "cut" : "");
    caller = caller ? caller : first;
    if (by == SITE_BY_FUNCTION)
        strbuf_addf(key, "%s|%s", caller->function, caller->module);
    else if (by == SITE_BY_MODULE)
        strbuf_adds(key, caller->module);
    else if (by == SITE_BY_SOURCE)
        strbuf_adds(key, caller->file ? caller->file : caller->module);
}

struct naive_site {
    char *key;
    uint64_t blocks, bytes, first_ns, last_ns, sizes[LIVES];
    uint32_t threads; /* bits */
};

static size_t group(const struct program *p, const struct question *q, struct naive_site *sites)
{
    size_t count = 0;
    for (int i = 0; i < p->life_count; i++) {
        const struct life *l = &p->lives[i];
        if (!answers(p, l, q))
            continue;
        struct strbuf key = {0};
        key_of(p, l->stack, q->by, &key);
        size_t at = 0;
        while (at < count && strcmp(sites[at].key, key.text) != 0)
            at++;
        struct naive_site *s = &sites[at];
        if (at == count) {
            memset(s, 0, sizeof *s);
            s->key = mem_strdup(key.text);
            s->first_ns = UINT64_MAX;
            count++;
        }
        s->sizes[s->blocks++] = l->size;
        s->bytes += l->size;
        s->threads |= 1u << l->thread;
        s->first_ns = l->start_ns < s->first_ns ? l->start_ns : s->first_ns;
        s->last_ns = l->start_ns > s->last_ns ? l->start_ns : s->last_ns;
        strbuf_release(&key);
    }
    return count;
}

/* The key of a site in the tree. */
static void key_in_tree(const struct result *s, enum site_by by, struct strbuf *key)
{
    const struct result *frames = get(s, "frames");
    if (by != SITE_BY_STACK)
        strbuf_adds(key, text(s, "name"));
    for (size_t i = 0; i < result_length(frames); i++) {
        const struct result *f = result_at(frames, i);
        if (by == SITE_BY_STACK)
            strbuf_addf(key, "%s@%llx<", text(f, "function"),
                        (unsigned long long)number(f, "address"));
        else if (by == SITE_BY_FUNCTION && strcmp(text(f, "function"), text(s, "name")) == 0) {
            strbuf_addf(key, "|%s", text(f, "module"));
            break;
        }
    }
    if (by == SITE_BY_STACK)
        strbuf_adds(key, get(s, "cut")->u.boolean ? "cut" : "");
}

static uint64_t smaller_than(const struct naive_site *s, uint64_t size, bool or_equal)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < s->blocks; i++)
        n += s->sizes[i] < size || (or_equal && s->sizes[i] == size);
    return n;
}

static void check_site(const struct result *got, const struct naive_site *s)
{
    assert_int_equal(number(got, "blocks"), s->blocks);
    assert_int_equal(number(got, "bytes"), s->bytes);
    assert_int_equal(number(got, "first_ns"), s->first_ns);
    assert_int_equal(number(got, "last_ns"), s->last_ns);
    assert_int_equal(number(got, "thread_count"), __builtin_popcount(s->threads));
    /* a median: at most half are smaller, and at least half are no larger */
    uint64_t typical = number(got, "sizes.typical");
    assert_true(2 * smaller_than(s, typical, false) < s->blocks);
    assert_true(2 * smaller_than(s, typical, true) >= s->blocks);
    assert_int_equal(smaller_than(s, number(got, "sizes.min"), false), 0);
    assert_int_equal(smaller_than(s, number(got, "sizes.max"), true), s->blocks);
    assert_true(smaller_than(s, number(got, "sizes.min"), true) >= 1);
    assert_true(smaller_than(s, number(got, "sizes.max"), false) < s->blocks);
}

static struct result *ask(struct program *p, const struct question *q)
{
    struct filter filter;
    struct err err = {0};
    char value[40];
    filter_init(&filter);
    struct {
        const char *name, *form;
        uint64_t value;
        bool given;
    } settings[] = {
        {"from", "%lluns", q->from_ns, q->from_ns},   {"to", "%lluns", q->to_ns, q->to_ns},
        {"from", "#%llu", q->from, q->from},          {"to", "#%llu", q->to - 1, q->to},
        {"size", "%llu..", q->min_size, q->min_size}, {"thread", "%llu", q->thread, q->thread},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (!settings[i].given)
            continue;
        snprintf(value, sizeof value, "%llu", (unsigned long long)settings[i].value);
        struct strbuf b = {0};
        for (const char *f = settings[i].form; *f; f++)
            if (strncmp(f, "%llu", 4) == 0) {
                strbuf_adds(&b, value);
                f += 3;
            } else {
                strbuf_addc(&b, *f);
            }
        assert_int_equal(filter_set(&filter, settings[i].name, b.text, &err), SEEP_OK);
        strbuf_release(&b);
    }
    if (q->through)
        assert_int_equal(filter_set(&filter, "function", q->through, &err), SEEP_OK);
    struct leaks_options options = {.by = q->by, .filter = &filter};
    struct result *r = NULL;
    trace_reader_rewind(&p->trace, NULL);
    if (leaks_analyse(&r, &p->trace, &p->symbols, &options, &err))
        fail_msg("%s", err.message);
    filter_release(&filter);
    return r;
}

static void check_question(struct program *p, const struct question *q)
{
    static struct naive_site sites[NODES + 1];
    size_t count = group(p, q, sites);
    struct result *r = ask(p, q);
    assert_int_equal(result_length(get(r, "sites")), count);
    uint64_t blocks = 0, bytes = 0, last = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct result *got = item(r, "sites", i);
        struct strbuf key = {0};
        key_in_tree(got, q->by, &key);
        size_t at = 0;
        while (at < count && strcmp(sites[at].key, key.text) != 0)
            at++;
        assert_true(at < count); /* every site is one of the naive side's */
        check_site(got, &sites[at]);
        assert_true(number(got, "bytes") <= last); /* heaviest first */
        last = number(got, "bytes");
        blocks += number(got, "blocks");
        bytes += number(got, "bytes");
        sites[at].key[0] = '\0'; /* met once only */
        strbuf_release(&key);
    }
    assert_int_equal(number(r, "matched.sites"), count);
    assert_int_equal(number(r, "matched.blocks"), blocks);
    assert_int_equal(number(r, "matched.bytes"), bytes);
    assert_int_equal(number(r, "matched.blocks") + number(r, "filtered_out.blocks"),
                     number(r, "total.blocks"));
    assert_int_equal(number(r, "matched.bytes") + number(r, "filtered_out.bytes"),
                     number(r, "total.bytes"));
    for (size_t i = 0; i < count; i++)
        free(sites[i].key);
    result_free(r);
}

static void agrees_with_the_naive_side(void **state)
{
    (void)state;
    static struct program p;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        make_program(&p, seed, 1500);
        uint64_t middle_ns = p.trace.summary.duration_ns / 2;
        for (int by = SITE_BY_STACK; by <= SITE_BY_SOURCE; by++) {
            struct question questions[] = {
                {.by = by},
                {.by = by, .to_ns = middle_ns},
                {.by = by, .from_ns = middle_ns},
                {.by = by, .from_ns = middle_ns / 2, .to_ns = middle_ns},
                {.by = by, .from = 300, .to = 901},
                {.by = by, .min_size = 150},
                {.by = by, .thread = 2},
                {.by = by, .through = "node_new"},
                {.by = by, .through = "grow", .to = 700, .thread = 3, .min_size = 20},
            };
            for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
                check_question(&p, &questions[i]);
            /* wherever the window ends, the event behind it is undone, whatever it is */
            for (uint64_t to = 400; to < 440; to++)
                check_question(&p, &(struct question){.by = by, .to = to});
        }
        release_program(&p);
    }
}

/* ------------------------------------------------------------------ case by case */

struct small {
    struct trace_reader trace;
    struct symbols symbols;
    uint32_t stack[8]; /* main; main < a; main < b; ... */
};

/* main with three callees: a in the program, b in a library, one that libc allocates under. */
static void make_small(struct small *s)
{
    memset(s, 0, sizeof *s);
    struct trace_reader *t = &s->trace;
    fake_init(t, 1);
    s->symbols.dict = &t->dict;
    fake_module(t, "/bin/prog");
    fake_module(t, "/lib/libb.so");
    fake_module(t, "/lib/x86_64-linux-gnu/libc.so.6");
    uint64_t at_main = fake_function(&s->symbols, "main", "/src/main.c", "/bin/prog");
    uint64_t at_a = fake_function(&s->symbols, "a", "/src/a.c", "/bin/prog");
    uint64_t at_b = fake_function(&s->symbols, "b", NULL, "/lib/libb.so");
    uint64_t at_puts = fake_function(&s->symbols, "puts", NULL, "/lib/x86_64-linux-gnu/libc.so.6");
    uint64_t at_buffer =
        fake_function(&s->symbols, "_IO_file_doallocate", NULL, "/lib/x86_64-linux-gnu/libc.so.6");
    uint32_t root = fake_node(t, 0, 1, SEEP_ROW_ROOT);
    s->stack[0] = fake_node(t, root, at_main, 0);
    s->stack[1] = fake_node(t, s->stack[0], at_a, 0);
    s->stack[2] = fake_node(t, s->stack[0], at_b, 0);
    uint32_t puts_node = fake_node(t, s->stack[0], at_puts, 0);
    s->stack[3] = fake_node(t, puts_node, at_buffer, 0);
    fake_thread(t, 1, "main");
}

static void release_small(struct small *s)
{
    fake_symbols_release(&s->symbols);
    fake_release(&s->trace);
}

static struct result *analyse(struct small *s, const struct leaks_options *options)
{
    struct result *r = NULL;
    struct err err = {0};
    trace_reader_rewind(&s->trace, NULL);
    if (leaks_analyse(&r, &s->trace, &s->symbols, options, &err))
        fail_msg("%s", err.message);
    return r;
}

static void describes_a_site(void **state)
{
    (void)state;
    struct small s;
    make_small(&s);
    uint32_t slot = fake_alloc(&s.trace, 1, 100, s.stack[1], 1000, SEEP_CALL_MALLOC, 0);
    fake_alloc(&s.trace, 1, 200, s.stack[1], 10, SEEP_CALL_MALLOC, 0);
    fake_alloc(&s.trace, 1, 300, s.stack[1], 30, SEEP_CALL_NEW, 0);
    fake_alloc(&s.trace, 1, 400, s.stack[1], 20, SEEP_CALL_MALLOC, 0);
    fake_alloc(&s.trace, 0, 450, 0, 140, SEEP_CALL_MALLOC, 0); /* stack not known */
    fake_free(&s.trace, 1, 500, slot, SEEP_CALL_FREE, 0);
    struct result *r = analyse(&s, &(struct leaks_options){0});
    assert_string_equal(text(r, "word"), "live at exit");
    assert_int_equal(get(r, "window")->type, RESULT_NULL);
    assert_int_equal(number(r, "end_ns"), 500);
    assert_int_equal(number(r, "total.blocks"), 4);
    assert_int_equal(number(r, "total.bytes"), 200);
    assert_int_equal(number(r, "total.usable_bytes"), 24 + 40 + 24 + 152);
    assert_int_equal(number(r, "total.peak_live_bytes"), 1200);
    assert_int_equal(number(r, "total.peak_time_ns"), 450);
    assert_true(get(r, "total.share_of_peak_percent")->u.real == 100.0 * 200 / 1200);
    const struct result *unknown = item(r, "sites", 0), *a = item(r, "sites", 1);
    assert_string_equal(text(unknown, "name"), "(unknown)");
    assert_int_equal(result_length(get(unknown, "frames")), 0);
    assert_string_equal(text(a, "name"), "a");
    assert_int_equal(number(a, "blocks"), 3);
    assert_int_equal(number(a, "bytes"), 60);
    assert_int_equal(number(a, "usable_bytes"), 24 + 40 + 24);
    assert_true(get(a, "share_percent")->u.real == 30.0);
    assert_int_equal(number(a, "allocated_blocks"), 4);
    assert_int_equal(number(a, "allocated_bytes"), 1060);
    assert_int_equal(number(a, "first_ns"), 200);
    assert_int_equal(number(a, "last_ns"), 400);
    assert_int_equal(number(a, "sizes.min"), 10);
    assert_int_equal(number(a, "sizes.typical"), 20);
    assert_int_equal(number(a, "sizes.max"), 30);
    assert_int_equal(result_length(get(a, "calls")), 2);
    assert_string_equal(result_at(get(a, "calls"), 0)->u.text, "malloc");
    assert_string_equal(result_at(get(a, "calls"), 1)->u.text, "new");
    assert_int_equal(result_length(get(a, "frames")), 2);
    const struct result *frame = result_at(get(a, "frames"), 0);
    assert_string_equal(text(frame, "file"), "/src/a.c");
    assert_int_equal(get(frame, "line")->u.integer, 10);
    assert_string_equal(text(frame, "module"), "/bin/prog");
    assert_int_equal(get(frame, "address")->unit, UNIT_ADDRESS);
    assert_false(get(a, "cut")->u.boolean);
    assert_int_equal(number(a, "hidden_frames"), 0);
    result_free(r);
    release_small(&s);
}

/* Merged by function, the frames are those of the stack that weighs most. */
static void shows_the_heaviest_stack(void **state)
{
    (void)state;
    struct small s;
    make_small(&s);
    uint32_t light[2], heavy = fake_node(&s.trace, s.stack[2], FAKE_PC + 1, 0); /* main < b < a */
    light[0] = s.stack[1];                                                      /* main < a */
    light[1] = fake_node(&s.trace, s.stack[1], FAKE_PC + 1, 0);                 /* main < a < a */
    fake_alloc(&s.trace, 1, 1, light[0], 10, SEEP_CALL_MALLOC, 0);
    fake_alloc(&s.trace, 1, 1, heavy, 100, SEEP_CALL_MALLOC, 0);
    fake_alloc(&s.trace, 1, 1, light[1], 20, SEEP_CALL_MALLOC, 0);
    struct result *r = analyse(&s, &(struct leaks_options){.by = SITE_BY_FUNCTION});
    assert_int_equal(result_length(get(r, "sites")), 1);
    assert_int_equal(number(item(r, "sites", 0), "stacks"), 3);
    assert_string_equal(text(result_at(get(item(r, "sites", 0), "frames"), 1), "function"), "b");
    result_free(r);
    release_small(&s);
}

static void flags_frames_and_cuts_depth(void **state)
{
    (void)state;
    struct small s;
    make_small(&s);
    struct symbol_frame frames[] = {
        {.function = "inner", .inlined = true, .named = true},
        {.function = "prog+0x12", .named = false},
    };
    uint64_t pc = fake_place(&s.symbols, frames, 2, SYMBOL_SUSPECT);
    uint32_t cut = fake_node(&s.trace, 0, 1, SEEP_ROW_ROOT | SEEP_ROW_CUT);
    uint32_t outer = fake_node(&s.trace, cut, FAKE_PC, SEEP_ROW_GUESSED);
    uint32_t leaf = fake_node(&s.trace, outer, pc, 0);
    fake_alloc(&s.trace, 1, 1, leaf, 8, SEEP_CALL_MALLOC, 0);
    for (unsigned depth = 0; depth <= 3; depth++) {
        struct result *r = analyse(&s, &(struct leaks_options){.depth = depth});
        const struct result *a = item(r, "sites", 0), *list = get(a, "frames");
        assert_int_equal(result_length(list), depth ? depth : 3);
        assert_int_equal(number(a, "hidden_frames"), depth ? 3 - depth : 0);
        assert_true(get(a, "cut")->u.boolean);
        assert_true(get(result_at(list, 0), "inlined")->u.boolean);
        assert_true(get(result_at(list, 0), "suspect")->u.boolean);
        assert_int_equal(get(result_at(list, 0), "file")->type, RESULT_NULL);
        assert_int_equal(get(result_at(list, 0), "line")->type, RESULT_NULL);
        if (!depth) {
            assert_false(get(result_at(list, 1), "named")->u.boolean);
            assert_false(get(result_at(list, 1), "guessed")->u.boolean);
            assert_false(get(result_at(list, 2), "suspect")->u.boolean);
            assert_true(get(result_at(list, 2), "guessed")->u.boolean);
        }
        result_free(r);
    }
    release_small(&s);
}

static void hides_what_is_small_or_too_much(void **state)
{
    (void)state;
    struct small s;
    make_small(&s);
    fake_alloc(&s.trace, 1, 30, s.stack[0], 500, SEEP_CALL_MALLOC, 0);
    for (int i = 0; i < 3; i++)
        fake_alloc(&s.trace, 1, 20, s.stack[1], 100, SEEP_CALL_MALLOC, 0);
    for (int i = 0; i < 9; i++)
        fake_alloc(&s.trace, 1, 10 + (uint64_t)i * 10, s.stack[2], 1, SEEP_CALL_MALLOC, 0);
    static const struct {
        struct leaks_options options;
        const char *shown; /* names in order */
        uint64_t hidden_sites, hidden_blocks, hidden_bytes;
    } cases[] = {
        {{0}, "main a b ", 0, 0, 0},
        {{.order = LEAKS_ORDER_BLOCKS}, "b a main ", 0, 0, 0},
        {{.order = LEAKS_ORDER_TIME}, "b a main ", 0, 0, 0},
        {{.top = 1}, "main ", 2, 12, 309},
        {{.top = 2, .order = LEAKS_ORDER_BLOCKS}, "b a ", 1, 1, 500},
        {{.top = 3}, "main a b ", 0, 0, 0},
        {{.min_bytes = 300}, "main a ", 1, 9, 9},
        {{.min_bytes = 301}, "main ", 2, 12, 309},
        {{.min_blocks = 3}, "a b ", 1, 1, 500},
        {{.min_blocks = 3, .order = LEAKS_ORDER_TIME}, "b a ", 1, 1, 500},
        {{.min_blocks = 3, .top = 1}, "a ", 2, 10, 509},
        {{.min_bytes = 1000}, "", 3, 13, 809},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result *r = analyse(&s, &cases[i].options);
        struct strbuf names = {0};
        strbuf_adds(&names, "");
        for (size_t k = 0; k < result_length(get(r, "sites")); k++)
            strbuf_addf(&names, "%s ", text(item(r, "sites", k), "name"));
        assert_string_equal(names.text ? names.text : "", cases[i].shown);
        assert_int_equal(number(r, "hidden.sites"), cases[i].hidden_sites);
        assert_int_equal(number(r, "hidden.blocks"), cases[i].hidden_blocks);
        assert_int_equal(number(r, "hidden.bytes"), cases[i].hidden_bytes);
        assert_int_equal(number(r, "matched.sites"), 3);
        strbuf_release(&names);
        result_free(r);
    }
    release_small(&s);
}

static void suppresses(void **state)
{
    (void)state;
    struct small s;
    make_small(&s);
    fake_alloc(&s.trace, 1, 10, s.stack[0], 500, SEEP_CALL_MALLOC, 0);
    fake_alloc(&s.trace, 1, 20, s.stack[1], 100, SEEP_CALL_MALLOC, 0);
    fake_alloc(&s.trace, 1, 20, s.stack[1], 100, SEEP_CALL_MALLOC, 0);
    fake_alloc(&s.trace, 1, 30, s.stack[3], 1024, SEEP_CALL_MALLOC, 0);
    static const char rules[] = "# known\nleak:^a$\nleak:nowhere\n";
    struct suppressions *set = suppressions_new();
    assert_int_equal(suppressions_parse(set, rules, strlen(rules), "my.supp", NULL), SEEP_OK);
    struct leaks_options options = {.suppressions = set};
    for (int run = 0; run < 2; run++) { /* counts begin anew */
        struct result *r = analyse(&s, &options);
        assert_int_equal(result_length(get(r, "sites")), 1);
        assert_string_equal(text(item(r, "sites", 0), "name"), "main");
        assert_true(get(item(r, "sites", 0), "share_percent")->u.real == 100.0);
        assert_int_equal(number(r, "total.bytes"), 1724);
        assert_int_equal(number(r, "matched.bytes"), 500);
        assert_int_equal(number(r, "suppressed.sites"), 1);
        assert_int_equal(number(r, "suppressed.blocks"), 2);
        assert_int_equal(number(r, "suppressed.bytes"), 200);
        const struct result *rule = result_at(get(r, "suppressed.rules"), 0);
        assert_string_equal(text(rule, "pattern"), "^a$");
        assert_string_equal(text(rule, "file"), "my.supp");
        assert_int_equal(get(rule, "line")->u.integer, 2);
        assert_int_equal(number(rule, "blocks"), 2);
        assert_int_equal(result_length(get(r, "suppressed.rules")), 1);
        assert_int_equal(result_length(get(r, "suppressed.unused")), 1);
        assert_int_equal(get(result_at(get(r, "suppressed.unused"), 0), "line")->u.integer, 3);
        assert_int_equal(number(r, "builtin.bytes"), 1024);
        assert_int_equal(result_length(get(r, "builtin.rules")), 1);
        assert_non_null(strstr(text(result_at(get(r, "builtin.rules"), 0), "reason"), "stdio"));
        result_free(r);
    }
    options.show_builtin = true;
    struct result *r = analyse(&s, &options);
    assert_int_equal(result_length(get(r, "sites")), 2);
    assert_string_equal(text(item(r, "sites", 0), "name"), "_IO_file_doallocate");
    assert_true(get(item(r, "sites", 0), "builtin")->u.boolean);
    assert_non_null(text(item(r, "sites", 0), "suppressed"));
    assert_null(text(item(r, "sites", 1), "suppressed"));
    assert_int_equal(number(r, "matched.bytes"), 1524);
    result_free(r);
    options.show_builtin = false;
    options.show_suppressed = true;
    options.by = SITE_BY_MODULE;
    r = analyse(&s, &options); /* main and a lie in one module, but a is marked */
    assert_int_equal(result_length(get(r, "sites")), 2);
    assert_string_equal(text(item(r, "sites", 1), "suppressed"), "^a$");
    assert_false(get(item(r, "sites", 1), "builtin")->u.boolean);
    result_free(r);
    suppressions_free(set);
    release_small(&s);
}

static void looks_at_marks(void **state)
{
    (void)state;
    struct small s;
    make_small(&s);
    struct trace_reader *t = &s.trace;
    uint32_t early = fake_alloc(t, 1, 10, s.stack[0], 1, SEEP_CALL_MALLOC, 0);
    fake_alloc(t, 1, 20, s.stack[0], 10, SEEP_CALL_MALLOC, 0);
    fake_mark(t, "load", 20);
    fake_alloc(t, 1, 20, s.stack[0], 100, SEEP_CALL_MALLOC, 0);
    uint32_t freed_later = fake_alloc(t, 1, 40, s.stack[0], 1000, SEEP_CALL_MALLOC, 0);
    fake_mark(t, "run", 50);
    fake_free(t, 1, 50, freed_later, SEEP_CALL_FREE, 0);
    fake_free(t, 1, 60, early, SEEP_CALL_FREE, 0);
    fake_alloc(t, 1, 70, s.stack[0], 10000, SEEP_CALL_MALLOC, 0);
    t->summary.duration_ns = 90;
    static const struct {
        const char *from, *to;
        uint64_t bytes, total, end_ns;
        const char *word;
    } cases[] = {
        {NULL, NULL, 10110, 10110, 90, "live at exit"},
        {"load", NULL, 10100, 10110, 90, "live at exit"},
        {"load", "run", 1100, 1111, 50, "live at run"},
        {NULL, "run", 1111, 1111, 50, "live at run"},
        {NULL, "load", 11, 11, 20, "live at load"},
        {"run", NULL, 10000, 10110, 90, "live at exit"},
        {NULL, "80ns", 10110, 10110, 80, "live at 80ns"},
        {NULL, "65ns", 110, 110, 65, "live at 65ns"},
        {NULL, "9s", 10110, 10110, 90, "live at exit"},
        {"#2", "#3", 1100, 1111, 40, "live at #3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter filter;
        filter_init(&filter);
        if (cases[i].from)
            assert_int_equal(filter_set(&filter, "from", cases[i].from, NULL), SEEP_OK);
        if (cases[i].to)
            assert_int_equal(filter_set(&filter, "to", cases[i].to, NULL), SEEP_OK);
        struct result *r = analyse(&s, &(struct leaks_options){.filter = &filter});
        assert_int_equal(number(r, "matched.bytes"), cases[i].bytes);
        assert_int_equal(number(r, "total.bytes"), cases[i].total);
        assert_int_equal(number(r, "end_ns"), cases[i].end_ns);
        assert_string_equal(text(r, "word"), cases[i].word);
        result_free(r);
        filter_release(&filter);
    }
    release_small(&s);
}

/* In the default setting only what is shown, and what libc itself allocates, is named. */
static void names_no_more_than_needed(void **state)
{
    (void)state;
    struct small s;
    make_small(&s);
    for (int i = 0; i < 500; i++) {
        uint32_t leaf = fake_node(&s.trace, s.stack[1], FAKE_PC + 1, 0);
        fake_alloc(&s.trace, 1, 1, leaf, 1000 - (uint64_t)i, SEEP_CALL_MALLOC, 0);
    }
    struct suppressions *set = suppressions_new();
    struct result *r = analyse(&s, &(struct leaks_options){.top = 10, .suppressions = set});
    assert_int_equal(result_length(get(r, "sites")), 10);
    assert_int_equal(number(r, "hidden.sites"), 490);
    assert_true(s.symbols.resolved <= 10 + 2); /* ten leaves, a and main */
    assert_true(s.symbols.lookups <= 10 * 6);
    result_free(r);
    suppressions_free(set);
    s.symbols.interrupted = true;
    trace_reader_rewind(&s.trace, NULL);
    r = NULL;
    assert_int_equal(leaks_analyse(&r, &s.trace, &s.symbols, &(struct leaks_options){0}, NULL),
                     SEEP_ERR_INTERRUPTED);
    assert_null(r);
    release_small(&s);
}

static bool stop_at_once(void *arg, double fraction)
{
    (void)fraction;
    return ++*(int *)arg < 2;
}

static void can_be_interrupted(void **state)
{
    (void)state;
    struct small s;
    int calls = 0;
    make_small(&s);
    for (int i = 0; i < 200000; i++) {
        uint32_t slot = fake_alloc(&s.trace, 1, 1, s.stack[1], 1, SEEP_CALL_MALLOC, 0);
        fake_free(&s.trace, 1, 1, slot, SEEP_CALL_FREE, 0);
    }
    struct leaks_options options = {.progress = stop_at_once, .progress_arg = &calls};
    struct result *r = NULL;
    struct err err;
    assert_int_equal(leaks_analyse(&r, &s.trace, &s.symbols, &options, &err), SEEP_ERR_INTERRUPTED);
    assert_null(r);
    assert_int_equal(calls, 2);
    release_small(&s);
}

static void claims_no_exit_that_was_not_recorded(void **state)
{
    (void)state;
    struct small s;
    make_small(&s);
    fake_alloc(&s.trace, 1, 10, s.stack[1], 8, SEEP_CALL_MALLOC, 0);
    s.trace.summary.truncated = true;
    struct result *r = analyse(&s, &(struct leaks_options){0});
    assert_string_equal(text(r, "word"), "live where the trace ends");
    result_free(r);
    s.trace.summary.truncated = false;
    s.trace.summary.stop_reason = SEEP_STOP_DISK_FULL;
    r = analyse(&s, &(struct leaks_options){0});
    assert_string_equal(text(r, "word"), "live when recording stopped");
    result_free(r);
    release_small(&s);
}

static void survives_gaps_and_many_threads(void **state)
{
    (void)state;
    struct small s;
    make_small(&s);
    for (uint32_t i = 0; i < 40; i++)
        fake_alloc(&s.trace, 20 - i % 20, i, s.stack[1], 8, SEEP_CALL_MALLOC, 0);
    fake_gap(&s.trace, 50, 4);
    struct result *r = analyse(&s, &(struct leaks_options){0});
    assert_int_equal(number(r, "total.blocks"), 36);
    assert_int_equal(number(r, "matched.blocks"), 36);
    assert_int_equal(number(item(r, "sites", 0), "thread_count"), 20);
    assert_int_equal(result_length(get(item(r, "sites", 0), "threads")), 8);
    assert_int_equal(result_at(get(item(r, "sites", 0), "threads"), 7)->u.integer, 8);
    result_free(r);
    release_small(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_naive_side),
        cmocka_unit_test(describes_a_site),
        cmocka_unit_test(shows_the_heaviest_stack),
        cmocka_unit_test(flags_frames_and_cuts_depth),
        cmocka_unit_test(hides_what_is_small_or_too_much),
        cmocka_unit_test(suppresses),
        cmocka_unit_test(looks_at_marks),
        cmocka_unit_test(names_no_more_than_needed),
        cmocka_unit_test(can_be_interrupted),
        cmocka_unit_test(claims_no_exit_that_was_not_recorded),
        cmocka_unit_test(survives_gaps_and_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
