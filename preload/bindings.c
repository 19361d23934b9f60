/* SPDX-License-Identifier: MIT */
#include "bindings.h"

#include "direct.h"
#include "elf_image.h"
#include "glibc.h"
#include "modules.h"
#include "real.h"
#include "sys.h"
#include "text.h"
#include "unseen.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define PAGE_BYTES 4096u
#define MODULES_MAX 4096 /* a list that is longer has been changed while it was read */

/* The last module that was there at the start. */
static const struct link_map *last_at_start;

struct tables {
    struct elf_image image;
    struct rec_module module;
    const Elf64_Sym *symbols;
    const char *names;
    const Elf64_Rela *relocations[2];
    size_t bytes[2]; /* of each */
};

/* ------------------------------------------------------------------ reading a module's tables */

/* The loader turns addresses in the dynamic section into absolute ones, but for modules whose
 * section is read-only. NULL if there are not `bytes` bytes to be read. */
static const void *absolute(const struct elf_image *image, uint64_t value, size_t bytes)
{
    uintptr_t low, high;
    if (!elf_image_segment(image, value, &low, &high) &&
        !elf_image_segment(image, value += image->base, &low, &high))
        return NULL;
    return bytes <= high - value ? (const void *)value : NULL;
}

static bool open_tables(struct tables *t, uintptr_t address)
{
    uint64_t entries[DT_NUM] = {0};
    if (!rec_modules_find(address, &t->module) ||
        !elf_image_open(t->module.start, t->module.end, &t->image))
        return false;
    uintptr_t at = elf_image_find(&t->image, PT_DYNAMIC), low, high;
    if (at == 0 || !elf_image_segment(&t->image, at, &low, &high))
        return false;
    for (const Elf64_Dyn *d = (const void *)at; (uintptr_t)(d + 1) <= high && d->d_tag != DT_NULL;
         d++)
        if (d->d_tag > 0 && d->d_tag < DT_NUM)
            entries[d->d_tag] = d->d_un.d_val;
    if (!entries[DT_SYMTAB] || !entries[DT_STRTAB])
        return false;
    t->bytes[0] = entries[DT_RELASZ];
    t->bytes[1] = entries[DT_PLTREL] == DT_RELA ? entries[DT_PLTRELSZ] : 0;
    t->symbols = absolute(&t->image, entries[DT_SYMTAB], sizeof *t->symbols);
    t->names = absolute(&t->image, entries[DT_STRTAB], 1);
    t->relocations[0] = absolute(&t->image, entries[DT_RELA], t->bytes[0]);
    t->relocations[1] = absolute(&t->image, entries[DT_JMPREL], t->bytes[1]);
    return t->symbols && t->names;
}

struct binding {
    const char *name;
    uintptr_t *slot;
    bool waits; /* the loader binds it at its first call */
};

/* The next reference to a function by name, from *position (0 at first). False past the last. */
static bool next_binding(const struct tables *t, size_t *position, struct binding *out)
{
    size_t counts[2];
    for (int i = 0; i < 2; i++)
        counts[i] = t->relocations[i] ? t->bytes[i] / sizeof(Elf64_Rela) : 0;
    while (*position < counts[0] + counts[1]) {
        size_t n = (*position)++;
        const Elf64_Rela *r =
            n < counts[0] ? &t->relocations[0][n] : &t->relocations[1][n - counts[0]];
        uint32_t type = ELF64_R_TYPE(r->r_info);
        uintptr_t low, high, slot = t->image.base + r->r_offset;
        if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_64) ||
            r->r_addend != 0 || !elf_image_segment(&t->image, slot, &low, &high))
            continue;
        out->name = t->names + t->symbols[ELF64_R_SYM(r->r_info)].st_name;
        out->slot = (uintptr_t *)slot;
        out->waits = type == R_X86_64_JUMP_SLOT &&
                     *out->slot - t->module.start < t->module.end - t->module.start;
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------ the allocator's own functions
 */

static bool store(const struct tables *t, uintptr_t *slot, uintptr_t value)
{
    bool protected = false;
    for (unsigned i = 0; i < t->image.count; i++) {
        const Elf64_Phdr *h = &t->image.headers[i];
        if (h->p_type == PT_GNU_RELRO &&
            (uintptr_t)slot - (t->image.base + h->p_vaddr) < h->p_memsz)
        protected = true;
    }
    uintptr_t page = (uintptr_t)slot & ~(uintptr_t)(PAGE_BYTES - 1);
    if (protected && sys_failed(sys_call(SYS_mprotect, page, PAGE_BYTES, PROT_READ | PROT_WRITE)))
        return false;
    __atomic_store_n(slot, value, __ATOMIC_RELEASE);
    if (protected)
        sys_call(SYS_mprotect, page, PAGE_BYTES, PROT_READ);
    return true;
}

static const char *path_of(const struct tables *t)
{
    const char *path = rec_modules_name(t->module.start);
    return *path ? path : "the program";
}

static void redirect(const struct tables *t, const struct binding *b)
{
    uintptr_t real;
    uintptr_t hook = rec_direct_hook(b->name, &real);
    bool known = hook != 0;
    /* the allocator's calls of itself are part of one call */
    if (real == 0 || real - t->module.start < t->module.end - t->module.start)
        return;
    if ((*b->slot == real || b->waits) && !(known && store(t, b->slot, hook)))
        rec_unseen(SEEP_UNSEEN_DIRECT, path_of(t));
}

/* ------------------------------------------------------------------ malloc from elsewhere */

/* True if a bound slot leads neither to us nor to where the main program's calls go: its PLT, which
 * stands for us, or a malloc of its own. */
static bool leads_elsewhere(const struct tables *t, const struct binding *b)
{
    struct rec_module target, self, program;
    if (b->waits || !text_equal(b->name, "malloc") || !rec_modules_find(*b->slot, &target) ||
        !rec_modules_find((uintptr_t)leads_elsewhere, &self))
        return false;
    return target.start != self.start && target.start != t->module.start &&
           !(rec_modules_find(getauxval(AT_PHDR), &program) && target.start == program.start);
}

/* ------------------------------------------------------------------ all modules */

/* Of modules that are there from the start it is known that they look into the global scope. */
static void look(uintptr_t address, bool from_the_start)
{
    struct tables t;
    struct binding b;
    if (!open_tables(&t, address))
        return;
    for (size_t position = 0; next_binding(&t, &position, &b);) {
        if (rec_direct_present())
            redirect(&t, &b);
        if (!from_the_start && leads_elsewhere(&t, &b))
            rec_unseen(SEEP_UNSEEN_DEEPBIND, path_of(&t));
    }
}

void rec_bindings_look(uintptr_t address)
{
    if (rec_direct_present() || last_at_start->l_next)
        look(address, false);
}

void rec_bindings_start(void)
{
    if (rec_real_refusal())
        return;
    for (const struct link_map *map = _r_debug.r_map; map; map = map->l_next) {
        if (rec_direct_present())
            look((uintptr_t)map->l_ld, true);
        last_at_start = map;
    }
}

/* Other threads may load and unload while this one ends the program: the list is read in a way that
 * fails where it has gone. */
static bool read_map(struct link_map *out, const struct link_map *from)
{
    struct iovec local = {out, sizeof *out}, remote = {(void *)from, sizeof *out};
    return sys_call(SYS_process_vm_readv, sys_call(SYS_getpid), &local, 1, &remote, 1, 0) ==
           (long)sizeof *out;
}

void rec_bindings_end(void)
{
    struct link_map map = {0};
    if (last_at_start == NULL)
        return;
    const struct link_map *next = last_at_start->l_next;
    for (int i = 0; i < MODULES_MAX && next && read_map(&map, next); i++) {
        rec_bindings_look((uintptr_t)map.l_ld);
        next = map.l_next;
    }
    /* Since glibc 2.35. The list keeps namespaces that have emptied since. */
    const struct {
        struct r_debug base;
        const void *next;
    } *volatile extended = (const void *)&_r_debug;
    if (_r_debug.r_version >= 2 && extended->next)
        rec_unseen(SEEP_UNSEEN_NAMESPACE, "");
}
