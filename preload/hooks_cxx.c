/* SPDX-License-Identifier: MIT
 *
 * operator new and delete, all forms, by their mangled names (Itanium C++ ABI 5.1.3): there is no
 * C++ in the recorder. The real ones are those the caller would have got: looked up in the global
 * scope behind us, or, in a program of C that opened a C++ library later, in the scope of the
 * library that calls. */
#include "hook.h"
#include "lock.h"
#include "modules.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>

enum form {
    NEW,
    NEW_ARRAY,
    NEW_NOTHROW,
    NEW_ARRAY_NOTHROW,
    NEW_ALIGNED,
    NEW_ARRAY_ALIGNED,
    NEW_ALIGNED_NOTHROW,
    NEW_ARRAY_ALIGNED_NOTHROW,
    DELETE,
    DELETE_ARRAY,
    DELETE_NOTHROW,
    DELETE_ARRAY_NOTHROW,
    DELETE_SIZED,
    DELETE_ARRAY_SIZED,
    DELETE_ALIGNED,
    DELETE_ARRAY_ALIGNED,
    DELETE_ALIGNED_NOTHROW,
    DELETE_ARRAY_ALIGNED_NOTHROW,
    DELETE_SIZED_ALIGNED,
    DELETE_ARRAY_SIZED_ALIGNED,
    FORM_COUNT,
};

#define NOTHROW "RKSt9nothrow_t"
#define ALIGNED "St11align_val_t"
static const char *const names[FORM_COUNT] = {
    [NEW] = "_Znwm",
    [NEW_ARRAY] = "_Znam",
    [NEW_NOTHROW] = "_Znwm" NOTHROW,
    [NEW_ARRAY_NOTHROW] = "_Znam" NOTHROW,
    [NEW_ALIGNED] = "_Znwm" ALIGNED,
    [NEW_ARRAY_ALIGNED] = "_Znam" ALIGNED,
    [NEW_ALIGNED_NOTHROW] = "_Znwm" ALIGNED NOTHROW,
    [NEW_ARRAY_ALIGNED_NOTHROW] = "_Znam" ALIGNED NOTHROW,
    [DELETE] = "_ZdlPv",
    [DELETE_ARRAY] = "_ZdaPv",
    [DELETE_NOTHROW] = "_ZdlPv" NOTHROW,
    [DELETE_ARRAY_NOTHROW] = "_ZdaPv" NOTHROW,
    [DELETE_SIZED] = "_ZdlPvm",
    [DELETE_ARRAY_SIZED] = "_ZdaPvm",
    [DELETE_ALIGNED] = "_ZdlPv" ALIGNED,
    [DELETE_ARRAY_ALIGNED] = "_ZdaPv" ALIGNED,
    [DELETE_ALIGNED_NOTHROW] = "_ZdlPv" ALIGNED NOTHROW,
    [DELETE_ARRAY_ALIGNED_NOTHROW] = "_ZdaPv" ALIGNED NOTHROW,
    [DELETE_SIZED_ALIGNED] = "_ZdlPvm" ALIGNED,
    [DELETE_ARRAY_SIZED_ALIGNED] = "_ZdaPvm" ALIGNED,
};

/* ------------------------------------------------------------------ the real functions */

/* What is in the global scope at the start: it cannot go away. `direct`: the function does the work
 * itself, as an allocator's own may: its end must be recorded before, not by what it calls. */
static struct {
    void *function;
    bool direct;
} global[FORM_COUNT];

/* What the module at `start` sees, where that is in no global scope: a C++ library that a program
 * of C opened. Written under the lock, `start` last; read without. An entry is used again only when
 * the generation of modules it was made in is over. */
#define CACHED_MODULES 32
static struct cached {
    _Atomic uintptr_t start; /* 0: empty */
    _Atomic uint32_t generation;
    _Atomic(void *) functions[FORM_COUNT]; /* NULL: not asked for yet, or none */
} cache[CACHED_MODULES];
static struct rec_lock cache_lock;

void rec_cxx_resolve(const void *real_free)
{
    rec_lock_reset(&cache_lock);
    for (enum form form = 0; form < FORM_COUNT; form++) {
        void *f = dlsym(RTLD_NEXT, names[form]);
        global[form].function = f;
        global[form].direct = f && rec_real_same_file(f, real_free);
        if (form == NEW && f == NULL)
            return; /* no C++ there */
    }
}

/* Asks the loader for `form` as the module around `caller` sees it. */
static void *ask(enum form form, uintptr_t caller)
{
    Dl_info info;
    if (dladdr((void *)caller, &info) == 0)
        return NULL;
    void *handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == NULL)
        return NULL;
    void *found = dlsym(handle, names[form]);
    struct rec_module self, other;
    if (found && rec_modules_find((uintptr_t)ask, &self) &&
        rec_modules_find((uintptr_t)found, &other) && self.start == other.start)
        found = NULL; /* our own: the library has none */
    dlclose(handle);
    return found;
}

static struct cached *cached_for(uintptr_t start, uint32_t generation)
{
    for (int i = 0; i < CACHED_MODULES; i++)
        if (atomic_load_explicit(&cache[i].start, memory_order_acquire) == start &&
            atomic_load_explicit(&cache[i].generation, memory_order_relaxed) == generation)
            return &cache[i];
    return NULL;
}

/* Remembers an answer; where all entries are taken, it will be asked for again. */
static void keep(uintptr_t start, uint32_t generation, enum form form, void *function)
{
    uint64_t mask = rec_lock(&cache_lock);
    struct cached *c = cached_for(start, generation);
    for (int i = 0; c == NULL && i < CACHED_MODULES; i++) {
        if (cache[i].start && cache[i].generation == generation)
            continue;
        c = &cache[i];
        atomic_store(&c->start, 0);
        for (int f = 0; f < FORM_COUNT; f++)
            atomic_store(&c->functions[f], NULL);
        atomic_store(&c->generation, generation);
        atomic_store_explicit(&c->start, start, memory_order_release);
    }
    if (c)
        atomic_store_explicit(&c->functions[form], function, memory_order_release);
    rec_unlock(&cache_lock, mask);
}

/* Who called the outermost hook: a form that ends in a jump to a simpler one, as libstdc++'s do,
 * makes that look as if we had called it. */
static __thread uintptr_t outer_caller;

static void *find(enum form form, uintptr_t caller, bool *direct)
{
    *direct = global[form].direct;
    if (__builtin_expect(global[form].function != NULL, 1))
        return global[form].function;
    struct rec_module module;
    if (!rec_modules_find(caller, &module))
        return NULL;
    if ((uintptr_t)find - module.start < module.end - module.start) {
        caller = outer_caller;
        if (!rec_modules_find(caller, &module))
            return NULL;
    }
    outer_caller = caller;
    uint32_t generation = rec_modules_generation();
    struct cached *c = cached_for(module.start, generation);
    void *f = c ? atomic_load_explicit(&c->functions[form], memory_order_acquire) : NULL;
    if (f && atomic_load(&c->start) == module.start && atomic_load(&c->generation) == generation)
        return f;
    f = ask(form, caller);
    if (f)
        keep(module.start, generation, form, f);
    return f;
}

typedef struct nothrow nothrow; /* std::nothrow_t */

/* No C++ runtime is to be found, so neither a new-handler nor bad_alloc is. */
static void *without_runtime(enum form form, size_t bytes, size_t alignment)
{
    void *p =
        alignment ? rec_real.aligned_alloc(alignment, bytes) : rec_real.malloc(bytes ? bytes : 1);
    bool may_fail = form == NEW_NOTHROW || form == NEW_ARRAY_NOTHROW ||
                    form == NEW_ALIGNED_NOTHROW || form == NEW_ARRAY_ALIGNED_NOTHROW;
    if (p == NULL && !may_fail)
        abort();
    return p;
}

static inline void *call_new(enum form form, void *function, size_t bytes, size_t alignment,
                             const nothrow *tag)
{
    switch (form) {
    case NEW:
    case NEW_ARRAY: return ((void *(*)(size_t))function)(bytes);
    case NEW_NOTHROW:
    case NEW_ARRAY_NOTHROW: return ((void *(*)(size_t, const nothrow *))function)(bytes, tag);
    case NEW_ALIGNED:
    case NEW_ARRAY_ALIGNED: return ((void *(*)(size_t, size_t))function)(bytes, alignment);
    default: return ((void *(*)(size_t, size_t, const nothrow *))function)(bytes, alignment, tag);
    }
}

static inline __attribute__((always_inline)) void *hook_new(enum form form, enum seep_call call,
                                                            size_t bytes, size_t alignment,
                                                            const nothrow *tag,
                                                            struct rec_context at)
{
    if (!rec_real_ready())
        return rec_early_alloc(alignment, bytes);
    bool direct;
    void *function = find(form, at.pc, &direct);
    struct rec_allocation found;
    bool outer = rec_pending_open(call, bytes, alignment, at, &found);
    void *p = function ? call_new(form, function, bytes, alignment, tag)
                       : without_runtime(form, bytes, alignment);
    if (outer && !rec_pending_close(&found))
        hook_allocated(call, p, bytes, alignment, at);
    return p;
}

static inline void call_delete(enum form form, void *function, void *p, size_t bytes,
                               size_t alignment, const nothrow *tag)
{
    switch (form) {
    case DELETE:
    case DELETE_ARRAY: ((void (*)(void *))function)(p); return;
    case DELETE_NOTHROW:
    case DELETE_ARRAY_NOTHROW: ((void (*)(void *, const nothrow *))function)(p, tag); return;
    case DELETE_SIZED:
    case DELETE_ARRAY_SIZED: ((void (*)(void *, size_t))function)(p, bytes); return;
    case DELETE_ALIGNED:
    case DELETE_ARRAY_ALIGNED: ((void (*)(void *, size_t))function)(p, alignment); return;
    case DELETE_ALIGNED_NOTHROW:
    case DELETE_ARRAY_ALIGNED_NOTHROW:
        ((void (*)(void *, size_t, const nothrow *))function)(p, alignment, tag);
        return;
    default: ((void (*)(void *, size_t, size_t))function)(p, bytes, alignment); return;
    }
}

static inline __attribute__((always_inline)) void hook_delete(enum form form, enum seep_call call,
                                                              void *p, size_t bytes,
                                                              size_t alignment, const nothrow *tag,
                                                              struct rec_context at)
{
    if (p == NULL || rec_is_early(p) || !rec_real_ready())
        return;
    bool direct;
    void *function = find(form, at.pc, &direct);
    bool first = function == NULL || direct;
    if (first)
        hook_freed(call, p, at); /* and not again if it calls free, as jemalloc's does */
    struct rec_free found = rec_pending.freed; /* a handler's: what it interrupted */
    if (found.block != (uintptr_t)p) {
        rec_pending.freed.block = (uintptr_t)p;
        __asm__ volatile("" ::: "memory"); /* first: it says that the others are in use */
        rec_pending.freed.call = first ? REC_PENDING_RECORDED : call;
        rec_pending.freed.at = at;
    }
    if (function)
        call_delete(form, function, p, bytes, alignment, tag);
    else
        rec_real.free(p);
    if (rec_pending.freed.block == (uintptr_t)p) /* a pool's delete: no free() came by */
        hook_freed(call, p, at);
    if (__builtin_expect(found.block && found.block != (uintptr_t)p, 0))
        rec_pending.freed = found;
}

#define N(symbol, form, call, parameters, bytes, alignment, tag)                                   \
    HOOK void *hook_##form parameters __asm__(symbol);                                             \
    HOOK void *hook_##form parameters                                                              \
    {                                                                                              \
        return hook_new(form, call, bytes, alignment, tag, REC_CONTEXT_HERE);                      \
    }
N("_Znwm", NEW, SEEP_CALL_NEW, (size_t n), n, 0, NULL)
N("_Znam", NEW_ARRAY, SEEP_CALL_NEW_ARRAY, (size_t n), n, 0, NULL)
N("_Znwm" NOTHROW, NEW_NOTHROW, SEEP_CALL_NEW, (size_t n, const nothrow *t), n, 0, t)
N("_Znam" NOTHROW, NEW_ARRAY_NOTHROW, SEEP_CALL_NEW_ARRAY, (size_t n, const nothrow *t), n, 0, t)
N("_Znwm" ALIGNED, NEW_ALIGNED, SEEP_CALL_NEW, (size_t n, size_t a), n, a, NULL)
N("_Znam" ALIGNED, NEW_ARRAY_ALIGNED, SEEP_CALL_NEW_ARRAY, (size_t n, size_t a), n, a, NULL)
N("_Znwm" ALIGNED NOTHROW, NEW_ALIGNED_NOTHROW, SEEP_CALL_NEW,
  (size_t n, size_t a, const nothrow *t), n, a, t)
N("_Znam" ALIGNED NOTHROW, NEW_ARRAY_ALIGNED_NOTHROW, SEEP_CALL_NEW_ARRAY,
  (size_t n, size_t a, const nothrow *t), n, a, t)

#define D(symbol, form, call, parameters, bytes, alignment, tag)                                   \
    HOOK void hook_##form parameters __asm__(symbol);                                              \
    HOOK void hook_##form parameters                                                               \
    {                                                                                              \
        hook_delete(form, call, p, bytes, alignment, tag, REC_CONTEXT_HERE);                       \
    }
D("_ZdlPv", DELETE, SEEP_CALL_DELETE, (void *p), 0, 0, NULL)
D("_ZdaPv", DELETE_ARRAY, SEEP_CALL_DELETE_ARRAY, (void *p), 0, 0, NULL)
D("_ZdlPv" NOTHROW, DELETE_NOTHROW, SEEP_CALL_DELETE, (void *p, const nothrow *t), 0, 0, t)
D("_ZdaPv" NOTHROW, DELETE_ARRAY_NOTHROW, SEEP_CALL_DELETE_ARRAY, (void *p, const nothrow *t), 0, 0,
  t)
D("_ZdlPvm", DELETE_SIZED, SEEP_CALL_DELETE, (void *p, size_t n), n, 0, NULL)
D("_ZdaPvm", DELETE_ARRAY_SIZED, SEEP_CALL_DELETE_ARRAY, (void *p, size_t n), n, 0, NULL)
D("_ZdlPv" ALIGNED, DELETE_ALIGNED, SEEP_CALL_DELETE, (void *p, size_t a), 0, a, NULL)
D("_ZdaPv" ALIGNED, DELETE_ARRAY_ALIGNED, SEEP_CALL_DELETE_ARRAY, (void *p, size_t a), 0, a, NULL)
D("_ZdlPv" ALIGNED NOTHROW, DELETE_ALIGNED_NOTHROW, SEEP_CALL_DELETE,
  (void *p, size_t a, const nothrow *t), 0, a, t)
D("_ZdaPv" ALIGNED NOTHROW, DELETE_ARRAY_ALIGNED_NOTHROW, SEEP_CALL_DELETE_ARRAY,
  (void *p, size_t a, const nothrow *t), 0, a, t)
D("_ZdlPvm" ALIGNED, DELETE_SIZED_ALIGNED, SEEP_CALL_DELETE, (void *p, size_t n, size_t a), n, a,
  NULL)
D("_ZdaPvm" ALIGNED, DELETE_ARRAY_SIZED_ALIGNED, SEEP_CALL_DELETE_ARRAY,
  (void *p, size_t n, size_t a), n, a, NULL)
