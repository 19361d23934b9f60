/* SPDX-License-Identifier: MIT */
#include "cmd/dump_print.h"

#include "model/calls.h"
#include "model/graph_words.h"
#include "model/heap.h"
#include "report/json.h"
#include "trace/beside_read.h"
#include "util/human.h"
#include "util/utf8.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

static const char *op_name(enum trace_event_type type)
{
    switch (type) {
    case TRACE_ALLOC: return "alloc";
    case TRACE_FREE: return "free";
    case TRACE_REALLOC: return "realloc";
    case TRACE_REALLOC_OUT: return "realloc-out";
    case TRACE_REALLOC_IN: return "realloc-in";
    case TRACE_FAILED: return "failed";
    case TRACE_FREE_UNKNOWN: return "free-unknown";
    case TRACE_BESIDE: return "beside";
    case TRACE_GAP: return "gap";
    }
    return "unknown";
}

static const char *lost_name(uint64_t reason)
{
    switch (reason) {
    case SEEP_LOST_NESTED: return "inside a signal handler";
    case SEEP_LOST_STOPPED: return "after recording stopped";
    case SEEP_LOST_EARLY: return "before the recorder could start";
    case SEEP_LOST_NO_LANE: return "for want of memory for the thread";
    case SEEP_LOST_FULL: return "while the spool was full";
    default: return "for an unknown reason";
    }
}

/* ------------------------------------------------------------------ digits */

static size_t decimal(char *end, uint64_t value)
{
    char *p = end;
    do
        *--p = (char)('0' + value % 10);
    while (value /= 10);
    return (size_t)(end - p);
}

static size_t hexadecimal(char *end, uint64_t value)
{
    char *p = end;
    do
        *--p = "0123456789abcdef"[value & 15];
    while (value >>= 4);
    *--p = 'x';
    *--p = '0';
    return (size_t)(end - p);
}

/* Right-aligned in `width` columns, and a space in front. */
static void add_cell(struct strbuf *out, char *end, size_t length, size_t width)
{
    char *p = end - length;
    while (length < width) {
        *--p = ' ';
        length++;
    }
    *--p = ' ';
    strbuf_add(out, p, length + 1);
}

static void add_number(struct strbuf *out, uint64_t value, size_t width)
{
    char digits[48];
    char *end = digits + sizeof digits;
    add_cell(out, end, decimal(end, value), width);
}

static void add_address(struct strbuf *out, uint64_t value, size_t width)
{
    char digits[48];
    char *end = digits + sizeof digits;
    add_cell(out, end, hexadecimal(end, value), width);
}

/* Seconds with six places. */
static void add_time(struct strbuf *out, uint64_t ns, size_t width)
{
    char digits[48];
    char *end = digits + sizeof digits;
    uint64_t us = ns / 1000;
    size_t length = decimal(end, us % 1000000 + 1000000); /* a 1 in front keeps the zeros */
    char *point = end - length;
    *point = '.';
    length += decimal(point, us / 1000000);
    add_cell(out, end, length, width);
}

static void add_word(struct strbuf *out, const char *word, size_t width)
{
    size_t length = strlen(word);
    strbuf_addc(out, ' ');
    strbuf_add(out, word, length);
    if (length < width)
        strbuf_add(out, "                        ", width - length < 24 ? width - length : 24);
}

/* ------------------------------------------------------------------ what an event is about */

/* The block as a line shows it: the new one where there is one. */
static const struct trace_block *block_of(const struct trace_event *ev)
{
    switch (ev->type) {
    case TRACE_ALLOC:
    case TRACE_REALLOC:
    case TRACE_REALLOC_IN: return &ev->after;
    case TRACE_FREE:
    case TRACE_REALLOC_OUT: return &ev->before;
    default: return NULL;
    }
}

static bool is_realloc(const struct trace_event *ev)
{
    return ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
}

/* ------------------------------------------------------------------ stacks */

/* `key` is the array's name in JSON. */
static void print_stack(struct dump_printer *p, uint32_t stack, const char *key)
{
    struct strbuf *out = &p->out;
    bool first = true;
    if (p->json)
        strbuf_addf(out, ",\"%s\":[", key);
    while (stack > 0 && stack <= p->dict->stack_count &&
           !(p->dict->stacks[stack].flags & SEEP_ROW_ROOT)) {
        const struct symbol_address *address = symbols_of_node(p->symbols, stack);
        for (uint32_t i = 0; i < address->count; i++) {
            const struct symbol_frame *f = &address->frames[i];
            if (p->json) {
                strbuf_addf(out, "%s{\"function\":", first ? "" : ",");
                json_add_text(out, f->function, strlen(f->function));
                if (f->file) {
                    strbuf_adds(out, ",\"file\":");
                    json_add_text(out, f->file, strlen(f->file));
                    strbuf_addf(out, ",\"line\":%u", f->line);
                }
                if (f->module) {
                    strbuf_adds(out, ",\"module\":");
                    json_add_text(out, f->module, strlen(f->module));
                }
                strbuf_addf(out, ",\"address\":\"0x%" PRIx64 "\",\"inlined\":%s}",
                            p->dict->stacks[stack].pc, f->inlined ? "true" : "false");
            } else {
                strbuf_adds(out, "             ");
                utf8_add_visible(out, f->function, strlen(f->function));
                const char *place = f->file ? f->file : f->named ? f->module : NULL;
                if (place) {
                    strbuf_adds(out, "  ");
                    utf8_add_visible(out, place, strlen(place));
                }
                if (f->file && f->line)
                    strbuf_addf(out, ":%u", f->line);
                strbuf_adds(out, f->inlined ? "  inlined\n" : "\n");
            }
            first = false;
        }
        stack = p->dict->stacks[stack].parent;
    }
    if (p->json)
        strbuf_addc(out, ']');
}

/* ------------------------------------------------------------------ text */

void dump_print_head(struct dump_printer *p)
{
    if (!p->json)
        strbuf_adds(&p->out,
                    "#    event         time thread op             slot             address"
                    "       size     usable call            stack\n");
}

static void text_start(struct strbuf *out, const struct trace_event *ev, const char *op)
{
    if (ev->type == TRACE_BESIDE || ev->type == TRACE_GAP)
        strbuf_adds(out, "          -");
    else
        add_number(out, ev->number, 10);
    add_time(out, ev->time_ns, 12);
    add_number(out, ev->thread, 6);
    add_word(out, op, 12);
}

static void text_flags(struct dump_printer *p, const struct trace_event *ev,
                       const struct trace_block *block)
{
    struct strbuf *out = &p->out;
    if (block && block->alignment)
        strbuf_addf(out, " align=%u", block->alignment);
    if (is_realloc(ev))
        strbuf_addf(out, " was=0x%" PRIx64 "/%" PRIu64, ev->before.address, ev->before.size);
    if (ev->link)
        strbuf_addf(out, " link=%u", ev->link);
    if (ev->flags & TRACE_INHERITED)
        strbuf_adds(out, " inherited");
    const struct maker *maker = block ? makers_of(&p->makers, block) : NULL;
    if (maker)
        strbuf_addf(out, ", made %s before by tid %u", human_ns(maker->age_ns).text, maker->tid);
    if (ev->flags & TRACE_REPAIRED)
        strbuf_adds(out, " repaired");
    if (ev->flags & TRACE_IMPLIED)
        strbuf_adds(out, " implied");
    if (heap_mismatch(ev))
        strbuf_addf(out, " mismatched made-by=%s", call_name(ev->before.call));
}

static void text_event(struct dump_printer *p, const struct trace_event *ev)
{
    struct strbuf *out = &p->out;
    text_start(out, ev, op_name(ev->type));
    if (ev->type == TRACE_GAP) {
        strbuf_addf(out, " %s events lost in a damaged part\n",
                    ev->lost_events ? human_count(ev->lost_events).text : "unknown");
        return;
    }
    const struct trace_block *block = block_of(ev);
    if (block)
        add_number(out, ev->slot, 6);
    else
        strbuf_adds(out, "      -");
    add_address(out, block ? block->address : ev->address, 19);
    add_number(out, block ? block->size : ev->failed_size, 10);
    if (block)
        add_number(out, block->usable, 10);
    else
        strbuf_adds(out, "          -");
    add_word(out, call_name(ev->call), 14);
    if (ev->stack)
        add_number(out, ev->stack, 6);
    else
        strbuf_adds(out, "      -");
    text_flags(p, ev, block);
    strbuf_addc(out, '\n');
    if (p->symbols && ev->stack)
        print_stack(p, ev->stack, NULL);
    if (p->symbols && heap_mismatch(ev)) {
        strbuf_adds(out, "           made at\n");
        print_stack(p, ev->before.stack, NULL);
    }
}

static void add_visible(struct strbuf *out, const struct beside_text *text)
{
    utf8_add_visible(out, text->bytes ? text->bytes : "", text->length);
}

static const char *map_call_name(uint64_t call)
{
    return call == SEEP_MAP_MMAP ? "mmap" : call == SEEP_MAP_MUNMAP ? "munmap" : "mremap";
}

static void text_map_call(struct strbuf *out, const struct beside_view *v)
{
    strbuf_addf(out, " %s 0x%" PRIx64 " %s", map_call_name(v->map_call), v->address,
                human_bytes(v->bytes).text);
    if (v->map_call == SEEP_MAP_MREMAP)
        strbuf_addf(out, " to 0x%" PRIx64 " %s", v->new_address, human_bytes(v->new_bytes).text);
    if (v->by_allocator)
        strbuf_adds(out, " by the allocator");
}

static void text_graph(struct strbuf *out, const struct beside_view *v)
{
    strbuf_addf(out, " heap graph %" PRIu64 " %s: ", v->number, graph_trigger_words(v->trigger));
    if (v->state != SEEP_GRAPH_TAKEN) {
        strbuf_addf(out, "none, %s", graph_state_words(v->state));
        return;
    }
    strbuf_addf(out, "%" PRIu64 " other %s held for %s, the fork took %s", v->stopped_threads,
                v->stopped_threads == 1 ? "thread" : "threads", human_ns(v->held_ns).text,
                human_ns(v->fork_ns).text);
    if (v->missed_threads)
        strbuf_addf(out, "; %" PRIu64 " did not stop in time", v->missed_threads);
}

static void text_beside(struct strbuf *out, const struct beside_view *v)
{
    if (v->process)
        strbuf_addf(out, " process %" PRIu64, v->process);
    switch (v->kind) {
    case SEEP_BESIDE_THREAD_START:
        strbuf_addf(out, " thread %" PRIu64 " begins: tid %" PRIu64 " ", v->thread, v->tid);
        add_visible(out, &v->text);
        break;
    case SEEP_BESIDE_THREAD_END: strbuf_addf(out, " thread %" PRIu64 " ends", v->thread); break;
    case SEEP_BESIDE_THREAD_NAME:
        strbuf_addf(out, " thread %" PRIu64 " is called ", v->thread);
        add_visible(out, &v->text);
        break;
    case SEEP_BESIDE_MARK:
        strbuf_adds(out, " mark ");
        add_visible(out, &v->text);
        break;
    case SEEP_BESIDE_MODULE:
        strbuf_addf(out, " module 0x%" PRIx64 "-0x%" PRIx64 " generation %" PRIu64 " ", v->start,
                    v->end, v->generation);
        add_visible(out, &v->text);
        break;
    case SEEP_BESIDE_UNLOAD:
        strbuf_addf(out, " module at 0x%" PRIx64 " is gone: generation %" PRIu64, v->start,
                    v->generation);
        break;
    case SEEP_BESIDE_MEMORY:
        strbuf_addf(out, " memory: RSS %s, its peak %s",
                    human_bytes(v->memory[SEEP_MEMORY_RSS]).text,
                    human_bytes(v->memory[SEEP_MEMORY_PEAK_RSS]).text);
        break;
    case SEEP_BESIDE_MAPPINGS:
        strbuf_addf(out, " mappings: %" PRIu64 " of %s, %s of them private and resident",
                    v->mapping_count, human_bytes(v->mapped_bytes).text,
                    human_bytes(v->residency_bytes[SEEP_PAGE_RESIDENT]).text);
        break;
    case SEEP_BESIDE_LOST:
        strbuf_addf(out, " %s events lost %s", human_count(v->count).text, lost_name(v->reason));
        break;
    case SEEP_BESIDE_EXIT:
        if (WIFSIGNALED((int)v->wait_status))
            strbuf_addf(out, " killed by signal %d", WTERMSIG((int)v->wait_status));
        else
            strbuf_addf(out, " exited with status %d", WEXITSTATUS((int)v->wait_status));
        break;
    case SEEP_BESIDE_RECORDER:
        strbuf_addf(out, " the recorder holds %s", human_bytes(v->bytes).text);
        break;
    case SEEP_BESIDE_INHERITED:
        strbuf_addf(out, " when %s inherited blocks were made", human_count(v->count).text);
        break;
    case SEEP_BESIDE_PROCESS_END: strbuf_adds(out, " ends"); break;
    case SEEP_BESIDE_MAP_CALL: text_map_call(out, v); break;
    case SEEP_BESIDE_GRAPH: text_graph(out, v); break;
    case SEEP_BESIDE_IGNORE:
        strbuf_addf(out, " the block at 0x%" PRIx64 " is on purpose", v->address);
        break;
    case SEEP_BESIDE_IGNORE_THREAD:
        strbuf_addf(out, " what thread %" PRIu64 " makes is on purpose%s", v->thread,
                    v->on ? "" : " no more");
        break;
    case SEEP_BESIDE_SUPPRESSIONS:
        strbuf_addf(out, " %s of suppressions", human_bytes(v->text.length).text);
        break;
    case SEEP_BESIDE_OWN_MEMORY:
        strbuf_addf(out, " the recorder's own memory: %s in %s ranges", human_bytes(v->bytes).text,
                    human_count(v->count).text);
        break;
    case SEEP_BESIDE_THREAD_STACK:
        strbuf_addf(out, " thread %" PRIu64 " has its stack around 0x%" PRIx64, v->thread,
                    v->address);
        break;
    default: break;
    }
}

/* ------------------------------------------------------------------ JSON */

static void json_number(struct strbuf *out, const char *key, uint64_t value)
{
    char digits[24];
    char *end = digits + sizeof digits;
    size_t length = decimal(end, value);
    strbuf_adds(out, key);
    strbuf_add(out, end - length, length);
}

static void json_address(struct strbuf *out, const char *key, uint64_t value)
{
    char digits[24];
    char *end = digits + sizeof digits;
    size_t length = hexadecimal(end, value);
    strbuf_adds(out, key);
    strbuf_add(out, end - length, length);
    strbuf_addc(out, '"');
}

static void json_start(struct dump_printer *p, const struct trace_event *ev, const char *op)
{
    struct strbuf *out = &p->out;
    uint32_t process = trace_dict_process_of(p->dict, ev->thread);
    if (ev->type == TRACE_BESIDE || ev->type == TRACE_GAP)
        json_number(out, "{\"time_ns\":", ev->time_ns);
    else {
        json_number(out, "{\"number\":", ev->number);
        json_number(out, ",\"time_ns\":", ev->time_ns);
    }
    json_number(out, ",\"thread\":", ev->thread);
    if (process)
        json_number(out, ",\"process\":", process);
    strbuf_adds(out, ",\"op\":\"");
    strbuf_adds(out, op);
    strbuf_addc(out, '"');
}

static void json_block(struct strbuf *out, const struct trace_event *ev,
                       const struct trace_block *block)
{
    json_number(out, ",\"slot\":", ev->slot);
    json_address(out, ",\"address\":\"", block->address);
    json_number(out, ",\"size\":", block->size);
    json_number(out, ",\"usable\":", block->usable);
    if (block->alignment)
        json_number(out, ",\"alignment\":", block->alignment);
    if (is_realloc(ev)) {
        json_address(out, ",\"old_address\":\"", ev->before.address);
        json_number(out, ",\"old_size\":", ev->before.size);
    }
}

static void json_event(struct dump_printer *p, const struct trace_event *ev)
{
    struct strbuf *out = &p->out;
    const struct trace_block *block = block_of(ev);
    json_start(p, ev, op_name(ev->type));
    if (ev->type == TRACE_GAP) {
        json_number(out, ",\"lost_events\":", ev->lost_events);
        strbuf_adds(out, "}\n");
        return;
    }
    if (block) {
        json_block(out, ev, block);
    } else {
        json_address(out, ",\"address\":\"", ev->address);
        if (ev->type == TRACE_FAILED)
            json_number(out, ",\"size\":", ev->failed_size);
    }
    strbuf_adds(out, ",\"call\":\"");
    strbuf_adds(out, call_name(ev->call));
    strbuf_addc(out, '"');
    json_number(out, ",\"stack\":", ev->stack);
    if (ev->link)
        json_number(out, ",\"link\":", ev->link);
    if (ev->flags & TRACE_INHERITED)
        strbuf_adds(out, ",\"inherited\":true");
    const struct maker *maker = block ? makers_of(&p->makers, block) : NULL;
    if (maker) {
        json_number(out, ",\"age_ns\":", maker->age_ns);
        json_number(out, ",\"tid\":", maker->tid);
    }
    if (ev->flags & TRACE_REPAIRED)
        strbuf_adds(out, ",\"repaired\":true");
    if (ev->flags & TRACE_IMPLIED)
        strbuf_adds(out, ",\"implied\":true");
    if (p->symbols)
        print_stack(p, ev->stack, "frames");
    if (heap_mismatch(ev)) {
        strbuf_addf(out, ",\"mismatched\":true,\"made_by\":\"%s\"", call_name(ev->before.call));
        json_number(out, ",\"made_stack\":", ev->before.stack);
        if (p->symbols)
            print_stack(p, ev->before.stack, "made_frames");
    }
    strbuf_adds(out, "}\n");
}

static void json_text(struct strbuf *out, const char *key, const struct beside_text *text)
{
    strbuf_adds(out, key);
    json_add_text(out, text->bytes ? text->bytes : "", text->length);
}

static void json_memory(struct strbuf *out, const struct beside_view *v)
{
    static const char *const names[SEEP_MEMORY_COUNT] = {
        [SEEP_MEMORY_RSS] = "rss_bytes",
        [SEEP_MEMORY_PEAK_RSS] = "peak_rss_bytes",
        [SEEP_MEMORY_RSS_ANON] = "rss_anon_bytes",
        [SEEP_MEMORY_RSS_FILE] = "rss_file_bytes",
        [SEEP_MEMORY_RSS_SHMEM] = "rss_shmem_bytes",
        [SEEP_MEMORY_SWAP] = "swap_bytes",
        [SEEP_MEMORY_PAGE_TABLES] = "page_tables_bytes",
        [SEEP_MEMORY_VIRTUAL] = "virtual_bytes",
    };
    for (size_t i = 0; i < v->memory_count; i++)
        strbuf_addf(out, ",\"%s\":%" PRIu64, names[i], v->memory[i]);
}

static void json_map_call(struct strbuf *out, const struct beside_view *v)
{
    strbuf_addf(out, ",\"call\":\"%s\"", map_call_name(v->map_call));
    json_address(out, ",\"address\":\"", v->address);
    json_number(out, ",\"bytes\":", v->bytes);
    if (v->map_call == SEEP_MAP_MREMAP) {
        json_address(out, ",\"new_address\":\"", v->new_address);
        json_number(out, ",\"new_bytes\":", v->new_bytes);
    }
    strbuf_addf(out, ",\"allocator\":%s", v->by_allocator ? "true" : "false");
}

static void json_graph(struct strbuf *out, const struct beside_view *v)
{
    json_number(out, ",\"snapshot\":", v->number);
    strbuf_addf(out, ",\"trigger\":\"%s\"", graph_trigger_name(v->trigger));
    if (v->state != SEEP_GRAPH_TAKEN)
        strbuf_addf(out, ",\"missing\":\"%s\"", graph_state_words(v->state));
    json_number(out, ",\"stopped_threads\":", v->stopped_threads);
    json_number(out, ",\"missed_threads\":", v->missed_threads);
    json_number(out, ",\"held_ns\":", v->held_ns);
    json_number(out, ",\"fork_ns\":", v->fork_ns);
}

static void json_build_id(struct strbuf *out, const struct beside_view *v)
{
    strbuf_adds(out, ",\"build_id\":\"");
    for (size_t i = 0; i < v->build_id_bytes; i++)
        strbuf_addf(out, "%02x", v->build_id[i]);
    strbuf_addc(out, '"');
}

static void json_beside(struct strbuf *out, const struct beside_view *v)
{
    if (v->process)
        json_number(out, ",\"process\":", v->process);
    switch (v->kind) {
    case SEEP_BESIDE_THREAD_START:
        json_number(out, ",\"about\":", v->thread);
        json_number(out, ",\"tid\":", v->tid);
        json_text(out, ",\"name\":", &v->text);
        break;
    case SEEP_BESIDE_THREAD_END: json_number(out, ",\"about\":", v->thread); break;
    case SEEP_BESIDE_THREAD_NAME:
        json_number(out, ",\"about\":", v->thread);
        json_text(out, ",\"name\":", &v->text);
        break;
    case SEEP_BESIDE_MARK: json_text(out, ",\"name\":", &v->text); break;
    case SEEP_BESIDE_MODULE:
        json_number(out, ",\"generation\":", v->generation);
        json_address(out, ",\"base\":\"", v->base);
        json_address(out, ",\"start\":\"", v->start);
        json_address(out, ",\"end\":\"", v->end);
        json_text(out, ",\"path\":", &v->text);
        json_build_id(out, v);
        break;
    case SEEP_BESIDE_UNLOAD:
        json_number(out, ",\"generation\":", v->generation);
        json_address(out, ",\"start\":\"", v->start);
        break;
    case SEEP_BESIDE_MEMORY: json_memory(out, v); break;
    case SEEP_BESIDE_MAPPINGS:
        json_number(out, ",\"mappings\":", v->mapping_count);
        json_number(out, ",\"mapped_bytes\":", v->mapped_bytes);
        json_number(out, ",\"resident_bytes\":", v->residency_bytes[SEEP_PAGE_RESIDENT]);
        json_number(out, ",\"swapped_bytes\":", v->residency_bytes[SEEP_PAGE_SWAPPED]);
        json_number(out, ",\"file_bytes\":", v->residency_bytes[SEEP_PAGE_FILE]);
        break;
    case SEEP_BESIDE_LOST:
        json_number(out, ",\"lost_events\":", v->count);
        strbuf_addf(out, ",\"reason\":\"%s\"", lost_name(v->reason));
        break;
    case SEEP_BESIDE_EXIT: strbuf_addf(out, ",\"wait_status\":%" PRId64, v->wait_status); break;
    case SEEP_BESIDE_RECORDER: json_number(out, ",\"recorder_bytes\":", v->bytes); break;
    case SEEP_BESIDE_INHERITED: json_number(out, ",\"blocks\":", v->count); break;
    case SEEP_BESIDE_MAP_CALL: json_map_call(out, v); break;
    case SEEP_BESIDE_GRAPH: json_graph(out, v); break;
    case SEEP_BESIDE_IGNORE: json_address(out, ",\"address\":\"", v->address); break;
    case SEEP_BESIDE_IGNORE_THREAD:
        json_number(out, ",\"about\":", v->thread);
        strbuf_addf(out, ",\"on\":%s", v->on ? "true" : "false");
        break;
    case SEEP_BESIDE_SUPPRESSIONS: json_text(out, ",\"text\":", &v->text); break;
    case SEEP_BESIDE_OWN_MEMORY:
        json_number(out, ",\"ranges\":", v->count);
        json_number(out, ",\"bytes\":", v->bytes);
        break;
    case SEEP_BESIDE_THREAD_STACK:
        json_number(out, ",\"about\":", v->thread);
        json_address(out, ",\"address\":\"", v->address);
        json_address(out, ",\"thread_pointer\":\"", v->thread_pointer);
        break;
    default: break;
    }
}

/* ------------------------------------------------------------------ both */

static const char *beside_name(enum seep_beside kind)
{
    switch (kind) {
    case SEEP_BESIDE_THREAD_START: return "thread-start";
    case SEEP_BESIDE_THREAD_END: return "thread-end";
    case SEEP_BESIDE_THREAD_NAME: return "thread-name";
    case SEEP_BESIDE_MARK: return "mark";
    case SEEP_BESIDE_MODULE: return "module";
    case SEEP_BESIDE_UNLOAD: return "unload";
    case SEEP_BESIDE_MEMORY: return "memory";
    case SEEP_BESIDE_MAPPINGS: return "mappings";
    case SEEP_BESIDE_LOST: return "lost";
    case SEEP_BESIDE_EXIT: return "exit";
    case SEEP_BESIDE_RECORDER: return "recorder";
    case SEEP_BESIDE_INHERITED: return "inherited";
    case SEEP_BESIDE_PROCESS_END: return "process-end";
    case SEEP_BESIDE_MAP_CALL: return "map-call";
    case SEEP_BESIDE_GRAPH: return "graph";
    case SEEP_BESIDE_IGNORE: return "ignore";
    case SEEP_BESIDE_IGNORE_THREAD: return "ignore-thread";
    case SEEP_BESIDE_SUPPRESSIONS: return "suppressions";
    case SEEP_BESIDE_OWN_MEMORY: return "own-memory";
    case SEEP_BESIDE_THREAD_STACK: return "thread-stack";
    default: return "beside";
    }
}

static void print_beside(struct dump_printer *p, const struct trace_event *ev)
{
    struct strbuf *out = &p->out;
    struct beside_view view;
    bool known = beside_read(&view, &ev->beside);
    const char *name = beside_name(view.kind);
    if (p->json) {
        json_start(p, ev, name);
        if (known) {
            json_beside(out, &view);
        } else {
            json_number(out, ",\"kind\":", ev->beside.kind);
            json_number(out, ",\"bytes\":", ev->beside.length);
        }
        strbuf_adds(out, "}\n");
        return;
    }
    text_start(out, ev, "*");
    if (known)
        text_beside(out, &view);
    else
        strbuf_addf(out, " %s: kind %d, %zu bytes", name, (int)ev->beside.kind, ev->beside.length);
    strbuf_addc(out, '\n');
}

void dump_print_event(struct dump_printer *p, const struct trace_event *ev)
{
    if (ev->type == TRACE_BESIDE) {
        makers_take(&p->makers, &ev->beside);
        print_beside(p, ev);
    } else if (p->json)
        json_event(p, ev);
    else
        text_event(p, ev);
}
