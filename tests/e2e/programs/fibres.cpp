/* SPDX-License-Identifier: MIT
 * Stacks of a program's own making. Twenty fibres take turns; each makes ten blocks of 31 bytes
 * below in_fibre(). Exceptions pass frames that allocate: 100 blocks of 41 bytes from thrower(),
 * after a throw each. siglongjmp leaves a handler on another stack 100 times; 100 blocks of 51
 * bytes from after_jump(). Code made at run time, without unwind data, makes ten of 61 bytes for
 * main(). */
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>

static ucontext_t main_context, fibres[20];
static void *volatile sink;
static sigjmp_buf back;

__attribute__((noinline)) static void in_fibre(void)
{
    sink = malloc(31);
}

static void fibre(int number)
{
    for (int i = 0; i < 10; i++) {
        in_fibre();
        swapcontext(&fibres[number], &main_context);
    }
}

struct frame {
    void *block = malloc(300);
    ~frame() { free(block); }
};

__attribute__((noinline)) static void thrower(int depth)
{
    frame guard;
    if (depth == 0)
        throw std::runtime_error("a text that is too long for the string itself to hold, number " +
                                 std::to_string(depth));
    thrower(depth - 1);
    sink = nullptr;
}

__attribute__((noinline)) static void after_throw(void)
{
    sink = malloc(41);
}

__attribute__((noinline)) static void after_jump(void)
{
    sink = malloc(51);
}

static void handler(int)
{
    siglongjmp(back, 1);
}

int main()
{
    for (int i = 0; i < 20; i++) {
        getcontext(&fibres[i]);
        fibres[i].uc_stack.ss_size = 65536;
        fibres[i].uc_stack.ss_sp =
            mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        fibres[i].uc_link = &main_context;
        makecontext(&fibres[i], (void (*)())fibre, 1, i);
    }
    for (int turn = 0; turn < 11; turn++)
        for (ucontext_t &f : fibres)
            swapcontext(&main_context, &f);

    int caught = 0;
    for (int i = 0; i < 100; i++) {
        try {
            thrower(30);
        } catch (const std::exception &e) {
            caught += strlen(e.what()) > 50;
        }
        after_throw();
    }

    static char other[65536];
    stack_t stack = {};
    stack.ss_sp = other;
    stack.ss_size = sizeof other;
    sigaltstack(&stack, nullptr);
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, nullptr);
    volatile int jumps = 0;
    while (jumps < 100) {
        if (sigsetjmp(back, 1) == 0) {
            raise(SIGUSR1);
        } else {
            jumps = jumps + 1;
            after_jump();
        }
    }

    /* push %rbp; mov %rsp, %rbp; call *%rsi; pop %rbp; ret */
    static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd6, 0x5d, 0xc3};
    void *made =
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(made, code, sizeof code);
    for (int i = 0; i < 10; i++)
        sink = ((void *(*)(size_t, void *(*)(size_t)))made)(61, malloc);
    printf("%d %d\n", caught, (int)jumps);
}
