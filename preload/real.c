/* SPDX-License-Identifier: MIT */
#include "real.h"

#include "bindings.h"
#include "direct.h"
#include "glibc.h"
#include "recorder.h"
#include "sys.h"
#include "text.h"

#include <stdatomic.h>
#include <sys/auxv.h>

struct rec_real rec_real;
void *rec_real_syscall;

static struct rec_allocator allocator;
static const char *refusal;
static bool sanitized;
static void *(*sanitizers_malloc)(size_t); /* to be called once its runtime is set up */

/* ------------------------------------------------------------------ before and during look-up */

#define EARLY_ALIGN 16

_Alignas(64) uint8_t rec_early[REC_EARLY_BYTES];
static atomic_size_t early_used;

/* A pointer that the loader fills in when it relocates us. What stands there until then is up to
 * the linker: 0, or the address without our load bias. Code knows the true one without relocation.
 */
static const void *const volatile relocated = rec_early;

/* And what the loader copies into place when all modules are relocated. Before, in the resolvers of
 * ifuncs, libc's own thread-local variables are zero too, and a look-up that fails would trip over
 * them on its way to its message. */
static __thread volatile bool has_tls = true;

static bool can_look_up(void)
{
    return relocated == rec_early && has_tls;
}

/* The block's size stands in the 16 bytes before it. */
void *rec_early_alloc(size_t alignment, size_t bytes)
{
    if (!can_look_up())
        rec_lost(SEEP_LOST_EARLY); /* the program's; what our look-ups allocate is not */
    if (alignment < EARLY_ALIGN)
        alignment = EARLY_ALIGN;
    if (bytes > REC_EARLY_BYTES || alignment > REC_EARLY_BYTES)
        return NULL;
    size_t need = bytes + EARLY_ALIGN + alignment;
    size_t at =
        atomic_fetch_add(&early_used, (need + EARLY_ALIGN - 1) & ~(size_t)(EARLY_ALIGN - 1));
    if (at + need > REC_EARLY_BYTES)
        return NULL;
    uintptr_t p = ((uintptr_t)rec_early + at + EARLY_ALIGN + alignment - 1) & ~(alignment - 1);
    ((size_t *)p)[-2] = bytes;
    return (void *)p;
}

size_t rec_early_size(const void *p)
{
    return ((const size_t *)p)[-2];
}

size_t rec_early_used(void)
{
    size_t used = atomic_load(&early_used);
    return used < REC_EARLY_BYTES ? used : REC_EARLY_BYTES;
}

/* ------------------------------------------------------------------ look-up */

#define LOOK_UP(field, name)                                                                       \
    {                                                                                              \
        name, offsetof(struct rec_real, field)                                                     \
    }
static const struct {
    const char name[32];
    size_t offset;
} names[] = {
    LOOK_UP(malloc, "malloc"),
    LOOK_UP(calloc, "calloc"),
    LOOK_UP(realloc, "realloc"),
    LOOK_UP(reallocarray, "reallocarray"),
    LOOK_UP(free, "free"),
    LOOK_UP(memalign, "memalign"),
    LOOK_UP(aligned_alloc, "aligned_alloc"),
    LOOK_UP(posix_memalign, "posix_memalign"),
    LOOK_UP(valloc, "valloc"),
    LOOK_UP(pvalloc, "pvalloc"),
    LOOK_UP(usable_size, "malloc_usable_size"),
    LOOK_UP(prctl, "prctl"),
    LOOK_UP(fork, "fork"),
    LOOK_UP(plain_fork, "_Fork"),
    LOOK_UP(mmap, "mmap"),
    LOOK_UP(munmap, "munmap"),
    LOOK_UP(mremap, "mremap"),
    LOOK_UP(exit_now, "_exit"),
    LOOK_UP(static_tls, "_dl_get_tls_static_info"),
    LOOK_UP(thread_bytes, "_thread_db_sizeof_pthread"),
};

static void *base_of(const void *function, const char **path)
{
    Dl_info info;
    if (function == NULL || dladdr(function, &info) == 0)
        return NULL;
    if (path)
        *path = info.dli_fname;
    return info.dli_fbase;
}

bool rec_real_same_file(const void *one, const void *other)
{
    void *base = base_of(one, NULL);
    return base && base == base_of(other, NULL);
}

/* Fills in a version from the allocator's own functions, looked up by name: they are other
 * libraries' interfaces, so nothing is linked. */
static void identify(const void *real_malloc)
{
    const char *path = "";
    if (!is_glibc())
        return;
    void *base = base_of(real_malloc, &path);
    void *libc = base_of((const void *)gnu_get_libc_version, NULL);
    struct text t = TEXT(allocator.path);
    text_add(&t, path);
    struct text name = TEXT(allocator.name);
    struct text version = TEXT(allocator.version);
    int (*mallctl)(const char *, void *, size_t *, void *, size_t) =
        (int (*)(const char *, void *, size_t *, void *, size_t))dlsym(RTLD_DEFAULT, "mallctl");
    const char *(*tc_version)(int *, int *, const char **) =
        (const char *(*)(int *, int *, const char **))dlsym(RTLD_DEFAULT, "tc_version");
    int (*mi_version)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "mi_version");
    if (base == libc) {
        text_add(&name, "glibc");
        text_add(&version, gnu_get_libc_version());
        rec_real.chunks = gnu_get_libc_version()[2] > '3' ||
                          (gnu_get_libc_version()[2] == '3' && gnu_get_libc_version()[3] >= '4');
    } else if (mallctl && base_of((const void *)mallctl, NULL) == base) {
        const char *word = "";
        size_t size = sizeof word;
        text_add(&name, "jemalloc");
        mallctl("version", &word, &size, NULL, 0);
        text_add(&version, word);
    } else if (tc_version && base_of((const void *)tc_version, NULL) == base) {
        text_add(&name, "tcmalloc");
        text_add(&version, tc_version(NULL, NULL, NULL));
    } else if (mi_version && base_of((const void *)mi_version, NULL) == base) {
        uint64_t v = (uint64_t)mi_version(); /* 212 is 2.1.2 */
        text_add(&name, "mimalloc");
        text_add_number(&version, v / 100);
        text_addc(&version, '.');
        text_add_number(&version, v / 10 % 10);
        text_addc(&version, '.');
        text_add_number(&version, v % 10);
    } else {
        text_add(&name, text_base_name(path));
        rec_real.nests = true;
    }
    if (base != libc)
        rec_direct_resolve(real_malloc);
}

enum leads { LEADS_TO_US, LEADS_ELSEWHERE, LEADS_BY_PLT };

/* Where calls of `name` lead. A program at a fixed address that takes the function's address has an
 * undefined symbol with a value, that of its PLT entry, and the look-up finds that; the entry leads
 * to whoever is first, as all calls do. */
static enum leads leads(const char *name, void **function)
{
    Dl_info found;
    const ElfW(Sym) *symbol = NULL;
    *function = dlsym(RTLD_DEFAULT, name);
    if (*function == NULL || dladdr1(*function, &found, (void **)&symbol, RTLD_DL_SYMENT) == 0)
        return LEADS_ELSEWHERE;
    if (symbol && symbol->st_shndx == SHN_UNDEF)
        return LEADS_BY_PLT;
    return found.dli_fbase == base_of((const void *)rec_real_resolve, NULL) ? LEADS_TO_US
                                                                            : LEADS_ELSEWHERE;
}

/* True if a library that was loaded before us defines malloc: the list is in the order of look-up.
 */
static bool defined_before_us(void)
{
    const void *us = base_of((const void *)rec_real_resolve, NULL);
    bool found = false;
    for (const struct link_map *map = _r_debug.r_map->l_next;
         map && (const void *)map->l_addr != us && !found; map = map->l_next) {
        void *handle = dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD);
        if (handle == NULL)
            continue;
        found = base_of(dlsym(handle, "malloc"), NULL) == (const void *)map->l_addr;
        dlclose(handle);
    }
    return found;
}

/* True if the program's calls of malloc come to us. */
static bool first_in_line(void)
{
    void *function;
    enum leads to = leads("malloc", &function);
    return to == LEADS_TO_US || (to == LEADS_BY_PLT && !defined_before_us());
}

/* Another library is first. What it does not define, reallocarray say, still comes to us, with its
 * blocks: what we call must be its functions, not those of whoever stands behind us. */
static void follow_the_first(struct rec_real *real)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *first;
        if (leads(names[i].name, &first) == LEADS_ELSEWHERE && first)
            *(void **)((char *)real + names[i].offset) = first;
    }
}

static bool program_has_its_own(void)
{
    void *function;
    return leads("malloc", &function) == LEADS_ELSEWHERE && function &&
           base_of(function, NULL) == base_of((const void *)getauxval(AT_PHDR), NULL);
}

static void refuse(void)
{
    static const struct {
        const char *symbol, *reason;
    } sanitizers[] = {
        {"__asan_init", "it is built with AddressSanitizer, which has an allocator of its own"},
        {"__tsan_init", "it is built with ThreadSanitizer, which has an allocator of its own"},
        {"__msan_init", "it is built with MemorySanitizer, which has an allocator of its own"},
        {"__hwasan_init", "it is built with HWAddressSanitizer, which has an allocator of its own"},
        {"__lsan_init", "it is built with LeakSanitizer, which has an allocator of its own"},
    };
    if (!is_glibc()) {
        refusal = "its C library is not glibc";
        return;
    }
    for (size_t i = 0; i < sizeof sanitizers / sizeof sanitizers[0]; i++)
        if (!refusal && dlsym(RTLD_DEFAULT, sanitizers[i].symbol))
            refusal = sanitizers[i].reason;
    sanitized = refusal != NULL;
    if (!refusal && program_has_its_own())
        refusal = "the program has a malloc of its own, which no library can stand in front of";
    else if (!refusal && !first_in_line())
        refusal = "another library serves malloc before the recorder: libseep.so must come first "
                  "in LD_PRELOAD";
}

enum { NOT_YET, RUNNING, DONE };
static atomic_int state;
static __thread bool resolving; /* this thread is at it */

void rec_real_forked(void)
{
    int running = RUNNING;
    if (!resolving)
        atomic_compare_exchange_strong(&state, &running, NOT_YET);
}

bool rec_real_resolve(void)
{
    int not_yet = NOT_YET;
    if (!can_look_up() || !atomic_compare_exchange_strong(&state, &not_yet, RUNNING))
        return rec_real.malloc != NULL;
    resolving = true;
    struct rec_real found = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        *(void **)((char *)&found + names[i].offset) = dlsym(RTLD_NEXT, names[i].name);
    void *(*real_malloc)(size_t) = found.malloc;
    found.malloc = NULL;
    rec_real = found;
    rec_real_syscall = dlsym(RTLD_NEXT, "syscall");
    identify((const void *)real_malloc);
    refuse();
    if (is_glibc() && !first_in_line()) {
        found.malloc = real_malloc;
        follow_the_first(&found);
        real_malloc = found.malloc;
        found.malloc = NULL;
        found.nests = rec_real.nests;
        rec_real = found;
    }
    /* tcmalloc makes an object by operator new when first asked, and we ask in operator new. */
    if (found.usable_size && !sanitized)
        found.usable_size(NULL);
    rec_cxx_resolve((const void *)found.free);
    rec_bindings_start();
    /* A name that was not found left an error for dlerror(): the first call reports it, the second
     * frees it, and the program finds none, nor its memory taken. */
    dlerror();
    dlerror();
    /* Last: it says that all is there. Until now, what the look-ups allocated came from the arena,
     * not from the program's allocator, whose state is to be that of a run without us. */
    if (sanitized)
        sanitizers_malloc = real_malloc;
    else
        __atomic_store_n(&rec_real.malloc, real_malloc, __ATOMIC_RELEASE);
    atomic_store(&state, DONE);
    resolving = false;
    return !sanitized && real_malloc != NULL;
}

void rec_real_constructed(void)
{
    if (sanitizers_malloc)
        __atomic_store_n(&rec_real.malloc, sanitizers_malloc, __ATOMIC_RELEASE);
}

const struct rec_allocator *rec_real_allocator(void)
{
    return &allocator;
}

const char *rec_real_refusal(void)
{
    return refusal;
}
