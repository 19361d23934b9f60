/* SPDX-License-Identifier: MIT
 *
 * Known modules are kept in one array, under the cold-path lock. Two ways of finding the module
 * around a pc: _dl_find_object() (glibc 2.35), which takes no lock; and for older ones the kernel's
 * list of mappings, asked once per module. dl_iterate_phdr() is no way: it takes a lock of the
 * loader, and a program may call malloc while it holds another one that the loader's holder wants.
 *
 * An unload is noticed in time because dlclose() frees what described the module after it unmapped
 * it, and the next dlopen() allocates before it maps: those calls come from the loader's code, and
 * lead here (rec_modules_check) before anything can be executed at the old place. */
#include "modules.h"

#include "clock.h"
#include "cold.h"
#include "elf_image.h"
#include "glibc.h"
#include "maps.h"
#include "rows.h"
#include "rules.h"
#include "seep/trace_codec.h"
#include "stacks.h"
#include "sys.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/auxv.h>

#define PATH_LIMIT 4096u
#define BUILD_ID_LIMIT 64u
#define SEGMENT_LIMIT 64u

/* struct dl_find_object of glibc 2.35 for x86-64, declared here so that older headers will do. */
struct found_object {
    unsigned long long flags;
    void *map_start, *map_end;
    struct link_map *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};
extern int find_object(void *pc, struct found_object *out) __asm__("_dl_find_object")
    __attribute__((weak));

enum known_state {
    KNOWN_FOUND, /* looked up; no row yet */
    KNOWN_NOTED, /* its row was written */
    KNOWN_EMPTY, /* no module there (JIT code); only where lookups are expensive */
};

struct known {
    struct rec_module module;
    const struct link_map *link_map; /* these two tell it from most others at the same place */
    const void *dynamic;
    uint64_t fingerprint; /* of its build ID, or else its program headers; 0: none */
    uint64_t round;       /* in which it was last seen to be there, and noted */
    uint8_t state;        /* enum known_state */
};

bool rec_modules_by_maps;
void (*rec_modules_met)(uintptr_t address);
_Atomic uint32_t rec_modules_now;
uintptr_t rec_modules_loader_low, rec_modules_loader_high;
/* The program as a whole: where its segments have gaps between them, _dl_find_object() gives only
 * the one asked for. NULL where the loader mapped it itself, without gaps. */
static const struct link_map *program;
static uintptr_t program_low, program_high;
/* Under the lock. */
static struct known *known; /* owned */
static uint32_t known_count, known_room, last_hit;
static uint8_t payload[SEEP_TAIL_MIN_BYTES / 2];
static char path_buffer[PATH_LIMIT];

static bool by_maps(void)
{
    return rec_modules_by_maps || !find_object;
}

static void find_program(void)
{
    struct found_object f;
    uintptr_t headers = getauxval(AT_PHDR);
    program = NULL;
    /* AT_BASE is 0 if the loader was started as a program; the headers are its own then. */
    if (!find_object || getauxval(AT_BASE) == 0 || find_object((void *)headers, &f) != 0)
        return;
    const Elf64_Phdr *h = (const void *)headers;
    program_low = UINTPTR_MAX;
    program_high = 0;
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
        uintptr_t start = f.link_map->l_addr + h[i].p_vaddr;
        if (h[i].p_type != PT_LOAD)
            continue;
        if (start < program_low)
            program_low = start & ~(uintptr_t)4095;
        if (start + h[i].p_memsz > program_high)
            program_high = start + h[i].p_memsz;
    }
    program = f.link_map;
}

bool rec_modules_init(void)
{
    rec_cold_reset();
    atomic_store_explicit(&rec_modules_now, 1, memory_order_relaxed);
    known_count = last_hit = 0;
    rec_modules_loader_low = rec_modules_loader_high = 0;
    find_program();
    struct elf_image image;
    uintptr_t start = _r_debug.r_ldbase;
    if (start && elf_image_open(start, UINTPTR_MAX, &image)) {
        rec_modules_loader_low = start;
        rec_modules_loader_high = elf_image_end(&image);
    }
    return true;
}

/* ------------------------------------------------------------------ finding */

static bool find_by_loader(uintptr_t pc, struct known *out)
{
    struct found_object f;
    if (find_object((void *)pc, &f) != 0)
        return false;
    *out = (struct known){
        .module = {.start = (uintptr_t)f.map_start,
                   .end = (uintptr_t)f.map_end,
                   .base = f.link_map->l_addr,
                   .eh_frame_hdr = f.eh_frame},
        .link_map = f.link_map,
        .dynamic = f.link_map->l_ld,
    };
    if (f.link_map == program) {
        out->module.start = program_low;
        out->module.end = program_high;
    }
    return true;
}

static uint64_t fingerprint(const struct rec_module *m)
{
    struct elf_image image;
    if (!elf_image_open(m->start, m->end, &image))
        return 0;
    const uint8_t *bytes = NULL;
    size_t length = elf_image_build_id(&image, &bytes);
    if (length == 0) {
        bytes = (const uint8_t *)image.headers;
        length = image.count * sizeof *image.headers;
    }
    uint64_t h = length;
    for (size_t i = 0; i < length; i++) /* FNV-1a */
        h = (h ^ bytes[i]) * 0x100000001b3ull;
    return h;
}

static struct known *known_around(uintptr_t pc)
{
    if (last_hit < known_count && pc - known[last_hit].module.start <
                                      known[last_hit].module.end - known[last_hit].module.start)
        return &known[last_hit];
    for (uint32_t i = 0; i < known_count; i++) {
        const struct rec_module *m = &known[i].module;
        if (pc - m->start < m->end - m->start) {
            last_hit = i;
            return &known[i];
        }
    }
    return NULL;
}

static struct known *add(const struct known *k)
{
    if (known_count == known_room) {
        uint32_t room = known_room ? 2 * known_room : 64;
        struct known *larger = sys_memory(room * sizeof *larger);
        if (!larger)
            return NULL;
        for (uint32_t i = 0; i < known_count; i++)
            larger[i] = known[i];
        sys_memory_free(known, known_room * sizeof *known);
        known = larger;
        known_room = room;
    }
    known[known_count] = *k;
    return &known[known_count++];
}

static void drop(uint32_t i)
{
    known[i] = known[--known_count];
}

/* Asks the kernel. What it says is remembered, that there is nothing too. */
static struct known *learn_by_maps(uintptr_t pc)
{
    struct rec_mapping mapping;
    if (!rec_maps_find(pc, &mapping))
        return NULL;
    struct known k = {.module = {.start = mapping.start, .end = mapping.end}, .state = KNOWN_EMPTY};
    struct elf_image image;
    if (mapping.image && elf_image_open(mapping.image, UINTPTR_MAX, &image) &&
        pc < elf_image_end(&image))
        k = (struct known){
            .module = {.start = mapping.image,
                       .end = elf_image_end(&image),
                       .base = image.base,
                       .eh_frame_hdr = (const uint8_t *)elf_image_find(&image, PT_GNU_EH_FRAME)},
            .state = KNOWN_FOUND,
        };
    k.fingerprint = k.state == KNOWN_FOUND ? fingerprint(&k.module) : 0;
    return add(&k);
}

static bool find_by_maps(uintptr_t pc, struct rec_module *out)
{
    uint64_t mask = rec_cold_lock();
    const struct known *k = known_around(pc);
    if (!k)
        k = learn_by_maps(pc);
    bool found = k && k->state != KNOWN_EMPTY;
    if (found)
        *out = k->module;
    rec_cold_unlock(mask);
    return found;
}

bool rec_modules_find(uintptr_t pc, struct rec_module *out)
{
    if (by_maps())
        return find_by_maps(pc, out);
    struct known k;
    if (!find_by_loader(pc, &k))
        return false;
    *out = k.module;
    return true;
}

const char *rec_modules_name(uintptr_t pc)
{
    struct known k;
    return !by_maps() && find_by_loader(pc, &k) ? k.link_map->l_name : "";
}

/* ------------------------------------------------------------------ unloading */

static bool is_still_there(const struct known *k)
{
    if (!by_maps()) {
        struct known now;
        return find_by_loader(k->module.start, &now) && now.link_map == k->link_map &&
               now.dynamic == k->dynamic && now.module.start == k->module.start &&
               now.module.end == k->module.end;
    }
    return k->state != KNOWN_EMPTY && fingerprint(&k->module) == k->fingerprint;
}

/* Writes that the module is gone since generation `since`, and forgets what depends on it. */
static void unload(struct rec_thread *t, uint32_t i, uint32_t since)
{
    const struct known *k = &known[i];
    rec_rules_forget(k->module.start, k->module.end);
    if (k->state == KNOWN_NOTED) {
        uint8_t bytes[2 * SEEP_VARINT_MAX];
        uint8_t *p = seep_put_varint(bytes, since);
        p = seep_put_varint(p, k->module.start);
        rec_row_beside(t, SEEP_BESIDE_UNLOAD, rec_clock_stamp(), bytes, (size_t)(p - bytes));
    }
    drop(i);
}

static void begin_generation(void)
{
    rec_stacks_forget();
    atomic_fetch_add_explicit(&rec_modules_now, 1, memory_order_release);
}

void rec_modules_check(struct rec_thread *t)
{
    if (rec_rows_lead_nowhere(t))
        return;
    uint64_t mask = rec_cold_lock();
    bool gone = false;
    for (uint32_t i = known_count; i > 0; i--) {
        if (is_still_there(&known[i - 1]))
            continue;
        gone = gone || known[i - 1].state != KNOWN_EMPTY; /* threads may remember its rules */
        unload(t, i - 1, rec_modules_generation() + 1);
    }
    if (gone)
        begin_generation();
    rec_cold_unlock(mask);
}

/* ------------------------------------------------------------------ noting */

/* Absolute and short enough, or as good as it gets. A relative name of the loader's was relative to
 * a directory that may no longer be the current one; the kernel knows better. */
static const char *path_of(const struct known *k)
{
    if (k->module.start == getauxval(AT_SYSINFO_EHDR))
        return "[vdso]";
    const char *loader_name = k->link_map ? k->link_map->l_name : "";
    if (loader_name[0] == '/')
        return loader_name;
    struct rec_mapping mapping;
    if (rec_maps_find(k->module.start, &mapping) && mapping.name[0] == '/')
        return mapping.name;
    if (loader_name[0] == '\0') {
        long n = sys_call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path_buffer,
                          sizeof path_buffer - 1);
        if (!sys_failed(n)) {
            path_buffer[n] = '\0';
            return path_buffer;
        }
    }
    return loader_name;
}

static uint8_t *put_bytes(uint8_t *p, const void *bytes, size_t length)
{
    p = seep_put_varint(p, length);
    for (size_t i = 0; i < length; i++)
        *p++ = ((const uint8_t *)bytes)[i];
    return p;
}

/* SEEP_BESIDE_MODULE, see trace_format.h. */
static size_t describe(const struct known *k)
{
    struct elf_image image = {0};
    if (!elf_image_open(k->module.start, k->module.end, &image))
        image.count = 0;
    const uint8_t *id = NULL;
    size_t id_length = image.count ? elf_image_build_id(&image, &id) : 0;
    if (id_length > BUILD_ID_LIMIT)
        id_length = 0;
    const char *path = path_of(k);
    size_t path_length = 0;
    while (path_length < PATH_LIMIT && path[path_length])
        path_length++;
    unsigned segments = 0;
    for (unsigned i = 0; i < image.count; i++)
        segments += image.headers[i].p_type == PT_LOAD;
    if (segments > SEGMENT_LIMIT)
        segments = SEGMENT_LIMIT;

    uint8_t *p = seep_put_varint(payload, rec_modules_generation());
    p = seep_put_varint(p, k->module.base);
    p = seep_put_varint(p, k->module.start);
    p = seep_put_varint(p, k->module.end);
    p = put_bytes(p, path, path_length);
    p = put_bytes(p, id, id_length);
    p = seep_put_varint(p, segments);
    for (unsigned i = 0; segments > 0; i++) {
        const Elf64_Phdr *h = &image.headers[i];
        if (h->p_type != PT_LOAD)
            continue;
        p = seep_put_varint(p, h->p_vaddr);
        p = seep_put_varint(p, h->p_memsz);
        p = seep_put_varint(p, h->p_offset);
        p = seep_put_varint(p, h->p_flags);
        segments--;
    }
    return (size_t)(p - payload);
}
_Static_assert(sizeof payload >=
                   PATH_LIMIT + BUILD_ID_LIMIT + (SEGMENT_LIMIT * 4 + 8) * SEEP_VARINT_MAX,
               "every module fits");

static uint64_t round_now;

void rec_modules_note_begin(void)
{
    round_now++;
}

/* The program itself, which cannot be unloaded. */
static bool is_program(const struct known *k)
{
    return program && k->link_map == program;
}

void rec_modules_note(struct rec_thread *t, uintptr_t pc)
{
    /* A return address may lie just behind its module. */
    pc--;
    struct known *k = known_around(pc);
    if (k && (k->round == round_now || (k->state == KNOWN_NOTED && is_program(k))))
        return;
    if (by_maps()) {
        if (!k)
            k = learn_by_maps(pc);
    } else if (!k || !is_still_there(k) || fingerprint(&k->module) != k->fingerprint) {
        struct known now = {0};
        bool found = find_by_loader(pc, &now);
        if (k) { /* replaced unseen: the loader did not allocate through us meanwhile */
            unload(t, (uint32_t)(k - known), rec_modules_generation() + 1);
            begin_generation();
        }
        now.state = KNOWN_FOUND;
        now.fingerprint = found ? fingerprint(&now.module) : 0;
        k = found ? add(&now) : NULL;
    }
    if (!k)
        return;
    k->round = round_now;
    if (k->state != KNOWN_FOUND)
        return;
    if (rec_row_beside(t, SEEP_BESIDE_MODULE, rec_clock_stamp(), payload, describe(k)))
        k->state = KNOWN_NOTED;
    if (rec_modules_met && !by_maps())
        rec_modules_met(pc);
}
