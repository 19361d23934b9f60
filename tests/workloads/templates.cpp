// SPDX-License-Identifier: MIT
// Input for the compiler workloads: many standard headers and instantiations.
#include <algorithm>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#ifndef DEPTH
#define DEPTH 60
#endif

template <int N> struct Layer : Layer<N - 1> {
    std::map<std::string, std::vector<std::variant<int, double, std::string>>> table;
    std::unordered_map<int, std::function<int(int)>> calls;
    void fill()
    {
        Layer<N - 1>::fill();
        calls[N] = [](int i) { return i + N; };
        table["k" + std::to_string(N)].push_back(calls[N](N));
    }
};
template <> struct Layer<0> {
    void fill() {}
};

int main(int argc, char **argv)
{
    Layer<DEPTH> layers;
    layers.fill();
    std::regex word("(a|b)*c[0-9]+");
    std::set<std::tuple<int, std::string>> seen;
    for (int i = 0; i < argc; i++)
        seen.emplace(i, argv[i]);
    auto sum = std::async([&] { return std::regex_match(argv[0], word) + (int)seen.size(); });
    std::cout << sum.get() << '\n';
}
