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

static void add_module(struct unwind_tables *t, const struct trace_module *m)
{
    struct elf_file f;
    uint64_t address, bytes;
    if (m->path[0] != '/' || !m->build_id_bytes || elf_file_open(&f, m->path) != ELF_FILE_OK)
        return;
    if (elf_file_has_build_id(&f, m->build_id, m->build_id_bytes) &&
        elf_file_section(&f, ".eh_frame", &address, &bytes) && bytes < m->end - m->start)
        add(t, m->base + address, m->base + address + bytes);
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
