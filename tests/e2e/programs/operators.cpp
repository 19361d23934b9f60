// SPDX-License-Identifier: MIT
// Every form of operator new and delete, called by name, 50 times each with a size of its own.
// Prints what must be recorded: operation, call, size, alignment, times. With SERVED, nothing
// fails: mimalloc would abort, and what others throw through a hook is not seen.
#include <cstdio>
#include <cstdlib>
#include <new>

static const int times = 50;
static char buffer[65536]; // what stdio would allocate

static bool aligned(const void *p, std::size_t alignment)
{
    return alignment == 0 || reinterpret_cast<std::size_t>(p) % alignment == 0;
}

#define PAIR(name, ending, size, alignment, made, ended)                                           \
    for (int i = 0; i < times; i++) {                                                              \
        void *p = made;                                                                            \
        if (p == nullptr || !aligned(p, alignment))                                                \
            return 1;                                                                              \
        ended;                                                                                     \
    }                                                                                              \
    std::printf("alloc %s %d %d %d\nfree %s %d 0 %d\n", name, size, alignment, times, ending,      \
                size, times);

#define FAILS(name, made)                                                                          \
    for (int i = 0; i < times; i++) {                                                              \
        try {                                                                                      \
            if (made)                                                                              \
                return 2;                                                                          \
        } catch (const std::bad_alloc &) {                                                         \
        }                                                                                          \
    }                                                                                              \
    std::printf("failed %s %zu 0 %d\n", name, huge, times);                                        \
    huge--;

int main()
{
    std::setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    const auto a = std::align_val_t(128);
    const auto &n = std::nothrow;
    PAIR("new", "delete", 2003, 0, operator new(2003), operator delete(p))
    PAIR("new", "delete", 2011, 0, operator new(2011, n), operator delete(p, n))
    PAIR("new", "delete", 2017, 0, operator new(2017), operator delete(p, std::size_t(2017)))
    PAIR("new", "delete", 2048, 128, operator new(2048, a), operator delete(p, a))
    PAIR("new", "delete", 2176, 128, operator new(2176, a, n), operator delete(p, a, n))
    PAIR("new", "delete", 2304,
         128, operator new(2304, a), operator delete(p, std::size_t(2304), a))
    PAIR("new[]", "delete[]", 3001, 0, operator new[](3001), operator delete[](p))
    PAIR("new[]", "delete[]", 3011, 0, operator new[](3011, n), operator delete[](p, n))
    PAIR("new[]", "delete[]", 3019,
         0, operator new[](3019), operator delete[](p, std::size_t(3019)))
    PAIR("new[]", "delete[]", 3072, 128, operator new[](3072, a), operator delete[](p, a))
    PAIR("new[]", "delete[]", 3200, 128, operator new[](3200, a, n), operator delete[](p, a, n))
    PAIR("new[]", "delete[]", 3328,
         128, operator new[](3328, a), operator delete[](p, std::size_t(3328), a))
#ifndef SERVED
    volatile std::size_t limit = ~std::size_t(0) / 2;
    std::size_t huge = limit;
    FAILS("new", operator new(huge))
    FAILS("new", operator new(huge, n))
    FAILS("new[]", operator new[](huge))
    FAILS("new[]", operator new[](huge, n))
#endif
    operator delete(nullptr);
    operator delete[](nullptr);
}
