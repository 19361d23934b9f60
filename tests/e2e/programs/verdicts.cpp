// SPDX-License-Identifier: MIT
//
// One small program per name in the table below: each leaves blocks in one way. What a tool should
// say of them stands in tests/e2e/test_verdicts.py. Blocks have the size 1000 unless said
// otherwise.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <memory>
#include <pthread.h>
#include <signal.h>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#define APART __attribute__((noinline, noclone))

static void *volatile sink;

// Overwrites what calls left on the stack and in registers.
APART static void wipe()
{
    volatile char stack[16384];
    for (size_t i = 0; i < sizeof stack; i++)
        stack[i] = 0;
    __asm__ volatile("xor %%ebx, %%ebx\n xor %%r12d, %%r12d\n xor %%r13d, %%r13d\n"
                     "xor %%r14d, %%r14d\n xor %%r15d, %%r15d" ::
                         : "rbx", "r12", "r13", "r14", "r15", "memory");
}

APART static void *block(size_t size = 1000)
{
    void *p = calloc(1, size);
    sink = p;
    sink = nullptr;
    return p;
}

struct node {
    node *next, *other;
    char data[984];
};

APART static node *make_node(node *next, node *other = nullptr)
{
    node *n = static_cast<node *>(block(sizeof(node)));
    n->next = next;
    n->other = other;
    return n;
}

static void *volatile global;
static void *more[16];
static thread_local void *volatile of_thread;
static pthread_key_t key;

APART static void nothing()
{
    free(block());
}
APART static void one()
{
    block();
}
APART static void hundred()
{
    for (int i = 0; i < 100; i++)
        block(10);
}
APART static void list()
{
    node *n = nullptr;
    for (int i = 0; i < 5; i++)
        n = make_node(n);
}
APART static void tree()
{
    make_node(make_node(nullptr), make_node(nullptr, make_node(nullptr)));
}
APART static void cycle()
{
    node *a = make_node(nullptr);
    a->next = make_node(a);
}
APART static void self_cycle()
{
    node *a = make_node(nullptr);
    a->next = a;
}
APART static void cycle_with_tail()
{
    node *a = make_node(nullptr, make_node(nullptr));
    a->next = make_node(a);
}
APART static void two_heads_one_tail()
{
    node *tail = make_node(nullptr);
    make_node(tail);
    make_node(tail);
}
APART static void kept_global()
{
    global = block();
}
APART static void kept_static()
{
    static void *volatile kept;
    kept = block();
}
APART static void kept_chain()
{
    global = make_node(make_node(make_node(nullptr)));
}
APART static void kept_cycle()
{
    node *a = make_node(nullptr);
    a->next = make_node(a);
    global = a;
}
APART static void interior()
{
    global = static_cast<char *>(block()) + 100;
}
APART static void interior_chain()
{
    global = reinterpret_cast<char *>(make_node(make_node(nullptr))) + 100;
}
APART static void last_byte()
{
    global = static_cast<char *>(block()) + 999;
}
APART static void behind_the_end()
{
    global = static_cast<char *>(block()) + 1000;
}
APART static void tagged()
{
    global = reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(block()) | 1);
}
APART static void hidden()
{
    global = reinterpret_cast<void *>(~reinterpret_cast<uintptr_t>(block()));
}
struct __attribute__((packed)) unaligned {
    char byte;
    void *volatile p;
};
static unaligned kept_unaligned;
APART static void unaligned_pointer()
{
    kept_unaligned.p = block();
}
APART static void in_freed_memory()
{
    node *a = make_node(nullptr);
    a->other = make_node(nullptr);
    wipe();
    free(a);
}
APART static void in_stack_of_exit()
{
    void *volatile local = block();
    wipe();
    exit(local == nullptr);
}
APART static void in_stack_of__exit()
{
    void *volatile local = block();
    wipe();
    _exit(local == nullptr);
}
APART static void in_thread_local()
{
    of_thread = block();
}
APART static void in_specific()
{
    pthread_key_create(&key, nullptr);
    pthread_setspecific(key, block());
}
static pthread_barrier_t barrier;
static void *waits(void *)
{
    void *volatile local = block();
    wipe();
    pthread_barrier_wait(&barrier);
    pause();
    return local;
}
APART static void in_stack_of_thread()
{
    pthread_t t;
    pthread_barrier_init(&barrier, nullptr, 2);
    pthread_create(&t, nullptr, waits, nullptr);
    pthread_detach(t);
    pthread_barrier_wait(&barrier);
}
static void *waits_with_thread_local(void *)
{
    of_thread = block();
    wipe();
    pthread_barrier_wait(&barrier);
    pause();
    return nullptr;
}
APART static void in_thread_local_of_thread()
{
    pthread_t t;
    pthread_barrier_init(&barrier, nullptr, 2);
    pthread_create(&t, nullptr, waits_with_thread_local, nullptr);
    pthread_detach(t);
    pthread_barrier_wait(&barrier);
}
static void *leaves_thread_local(void *)
{
    of_thread = block();
    wipe();
    return nullptr;
}
APART static void in_thread_local_of_ended()
{
    pthread_t t;
    pthread_create(&t, nullptr, leaves_thread_local, nullptr);
    pthread_join(t, nullptr);
}
APART static void in_library(const char *library)
{
    void *l = dlopen(library, RTLD_NOW);
    auto keep = l ? reinterpret_cast<void (*)(void *)>(dlsym(l, "keep")) : nullptr;
    if (!keep)
        abort();
    keep(block());
}
APART static void in_closed_library(const char *library)
{
    void *l = dlopen(library, RTLD_NOW);
    auto keep = l ? reinterpret_cast<void (*)(void *)>(dlsym(l, "keep")) : nullptr;
    if (!keep)
        abort();
    keep(block());
    dlclose(l);
}
APART static void in_mapping()
{
    void **m = static_cast<void **>(
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    m[10] = block();
}
APART static void in_unmapped()
{
    void **m = static_cast<void **>(
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    m[10] = block();
    munmap(m, 4096);
}
APART static void in_environment()
{
    char *text = static_cast<char *>(block());
    strcpy(text, "SOME_NAME=value");
    putenv(text);
}
APART static void freed_at_exit()
{
    global = block();
    atexit([] { free(global); });
}
APART static void lost_at_exit()
{
    global = block();
    atexit([] { global = nullptr; });
}
APART static void grown()
{
    void *p = block(100);
    p = realloc(p, 100000);
    sink = p;
    sink = nullptr;
}
APART static void aligned_block()
{
    void *p = nullptr;
    if (posix_memalign(&p, 256, 1000) != 0)
        abort();
    p = nullptr;
}
static ucontext_t main_context, fibre;
static void runs_in_fibre()
{
    void *volatile local = block();
    wipe();
    swapcontext(&fibre, &main_context);
    sink = local;
}
APART static void in_stack_of_fibre()
{
    static char stack[65536];
    getcontext(&fibre);
    fibre.uc_stack.ss_sp = stack;
    fibre.uc_stack.ss_size = sizeof stack;
    makecontext(&fibre, runs_in_fibre, 0);
    swapcontext(&main_context, &fibre);
}

// C++
struct with_destructor {
    ~with_destructor() { sink = this; }
    int value = 0;
};
APART static void array_with_cookie()
{
    global = new with_destructor[50];
}
struct first {
    virtual ~first() {}
    char data[100];
};
struct second {
    virtual ~second() {}
    char data[100];
};
struct both : first, second {
};
APART static void second_base()
{
    global = static_cast<second *>(new both);
}
static std::string *volatile text;
APART static void string_kept()
{
    text = new std::string(500, 'x');
}
APART static void string_lost()
{
    auto lost = new std::string(500, 'x');
    sink = lost;
    sink = nullptr;
}
static std::vector<std::unique_ptr<node>> vector_kept;
APART static void vector_of_pointers()
{
    vector_kept.reserve(8);
    for (int i = 0; i < 5; i++)
        vector_kept.emplace_back(new node());
}
APART static void vector_lost()
{
    auto lost = new std::vector<std::unique_ptr<node>>();
    for (int i = 0; i < 4; i++)
        lost->emplace_back(new node());
    sink = lost;
    sink = nullptr;
}
APART static void map_kept()
{
    static auto *kept = new std::map<int, std::string>();
    for (int i = 0; i < 10; i++)
        (*kept)[i] = std::string(100, 'x');
}
struct parent {
    std::shared_ptr<parent> other;
};
APART static void shared_cycle()
{
    auto a = std::make_shared<parent>(), b = std::make_shared<parent>();
    a->other = b;
    b->other = a;
}

static const struct {
    const char *name;
    void (*run)();
} cases[] = {
#define CASE(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    CASE(nothing),
    CASE(one),
    CASE(hundred),
    CASE(list),
    CASE(tree),
    CASE(cycle),
    CASE(self_cycle),
    CASE(cycle_with_tail),
    CASE(two_heads_one_tail),
    CASE(kept_global),
    CASE(kept_static),
    CASE(kept_chain),
    CASE(kept_cycle),
    CASE(interior),
    CASE(interior_chain),
    CASE(last_byte),
    CASE(behind_the_end),
    CASE(tagged),
    CASE(hidden),
    CASE(unaligned_pointer),
    CASE(in_freed_memory),
    CASE(in_stack_of_exit),
    CASE(in_stack_of__exit),
    CASE(in_thread_local),
    CASE(in_specific),
    CASE(in_stack_of_thread),
    CASE(in_thread_local_of_thread),
    CASE(in_thread_local_of_ended),
    CASE(in_mapping),
    CASE(in_unmapped),
    CASE(in_environment),
    CASE(freed_at_exit),
    CASE(lost_at_exit),
    CASE(grown),
    CASE(aligned_block),
    CASE(in_stack_of_fibre),
    CASE(array_with_cookie),
    CASE(second_base),
    CASE(string_kept),
    CASE(string_lost),
    CASE(vector_of_pointers),
    CASE(vector_lost),
    CASE(map_kept),
    CASE(shared_cycle),
};

int main(int argc, char **argv)
{
    if (argc < 2) {
        for (auto &c : cases)
            puts(c.name);
        puts("in_library\nin_closed_library");
        return 0;
    }
    if (strcmp(argv[1], "in_library") == 0)
        in_library(argv[2]);
    else if (strcmp(argv[1], "in_closed_library") == 0)
        in_closed_library(argv[2]);
    for (auto &c : cases)
        if (strcmp(c.name, argv[1]) == 0)
            c.run();
    more[0] = nullptr;
    wipe();
    return 0;
}
