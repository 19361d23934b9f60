/* SPDX-License-Identifier: MIT */
#include "graph_regions.h"

#include "elf_image.h"
#include "lsan.h"
#include "pending.h"
#include "real.h"
#include "recorder.h"
#include "seep/memory_snapshot.h"
#include "sys.h"
#include "text.h"

#include <fcntl.h>
#include <sys/auxv.h>

#define PAGE_BYTES 4096u
#define MAPS_BYTES                                                                                 \
    (32u << 20) /* 65530 mappings, which is Linux's default limit, take some 10 MB                 \
                 */
#define REGIONS_MAX (1u << 18)
/* Of a stack whose top is not known, a coroutine's, so much is taken to be in use. */
#define COROUTINE_BYTES (256u << 10)
/* Where the C library does not say. */
#define TLS_BYTES 4096u
#define CONTROL_BLOCK_BYTES 2304u

struct maps {
    struct seep_mapping *mappings;
    size_t count;
};

/* ------------------------------------------------------------------ lists */

static bool list_new(struct rec_graph_list *list)
{
    list->count = 0;
    list->room = REGIONS_MAX;
    list->regions = sys_memory_kept(REGIONS_MAX * sizeof *list->regions);
    return list->regions != NULL;
}

/* Whole words of it. */
static void add(struct rec_graph_list *list, struct rec_graph_region region)
{
    region.start = (region.start + 7) & ~(uintptr_t)7;
    region.end &= ~(uintptr_t)7;
    if (region.end > region.start && list->count < list->room)
        list->regions[list->count++] = region;
}

/* Heap sort by start: in place, and no worse on any input. */
static void sift(struct rec_graph_region *a, size_t at, size_t count)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && a[child + 1].start > a[child].start)
            child++;
        if (a[at].start >= a[child].start)
            return;
        struct rec_graph_region swap = a[at];
        a[at] = a[child];
        a[child] = swap;
    }
}

static void sort(struct rec_graph_list *list)
{
    struct rec_graph_region *a = list->regions;
    for (size_t i = list->count / 2; i-- > 0;)
        sift(a, i, list->count);
    for (size_t n = list->count; n > 1;) {
        struct rec_graph_region swap = a[--n];
        a[n] = a[0];
        a[0] = swap;
        sift(a, 0, n);
    }
    uintptr_t end = 0;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct rec_graph_region r = a[i];
        if (r.start < end)
            r.start = end;
        if (r.end <= r.start)
            continue;
        end = r.end;
        a[kept++] = r;
    }
    list->count = kept;
}

/* out := `upper`, and what of `lower` lies beside it. All sorted. */
static void lay_over(struct rec_graph_list *out, const struct rec_graph_list *upper,
                     const struct rec_graph_list *lower)
{
    size_t u = 0;
    for (size_t l = 0; l < lower->count; l++) {
        struct rec_graph_region rest = lower->regions[l];
        for (; u < upper->count && upper->regions[u].start < rest.end; u++) {
            const struct rec_graph_region *over = &upper->regions[u];
            if (over->start > rest.start) {
                struct rec_graph_region piece = rest;
                piece.end = over->start;
                add(out, piece);
            }
            if (over->end > rest.start)
                rest.start = over->end;
            if (over->end > rest.end)
                break; /* and into the next one */
            add(out, *over);
        }
        add(out, rest);
    }
    for (; u < upper->count; u++)
        add(out, upper->regions[u]);
}

/* ------------------------------------------------------------------ the kernel's list */

static bool read_maps(struct maps *m)
{
    char *text = sys_memory_kept(MAPS_BYTES);
    m->mappings = sys_memory_kept(REGIONS_MAX * sizeof *m->mappings);
    long fd = sys_call(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (text == NULL || m->mappings == NULL || sys_failed(fd))
        return false;
    size_t length = 0;
    long n;
    while ((n = sys_call(SYS_read, fd, text + length, MAPS_BYTES - length)) > 0)
        length += (size_t)n;
    sys_call(SYS_close, fd);
    const char *at = text;
    m->count = 0;
    while (m->count < REGIONS_MAX && seep_mapping_parse(&at, text + length, &m->mappings[m->count]))
        m->count++;
    return n == 0 && m->count > 0;
}

static const struct seep_mapping *mapping_around(const struct maps *m, uintptr_t address)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (m->mappings[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->count && m->mappings[low].start <= address ? &m->mappings[low] : NULL;
}

static bool same_name(const struct seep_mapping *a, const struct seep_mapping *b)
{
    if (a->name_length != b->name_length)
        return false;
    for (size_t i = 0; i < a->name_length; i++)
        if (a->name[i] != b->name[i])
            return false;
    return true;
}

static bool name_starts(const struct seep_mapping *m, const char *text)
{
    size_t length = text_length(text);
    if (m->name_length < length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (m->name[i] != text[i])
            return false;
    return true;
}

/* ------------------------------------------------------------------ modules */

static bool is_writable(const struct seep_mapping *m)
{
    return (m->protection & (SEEP_PROTECTION_READ | SEEP_PROTECTION_WRITE)) ==
           (SEEP_PROTECTION_READ | SEEP_PROTECTION_WRITE);
}

static uintptr_t page_down(uintptr_t address)
{
    return address & ~(uintptr_t)(PAGE_BYTES - 1);
}

static uintptr_t page_up(uintptr_t address)
{
    return page_down(address + PAGE_BYTES - 1);
}

/* Whether the file that begins in mapping `first` was loaded there, not just mapped to be read:
 * then its code can be executed where its headers say. */
static bool is_loaded(const struct maps *m, const struct seep_mapping *first,
                      const struct elf_image *image)
{
    for (unsigned i = 0; i < image->count; i++) {
        const Elf64_Phdr *h = &image->headers[i];
        if (h->p_type != PT_LOAD || !(h->p_flags & PF_X))
            continue;
        const struct seep_mapping *code = mapping_around(m, image->base + h->p_vaddr);
        return code && (code->protection & SEEP_PROTECTION_EXECUTE) && same_name(code, first);
    }
    return false;
}

/* The segments of all modules: DATA for writable ones, CONSTANT for others, OWN for ours. Of a
 * writable one the loader makes a part read-only again; what is writable now is DATA. */
static void add_modules(const struct maps *m, struct rec_graph_list *out)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct seep_mapping *first = &m->mappings[i];
        struct elf_image image;
        if (first->name_length == 0 || first->name[0] != '/' ||
            !(first->protection & SEEP_PROTECTION_READ) ||
            !elf_image_open(first->start, first->end, &image) || !is_loaded(m, first, &image))
            continue;
        uintptr_t ours = (uintptr_t)&rec_alive - image.base;
        bool own = false;
        for (unsigned k = 0; k < image.count; k++)
            own |= image.headers[k].p_type == PT_LOAD &&
                   ours - image.headers[k].p_vaddr < image.headers[k].p_memsz;
        for (unsigned k = 0; k < image.count; k++) {
            const Elf64_Phdr *h = &image.headers[k];
            if (h->p_type != PT_LOAD)
                continue;
            struct rec_graph_region r = {
                .start = page_down(image.base + h->p_vaddr),
                .end = page_up(image.base + h->p_vaddr + h->p_memsz),
                .kind = own                 ? REC_GRAPH_OWN
                        : h->p_flags & PF_W ? SEEP_GRAPH_DATA
                                            : REC_GRAPH_CONSTANT,
            };
            add(out, r);
        }
    }
    sort(out);
}

/* What the mapping is that holds no module's segment. */
static uint32_t kind_of(const struct seep_mapping *m)
{
    if (!(m->protection & SEEP_PROTECTION_READ) || name_starts(m, "/dev/dri") ||
        (name_starts(m, "/dev/") && !name_starts(m, "/dev/shm/") && !name_starts(m, "/dev/zero")))
        return REC_GRAPH_OWN; /* a device's memory may not stand being read */
    if (name_starts(m, "[v") || name_starts(m, "[stack]") || name_starts(m, "anon_inode:"))
        return REC_GRAPH_FREE;
    if (!is_writable(m))
        return REC_GRAPH_FREE;
    if (!(m->protection & SEEP_PROTECTION_SHARED) || name_starts(m, "/dev/zero") ||
        name_starts(m, "/dev/shm/") || name_starts(m, "/memfd:") || name_starts(m, "/SYSV"))
        return SEEP_GRAPH_HEAP;
    return REC_GRAPH_FREE;
}

/* All mappings, and of which kind each is or its pieces are. */
static void classify(const struct maps *m, const struct rec_graph_list *modules,
                     struct rec_graph_list *out)
{
    size_t k = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct seep_mapping *mapping = &m->mappings[i];
        struct rec_graph_region rest = {
            .start = mapping->start,
            .end = mapping->end,
            .kind = kind_of(mapping),
            .shared = mapping->protection & SEEP_PROTECTION_SHARED,
        };
        while (k < modules->count && modules->regions[k].end <= rest.start)
            k++;
        for (size_t n = k; n < modules->count && modules->regions[n].start < rest.end; n++) {
            struct rec_graph_region piece = modules->regions[n], before = rest;
            before.end = piece.start;
            if (piece.start > rest.start)
                add(out, before);
            else
                piece.start = rest.start;
            if (piece.end > rest.end)
                piece.end = rest.end;
            if (piece.kind == SEEP_GRAPH_DATA && !is_writable(mapping))
                piece.kind = REC_GRAPH_CONSTANT;
            if (!(mapping->protection & SEEP_PROTECTION_READ))
                piece.kind = REC_GRAPH_OWN;
            add(out, piece);
            rest.start = piece.end;
        }
        add(out, rest);
    }
}

/* ------------------------------------------------------------------ roots */

/* The first of a sorted list that ends behind `address`. */
static size_t first_behind(const struct rec_graph_list *list, uintptr_t address)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list->regions[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Adds what can be read of it. */
static void add_root(const struct rec_graph_list *mapped, struct rec_graph_list *out,
                     struct rec_graph_region root)
{
    for (size_t i = first_behind(mapped, root.start);
         i < mapped->count && mapped->regions[i].start < root.end; i++) {
        const struct rec_graph_region *m = &mapped->regions[i];
        struct rec_graph_region piece = root;
        if (m->kind == REC_GRAPH_OWN)
            continue;
        if (piece.start < m->start)
            piece.start = m->start;
        if (piece.end > m->end)
            piece.end = m->end;
        piece.shared = m->shared;
        add(out, piece);
    }
}

/* How the C library lays out what belongs to a thread. */
struct layout {
    uintptr_t tls_bytes;   /* below the thread control block */
    uintptr_t block_bytes; /* of that */
};

static struct layout layout_of_library(void)
{
    struct layout l = {TLS_BYTES, CONTROL_BLOCK_BYTES};
    if (rec_real.thread_bytes)
        l.block_bytes = *rec_real.thread_bytes;
    if (rec_real.static_tls) {
        size_t bytes = 0, alignment = 0;
        rec_real.static_tls(&bytes, &alignment);
        if (bytes > l.block_bytes)
            l.tls_bytes = bytes - l.block_bytes;
    }
    return l;
}

struct search {
    const struct rec_graph_plan *plan;
    const struct maps *maps;
    const struct rec_graph_list *mapped; /* all of memory */
    struct layout layout;
    struct rec_graph_list *own, *roots; /* what is found */
};

/* The thread's own stack where it is not known how far it is in use. */
static void add_whole_stack(const struct search *s, const struct rec_graph_thread *t,
                            uintptr_t tls_start)
{
    const struct seep_mapping *whole = mapping_around(s->maps, t->tls ? t->tls : t->sp);
    for (size_t i = 0; t->tid == s->plan->process && i < s->maps->count; i++)
        if (name_starts(&s->maps->mappings[i], "[stack]"))
            whole = &s->maps->mappings[i];
    if (whole == NULL || name_starts(whole, "[heap]"))
        return; /* which is looked at anyway */
    uintptr_t end =
        t->tls && t->tls - whole->start < whole->end - whole->start ? tls_start : whole->end;
    add_root(s->mapped, s->roots,
             (struct rec_graph_region){.start = whole->start,
                                       .end = end,
                                       .kind = SEEP_GRAPH_WHOLE_STACK,
                                       .thread = t->number});
}

static void add_stack(const struct search *s, const struct rec_graph_thread *t, uintptr_t tls_start)
{
    const struct seep_mapping *around = mapping_around(s->maps, t->sp);
    struct rec_graph_region stack = {.start = t->sp, .thread = t->number};
    bool answered = atomic_load(&t->answered);
    if (answered && t->alternate_high &&
        t->sp + REC_GRAPH_RED_ZONE - t->alternate_low <= t->alternate_high - t->alternate_low) {
        stack.kind = SEEP_GRAPH_ALTERNATE;
        stack.end = t->alternate_high;
        add_root(s->mapped, s->roots, stack);
        add_whole_stack(s, t, tls_start);
        return;
    }
    bool exact = answered || t->call[7];
    stack.kind = SEEP_GRAPH_STACK;
    if (exact && around && name_starts(around, "[stack]"))
        stack.end = around->end;
    else if (exact && around && t->tls > t->sp && t->tls < around->end)
        stack.end = tls_start;
    if (stack.end) {
        add_root(s->mapped, s->roots, stack);
        return;
    }
    if (around && answered) { /* a coroutine's */
        stack.end = around->end - stack.start > COROUTINE_BYTES ? stack.start + COROUTINE_BYTES
                                                                : around->end;
        add_root(s->mapped, s->roots, stack);
    }
    add_whole_stack(s, t, tls_start);
}

static void add_thread(const struct search *s, const struct rec_graph_thread *t)
{
    uintptr_t tls_start = (t->tls - s->layout.tls_bytes) & ~(uintptr_t)7;
    const struct seep_mapping *around = mapping_around(s->maps, t->tls);
    if (around && tls_start < around->start)
        tls_start = around->start;
    if (t->tls) {
        add_root(s->mapped, s->roots,
                 (struct rec_graph_region){.start = tls_start,
                                           .end = t->tls + s->layout.block_bytes,
                                           .kind = SEEP_GRAPH_TLS,
                                           .thread = t->number});
        /* In ours there are blocks on their way, and some that are gone. */
        uintptr_t control_block;
        __asm__("mov %%fs:0, %0" : "=r"(control_block));
        uintptr_t ours = t->tls + ((uintptr_t)&rec_pending - control_block);
        add(s->own, (struct rec_graph_region){
                        .start = ours, .end = ours + sizeof rec_pending, .kind = REC_GRAPH_OWN});
    }
    if (t->tid)
        add_stack(s, t, tls_start);
}

static void add_roots(const struct search *s)
{
    for (uint32_t i = 0; i < s->plan->thread_count; i++)
        add_thread(s, &s->plan->threads[i]);
    struct rec_graph_region r = {.kind = SEEP_GRAPH_REGISTERED};
    for (size_t position = 0; rec_lsan_next_root(&position, &r.start, &r.end);) {
        add_root(s->mapped, s->roots, r);
    }
    /* Blocks from before there was an allocator; in our data, which is no root otherwise. */
    uintptr_t early = (uintptr_t)rec_early;
    add(s->roots, (struct rec_graph_region){
                      .start = early, .end = early + rec_early_used(), .kind = SEEP_GRAPH_DATA});
    struct rec_graph_region own = {.kind = REC_GRAPH_OWN};
    for (size_t position = 0; sys_memory_next(&position, &own.start, &own.end);)
        add(s->own, own);
    sort(s->own);
    sort(s->roots);
}

/* ------------------------------------------------------------------ all together */

static void keep(struct rec_graph_list *list, uint32_t last_kind, uint32_t other_kind)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct rec_graph_region *r = &list->regions[i];
        if (r->kind <= last_kind || r->kind == other_kind)
            list->regions[kept++] = *r;
    }
    list->count = kept;
}

bool rec_graph_regions_find(const struct rec_graph_plan *plan, struct rec_graph_regions *out)
{
    struct maps maps;
    struct rec_graph_list modules, mapped, own, roots, marked;
    if (!list_new(&modules) || !list_new(&mapped) || !list_new(&own) || !list_new(&roots) ||
        !list_new(&marked) || !list_new(&out->all) || !list_new(&out->targets) || !read_maps(&maps))
        return false;
    add_modules(&maps, &modules);
    classify(&maps, &modules, &mapped);
    add_roots(&(struct search){.plan = plan,
                               .maps = &maps,
                               .mapped = &mapped,
                               .layout = layout_of_library(),
                               .own = &own,
                               .roots = &roots});
    lay_over(&out->targets, &own, &mapped);
    keep(&out->targets, SEEP_GRAPH_HEAP, REC_GRAPH_CONSTANT); /* OWN and FREE go */
    lay_over(&marked, &own, &roots);
    lay_over(&out->all, &marked, &mapped);
    keep(&out->all, SEEP_GRAPH_REGISTERED, SEEP_GRAPH_REGISTERED);
    return true;
}

bool rec_graph_regions_heap(const struct rec_graph_regions *regions, struct rec_graph_list *out)
{
    if (!list_new(out))
        return false;
    for (size_t i = 0; i < regions->targets.count; i++)
        if (regions->targets.regions[i].kind == SEEP_GRAPH_HEAP)
            add(out, regions->targets.regions[i]);
    return true;
}
