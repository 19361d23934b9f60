/* SPDX-License-Identifier: MIT
 * Numbers as people read them, and texts of others made harmless. */
#include "util/human.h"
#include "util/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_counts(void **state)
{
    (void)state;
    assert_string_equal(human_count(0).text, "0");
    assert_string_equal(human_count(999).text, "999");
    assert_string_equal(human_count(1000).text, "1,000");
    assert_string_equal(human_count(1234567).text, "1,234,567");
    assert_string_equal(human_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

static void test_bytes(void **state)
{
    (void)state;
    assert_string_equal(human_bytes(0).text, "0 B");
    assert_string_equal(human_bytes(1023).text, "1023 B");
    assert_string_equal(human_bytes(1024).text, "1 KiB");
    assert_string_equal(human_bytes(1536).text, "1.5 KiB");
    assert_string_equal(human_bytes(4096).text, "4 KiB");
    assert_string_equal(human_bytes(102400).text, "100 KiB");
    assert_string_equal(human_bytes(1023 * 1024).text, "1023 KiB");
    assert_string_equal(human_bytes(1024 * 1024 - 1).text, "1 MiB"); /* never "1024 KiB" */
    assert_string_equal(human_bytes(4404019).text, "4.2 MiB");
    assert_string_equal(human_bytes(UINT64_MAX).text, "16 EiB");
}

static void test_durations(void **state)
{
    (void)state;
    const uint64_t s = 1000000000;
    assert_string_equal(human_ns(0).text, "0 s");
    assert_string_equal(human_ns(850).text, "850 ns");
    assert_string_equal(human_ns(12300).text, "12.3 \xc2\xb5s");
    assert_string_equal(human_ns(999999).text, "1 ms"); /* never "1000 µs" */
    assert_string_equal(human_ns(4100000).text, "4.1 ms");
    assert_string_equal(human_ns(999999999).text, "1.00 s");
    assert_string_equal(human_ns(3410000000).text, "3.41 s");
    assert_string_equal(human_ns(9999999999).text, "10 s");
    assert_string_equal(human_ns(59940000000).text, "59.9 s");
    assert_string_equal(human_ns(59960000000).text, "1 min");
    assert_string_equal(human_ns(125 * s).text, "2 min 5 s");
    assert_string_equal(human_ns(3599 * s + 600000000).text, "1 h");
    assert_string_equal(human_ns(3780 * s).text, "1 h 3 min");
    assert_string_equal(human_ns(86400 * s * 2 + 4 * 3600 * s).text, "2 d 4 h");
}

static void test_percent(void **state)
{
    (void)state;
    assert_string_equal(human_percent(0).text, "0 %");
    assert_string_equal(human_percent(0.04).text, "<0.1 %");
    assert_string_equal(human_percent(3.44).text, "3.4 %");
    assert_string_equal(human_percent(9.96).text, "10 %");
    assert_string_equal(human_percent(71.2).text, "71 %");
    assert_string_equal(human_percent(99.7).text, ">99 %"); /* not all, so not "100 %" */
    assert_string_equal(human_percent(100).text, "100 %");
}

static void visible(const char *given, size_t length, const char *wanted)
{
    struct strbuf out = {0};
    strbuf_adds(&out, ""); /* so that there is a text even if nothing is added */
    utf8_add_visible(&out, given, length);
    assert_string_equal(out.text ? out.text : "", wanted);
    strbuf_release(&out);
}

static void test_hostile_texts_are_made_visible(void **state)
{
    (void)state;
    visible("", 0, "");
    visible("plain caf\xc3\xa9", 11, "plain caf\xc3\xa9");
    visible("\033[2Jx", 5, "\\x1b[2Jx");
    visible("a\nb\tc", 5, "a\\nb\\tc");
    visible("\xff\xc0\x80", 3, "\\xff\\xc0\\x80");
    visible("cut\xe2\x82", 5, "cut\\xe2\\x82");
    visible("\xc2\x9b"
            "31m",
            5, "\\u009b31m"); /* 8-bit CSI */
    visible("\xe2\x80\xae"
            "gpj.exe",
            10, "\\u202egpj.exe"); /* right-to-left override */
    visible("\\n", 2, "\\\\n");
    visible("C:\\dir", 6, "C:\\dir");
    visible("a\0b", 3, "a\\x00b");
}

static void test_columns(void **state)
{
    (void)state;
    const char *wide = "\xe6\xbc\xa2\xe5\xad\x97"; /* two Han characters */
    assert_int_equal(utf8_width("abc", 3), 3);
    assert_int_equal(utf8_width(wide, 6), 4);
    assert_int_equal(utf8_width("e\xcc\x81", 3), 1); /* combining acute */
    assert_int_equal(utf8_width("\xff\xff", 2), 2);
    assert_int_equal(utf8_fit(wide, 6, 3), 3);
    assert_int_equal(utf8_fit("abc", 3, 2), 2);
    assert_int_equal(utf8_fit("abc", 3, 9), 3);
}

static void test_decoding_refuses_what_is_not_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xe2\x28\xa1"};
    uint32_t c;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(utf8_decode(bad[i], strlen(bad[i]), &c), 0);
    assert_int_equal(utf8_decode("\xf0\x9f\x92\xa7", 4, &c), 4);
    assert_int_equal(c, 0x1f4a7);
    assert_int_equal(utf8_decode("\xf0\x9f\x92\xa7", 3, &c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_hostile_texts_are_made_visible),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_decoding_refuses_what_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
