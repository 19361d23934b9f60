// Code for the symboliser to name: templates, namespaces, inlining several deep, lambdas, virtual
// calls, exceptions with their cold parts, local classes. What it computes is of no interest.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace shapes
{
namespace
{
int hidden_count = 0;

__attribute__((noinline)) void count_hidden(int by)
{
    hidden_count += by;
    std::puts(hidden_count > 1000 ? "many" : "few");
}
} // namespace

inline double square(double x)
{
    if (x < 0)
        count_hidden(1);
    return x * x;
}

inline double hypotenuse_squared(double a, double b)
{
    double sum = square(a) + square(b);
    if (sum > 1e6)
        count_hidden(2);
    return sum;
}

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
    virtual std::string name() const = 0;
};

template <typename T> class Box : public Shape
{
  public:
    Box(T width, T height) : width_(width), height_(height)
    {
        if (width < T())
            throw std::invalid_argument("negative width of " + name());
    }
    double area() const override { return static_cast<double>(width_) * height_; }
    std::string name() const override { return "box " + std::to_string(diagonal()); }
    double diagonal() const { return hypotenuse_squared(width_, height_); }

  private:
    T width_, height_;
};

template <typename... Rest> double sum_all(double first, Rest... rest)
{
    if constexpr (sizeof...(rest) > 0)
        return square(first) + sum_all(rest...);
    else
        return square(first);
}

class Registry
{
  public:
    template <typename T> void add(const std::string &key, T width, T height)
    {
        shapes_[key].push_back(std::make_unique<Box<T>>(width, height));
    }

    double total() const
    {
        double sum = 0;
        for (const auto &entry : shapes_)
            std::for_each(entry.second.begin(), entry.second.end(),
                          [&](const std::unique_ptr<Shape> &s) { sum += square(s->area()); });
        return sum;
    }

    void sort()
    {
        struct ByArea {
            bool operator()(const std::unique_ptr<Shape> &a, const std::unique_ptr<Shape> &b) const
            {
                return a->area() < b->area();
            }
        };
        for (auto &entry : shapes_)
            std::sort(entry.second.begin(), entry.second.end(), ByArea());
    }

  private:
    std::map<std::string, std::vector<std::unique_ptr<Shape>>> shapes_;
};
} // namespace shapes

extern "C" __attribute__((noinline)) double plain_c_entry(int n)
{
    shapes::Registry registry;
    for (int i = 0; i < n; i++) {
        registry.add<int>("int", i, n - i);
        registry.add<double>("double", i * 0.5, n);
    }
    registry.sort();
    return registry.total() + shapes::sum_all(1.0, 2.0, n * 3.0);
}

int main(int argc, char **argv)
{
    try {
        return plain_c_entry(argc > 1 ? std::atoi(argv[1]) : 10) > 0 ? 0 : 1;
    } catch (const std::exception &e) {
        std::puts(e.what());
        return 2;
    }
}
