/* SPDX-License-Identifier: MIT
 *
 * A call chain through templates, members, a lambda, an inlined function and an exception's
 * handler. 72704 bytes are libstdc++'s own; each exception takes a block and gives it back.
 *
 * truth: reallocations=0 live_blocks=13 live_bytes=73304
 * leak: blocks=10 bytes=500 stack=shop::Cart<int>::add < shop::fill < main
 * leak: blocks=2 bytes=100 stack=shop::recover < shop::attempt < main
 */
#include <cstdlib>
#include <stdexcept>

static volatile int steps;

namespace shop
{
template <typename T> struct Cart {
    T *items = nullptr;
    __attribute__((noinline)) void add(int bytes)
    {
        items = static_cast<T *>(std::malloc(bytes));
        steps = steps + 1;
    }
};

__attribute__((noinline)) static void fill(Cart<int> &cart)
{
    for (int i = 0; i < 10; i++)
        cart.add(50);
    steps = steps + 1;
}

static void *volatile kept;

__attribute__((noinline)) static void recover()
{
    kept = std::malloc(50);
    steps = steps + 1;
}

__attribute__((noinline)) static void fail(int depth)
{
    if (depth == 0)
        throw std::runtime_error("out of stock");
    fail(depth - 1);
    steps = steps + 1;
}

__attribute__((noinline)) static void attempt()
{
    try {
        fail(5);
    } catch (const std::exception &) {
        recover();
    }
    steps = steps + 1;
}
} // namespace shop

int main()
{
    shop::Cart<int> cart;
    shop::fill(cart);
    shop::attempt();
    shop::attempt();
    return 0;
}
