/* SPDX-License-Identifier: MIT
 * Bounded stress with books of its own. Threads allocate by every call, resize, free each other's
 * blocks, come and go in several ways; meanwhile the main one forks children, opens and closes a
 * library, and signal handlers allocate. Every call is written down in a file, event by event, by
 * means of shared memory alone; check.py holds the recording against it.
 *
 * soak LOG LIBRARY SEED CALLS HOW: CALLS by each of the long-lived threads. HOW: letters; "s":
 * handlers allocate (the allocator must bear it), "k": kills itself while all are at work.
 *
 * A block holds, in its first bytes, which entry of which stream made it: so the log of who frees
 * it names the one event that it ends. */
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <new>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* The numbers are those of check.py. */
enum operation : uint32_t {
    MALLOC = 1,
    CALLOC,
    POSIX_MEMALIGN,
    ALIGNED_ALLOC,
    MEMALIGN,
    NEW,
    NEW_ARRAY,
    REALLOC_NEW, /* of no block: an allocation */
    REALLOC,
    REALLOCARRAY,
    FREE,
    DELETE,
    DELETE_ARRAY,
    OTHERS, /* from here to the next entry, libc and the loader may allocate and free */
};

struct entry {
    uint64_t address, size;
    uint32_t operation;
    uint32_t made_stream, made_entry; /* of the block that this ends */
    uint32_t unused;
};

struct stream {
    uint32_t pid, tid, handler, count;
};

enum { THREADS = 6, STREAMS = 400, BOXES = 64, KEPT = 48, HANDLER_SIZE = 20000 };

static struct log_header {
    std::atomic<uint32_t> streams;
    uint32_t capacity;
    struct stream stream[STREAMS];
} * book;
static entry *entries;
static uint32_t long_calls;
static bool handlers, killed;
static const char *library;
static std::atomic<void *> boxes[BOXES];
static pthread_key_t key;

struct worker {
    uint32_t stream, handler_stream;
    uint64_t random;
    void *handler_block;
    void *kept[KEPT];
};
static __thread worker *volatile self __attribute__((tls_model("initial-exec")));

static uint64_t next(uint64_t &state)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static uint32_t open_stream(bool handler)
{
    uint32_t n = book->streams.fetch_add(1);
    if (n >= STREAMS)
        _exit(9);
    book->stream[n] = {(uint32_t)getpid(), (uint32_t)syscall(SYS_gettid), handler, 0};
    return n;
}

/* The number of the entry. It counts when it is whole. */
static uint32_t note(uint32_t stream, uint32_t operation, void *address, size_t size,
                     const uint32_t made[2])
{
    struct stream *s = &book->stream[stream];
    if (s->count >= book->capacity)
        _exit(8);
    entries[(size_t)stream * book->capacity + s->count] = {(uint64_t)address, size,    operation,
                                                           made[0],           made[1], 0};
    std::atomic_signal_fence(std::memory_order_release);
    return (*(volatile uint32_t *)&s->count)++;
}

static const uint32_t nothing[2] = {0, 0};

static void sign(void *block, uint32_t stream, uint32_t number)
{
    uint32_t *made = (uint32_t *)block;
    made[0] = stream;
    made[1] = number;
}

static void *allocate(uint32_t stream, operation by, size_t size)
{
    void *p = nullptr;
    switch (by) {
    case CALLOC: p = calloc(1, size); break;
    case POSIX_MEMALIGN: p = posix_memalign(&p, 32, size) == 0 ? p : nullptr; break;
    case ALIGNED_ALLOC: p = aligned_alloc(32, size); break;
    case MEMALIGN: p = memalign(32, size); break;
    case NEW: p = ::operator new(size); break;
    case NEW_ARRAY: p = ::operator new[](size); break;
    case REALLOC_NEW: p = realloc(nullptr, size); break;
    default: by = MALLOC; p = malloc(size);
    }
    if (p == nullptr)
        _exit(7);
    sign(p, stream, note(stream, by, p, size, nothing));
    return p;
}

/* Who made it says how it is to be ended. */
static void release(uint32_t stream, void *p)
{
    uint32_t made[2];
    memcpy(made, p, sizeof made);
    uint32_t by = entries[(size_t)made[0] * book->capacity + made[1]].operation;
    if (by == NEW)
        ::operator delete(p);
    else if (by == NEW_ARRAY)
        ::operator delete[](p);
    else
        free(p);
    note(stream, by == NEW ? DELETE : by == NEW_ARRAY ? DELETE_ARRAY : FREE, p, 0, made);
}

static void *resize(uint32_t stream, void *p, size_t size, bool array)
{
    uint32_t made[2];
    memcpy(made, p, sizeof made);
    uint32_t by = entries[(size_t)made[0] * book->capacity + made[1]].operation;
    if (by == NEW || by == NEW_ARRAY)
        return p;
    void *moved = array ? reallocarray(p, 1, size) : realloc(p, size);
    if (moved == nullptr)
        _exit(7);
    sign(moved, stream, note(stream, array ? REALLOCARRAY : REALLOC, moved, size, made));
    return moved;
}

static void handler(int)
{
    worker *w = self;
    if (w == nullptr)
        return;
    int kept_errno = errno;
    void *before = w->handler_block;
    w->handler_block = allocate(w->handler_stream, MALLOC, HANDLER_SIZE + next(w->random) % 999);
    if (before)
        release(w->handler_stream, before);
    errno = kept_errno;
}

static size_t some_size(uint64_t r)
{
    size_t size = 16 + (r >> 8) % 300;
    return r % 97 == 0 ? size * 400 % 15000 + 16 : size;
}

static void one_call(worker *w, uint64_t &random)
{
    uint64_t r = next(random);
    void *&kept = w->kept[(r >> 40) % KEPT];
    switch (r % 8) {
    case 0:
    case 1:
    case 2:
        if (kept)
            release(w->stream, kept);
        kept = nullptr;
        kept = allocate(w->stream, (operation)(MALLOC + (r >> 20) % 8), some_size(r));
        break;
    case 3:
    case 4: /* to another thread, for what it left */
        if (kept == nullptr)
            kept = allocate(w->stream, MALLOC, some_size(r));
        kept = boxes[(r >> 30) % BOXES].exchange(kept);
        break;
    case 5:
        if (kept)
            kept = resize(w->stream, kept, some_size(next(random)), r & 256);
        break;
    default: /* the block that is now free is the next that anybody gets */
        if (kept)
            release(w->stream, kept);
        kept = nullptr;
    }
}

static void others(worker *w)
{
    note(w->stream, OTHERS, nullptr, 0, nothing);
}

static void begin(worker *w, uint64_t seed)
{
    w->stream = open_stream(false);
    w->handler_stream = open_stream(true);
    w->random = seed ^ 0x9e3779b97f4a7c15u;
    others(w);
    void *mine = allocate(w->stream, MALLOC, 16 + seed % 50);
    others(w);
    pthread_setspecific(key, mine);
    self = w;
}

static void end(worker *w)
{
    for (void *&kept : w->kept) {
        if (kept)
            release(w->stream, kept);
        kept = nullptr;
    }
    others(w);
}

/* Of what begin() has set. */
static void destructor(void *block)
{
    worker *w = self;
    self = nullptr; /* its handlers have nothing to say any more */
    if (w->handler_block)
        release(w->handler_stream, w->handler_block);
    others(w);
    release(w->stream, block);
    others(w);
    munmap(w, sizeof *w);
}

static worker *new_worker(void)
{
    return (worker *)mmap(nullptr, sizeof(worker), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void *work_long(void *arg)
{
    worker *w = new_worker();
    uint64_t random = (uint64_t)arg;
    begin(w, random);
    while (book->stream[w->stream].count < long_calls)
        one_call(w, random);
    end(w);
    return nullptr;
}

static void *work_briefly(void *arg)
{
    worker *w = new_worker();
    uint64_t random = (uint64_t)arg;
    begin(w, random);
    for (int i = 0; i < 40; i++)
        one_call(w, random);
    end(w);
    if (random % 3 == 0)
        pthread_exit(nullptr);
    if (random % 3 == 1) {
        pthread_cancel(pthread_self());
        pthread_testcancel();
    }
    return nullptr;
}

/* With the blocks of its own alone: those of the parent are another test's matter. */
static void be_a_child(uint64_t random)
{
    worker *w = new_worker();
    self = nullptr;
    w->stream = open_stream(false);
    w->handler_stream = open_stream(true);
    others(w);
    for (auto &box : boxes)
        box = nullptr;
    for (int i = 0; i < 200; i++)
        one_call(w, random);
    end(w);
    _exit(0);
}

static void direct(worker *w, uint64_t &random)
{
    pthread_t brief[4];
    for (pthread_t &thread : brief) {
        others(w);
        pthread_create(&thread, nullptr, work_briefly, (void *)next(random));
    }
    others(w);
    void *opened = dlopen(library, RTLD_NOW);
    if (opened) {
        auto call = (void *(*)(size_t))dlsym(opened, "library_allocate");
        for (int i = 0; i < 20; i++) {
            size_t size = some_size(next(random));
            others(w);
            void *p = call(size);
            sign(p, w->stream, note(w->stream, MALLOC, p, size, nothing));
            release(w->stream, p);
        }
        others(w);
        dlclose(opened);
    }
    self = nullptr;
    pid_t child = fork();
    if (child == 0)
        be_a_child(next(random));
    self = w;
    for (int i = 0; i < 100; i++)
        one_call(w, random);
    others(w);
    for (pthread_t thread : brief)
        pthread_join(thread, nullptr);
    if (child > 0)
        while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
        }
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 1;
    library = argv[2];
    uint64_t random = strtoull(argv[3], nullptr, 0) * 2654435761u + 88172645463325252u;
    long_calls = (uint32_t)atoi(argv[4]);
    handlers = strchr(argv[5], 's') != nullptr;
    killed = strchr(argv[5], 'k') != nullptr;
    uint32_t capacity = long_calls * 2 + 20000;
    size_t bytes = sizeof *book + (size_t)STREAMS * capacity * sizeof(entry);
    int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
        return 1;
    book = (log_header *)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    entries = (entry *)(book + 1);
    book->capacity = capacity;
    pthread_key_create(&key, destructor);
    worker *w = new_worker();
    begin(w, random);
    if (handlers) {
        struct sigaction action = {};
        action.sa_handler = handler;
        action.sa_flags = SA_RESTART;
        sigaction(SIGALRM, &action, nullptr);
        struct itimerval every = {{0, 500}, {0, 500}};
        setitimer(ITIMER_REAL, &every, nullptr);
    }
    pthread_t threads[THREADS];
    for (pthread_t &thread : threads) {
        others(w);
        pthread_create(&thread, nullptr, work_long, (void *)next(random));
    }
    for (int round = 0; round < 12; round++)
        direct(w, random);
    if (killed)
        kill(getpid(), SIGKILL);
    others(w);
    for (pthread_t thread : threads)
        pthread_join(thread, nullptr);
    struct itimerval never = {};
    setitimer(ITIMER_REAL, &never, nullptr);
    self = nullptr;
    end(w);
    _exit(0);
}
