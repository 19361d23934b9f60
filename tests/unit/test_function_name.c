/* SPDX-License-Identifier: MIT
 * How long function names become short. */
#include "report/function_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void fits(const char *name, size_t columns, const char *wanted)
{
    struct strbuf out = {0};
    strbuf_adds(&out, "");
    function_name_fit(&out, name, columns);
    assert_string_equal(out.text ? out.text : "", wanted);
    strbuf_release(&out);
}

#define STRING "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >"

static void test_what_fits_stays(void **state)
{
    (void)state;
    fits("main", 4, "main");
    fits("", 4, "");
    fits("f(int, std::vector<int>)", 24, "f(int, std::vector<int>)");
    fits("a_c_name_longer_than_the_room", 5, "a_c_name_longer_than_the_room");
}

static void test_steps(void **state)
{
    (void)state;
    const char *name = "std::vector<" STRING ", A>& fill<" STRING ">(" STRING " const&, int)";
    fits(name, 90, "std::vector<std::string, A>& fill<std::string>(std::string const&, int)");
    fits(name, 60, "std::vector<std::string, A>& fill<std::string>(…)");
    fits(name, 40, "fill<std::string>(…)");
    fits(name, 12, "fill<…>(…)");
    fits(name, 1, "fill<…>(…)");
}

static void test_brackets_that_are_none(void **state)
{
    (void)state;
    fits("X<int>::operator()(int) const", 1, "X<…>::operator()(…) const");
    fits("std::ostream& operator<< <char>(std::ostream&, char const*)", 1, "operator<< <…>(…)");
    fits("bool std::operator< <int>(X<int> const&, X<int> const&)", 1, "std::operator< <…>(…)");
    fits("X<int>::operator->() const", 1, "X<…>::operator->() const");
    fits("operator new(unsigned long)", 1, "operator new(…)");
    fits("X::operator bool() const", 1, "X::operator bool() const");
    fits("(anonymous namespace)::deep(int)", 1, "(anonymous namespace)::deep(…)");
    fits("N::(anonymous namespace)::T<int>::f()", 1, "N::(anonymous namespace)::T<…>::f()");
    fits("my_operator(int)", 1, "my_operator(…)");
}

static void test_rust(void **state)
{
    (void)state;
    const char *name = "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop::<i32>";
    fits(name, 57, "<alloc::vec::Vec<…> as core::ops::drop::Drop>::drop::<…>");
    fits(name, 20, "<…>::drop::<…>");
    fits("<alloc::vec::Vec<u8, A>>::push", 27, "<alloc::vec::Vec<…>>::push");
}

static void test_awkward(void **state)
{
    (void)state;
    fits("f(void (*)(int, int))", 1, "f(…)");
    fits("main::{lambda(int)#1}::operator()(int) const", 1,
         "main::{lambda(…)#1}::operator()(…) const");
    fits("f(int) [clone .part.0]", 1, "f(…) [clone .part.0]");
    fits("<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop", 1, "<…>::drop");
    fits("f(((", 1, "f(…"); /* cut by whoever made it */
    fits("f)>>", 1, "f)>>");
    fits("decltype (x) g<decltype (x)>(int)", 1, "g<…>(…)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits_stays),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_brackets_that_are_none),
        cmocka_unit_test(test_rust),
        cmocka_unit_test(test_awkward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
