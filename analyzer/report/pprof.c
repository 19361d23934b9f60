/* SPDX-License-Identifier: MIT
 *
 * A message of protocol buffers is a row of fields, each a key (number and wire type), and a varint
 * or a length with so many bytes; messages within messages are the latter. That is all there is to
 * it here. */
#include "report/pprof.h"

#include "util/mem.h"
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Numbers of fields in profile.proto. */
enum {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING_TABLE = 6,
    PROFILE_DROP_FRAMES = 7,
    PROFILE_TIME_NANOS = 9,
    PROFILE_DURATION_NANOS = 10,
    PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12,
    PROFILE_COMMENT = 13,
    PROFILE_DEFAULT_SAMPLE_TYPE = 14,
    VALUE_TYPE_TYPE = 1,
    VALUE_TYPE_UNIT = 2,
    SAMPLE_LOCATION_ID = 1,
    SAMPLE_VALUE = 2,
    MAPPING_ID = 1,
    MAPPING_START = 2,
    MAPPING_LIMIT = 3,
    MAPPING_OFFSET = 4,
    MAPPING_FILENAME = 5,
    MAPPING_BUILD_ID = 6,
    MAPPING_HAS_FUNCTIONS = 7,
    MAPPING_HAS_FILENAMES = 8,
    MAPPING_HAS_LINE_NUMBERS = 9,
    MAPPING_HAS_INLINE_FRAMES = 10,
    LOCATION_ID = 1,
    LOCATION_MAPPING_ID = 2,
    LOCATION_ADDRESS = 3,
    LOCATION_LINE = 4,
    LINE_FUNCTION_ID = 1,
    LINE_LINE = 2,
    FUNCTION_ID = 1,
    FUNCTION_NAME = 2,
    FUNCTION_SYSTEM_NAME = 3,
    FUNCTION_FILENAME = 4,
};
enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

/* ------------------------------------------------------------------ fields */

static void add_varint(struct strbuf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        strbuf_addc(out, (char)(value | 0x80));
    strbuf_addc(out, (char)value);
}

/* 0 is what a field that is absent has. */
static void add_number(struct strbuf *out, unsigned field, uint64_t value)
{
    if (!value)
        return;
    add_varint(out, field << 3 | WIRE_VARINT);
    add_varint(out, value);
}

static void add_bytes(struct strbuf *out, unsigned field, const char *bytes, size_t length)
{
    add_varint(out, field << 3 | WIRE_BYTES);
    add_varint(out, length);
    strbuf_add(out, length ? bytes : "", length);
}

static void add_message(struct strbuf *out, unsigned field, struct strbuf *message)
{
    add_bytes(out, field, message->text, message->length);
    strbuf_reset(message);
}

/* ------------------------------------------------------------------ texts */

/* The string table: each text once, "" first. */
struct strings {
    const char **items; /* not owned: the tree's, or constants */
    size_t count, items_capacity;
    struct string {
        const char *text; /* NULL: free */
        size_t place;
    } * slots;       /* owned */
    size_t capacity; /* a power of two */
};

static struct string *string_slot(const struct strings *s, const char *text)
{
    uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a */
    for (const char *c = text; *c; c++)
        h = (h ^ (uint8_t)*c) * 0x100000001b3ull;
    for (size_t at = (size_t)(h ^ h >> 29);; at++) {
        struct string *slot = &s->slots[at & (s->capacity - 1)];
        if (!slot->text || strcmp(slot->text, text) == 0)
            return slot;
    }
}

static uint64_t string_of(struct strings *s, const char *text)
{
    if ((s->count + 1) * 2 > s->capacity) {
        free(s->slots);
        s->capacity = s->capacity ? s->capacity * 2 : 1024;
        s->slots = mem_zalloc(s->capacity, sizeof *s->slots);
        for (size_t i = 0; i < s->count; i++)
            *string_slot(s, s->items[i]) = (struct string){s->items[i], i};
    }
    struct string *slot = string_slot(s, text);
    if (!slot->text) {
        *slot = (struct string){text, s->count};
        MEM_GROW(s->items, s->items_capacity, s->count + 1);
        s->items[s->count++] = text;
    }
    return slot->place;
}

/* ------------------------------------------------------------------ tables */

struct writer {
    struct strbuf *out;
    struct strbuf message, part;
    struct strbuf dropped; /* a pattern, which `strings` refers to */
    struct strings strings;
};

static const char *text_of(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type == RESULT_TEXT ? r->u.text : "";
}

static uint64_t count_of(const struct result *r)
{
    return r ? r->u.count : 0;
}

static void add_value_type(struct writer *w, unsigned field, const char *type, const char *unit)
{
    add_number(&w->message, VALUE_TYPE_TYPE, string_of(&w->strings, type));
    add_number(&w->message, VALUE_TYPE_UNIT, string_of(&w->strings, unit));
    add_message(w->out, field, &w->message);
}

static void add_functions(struct writer *w, const struct result *functions)
{
    for (size_t i = 0; i < result_length(functions); i++) {
        const struct result *f = result_at(functions, i);
        const char *name = text_of(f, "function"), *symbol = text_of(f, "symbol");
        add_number(&w->message, FUNCTION_ID, i + 1);
        add_number(&w->message, FUNCTION_NAME, string_of(&w->strings, name));
        add_number(&w->message, FUNCTION_SYSTEM_NAME,
                   string_of(&w->strings, symbol[0] ? symbol : name));
        add_number(&w->message, FUNCTION_FILENAME, string_of(&w->strings, text_of(f, "file")));
        add_message(w->out, PROFILE_FUNCTION, &w->message);
    }
}

/* A function's name without its parameters, as pprof compares it with a pattern, for one that
 * matches just that. */
static void add_quoted(struct strbuf *out, const char *name)
{
    static const char *const kept[] = {"(anonymous namespace)", "operator()"};
    for (const char *c = name; *c;) {
        size_t length = 1;
        for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
            if (strncmp(c, kept[i], strlen(kept[i])) == 0)
                length = strlen(kept[i]);
        if (length == 1 && *c == '(')
            break;
        for (; length; length--, c++) {
            if (strchr("\\.+*?()|[]{}^$", *c))
                strbuf_addc(out, '\\');
            strbuf_addc(out, *c);
        }
    }
}

/* What pprof is to leave out with all that it calls: it shows stacks up to who asked for the
 * memory, and other readers whole ones. */
static void add_dropped(struct writer *w, const struct result *functions)
{
    for (size_t i = 0; i < result_length(functions); i++) {
        if (!result_get(result_at(functions, i), "alloc_fn")->u.boolean)
            continue;
        if (w->dropped.length)
            strbuf_addc(&w->dropped, '|');
        add_quoted(&w->dropped, text_of(result_at(functions, i), "function"));
    }
    if (w->dropped.length)
        add_number(w->out, PROFILE_DROP_FRAMES, string_of(&w->strings, w->dropped.text));
}

static void add_mappings(struct writer *w, const struct result *mappings)
{
    for (size_t i = 0; i < result_length(mappings); i++) {
        const struct result *m = result_at(mappings, i);
        add_number(&w->message, MAPPING_ID, i + 1);
        add_number(&w->message, MAPPING_START, count_of(result_get(m, "start")));
        add_number(&w->message, MAPPING_LIMIT, count_of(result_get(m, "end")));
        add_number(&w->message, MAPPING_OFFSET, count_of(result_get(m, "file_offset")));
        add_number(&w->message, MAPPING_FILENAME, string_of(&w->strings, text_of(m, "path")));
        add_number(&w->message, MAPPING_BUILD_ID, string_of(&w->strings, text_of(m, "build_id")));
        /* all that is known has been looked up: nobody needs to look again */
        add_number(&w->message, MAPPING_HAS_FUNCTIONS, 1);
        add_number(&w->message, MAPPING_HAS_FILENAMES, 1);
        add_number(&w->message, MAPPING_HAS_LINE_NUMBERS, 1);
        add_number(&w->message, MAPPING_HAS_INLINE_FRAMES, 1);
        add_message(w->out, PROFILE_MAPPING, &w->message);
    }
}

static void add_locations(struct writer *w, const struct result *locations)
{
    for (size_t i = 0; i < result_length(locations); i++) {
        const struct result *l = result_at(locations, i), *frames = result_get(l, "frames");
        add_number(&w->message, LOCATION_ID, i + 1);
        add_number(&w->message, LOCATION_MAPPING_ID, count_of(result_get(l, "mapping")));
        add_number(&w->message, LOCATION_ADDRESS, count_of(result_get(l, "address")));
        for (size_t k = 0; k + 1 < result_length(frames); k += 2) {
            add_number(&w->part, LINE_FUNCTION_ID, count_of(result_at(frames, k)));
            add_number(&w->part, LINE_LINE, count_of(result_at(frames, k + 1)));
            add_message(&w->message, LOCATION_LINE, &w->part);
        }
        add_message(w->out, PROFILE_LOCATION, &w->message);
    }
}

static void add_samples(struct writer *w, const struct result *nodes, const struct result *samples)
{
    static const char *const values[] = {"allocations", "allocated_bytes", "live_blocks",
                                         "live_bytes"};
    const struct result *callers = result_get(nodes, "caller");
    const struct result *places = result_get(nodes, "location"),
                        *first = result_get(samples, "node");
    for (size_t i = 0; i < result_length(first); i++) {
        for (uint64_t node = count_of(result_at(first, i)); node;
             node = count_of(result_at(callers, node - 1)))
            add_varint(&w->part, count_of(result_at(places, node - 1)));
        add_message(&w->message, SAMPLE_LOCATION_ID, &w->part);
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
            add_varint(&w->part, count_of(result_at(result_get(samples, values[v]), i)));
        add_message(&w->message, SAMPLE_VALUE, &w->part);
        add_message(w->out, PROFILE_SAMPLE, &w->message);
    }
}

static void add_profile(struct writer *w, const struct report *report)
{
    const struct result *r = report->result;
    const struct result *complete =
        report->completeness ? result_get(report->completeness, "complete") : NULL;
    string_of(&w->strings, "");
    add_value_type(w, PROFILE_SAMPLE_TYPE, "alloc_objects", "count");
    add_value_type(w, PROFILE_SAMPLE_TYPE, "alloc_space", "bytes");
    add_value_type(w, PROFILE_SAMPLE_TYPE, "inuse_objects", "count");
    add_value_type(w, PROFILE_SAMPLE_TYPE, "inuse_space", "bytes");
    add_samples(w, result_get(r, "nodes"), result_get(r, "samples"));
    add_mappings(w, result_get(r, "mappings"));
    add_locations(w, result_get(r, "locations"));
    add_functions(w, result_get(r, "functions"));
    add_dropped(w, result_get(r, "functions"));
    add_number(w->out, PROFILE_TIME_NANOS, count_of(result_get(r, "start_ns")));
    add_number(w->out, PROFILE_DURATION_NANOS, count_of(result_get(r, "duration_ns")));
    add_value_type(w, PROFILE_PERIOD_TYPE, "space", "bytes");
    add_number(w->out, PROFILE_PERIOD, 1); /* every allocation is there */
    if (complete && !complete->u.boolean)
        add_number(w->out, PROFILE_COMMENT, string_of(&w->strings, "the recording is incomplete"));
    add_number(w->out, PROFILE_DEFAULT_SAMPLE_TYPE, string_of(&w->strings, "inuse_space"));
    for (size_t i = 0; i < w->strings.count; i++) { /* complete only now */
        utf8_add_visible(&w->message, w->strings.items[i], strlen(w->strings.items[i]));
        add_message(w->out, PROFILE_STRING_TABLE, &w->message);
    }
}

/* ------------------------------------------------------------------ the file */

#define GZIP 16 /* added to the window's bits: a gzip header, without a name and a time */

static void *take(void *arg, unsigned count, unsigned bytes)
{
    (void)arg;
    return mem_zalloc(count, bytes);
}

static void give_back(void *arg, void *p)
{
    (void)arg;
    free(p);
}

static void add_gzipped(struct strbuf *out, const struct strbuf *plain)
{
    unsigned char piece[65536];
    z_stream z = {.zalloc = take, .zfree = give_back}; /* so that nothing can fail */
    deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + GZIP, MAX_MEM_LEVEL,
                 Z_DEFAULT_STRATEGY);
    size_t taken = 0;
    int state = Z_OK;
    while (state != Z_STREAM_END) {
        if (!z.avail_in && taken < plain->length) {
            size_t rest = plain->length - taken, part = rest < 1u << 30 ? rest : 1u << 30;
            z.next_in = (unsigned char *)plain->text + taken;
            z.avail_in = (unsigned)part;
            taken += part;
        }
        z.next_out = piece;
        z.avail_out = sizeof piece;
        state = deflate(&z, taken == plain->length ? Z_FINISH : Z_NO_FLUSH);
        strbuf_add(out, (const char *)piece, sizeof piece - z.avail_out);
    }
    deflateEnd(&z);
}

void pprof_report(struct strbuf *out, const struct report *report)
{
    struct strbuf plain = {0};
    struct writer w = {.out = &plain};
    add_profile(&w, report);
    add_gzipped(out, &plain);
    strbuf_release(&plain);
    strbuf_release(&w.message);
    strbuf_release(&w.part);
    strbuf_release(&w.dropped);
    free(w.strings.items);
    free(w.strings.slots);
}
