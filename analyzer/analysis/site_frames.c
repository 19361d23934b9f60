/* SPDX-License-Identifier: MIT */
#include "analysis/site_frames.h"

#include "model/wrappers.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define CALLERS 4 /* frames shown from the one on that asked for the memory, at least */

static void add_frame(struct result *frames, const struct symbol_frame *f, uint64_t pc,
                      uint8_t flags, enum symbol_suspicion suspicion)
{
    struct result *r = result_object(frames, NULL);
    result_text(r, "function", f->function);
    result_text(r, "symbol", f->symbol && strcmp(f->symbol, f->function) != 0 ? f->symbol : NULL);
    result_text(r, "file", f->file);
    if (f->line)
        result_integer(r, "line", f->line);
    else
        result_null(r, "line");
    result_text(r, "module", f->module);
    result_address(r, "address", pc);
    result_bool(r, "inlined", f->inlined);
    result_bool(r, "suspect", suspicion == SYMBOL_SUSPECT);
    result_bool(r, "guessed", flags & SEEP_ROW_GUESSED);
    result_bool(r, "named", f->named);
}

void site_frames_init(struct site_frames *f, const struct trace_dict *dict, struct symbols *symbols)
{
    f->dict = dict;
    f->symbols = symbols;
    f->holder = result_new_object();
    f->of_node = mem_zalloc((size_t)dict->stack_count + 1, sizeof(struct result *));
}

void site_frames_release(struct site_frames *f)
{
    result_free(f->holder);
    free(f->of_node);
}

static struct result *frames_of_node(struct site_frames *f, uint32_t node)
{
    if (!f->of_node[node]) {
        const struct trace_stack_node *n = &f->dict->stacks[node];
        const struct symbol_address *a = symbols_of_node(f->symbols, node);
        f->of_node[node] = result_array(f->holder, "");
        for (uint32_t i = 0; i < a->count; i++)
            add_frame(f->of_node[node], &a->frames[i], n->pc, n->flags, a->suspicion);
    }
    return f->of_node[node];
}

/* `depth`, or as much more as shows the frame that asked for the memory, and who called it. */
static size_t depth_to_caller(const struct site_frames *f, uint32_t stack, size_t depth)
{
    const struct trace_stack_node *nodes = f->dict->stacks;
    const struct symbol_frame *caller = wrapper_caller(f->dict, f->symbols, stack);
    size_t at = 0;
    for (uint32_t node = stack; caller && node && !(nodes[node].flags & SEEP_ROW_ROOT);
         node = nodes[node].parent) {
        const struct symbol_address *a = symbols_of_node(f->symbols, node);
        if (caller >= a->frames && caller < a->frames + a->count) {
            at += (size_t)(caller - a->frames) + (depth > CALLERS ? CALLERS : depth);
            return at > depth ? at : depth;
        }
        at += a->count;
    }
    return depth;
}

void site_frames_add(struct result *site, uint32_t stack, unsigned least,
                     struct site_frames *frames)
{
    const struct trace_stack_node *nodes = frames->dict->stacks;
    struct result *list = result_array(site, "frames");
    size_t depth = least ? depth_to_caller(frames, stack, least) : 0;
    uint64_t hidden = 0;
    bool cut = false;
    for (uint32_t node = stack; node; node = nodes[node].parent) {
        if (nodes[node].flags & SEEP_ROW_ROOT) {
            cut = nodes[node].flags & SEEP_ROW_CUT;
            break;
        }
        if (depth && result_length(list) >= depth) {
            hidden++; /* not named, only counted */
            continue;
        }
        struct result *here = frames_of_node(frames, node);
        for (size_t i = 0; i < here->u.children.count; i++) {
            if (depth && result_length(list) >= depth)
                hidden++;
            else
                result_share(list, here->u.children.items[i]);
        }
    }
    result_bool(site, "cut", cut);
    result_count(site, "hidden_frames", hidden);
}

void site_frames_add_return(struct result *site, uint64_t pc, uint64_t time_ns,
                            struct site_frames *frames)
{
    const struct symbol_address *a = symbols_of_return(frames->symbols, pc, time_ns);
    struct result *list = result_array(site, "frames");
    for (uint32_t i = 0; i < a->count; i++)
        add_frame(list, &a->frames[i], pc, 0, a->suspicion);
    result_bool(site, "cut", false);
    result_count(site, "hidden_frames", 0);
}
