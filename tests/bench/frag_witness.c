/* SPDX-License-Identifier: MIT
 *
 * Makes any program say now and then what its memory is made of: a library to be preloaded behind
 * the recorder. It keeps books of all blocks of malloc and its kin, and at every WITNESS_EVERY-th
 * block, WITNESS_INSTANTS times at most, counts them page by page (frag_count.h) and has seep take
 * a picture of the same moment; two lines of JSON go to the file WITNESS_OUT. At the end it says
 * how many blocks were made.
 *
 * All calls take one lock, which the call that an instant falls on keeps until the instant is over:
 * no block comes or goes meanwhile. The counting is a thread's of its own, for inside a hook of the
 * recorder no picture can be asked for.
 *
 * The recorder knows an allocator by the library that the next malloc is in, and that is this one:
 * so dladdr() tells of what stands behind it instead.
 *
 * Its memory is a file's without a name, so that the kernel does not join it with the program's. */
#define _GNU_SOURCE
#include "../e2e/programs/frag_count.h"
#include "seep/seep.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

#define BOOK_SLOTS (1u << 22)
#define MAPS_BYTES (1u << 20)
#define ARENAS_MAX 512u
#define ARENA_BYTES (UINT64_C(64) << 20) /* glibc's HEAP_MAX_SIZE */
#define GRANULE_BITS 16                  /* of 64 KiB */
#define GRANULES (1u << 20)
#define MARKED_GRANULES 1024u /* of one block; what lies behind is hardly ever touched */
#define WORDS 4096u           /* of the pagemap at a time */

struct entry {
    uintptr_t at; /* 0: free */
    size_t size;
};

/* What lies in the file's memory. */
static struct own {
    struct entry book[BOOK_SLOTS]; /* open addressing */
    struct page pages[PAGES_MAX];
    uintptr_t used[GRANULES];     /* where blocks lie, or did: numbers of granules */
    uintptr_t arenas[ARENAS_MAX]; /* glibc's, that hold blocks */
    size_t arena_count;
    char maps[MAPS_BYTES];
    uint64_t words[WORDS];
} * own;

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*valloc)(size_t);
    void (*free)(void *);
    int (*dladdr)(const void *, Dl_info *);
} real;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t begin, done;
static uint64_t calls, every;
static unsigned left; /* instants */
static bool glibc;
static const char *library; /* of the allocator */
static __thread bool inside __attribute__((tls_model("initial-exec")));

/* ------------------------------------------------------------------ books */

static size_t home(uintptr_t at)
{
    return (size_t)((at >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 42) & (BOOK_SLOTS - 1);
}

static struct entry *entry_of(uintptr_t at)
{
    size_t i = home(at);
    while (own->book[i].at && own->book[i].at != at)
        i = (i + 1) & (BOOK_SLOTS - 1);
    return &own->book[i];
}

static uintptr_t *granule_of(uintptr_t at)
{
    uintptr_t number = at >> GRANULE_BITS;
    size_t i = (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 44) & (GRANULES - 1);
    while (own->used[i] && own->used[i] != number)
        i = (i + 1) & (GRANULES - 1);
    return &own->used[i];
}

static void enter(const void *p, size_t size)
{
    if (!own || !p)
        return;
    *entry_of((uintptr_t)p) = (struct entry){(uintptr_t)p, size};
    uintptr_t first = (uintptr_t)p >> GRANULE_BITS;
    uintptr_t last = ((uintptr_t)p + (size ? size - 1 : 0)) >> GRANULE_BITS;
    for (uintptr_t i = first; i <= last && i - first < MARKED_GRANULES; i++)
        *granule_of(i << GRANULE_BITS) = i;
}

/* Returns the size; moves what may have been put behind the slot because it was taken. */
static size_t leave(const void *p)
{
    struct entry *e = own && p ? entry_of((uintptr_t)p) : NULL;
    if (!e || !e->at)
        return 0;
    size_t size = e->size, hole = (size_t)(e - own->book);
    e->at = 0;
    for (size_t i = (hole + 1) & (BOOK_SLOTS - 1); own->book[i].at;
         i = (i + 1) & (BOOK_SLOTS - 1)) {
        size_t wanted = home(own->book[i].at);
        if (((i - wanted) & (BOOK_SLOTS - 1)) < ((i - hole) & (BOOK_SLOTS - 1)))
            continue;
        own->book[hole] = own->book[i];
        own->book[i].at = 0;
        hole = i;
    }
    return size;
}

/* ------------------------------------------------------------------ an instant */

/* glibc's chunk before a block: 2: in a mapping of its own, 4: not in the brk heap. */
static void note_arena(uintptr_t at)
{
    uintptr_t arena = at & ~(ARENA_BYTES - 1);
    size_t i = 0;
    if (!glibc || (((const size_t *)at)[-1] & 6) != 4)
        return;
    while (i < own->arena_count && own->arenas[i] != arena)
        i++;
    if (i == own->arena_count && i < ARENAS_MAX)
        own->arenas[own->arena_count++] = arena;
}

static bool in_arena(uintptr_t at)
{
    for (size_t i = 0; i < own->arena_count; i++)
        if (at - own->arenas[i] < ARENA_BYTES)
            return true;
    return false;
}

static bool has_blocks(uintptr_t number)
{
    size_t at = page_slot(number);
    return pages[at].number != 0;
}

struct heap {
    uint64_t resident; /* pages with blocks */
    uint64_t free;     /* others of the heap: in granules where blocks lie, or did; of glibc, in the
                          brk heap or an arena */
    uint64_t library;  /* data of the allocator's library; glibc's is the C library */
};

static bool in_heap(uintptr_t at, bool brk)
{
    return glibc ? brk || in_arena(at) : *granule_of(at) != 0;
}

/* Adds what is resident of [start, end), but for pages of a file. */
static void add_mapping(struct heap *sum, uintptr_t start, uintptr_t end, bool brk, bool of_library)
{
    for (uintptr_t from = start; from < end; from += WORDS * PAGE) {
        size_t count = (end - from) / PAGE < WORDS ? (end - from) / PAGE : WORDS;
        if (pread(pagemap, own->words, count * sizeof *own->words,
                  (off_t)(from / PAGE * sizeof *own->words)) < 0)
            return;
        for (size_t i = 0; i < count; i++) {
            uintptr_t at = from + i * PAGE;
            if (!(own->words[i] >> 63) || own->words[i] >> 61 & 1)
                continue;
            if (of_library)
                sum->library += PAGE;
            else if (has_blocks(at / PAGE))
                sum->resident += PAGE;
            else if (in_heap(at, brk))
                sum->free += PAGE;
        }
    }
}

static struct heap count_heap(void)
{
    struct heap h = {0};
    size_t length = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t n; (n = read(fd, own->maps + length, MAPS_BYTES - 1 - length)) > 0;)
        length += (size_t)n;
    close(fd);
    own->maps[length] = '\0';
    uintptr_t library_end = 0;
    for (char *line = own->maps, *next; (next = strchr(line, '\n')); line = next + 1) {
        char *rest;
        *next = '\0';
        uintptr_t start = strtoull(line, &rest, 16), end = strtoull(rest + 1, &rest, 16);
        bool brk = strstr(rest, "[heap]") != NULL;
        bool nameless = !strchr(rest, '/') && !strchr(rest, '[');
        /* what its data need beyond its file stands behind it */
        bool mine = !glibc && (strstr(rest, library) || (nameless && start == library_end));
        library_end = mine ? end : library_end;
        if (rest[2] == 'w' && (brk || mine || nameless))
            add_mapping(&h, start, end, brk, mine);
    }
    return h;
}

static uint64_t own_resident(void)
{
    uint64_t bytes = 0;
    uintptr_t start = (uintptr_t)own, end = start + sizeof *own;
    for (uintptr_t from = start; from < end; from += WORDS * PAGE) {
        memset(own->words, 0, sizeof own->words);
        if (pread(pagemap, own->words, sizeof own->words,
                  (off_t)(from / PAGE * sizeof *own->words)) < 0)
            return bytes;
        for (size_t i = 0; i < WORDS && from + i * PAGE < end; i++)
            bytes += own->words[i] >> 63 ? PAGE : 0;
    }
    return bytes;
}

static void tell(void)
{
    static char line[256];
    struct truth t;
    count_begin(&t);
    own->arena_count = 0;
    for (size_t i = 0; i < BOOK_SLOTS; i++) {
        if (!own->book[i].at)
            continue;
        add_block(&t, (void *)own->book[i].at, own->book[i].size);
        note_arena(own->book[i].at);
    }
    count_end(&t);
    struct heap h = count_heap();
    int length =
        snprintf(line, sizeof line, "{\"own\":%lu,\"heap\":%lu,\"free\":%lu,\"library\":%lu}\n",
                 own_resident(), h.resident + h.free, h.free, h.library);
    if (write(told, line, (size_t)length) != length)
        abort();
    say(&t);
    seep_mark("witness");
    seep_memory();
}

static void *attend(void *arg)
{
    (void)arg;
    inside = true; /* what it allocates itself is no block of the program's */
    for (;;) {
        while (sem_wait(&begin))
            ;
        tell();
        sem_post(&done);
    }
    return NULL;
}

/* ------------------------------------------------------------------ calls */

static void resolve(void)
{
    if (real.malloc)
        return;
    *(void **)&real.calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&real.realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&real.memalign = dlsym(RTLD_NEXT, "memalign");
    *(void **)&real.aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
    *(void **)&real.posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    *(void **)&real.valloc = dlsym(RTLD_NEXT, "valloc");
    *(void **)&real.free = dlsym(RTLD_NEXT, "free");
    *(void **)&real.dladdr = dlsym(RTLD_NEXT, "dladdr");
    *(void **)&real.malloc = dlsym(RTLD_NEXT, "malloc");
}

/* False: the call is an inner one, of the allocator or of ours. */
static bool come_in(void)
{
    resolve();
    if (inside)
        return false;
    inside = true;
    pthread_mutex_lock(&lock);
    return true;
}

static void go_out(void)
{
    pthread_mutex_unlock(&lock);
    inside = false;
}

static void count_call(void)
{
    calls++;
    if (!left || calls % every)
        return;
    left--;
    sem_post(&begin);
    while (sem_wait(&done))
        ;
}

#define ALLOCATE(call, bytes)                                                                      \
    if (!come_in())                                                                                \
        return call;                                                                               \
    count_call();                                                                                  \
    void *p = call;                                                                                \
    enter(p, bytes);                                                                               \
    go_out();                                                                                      \
    return p

void *malloc(size_t size)
{
    ALLOCATE(real.malloc(size), size);
}

void *calloc(size_t count, size_t size)
{
    ALLOCATE(real.calloc(count, size), count * size);
}

void *memalign(size_t alignment, size_t size)
{
    ALLOCATE(real.memalign(alignment, size), size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    ALLOCATE(real.aligned_alloc(alignment, size), size);
}

void *valloc(size_t size)
{
    ALLOCATE(real.valloc(size), size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (!come_in())
        return real.posix_memalign(out, alignment, size);
    count_call();
    int failed = real.posix_memalign(out, alignment, size);
    if (!failed)
        enter(*out, size);
    go_out();
    return failed;
}

void *realloc(void *old, size_t size)
{
    if (!come_in())
        return real.realloc(old, size);
    count_call();
    size_t before = leave(old);
    void *p = real.realloc(old, size);
    if (p)
        enter(p, size);
    else if (size)
        enter(old, before);
    go_out();
    return p;
}

void free(void *p)
{
    if (!come_in()) {
        real.free(p);
        return;
    }
    leave(p);
    count_call(); /* by now the recorder takes it for gone */
    real.free(p);
    go_out();
}

/* Ours, whoever is first. */
extern __typeof__(malloc) own_malloc __attribute__((alias("malloc"), visibility("hidden")));
extern __typeof__(free) own_free __attribute__((alias("free"), visibility("hidden")));

int dladdr(const void *address, Dl_info *info)
{
    resolve();
    if (address == (const void *)own_malloc)
        address = (const void *)real.malloc;
    else if (address == (const void *)own_free)
        address = (const void *)real.free;
    return real.dladdr(address, info);
}

/* ------------------------------------------------------------------ beginning and end */

__attribute__((constructor)) static void begin_books(void)
{
    const char *path = getenv("WITNESS_OUT"), *wish = getenv("WITNESS_EVERY");
    const char *instants = getenv("WITNESS_INSTANTS");
    pthread_t id;
    Dl_info info;
    if (!path || !seep_recorder_memory)
        return; /* seep itself, which passes LD_PRELOAD on */
    resolve();
    int file = memfd_create("witness", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, sizeof *own))
        return;
    void *memory = mmap(NULL, sizeof *own, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED)
        return;
    pages = ((struct own *)memory)->pages;
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    told = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (!real.dladdr((const void *)real.malloc, &info))
        return;
    const char *slash = strrchr(info.dli_fname, '/');
    library = slash ? slash : info.dli_fname;
    glibc = strstr(library, "/libc.so") != NULL;
    every = wish ? strtoull(wish, NULL, 10) : 0;
    sem_init(&begin, 0, 0);
    sem_init(&done, 0, 0);
    own = memory;
    if (every && !pthread_create(&id, NULL, attend, NULL))
        left = instants ? (unsigned)atoi(instants) : 0;
}

__attribute__((destructor)) static void end_books(void)
{
    static char line[64];
    if (!own)
        return;
    int length = snprintf(line, sizeof line, "{\"calls\":%lu}\n", calls);
    if (write(told, line, (size_t)length) != length)
        abort();
}
