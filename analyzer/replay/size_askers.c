/* SPDX-License-Identifier: MIT */
#include "replay/size_askers.h"

#include "model/elf_file.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PART_PERCENT 1u /* of all that is asked for: less does not show in the memory */

static bool asks(const char *function)
{
    static const char *const functions[] = {"malloc_usable_size", "malloc_good_size", "nallocx",
                                            "sallocx", "xallocx"};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strcmp(function, functions[i]) == 0)
            return true;
    return false;
}

static bool imports_any(Elf *elf)
{
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
        GElf_Shdr header;
        Elf_Data *data;
        GElf_Sym symbol;
        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_DYNSYM ||
            header.sh_entsize == 0 || !(data = elf_getdata(section, NULL)))
            continue;
        for (size_t i = 0; i < header.sh_size / header.sh_entsize; i++) {
            if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx != SHN_UNDEF)
                continue;
            const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);
            if (name && asks(name))
                return true;
        }
    }
    return false;
}

static bool module_asks(const struct trace_module *m)
{
    struct elf_file f;
    if (m->path[0] != '/' || !m->build_id_bytes || elf_file_open(&f, m->path) != ELF_FILE_OK)
        return false;
    bool asks_for = elf_file_has_build_id(&f, m->build_id, m->build_id_bytes) && imports_any(f.elf);
    elf_file_release(&f);
    return asks_for;
}

static uint8_t asker_at(const struct size_askers *s, uint64_t pc)
{
    for (size_t i = 0; i < s->count; i++)
        if (pc >= s->all[i].module->start && pc < s->all[i].module->end)
            return (uint8_t)(i + 1);
    return 0;
}

void size_askers_init(struct size_askers *s, const struct trace_dict *dict)
{
    *s = (struct size_askers){0};
    for (size_t i = 0; i < dict->module_count && s->count < SIZE_ASKERS_MAX; i++)
        if (module_asks(&dict->modules[i]))
            s->all[s->count++].module = &dict->modules[i];
    if (!s->count)
        return;
    s->of_count = dict->stack_count + 1;
    s->of = mem_zalloc(s->of_count, sizeof *s->of);
    for (uint32_t id = 1; id < s->of_count; id++) {
        const struct trace_stack_node *node = &dict->stacks[id];
        s->of[id] = asker_at(s, node->pc);
        if (!s->of[id] && node->parent < id)
            s->of[id] = s->of[node->parent];
    }
}

void size_askers_release(struct size_askers *s)
{
    free(s->of);
    *s = (struct size_askers){0};
}

void size_askers_count(struct size_askers *s, uint32_t stack, uint64_t bytes)
{
    s->bytes += bytes;
    if (stack < s->of_count && s->of[stack])
        s->all[s->of[stack] - 1].bytes += bytes;
}

const char *size_askers_name(const struct size_askers *s)
{
    const struct size_asker *most = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (s->all[i].bytes && s->all[i].bytes >= s->bytes / 100 * PART_PERCENT &&
            (!most || s->all[i].bytes > most->bytes))
            most = &s->all[i];
    return most ? strrchr(most->module->path, '/') + 1 : NULL;
}
