// SPDX-License-Identifier: MIT
// 10,000 random allocations, some freed and grown in between. Prints each block's usable size and
// its place within the brk heap.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <malloc.h>
#include <new>
#include <unistd.h>

static char buffer[1 << 20]; // what stdio would allocate

int main()
{
    std::setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    // the heap begins at a page; what was allocated before main lies within its first ones
    const std::uintptr_t heap = reinterpret_cast<std::uintptr_t>(sbrk(0)) - 33 * 4096;
    static void *kept[500];
    std::uint64_t random = 1;
    for (int i = 0; i < 10000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        void *&p = kept[(random >> 33) % 500];
        const std::size_t bytes = (random >> 42) % 3000;
        switch ((random >> 60) % 8) {
        case 0: p = std::realloc(p, bytes + 1); break;
        case 1:
            std::free(p);
            p = memalign(64, bytes);
            break;
        case 2:
            std::free(p);
            p = std::calloc(1, bytes);
            break;
        case 3:
            std::free(p);
            p = operator new(bytes); // the C library's in the end
            break;
        default: std::free(p); p = std::malloc(bytes);
        }
        std::printf("%zu %ld\n", malloc_usable_size(p),
                    static_cast<long>(reinterpret_cast<std::uintptr_t>(p) - heap));
    }
}
