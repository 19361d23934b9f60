/* SPDX-License-Identifier: MIT
 *
 * Plants a pointer to a block of its own in each kind of place, and prints where: "PLACE ADDRESS".
 * The only pointer to the block of "hidden" is nowhere in memory; that of "freed" stands in a block
 * that was freed. Then ends by exit(), while a thread runs that has a pointer in a register only,
 * and one is in a signal handler on its alternate stack.
 *
 *   graph_truth LIBRARY */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

__attribute__((weak)) void __lsan_register_root_region(const void *p, size_t bytes);
__attribute__((weak)) void __lsan_unregister_root_region(const void *p, size_t bytes);

#define MASK UINT64_C(0x5a5a5a5a5a5a5a5a)

static void *initialised = (void *)1;
static void *zeroed;
static __thread void *local;
static void *volatile mapped, *volatile heap, *volatile interior;
static char *volatile registered, *volatile given_back, *volatile stack_in_a_block;
static volatile uint64_t hidden;
static pthread_barrier_t ready;
static volatile int in_register;
static pthread_key_t key;
static char alternate[1 << 16];

/* All bits of it are turned where they could be found: in what is printed, and by the caller. */
static __attribute__((noinline)) uint64_t make(const char *place, size_t bytes)
{
    uint64_t turned = (uint64_t)malloc(bytes) ^ MASK;
    printf("%s %llx\n", place, (unsigned long long)(turned ^ MASK));
    return turned;
}

/* What was left on the stack is gone afterwards. */
static __attribute__((noinline)) void scrub(void)
{
    volatile char junk[20000];
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = 1;
}

/* Puts it there without leaving it anywhere else. */
static __attribute__((noinline)) void plant(void *volatile *where, const char *place)
{
    *where = (void *)(make(place, 40) ^ MASK);
    scrub();
}

static void *keeps_in_a_register(void *unused)
{
    (void)unused;
    uint64_t turned = make("registers", 40);
    scrub();
    pthread_barrier_wait(&ready);
    __asm__ volatile("    mov %0, %%r12\n"
                     "    mov $0x5a5a5a5a5a5a5a5a, %%rax\n"
                     "    xor %%rax, %%r12\n"
                     "    xor %%eax, %%eax\n"
                     "    movl $1, %1\n"
                     "1:  pause\n"
                     "    jmp 1b\n"
                     :
                     : "r"(turned), "m"(in_register)
                     : "r12", "rax", "memory");
    return NULL;
}

static void *keeps_on_its_stack(void *unused)
{
    (void)unused;
    void *volatile here;
    plant(&here, "thread");
    plant(&local, "thread-tls");
    plant((void *volatile *)&heap, "ignored");
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return here;
}

static void handler(int signal)
{
    (void)signal;
    void *volatile here;
    plant(&here, "alternate");
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
}

static void *is_in_a_handler(void *unused)
{
    void *volatile below;
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    plant(&below, "below-alternate");
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    return unused ? below : NULL;
}

static void *has_a_stack_in_a_block(void *unused)
{
    void *volatile here;
    plant(&here, "stack-in-block");
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return unused ? here : NULL;
}

static void start(void *(*body)(void *), void *stack, size_t bytes)
{
    pthread_t thread;
    pthread_attr_t how;
    pthread_attr_init(&how);
    if (stack)
        pthread_attr_setstack(&how, stack, bytes);
    if (pthread_create(&thread, &how, body, NULL))
        abort();
}

int main(int argc, char **argv)
{
    (void)argc;
    setvbuf(stdout, malloc(100), _IONBF, 0);
    void *library = dlopen(argv[1], RTLD_NOW);
    void *volatile *library_data = library ? dlsym(library, "library_data") : NULL;
    if (library_data == NULL)
        return 1;
    void *volatile here;
    plant(&here, "stack");
    plant(&initialised, "data");
    plant(&zeroed, "bss");
    plant(&local, "tls");
    plant(&library_data[50], "library");
    pthread_key_create(&key, NULL);
    void *volatile specific;
    plant(&specific, "specific");
    pthread_setspecific(key, specific);
    specific = NULL;

    heap = malloc(64);
    plant((void *volatile *)heap + 3, "heap");
    void *volatile keep = heap;
    char *block = malloc(4000);
    interior = block + 1000;
    block = NULL;
    printf("interior %lx\n", (unsigned long)interior);

    mapped = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    plant((void *volatile *)mapped + 1000, "mapped");
    void *volatile *shared =
        mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    plant(shared + 1000, "shared");

    registered = malloc(256);
    plant((void *volatile *)registered + 2, "registered");
    printf("registered-block %lx\n", (unsigned long)registered);
    given_back = malloc(256);
    plant((void *volatile *)given_back + 2, "given-back");
    if (__lsan_register_root_region) {
        __lsan_register_root_region(registered, 256);
        __lsan_register_root_region(given_back, 256);
        __lsan_unregister_root_region(given_back, 256);
    }

    void *volatile *gone = malloc(3000);
    plant(gone + 100, "freed");
    free((void *)gone);
    gone = NULL;
    hidden = make("hidden", 48);
    scrub();

    stack_in_a_block = aligned_alloc(4096, 1 << 16);
    pthread_barrier_init(&ready, NULL, 5);
    start(keeps_in_a_register, NULL, 0);
    start(keeps_on_its_stack, NULL, 0);
    start(is_in_a_handler, NULL, 0);
    start(has_a_stack_in_a_block, stack_in_a_block, 1 << 16);
    pthread_barrier_wait(&ready);
    while (!in_register)
        usleep(1000);
    usleep(50000); /* the others are where they stay, too */
    printf("last 0\n");
    exit((int)((uintptr_t)here & 1) + (keep == NULL));
}
