/* SPDX-License-Identifier: MIT */
#include "model/debug_search.h"

#include "util/mem.h"
#include "util/strbuf.h"

#include <elfutils/libdwelf.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_DIRECTORY "/usr/lib/debug"
#define BUILD_ID_LIMIT 64u            /* bytes; SHA-1 has 20 */
#define CHECKSUM_MAX_BYTES (1u << 30) /* larger files are not read through for their checksum */

void debug_search_init(struct debug_search *s, const char *sysroot, const char *debug_dirs)
{
    size_t capacity = 4, count = 0;
    for (const char *c = debug_dirs; c && *c; c++)
        capacity += *c == ':';
    s->directories = mem_zalloc(capacity, sizeof *s->directories);
    while (debug_dirs && *debug_dirs) {
        size_t length = strcspn(debug_dirs, ":");
        if (length > 0)
            s->directories[count++] = mem_strndup(debug_dirs, length);
        debug_dirs += length + (debug_dirs[length] == ':');
    }
    s->sysroot = mem_strdup(sysroot ? sysroot : "");
    if (*s->sysroot) {
        struct strbuf path = {0};
        strbuf_addf(&path, "%s" USUAL_DIRECTORY, sysroot);
        s->directories[count++] = strbuf_detach(&path);
    }
    s->directories[count] = mem_strdup(USUAL_DIRECTORY);
}

void debug_search_release(struct debug_search *s)
{
    for (size_t i = 0; s->directories && s->directories[i]; i++)
        free(s->directories[i]);
    free(s->directories);
    free(s->sysroot);
    memset(s, 0, sizeof *s);
}

static bool open_by_build_id(const struct debug_search *s, const uint8_t *id, size_t bytes,
                             struct elf_file *out)
{
    if (bytes < 2 || bytes > BUILD_ID_LIMIT)
        return false;
    struct strbuf path = {0};
    bool found = false;
    for (size_t i = 0; s->directories[i] && !found; i++) {
        strbuf_reset(&path);
        strbuf_addf(&path, "%s/.build-id/%02x/", s->directories[i], id[0]);
        for (size_t k = 1; k < bytes; k++)
            strbuf_addf(&path, "%02x", id[k]);
        strbuf_adds(&path, ".debug");
        if (elf_file_open(out, path.text) != ELF_FILE_OK)
            continue;
        found = elf_file_has_build_id(out, id, bytes);
        if (!found)
            elf_file_release(out);
    }
    strbuf_release(&path);
    return found;
}

/* The checksum of .gnu_debuglink: CRC-32 as in IEEE 802.3, of the whole file. */
static uint32_t crc_of(const struct elf_file *f)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[i] = c;
    }
    uint32_t crc = ~0u;
    for (size_t i = 0; i < f->size; i++)
        crc = crc >> 8 ^ table[(crc ^ f->bytes[i]) & 0xff];
    return ~crc;
}

static bool try_link(const struct elf_file *module, const char *path, uint32_t crc,
                     struct elf_file *out)
{
    if (elf_file_open(out, path) != ELF_FILE_OK)
        return false;
    bool same = module->build_id && out->build_id
                    ? elf_file_has_build_id(out, module->build_id, module->build_id_bytes)
                    : out->size <= CHECKSUM_MAX_BYTES && crc_of(out) == crc;
    if (!same || strcmp(path, module->path) == 0) {
        elf_file_release(out);
        return false;
    }
    return true;
}

bool debug_search_open(const struct debug_search *s, const struct elf_file *module,
                       struct elf_file *out)
{
    if (module->build_id && open_by_build_id(s, module->build_id, module->build_id_bytes, out))
        return true;
    GElf_Word crc;
    const char *name = dwelf_elf_gnu_debuglink(module->elf, &crc);
    if (name == NULL || *name == '\0' || strchr(name, '/'))
        return false;

    const char *slash = strrchr(module->path, '/');
    int length = slash ? (int)(slash - module->path) : 0;
    struct strbuf path = {0};
    strbuf_addf(&path, "%.*s/%s", length, module->path, name);
    bool found = try_link(module, path.text, crc, out);
    if (!found) {
        strbuf_reset(&path);
        strbuf_addf(&path, "%.*s/.debug/%s", length, module->path, name);
        found = try_link(module, path.text, crc, out);
    }
    int inside = (int)strlen(s->sysroot);
    if (inside > length)
        inside = length;
    for (size_t i = 0; s->directories[i] && !found; i++) {
        strbuf_reset(&path);
        strbuf_addf(&path, "%s%.*s/%s", s->directories[i], length - inside, module->path + inside,
                    name);
        found = try_link(module, path.text, crc, out);
        if (found)
            break;
        strbuf_reset(&path);
        strbuf_addf(&path, "%s/%s", s->directories[i], name);
        found = try_link(module, path.text, crc, out);
    }
    strbuf_release(&path);
    return found;
}

bool debug_search_open_alt(const struct debug_search *s, const struct elf_file *debug, Dwarf *dwarf,
                           struct elf_file *out)
{
    const char *name;
    const void *id;
    ssize_t bytes = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id);
    if (bytes <= 0)
        return false;
    if (open_by_build_id(s, id, (size_t)bytes, out))
        return true;
    struct strbuf path = {0};
    const char *slash = strrchr(debug->path, '/');
    if (name[0] != '/' && slash)
        strbuf_add(&path, debug->path, (size_t)(slash + 1 - debug->path));
    strbuf_adds(&path, name);
    bool found = elf_file_open(out, path.text) == ELF_FILE_OK;
    if (found && !elf_file_has_build_id(out, id, (size_t)bytes)) {
        elf_file_release(out);
        found = false;
    }
    strbuf_release(&path);
    return found;
}
