/* SPDX-License-Identifier: MIT
 * Twenty times: an operator new that cannot be served calls a new-handler that frees a block of 71
 * bytes and gives up the second time, so that bad_alloc passes the hooks. Then 50 blocks of 81
 * bytes by new, 50 of 82 by new[], and 50 of 83 by malloc from deeper on the stack. Prints what was
 * caught and how often the handler ran. */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

static void *reserve;
static int called;
static void *volatile sink;

static void handler()
{
    called++;
    if (reserve == nullptr)
        throw std::bad_alloc();
    ::operator delete(reserve);
    reserve = nullptr;
}

__attribute__((noinline)) static void deeper(int depth)
{
    volatile char frame[40] = {};
    if (depth > 0)
        deeper(depth - 1);
    else
        for (int i = 0; i < 50; i++)
            sink = malloc(83);
    frame[0] = 1;
}

int main()
{
    std::set_new_handler(handler);
    int caught = 0;
    for (int i = 0; i < 20; i++) {
        reserve = ::operator new(71);
        try {
            sink = i % 2 ? ::operator new(SIZE_MAX / 4) : ::operator new[](SIZE_MAX / 4);
        } catch (const std::bad_alloc &) {
            caught++;
        }
    }
    for (int i = 0; i < 50; i++) {
        sink = ::operator new(81);
        sink = ::operator new[](82);
    }
    deeper(8);
    printf("%d %d\n", caught, called);
}
