/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include "util/mem.h"
#include "util/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE 0x10000000u /* load bias; nothing may depend on it */

char **run_lines(const char *format, ...)
{
    struct strbuf command = {0};
    va_list arguments;
    va_start(arguments, format);
    char *text;
    assert_true(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    strbuf_addf(&command, "LC_ALL=C; export LC_ALL; %s", text);
    free(text);
    FILE *pipe = popen(command.text, "r");
    assert_non_null(pipe);
    char **lines = NULL, *line = NULL;
    size_t count = 0, capacity = 0, line_capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &line_capacity, pipe)) >= 0) {
        if (length > 0 && line[length - 1] == '\n')
            line[length - 1] = '\0';
        MEM_GROW(lines, capacity, count + 2);
        lines[count++] = mem_strdup(line);
    }
    free(line);
    MEM_GROW(lines, capacity, count + 1);
    lines[count] = NULL;
    if (pclose(pipe) != 0)
        fail_msg("failed: %s", command.text);
    strbuf_release(&command);
    return lines;
}

void free_lines(char **lines)
{
    for (size_t i = 0; lines && lines[i]; i++)
        free(lines[i]);
    free(lines);
}

static void read_build_id(struct trace_module *m, const char *path)
{
    char **lines = run_lines("readelf -n '%s'", path);
    for (size_t i = 0; lines[i]; i++) {
        const char *hex = strstr(lines[i], "Build ID: ");
        if (hex == NULL || m->build_id)
            continue;
        hex += strlen("Build ID: ");
        m->build_id = mem_alloc(strlen(hex) / 2);
        unsigned byte;
        while (sscanf(hex + 2 * m->build_id_bytes, "%2x", &byte) == 1)
            m->build_id[m->build_id_bytes++] = (uint8_t)byte;
    }
    free_lines(lines);
}

static void read_segments(struct trace_module *m, const char *path)
{
    char **lines = run_lines("readelf -lW '%s'", path);
    size_t capacity = 0;
    for (size_t i = 0; lines[i]; i++) {
        unsigned long long offset, address, file_bytes, bytes;
        char flags[4];
        if (sscanf(lines[i], " LOAD %llx %llx %*x %llx %llx %3c", &offset, &address, &file_bytes,
                   &bytes, flags) != 5)
            continue;
        MEM_GROW(m->segments, capacity, m->segment_count + 1);
        m->segments[m->segment_count++] = (struct trace_segment){
            .address = address,
            .bytes = bytes,
            .file_offset = offset,
            .flags = (flags[0] == 'R' ? 4u : 0) | (flags[1] == 'W' ? 2u : 0) |
                     (flags[2] == 'E' ? 1u : 0),
        };
        m->end = BASE + address + bytes;
    }
    free_lines(lines);
    assert_true(m->segment_count > 0);
}

void probe_open(struct probe *p, const char *path, const uint64_t *addresses, size_t count,
                bool exact, const struct symbol_options *options)
{
    memset(p, 0, sizeof *p);
    p->count = count;
    p->module = (struct trace_module){
        .path = mem_strdup(path), .base = BASE, .start = BASE, .generation_to = UINT32_MAX};
    const char *root = options && options->sysroot ? options->sysroot : "";
    char *file = NULL;
    assert_true(asprintf(&file, "%s%s", root, path) > 0);
    read_build_id(&p->module, file);
    read_segments(&p->module, file);
    free(file);
    p->dict.modules = &p->module;
    p->dict.module_count = 1;
    p->dict.stack_count = (uint32_t)count + 1; /* node 1 is the root */
    p->dict.stacks = mem_zalloc(count + 2, sizeof *p->dict.stacks);
    p->dict.stacks[1].flags = SEEP_ROW_ROOT;
    for (size_t i = 0; i < count; i++)
        p->dict.stacks[i + 2] = (struct trace_stack_node){
            .pc = BASE + addresses[i],
            .parent = 1,
            .flags = exact ? SEEP_ROW_EXACT_PC : 0,
        };
    p->symbols = symbols_new(&p->dict, options);
}

const struct symbol_address *probe_at(struct probe *p, size_t index)
{
    const struct symbol_address *a = symbols_of_node(p->symbols, (uint32_t)index + 2);
    assert_non_null(a);
    assert_true(a->count >= 1);
    return a;
}

void probe_close(struct probe *p)
{
    symbols_free(p->symbols);
    free(p->dict.stacks);
    free(p->module.path);
    free(p->module.build_id);
    free(p->module.segments);
}

/* Prefixes come first: "bnd call", "data16 data16 rex.W call". */
static bool is_call(const char *text)
{
    static const char *const prefixes[] = {"bnd ",     "data16 ", "rex.W ", "rex ",
                                           "notrack ", "addr32 ", "cs ",    "ds "};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            return is_call(text + strlen(prefixes[i]));
    return strncmp(text, "call ", 5) == 0 || strncmp(text, "lcall ", 6) == 0;
}

struct instruction *list_instructions(const char *path, const char *section, size_t *count)
{
    char **lines = run_lines("objdump -d -w --no-show-raw-insn %s%s '%s'", section ? "-j " : "",
                             section ? section : "", path);
    struct instruction *out = NULL;
    size_t capacity = 0;
    *count = 0;
    for (size_t i = 0; lines[i]; i++) {
        unsigned long long address;
        int length = 0;
        if (sscanf(lines[i], " %llx:\t%n", &address, &length) != 1 || length == 0)
            continue;
        MEM_GROW(out, capacity, *count + 1);
        out[(*count)++] = (struct instruction){address, is_call(lines[i] + length)};
    }
    free_lines(lines);
    assert_true(*count > 0);
    return out;
}
