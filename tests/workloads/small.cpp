// SPDX-License-Identifier: MIT
// A small input for the compiler under valgrind: some templates, one header.
#include <vector>

template <int N> struct Sum {
    static constexpr int value = N + Sum<N - 1>::value;
};
template <> struct Sum<0> {
    static constexpr int value = 0;
};

int total(const std::vector<int> &numbers)
{
    int sum = Sum<100>::value;
    for (int n : numbers)
        sum += n;
    return sum;
}
