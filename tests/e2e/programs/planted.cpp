/* SPDX-License-Identifier: MIT
 *
 * Lost blocks among many that are in use. Usage: planted LIBRARY SCALE.
 *
 * In use, from functions named keep_*: about 1000 x SCALE blocks, in lists, trees, containers,
 * objects with several base classes, arrays with destructors, thread-local variables, threads'
 * stacks, mappings and a library's data. From keep_inside: 5 x SCALE blocks with pointers to their
 * inside only: possibly lost.
 *
 * Lost, from functions named lose_*, 20 root causes each; what stands below (LOST) is told on
 * standard output: name, root causes, blocks lost with them. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#define NOINLINE __attribute__((noinline))
#define TIMES 20

struct Node {
    Node *left, *right;
    long value[3];
};

struct First {
    virtual ~First() {}
    long first = 1;
};
struct Second {
    virtual ~Second() {}
    long second = 2;
};
struct Both : First, Second {
    long both = 3;
};
struct Counted {
    ~Counted() { value = 0; }
    long value = 4;
};

/* ------------------------------------------------------------------ in use */

/* Not static: a compiler must not find that nobody reads them. */
Node *list, *tree, *ring;
std::vector<int *> numbers;
std::map<int, std::string> names;
std::unordered_map<int, int> hashed;
std::deque<std::unique_ptr<int>> queue;
std::vector<std::shared_ptr<int>> shared;
Second **seconds;
Counted **arrays;
char **inside;
Node **mapped;
thread_local Node *of_thread;

static Node *new_node(Node *left, Node *right)
{
    Node *n = static_cast<Node *>(malloc(sizeof(Node)));
    n->left = left;
    n->right = right;
    return n;
}

NOINLINE static Node *keep_list(int n)
{
    Node *first = nullptr;
    while (n-- > 0)
        first = new_node(first, nullptr);
    return first;
}

NOINLINE static Node *keep_tree(int n)
{
    if (n <= 0)
        return nullptr;
    Node *left = keep_tree((n - 1) / 2), *right = keep_tree(n - 1 - (n - 1) / 2);
    return new_node(left, right);
}

NOINLINE static Node *keep_ring(int n)
{
    Node *head = new_node(nullptr, nullptr);
    head->left = head->right = head;
    while (--n > 0) {
        Node *more = new_node(head, head->right);
        head->right->left = more;
        head->right = more;
    }
    return head;
}

NOINLINE static void keep_containers(int n)
{
    for (int i = 0; i < n; i++) {
        numbers.push_back(new int(i));
        names[i] = std::string(40, 'a');
        hashed[i] = i;
        queue.push_back(std::unique_ptr<int>(new int(i)));
        shared.push_back(std::make_shared<int>(i));
        shared.push_back(std::shared_ptr<int>(new int(i)));
    }
}

/* Reached by their second bases, and past the count before the elements, alone. */
NOINLINE static void keep_bases(int n)
{
    seconds = new Second *[n];
    arrays = new Counted *[n];
    for (int i = 0; i < n; i++) {
        seconds[i] = new Both;
        arrays[i] = new Counted[3];
    }
}

NOINLINE static void keep_inside(int n)
{
    inside = static_cast<char **>(malloc(sizeof *inside * n));
    for (int i = 0; i < n; i++) {
        char *block = static_cast<char *>(malloc(64));
        inside[i] = block + 5;
    }
}

NOINLINE static void keep_mapped(int n)
{
    size_t bytes = (sizeof *mapped * n + 4095) / 4096 * 4096;
    mapped = static_cast<Node **>(
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < n; i++)
        mapped[i] = new_node(nullptr, nullptr);
}

/* ------------------------------------------------------------------ lost */

/* The compiler must neither leave the block out nor make the last call a jump. */
static inline void lose_pointer(const void *p)
{
    asm volatile("" : : "r"(p) : "memory");
}

NOINLINE static void lose_single()
{
    lose_pointer(malloc(24));
}
NOINLINE static void lose_list()
{
    lose_pointer(keep_list(10));
}
NOINLINE static void lose_tree()
{
    lose_pointer(keep_tree(7));
}
NOINLINE static void lose_ring()
{
    lose_pointer(keep_ring(5));
}
NOINLINE static void lose_vector()
{
    lose_pointer(new std::vector<int>(100));
}
NOINLINE static void lose_string()
{
    lose_pointer(new std::string(100, 'x'));
}
NOINLINE static void lose_array()
{
    lose_pointer(new Counted[4]);
}
NOINLINE static void lose_object()
{
    lose_pointer(static_cast<Second *>(new Both));
}

NOINLINE static void lose_map()
{
    auto *m = new std::map<int, int>;
    for (int i = 0; i < 5; i++)
        (*m)[i] = i;
    lose_pointer(m);
}

/* What is in use does not keep what leads to it. */
NOINLINE static void lose_owner()
{
    lose_pointer(new_node(list, tree));
}

static void (*lose_in_library)();

static const struct {
    const char *name;
    int more;
} LOST[] = {{"lose_single", 0}, {"lose_list", 9},   {"lose_tree", 6},      {"lose_ring", 4},
            {"lose_vector", 1}, {"lose_string", 1}, {"lose_array", 0},     {"lose_object", 0},
            {"lose_map", 5},    {"lose_owner", 0},  {"lose_in_library", 2}};

static void *lose(void *)
{
    for (int i = 0; i < TIMES; i++) {
        lose_single();
        lose_list();
        lose_tree();
        lose_ring();
        lose_vector();
        lose_string();
        lose_array();
        lose_object();
        lose_map();
        lose_owner();
        lose_in_library();
    }
    return nullptr;
}

/* ------------------------------------------------------------------ threads */

static int scale, ready[2];

static void *stay(void *)
{
    Node *volatile on_stack[20];
    for (int i = 0; i < 20; i++)
        on_stack[i] = keep_list(scale);
    of_thread = keep_list(10 * scale);
    char go = (char)(on_stack[0] != nullptr);
    if (write(ready[1], &go, 1) == 1)
        for (;;)
            pause();
    return on_stack[1];
}

int main(int argc, char **argv)
{
    pthread_t thread;
    char go;
    if (argc != 3)
        return 2;
    void *library = dlopen(argv[1], RTLD_NOW);
    if (library == nullptr || pipe(ready) != 0)
        return 3;
    scale = atoi(argv[2]);
    reinterpret_cast<void (*)(int)>(dlsym(library, "keep_in_library"))(20 * scale);
    lose_in_library = reinterpret_cast<void (*)()>(dlsym(library, "lose_in_library"));
    list = keep_list(200 * scale);
    tree = keep_tree(150 * scale);
    ring = keep_ring(50 * scale);
    keep_containers(50 * scale);
    keep_bases(60 * scale);
    keep_inside(5 * scale);
    keep_mapped(10 * scale);
    of_thread = keep_list(10 * scale);
    pthread_create(&thread, nullptr, stay, nullptr);
    if (read(ready[0], &go, 1) != 1)
        return 4;
    /* in a thread that ends: nothing stays behind on the stack of this one */
    pthread_create(&thread, nullptr, lose, nullptr);
    pthread_join(thread, nullptr);
    for (const auto &l : LOST)
        printf("%s %d %d\n", l.name, TIMES, TIMES * l.more);
    fflush(stdout);
    _exit(0); /* no destructors: all is still in use */
}
