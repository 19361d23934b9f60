/* SPDX-License-Identifier: MIT */
#include "replay/unwind_tables.h"

#include "model/elf_file.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
#define TABLES_MAX 1024u /* each run of resident pages is held against all of them */

static void add(struct unwind_tables *t, uint64_t start, uint64_t end)
{
    start = (start + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    end &= ~(uint64_t)(PAGE - 1);
    if (start >= end || t->count == TABLES_MAX)
        return;
    for (size_t i = 0; i < t->count; i++) /* of what was loaded there before */
        if (start < t->tables[i].end && t->tables[i].start < end)
            return;
    MEM_GROW(t->tables, t->capacity, t->count + 1);
    t->tables[t->count++] = (struct unwind_table){start, end};
}

/* Rules and the search table for them, which linkers put side by side: as one range, for a page
 * that both have a part of. */
static void add_sections(struct unwind_tables *t, const struct trace_module *m,
                         const struct elf_file *f)
{
    uint64_t rules, rule_bytes, search, search_bytes;
    if (!elf_file_section(f, ".eh_frame", &rules, &rule_bytes) || rule_bytes >= m->end - m->start)
        return;
    uint64_t start = m->base + rules, end = start + rule_bytes;
    if (elf_file_section(f, ".eh_frame_hdr", &search, &search_bytes) &&
        search_bytes < m->end - m->start) {
        uint64_t its_start = m->base + search, its_end = its_start + search_bytes;
        if (its_end <= start && start - its_end < PAGE)
            start = its_start;
        else if (end <= its_start && its_start - end < PAGE)
            end = its_end;
        else
            add(t, its_start, its_end);
    }
    add(t, start, end);
}

static void add_module(struct unwind_tables *t, const struct trace_module *m)
{
    struct elf_file f;
    if (m->path[0] != '/' || !m->build_id_bytes || elf_file_open(&f, m->path) != ELF_FILE_OK)
        return;
    if (elf_file_has_build_id(&f, m->build_id, m->build_id_bytes))
        add_sections(t, m, &f);
    elf_file_release(&f);
}

void unwind_tables_init(struct unwind_tables *t, const struct trace_dict *dict)
{
    *t = (struct unwind_tables){0};
    for (size_t i = 0; i < dict->module_count && t->count < TABLES_MAX; i++)
        add_module(t, &dict->modules[i]);
}

void unwind_tables_release(struct unwind_tables *t)
{
    free(t->tables);
    *t = (struct unwind_tables){0};
}

uint64_t unwind_tables_bytes(const struct unwind_tables *t, uint64_t start, uint64_t end)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->count; i++) {
        uint64_t from = start > t->tables[i].start ? start : t->tables[i].start;
        uint64_t to = end < t->tables[i].end ? end : t->tables[i].end;
        sum += from < to ? to - from : 0;
    }
    return sum;
}
