/* SPDX-License-Identifier: MIT */
#include "analysis/site_frames.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

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

void site_frames_add(struct result *site, uint32_t stack, unsigned depth,
                     struct site_frames *frames)
{
    const struct trace_stack_node *nodes = frames->dict->stacks;
    struct result *list = result_array(site, "frames");
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
