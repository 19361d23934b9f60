/* SPDX-License-Identifier: MIT
 *
 * Every form of operator new and delete. libstdc++ itself takes 72704 bytes at its start, for
 * exceptions when memory is out, and keeps them.
 *
 * truth: allocations=9 frees=7 reallocations=0 allocated_bytes=73504
 * truth: live_blocks=2 live_bytes=72768
 * leak: blocks=1 bytes=64 stack=shop::lose<double> < main
 */
#include <cstdlib>
#include <new>

struct alignas(64) Line {
    char bytes[64];
};
struct Base {
    virtual ~Base() {}
    char bytes[92];
};
struct Derived : Base {
    char more[100];
};

namespace shop
{
template <typename T> __attribute__((noinline)) T *lose(int count)
{
    return new T[count];
}
} // namespace shop

static void *volatile kept;

int main()
{
    int *one = new int(1);   // 4
    int *many = new int[10]; // 40
    char *quiet = new (std::nothrow) char[100];
    Line *line = new Line;       // 64, aligned
    Line *lines = new Line[3];   // 192, aligned
    Base *derived = new Derived; // 8 + 92 + 100 = 200
    void *raw = ::operator new(136);
    kept = shop::lose<double>(8);

    delete one;
    delete[] many;
    delete[] quiet;
    delete line;
    delete[] lines;
    delete derived;
    ::operator delete(raw);
    return 0;
}
