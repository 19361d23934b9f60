/* SPDX-License-Identifier: MIT
 *
 * bench_symbols FILE [N]: names N (20,000) distinct places of a program or library: those where a
 * direct call seems to end, which is what stacks are made of. Prints time, memory, and how many
 * were named; the last line shows how many bytes of names came out, so that runs can be compared.
 */
#include "model/elf_file.h"
#include "model/symbols.h"
#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* Addresses behind "e8 rel32" whose target is code as well. */
static uint64_t *list_call_ends(const struct elf_file *f, size_t *count)
{
    uint64_t *out = NULL;
    size_t capacity = 0;
    *count = 0;
    for (size_t i = 0; i < f->segment_count; i++) {
        const struct trace_segment *s = &f->segments[i];
        size_t before, after;
        const uint8_t *code = elf_file_code(f, s->address, &before, &after);
        for (size_t k = 0; code && k + 5 <= after; k++) {
            int32_t relative;
            memcpy(&relative, code + k + 1, 4);
            uint64_t end = s->address + k + 5, target = end + (uint64_t)(int64_t)relative;
            if (code[k] != 0xe8 || target < s->address || target >= s->address + after)
                continue;
            MEM_GROW(out, capacity, *count + 1);
            out[(*count)++] = end;
        }
    }
    return out;
}

int main(int argc, char **argv)
{
    struct elf_file file;
    if (argc < 2 || elf_file_open(&file, argv[1]) != ELF_FILE_OK) {
        fprintf(stderr, "usage: bench_symbols FILE [N]\n");
        return 2;
    }
    size_t wanted = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000, count;
    uint64_t *ends = list_call_ends(&file, &count);
    srand(1);
    for (size_t i = 0; i + 1 < count; i++) { /* shuffled */
        size_t other = i + (size_t)rand() % (count - i);
        uint64_t swap = ends[i];
        ends[i] = ends[other];
        ends[other] = swap;
    }
    if (wanted > count)
        wanted = count;

    struct trace_module module = {
        .path = argv[1],
        .build_id = (uint8_t *)file.build_id,
        .build_id_bytes = file.build_id_bytes,
        .end = UINT64_MAX,
        .generation_to = UINT32_MAX,
        .segments = file.segments,
        .segment_count = file.segment_count,
    };
    struct trace_dict dict = {.modules = &module, .module_count = 1};
    dict.stack_count = (uint32_t)wanted + 1;
    dict.stacks = mem_zalloc((size_t)dict.stack_count + 1, sizeof *dict.stacks);
    uint32_t *nodes = mem_zalloc(wanted, sizeof *nodes);
    for (size_t i = 0; i < wanted; i++) {
        dict.stacks[i + 2] = (struct trace_stack_node){.pc = ends[i], .parent = 1};
        nodes[i] = (uint32_t)i + 2;
    }

    long before = peak_kib();
    double start = now_s(), start_cpu = cpu_s();
    struct symbols *s = symbols_new(&dict, NULL);
    symbols_resolve(s, nodes, wanted);
    double seconds = now_s() - start, cpu = cpu_s() - start_cpu;
    long peak = peak_kib();
    size_t named = 0, located = 0, frames = 0, suspect = 0, bytes = 0;
    for (size_t i = 0; i < wanted; i++) {
        const struct symbol_address *a = symbols_of_node(s, nodes[i]);
        named += a->frames[a->count - 1].named;
        located += a->frames[0].line > 0;
        suspect += a->suspicion == SYMBOL_SUSPECT;
        frames += a->count;
        for (uint32_t k = 0; k < a->count; k++)
            bytes += strlen(a->frames[k].function);
    }
    printf(
        "%s: %zu addresses in %.2f s (%.2f s CPU, %.1f us each); peak RSS %ld MiB (%ld before)\n",
        argv[1], wanted, seconds, cpu, cpu * 1e6 / (double)(wanted ? wanted : 1), peak >> 10,
        before >> 10);
    printf("named %zu, with a line %zu, frames %zu, suspect %zu, %zu bytes of names\n", named,
           located, frames, suspect, bytes);
    for (size_t i = 0; symbols_problem(s, i); i++)
        printf("%s\n", symbols_problem(s, i));
    symbols_free(s);
    free(dict.stacks);
    free(nodes);
    free(ends);
    elf_file_release(&file);
    return 0;
}
