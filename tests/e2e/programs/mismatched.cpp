// SPDX-License-Identifier: MIT
// Blocks that are ended by a call of another family than made them, three of each; the sizes tell
// which. The C library does not mind.
#include <cstdlib>
#include <new>

#define APART __attribute__((noinline, noclone))

APART void *make_array()
{
    return operator new[](4001);
}

APART void *make_one()
{
    return operator new(4003);
}

APART void *make_c()
{
    return std::malloc(4007);
}

APART void end_by_delete(void *p)
{
    operator delete(p);
    asm volatile("");
}

APART void end_by_free(void *p)
{
    std::free(p);
    asm volatile("");
}

APART void *grow(void *p)
{
    p = std::realloc(p, 4009);
    asm volatile("");
    return p;
}

int main()
{
    for (int i = 0; i < 3; i++) {
        end_by_delete(make_array());
        end_by_free(make_one());
        end_by_delete(make_c());
        end_by_free(grow(make_one()));
        end_by_delete(make_one());
        end_by_free(make_c());
    }
}
