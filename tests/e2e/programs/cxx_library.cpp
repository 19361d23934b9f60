// SPDX-License-Identifier: MIT
// 1,000 blocks of 123 bytes by new and by new[], freed; one new that throws, caught.
#include <new>

extern "C" int work()
{
    int caught = 0;
    for (int i = 0; i < 1000; i++) {
        struct block {
            char bytes[123];
        };
        block *volatile one = new block;
        delete one;
        char *volatile many = new char[123];
        delete[] many;
    }
    try {
        volatile unsigned long huge = 1ul << 60;
        char *volatile never = new char[huge];
        delete[] never;
    } catch (const std::bad_alloc &) {
        caught++;
    }
    return caught;
}
