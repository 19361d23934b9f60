/* SPDX-License-Identifier: MIT */
#include "model/code_file.h"

#include "util/strbuf.h"

#include <stdio.h>
#include <string.h>

void code_file_init(struct code_file *f, const struct trace_module *module, struct text_pool *pool)
{
    memset(f, 0, sizeof *f);
    f->module = module;
    f->pool = pool;
    f->path = text_pool_add(pool, module->path);
    const char *slash = strrchr(f->path, '/');
    f->name = slash && slash[1] ? slash + 1 : f->path;
}

void code_file_release(struct code_file *f)
{
    call_proof_free(f->proof);
    debug_info_free(f->info);
    symbol_table_release(&f->table);
    symbol_table_release(&f->dynamic);
    symbol_table_release(&f->data);
    symbol_table_release(&f->dynamic_data);
    debug_variables_free(f->variables);
    elf_file_release(&f->debug);
    elf_file_release(&f->elf);
    memset(f, 0, sizeof *f);
}

/* Absolute, and within a sysroot without a way up, which might lead out of it. A program that finds
 * its libraries beside itself has such paths: /usr/lib/jvm/x/bin/../lib/libjli.so. */
static bool may_open(const char *path, const char *sysroot)
{
    if (path[0] != '/')
        return false;
    if (!*sysroot)
        return true;
    for (const char *part = path; part; part = strchr(part + 1, '/'))
        if (strncmp(part, "/..", 3) == 0 && (part[3] == '/' || part[3] == '\0'))
            return false;
    return true;
}

static bool same_segments(const struct elf_file *f, const struct trace_module *m)
{
    if (f->segment_count != m->segment_count)
        return false;
    for (size_t i = 0; i < f->segment_count; i++) {
        const struct trace_segment *a = &f->segments[i], *b = &m->segments[i];
        if (a->address != b->address || a->bytes != b->bytes || a->file_offset != b->file_offset ||
            a->flags != b->flags)
            return false;
    }
    return true;
}

/* Returns NULL, or what is wrong with the file. Without a build ID the program headers decide. */
static const char *check(const struct elf_file *f, const struct trace_module *m)
{
    if (m->build_id_bytes > 0 || f->build_id)
        return elf_file_has_build_id(f, m->build_id, m->build_id_bytes)
                   ? NULL
                   : "the file here is another build (its build ID differs)";
    return same_segments(f, m) ? NULL : "the file here is another build (its segments differ)";
}

static void open_file(struct code_file *f, const struct debug_search *search)
{
    const struct trace_module *m = f->module;
    enum elf_file_status status = ELF_FILE_MISSING;
    f->opened = true;
    if (strcmp(m->path, "[vdso]") == 0) {
        status = elf_file_open_vdso(&f->elf);
    } else if (may_open(m->path, search->sysroot)) {
        struct strbuf path = {0};
        strbuf_addf(&path, "%s%s", search->sysroot, m->path);
        status = elf_file_open(&f->elf, path.text);
        strbuf_release(&path);
    }
    if (status != ELF_FILE_OK) {
        f->problem = status == ELF_FILE_MISSING ? "not found on this machine"
                                                : "not a readable ELF file on this machine";
        return;
    }
    f->problem = check(&f->elf, m);
    if (f->problem) {
        elf_file_release(&f->elf);
        return;
    }

    const struct elf_file *debug = &f->elf;
    f->info = debug_info_new(&f->elf, f->elf.code_low, f->elf.code_high, search, f->pool);
    if (f->info == NULL && debug_search_open(search, &f->elf, &f->debug)) {
        debug = &f->debug;
        f->info = debug_info_new(debug, f->elf.code_low, f->elf.code_high, search, f->pool);
    }
    if (f->info && debug_info_incomplete(f->info))
        f->problem = "its debug information refers to a file that was not found; some names are "
                     "missing";
    if (!symbol_table_init(&f->table, &f->elf, false) && debug != &f->elf)
        symbol_table_init(&f->table, debug, false);
    symbol_table_init(&f->dynamic, &f->elf, true);
    f->proof = call_proof_new(&f->elf, f->table.elf ? &f->table : &f->dynamic);
}

static const char *symbol_at(const struct code_file *f, uint64_t address)
{
    uint64_t start, end;
    const char *name = NULL;
    if (f->table.elf)
        name = symbol_table_find(&f->table, address, &start, &end);
    if (name == NULL && f->dynamic.elf)
        name = symbol_table_find(&f->dynamic, address, &start, &end);
    return name;
}

/* A name that is a symbol says more than the bare source name some debug information has. */
static bool is_mangled(const char *name)
{
    return name && name[0] == '_' && (name[1] == 'Z' || name[1] == 'R');
}

static uint32_t name_frames(struct code_file *f, uint64_t place, struct symbol_frame *frames)
{
    struct debug_frame found[DEBUG_FRAME_LIMIT];
    uint32_t count = f->info ? (uint32_t)debug_info_find(f->info, place, found) : 0;
    if (count == 0) {
        found[0] = (struct debug_frame){0};
        count = 1;
    }
    struct debug_frame *outer = &found[count - 1];
    if (!outer->linkage) {
        const char *symbol = symbol_at(f, place);
        if (symbol && (outer->function == NULL || is_mangled(symbol))) {
            outer->function = text_pool_demangled(f->pool, symbol);
            outer->linkage = text_pool_add(f->pool, symbol);
        }
    }
    for (uint32_t i = 0; i < count; i++)
        frames[i] = (struct symbol_frame){
            .function = found[i].function,
            .symbol = found[i].linkage,
            .file = found[i].file,
            .line = found[i].line,
            .module = f->path,
            .inlined = i + 1 < count,
            .named = found[i].function != NULL,
        };
    return count;
}

uint32_t code_file_resolve(struct code_file *f, uint64_t address, bool exact,
                           const struct debug_search *search, struct symbol_frame *frames,
                           enum symbol_suspicion *suspicion)
{
    if (!f->opened)
        open_file(f, search);
    *suspicion = exact ? SYMBOL_PROVED : SYMBOL_UNPROVABLE;
    uint64_t place = exact ? address : address - 1; /* within the call that returns there */
    uint32_t count = 1;
    frames[0] = (struct symbol_frame){.module = f->path};
    if (f->elf.elf) {
        if (!exact) {
            switch (call_proof_check(f->proof, address)) {
            case CALL_FOUND: *suspicion = SYMBOL_PROVED; break;
            case CALL_BY_HAND:
                *suspicion = SYMBOL_PROVED;
                place = address;
                break;
            case CALL_NONE: *suspicion = SYMBOL_SUSPECT; break;
            case CALL_UNKNOWN: break;
            }
        }
        count = name_frames(f, place, frames);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (frames[i].function)
            continue;
        struct strbuf text = {0};
        strbuf_addf(&text, "%s+0x%llx", f->name, (unsigned long long)address);
        frames[i].function = text_pool_add(f->pool, text.text);
        strbuf_release(&text);
    }
    return count;
}

static void open_data(struct code_file *f)
{
    const struct elf_file *debug = f->debug.elf ? &f->debug : &f->elf;
    f->data_opened = true;
    if (!symbol_table_init_data(&f->data, &f->elf, false) && debug != &f->elf)
        symbol_table_init_data(&f->data, debug, false);
    symbol_table_init_data(&f->dynamic_data, &f->elf, true);
    if (f->info)
        f->variables = debug_variables_new(debug);
}

bool code_file_variable(struct code_file *f, uint64_t address, const struct debug_search *search,
                        struct symbol_data *out)
{
    uint64_t start = address, end;
    const char *name = NULL;
    *out = (struct symbol_data){.module = f->path};
    if (!f->opened)
        open_file(f, search);
    if (!f->elf.elf)
        return false;
    if (!f->data_opened)
        open_data(f);
    if (f->data.elf)
        name = symbol_table_find(&f->data, address, &start, &end);
    if (name == NULL && f->dynamic_data.elf)
        name = symbol_table_find(&f->dynamic_data, address, &start, &end);
    if (name == NULL)
        return false;
    out->name = text_pool_demangled(f->pool, name);
    out->offset = address - start;
    if (f->variables)
        debug_variables_find(f->variables, start, f->pool, &out->file, &out->line);
    return true;
}
