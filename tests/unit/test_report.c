/* SPDX-License-Identifier: MIT
 * Reports of hand-built trees, compared with tests/golden/report. */
#include "report/json.h"
#include "report/text.h"
#include "report_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void text(const char *golden, const char *schema, struct result *result, bool complete,
                 struct text_style style)
{
    struct strbuf out = {0};
    struct result *completeness = fixture_completeness(complete);
    text_report(&out, &(struct report){schema, 1, completeness, result}, &style);
    fixture_compare(golden, &out);
    strbuf_release(&out);
    result_free(completeness);
    result_free(result);
}

static void test_leaks_in_a_pipe(void **state)
{
    (void)state;
    text("leaks-pipe.txt", "seep.leaks", fixture_leaks(), true,
         (struct text_style){.utf8 = true, .width = 100});
}

static void test_leaks_on_a_narrow_terminal(void **state)
{
    (void)state;
    text("leaks-80.txt", "seep.leaks", fixture_leaks(), true,
         (struct text_style){.utf8 = true, .cut = true, .width = 80});
}

static void test_leaks_in_colour(void **state)
{
    (void)state;
    text("leaks-140-colour.txt", "seep.leaks", fixture_leaks(), false,
         (struct text_style){.utf8 = true, .cut = true, .colour = true, .width = 140});
}

static void test_leaks_without_utf8(void **state)
{
    (void)state;
    text("leaks-ascii.txt", "seep.leaks", fixture_leaks(), true,
         (struct text_style){.cut = true, .width = 80});
}

static void test_no_leaks(void **state)
{
    (void)state;
    text("leaks-none.txt", "seep.leaks", fixture_no_leaks(), true,
         (struct text_style){.utf8 = true, .width = 100});
}

static void test_info(void **state)
{
    (void)state;
    text("info.txt", "seep.info", fixture_info(), true,
         (struct text_style){.utf8 = true, .width = 80});
}

static void test_unknown_schema_is_a_tree(void **state)
{
    (void)state;
    text("tree.txt", "seep.other", fixture_leaks(), false,
         (struct text_style){.utf8 = true, .width = 80});
}

static void test_json(void **state)
{
    (void)state;
    struct strbuf out = {0};
    struct result *completeness = fixture_completeness(false), *result = fixture_leaks();
    json_report(&out, &(struct report){"seep.leaks", 1, completeness, result});
    fixture_compare("leaks.json", &out);
    strbuf_release(&out);
    result_free(completeness);
    result_free(result);
}

static void json_text(const char *given, size_t length, const char *wanted)
{
    struct strbuf out = {0};
    json_add_text(&out, given, length);
    assert_string_equal(out.text, wanted);
    strbuf_release(&out);
}

static void test_json_texts(void **state)
{
    (void)state;
    json_text("", 0, "\"\"");
    json_text("plain", 5, "\"plain\"");
    json_text("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    json_text("\n\t\r\b\x7f", 5, "\"\\n\\t\\u000d\\u0008\\u007f\"");
    json_text("nul\0byte", 8, "\"nul\\u0000byte\"");
    json_text("caf\xc3\xa9", 5, "\"caf\xc3\xa9\"");
    json_text("\xff"
              "ab\xc3",
              4,
              "\"\xef\xbf\xbd"
              "ab\xef\xbf\xbd\"");
    json_text("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* a surrogate */
}

static void test_json_numbers(void **state)
{
    (void)state;
    struct strbuf out = {0};
    struct result *r = result_new_object();
    result_count(r, "most", UINT64_MAX);
    result_integer(r, "least", INT64_MIN);
    result_address(r, "address", 0xffffffffff600000);
    result_real(r, "tenth", 0.1);
    result_real(r, "third", 1.0 / 3);
    result_real(r, "none", 0.0 / 0.0);
    result_percent(r, "all", 100);
    result_null(r, "nothing");
    json_report(&out, &(struct report){"x", 2, NULL, r});
    assert_string_equal(out.text, "{\n"
                                  "  \"schema\": \"x\",\n"
                                  "  \"version\": 2,\n"
                                  "  \"completeness\": null,\n"
                                  "  \"result\": {\n"
                                  "    \"most\": 18446744073709551615,\n"
                                  "    \"least\": -9223372036854775808,\n"
                                  "    \"address\": \"0xffffffffff600000\",\n"
                                  "    \"tenth\": 0.1,\n"
                                  "    \"third\": 0.3333333333333333,\n"
                                  "    \"none\": null,\n"
                                  "    \"all\": 100,\n"
                                  "    \"nothing\": null\n"
                                  "  }\n"
                                  "}\n");
    strbuf_release(&out);
    result_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaks_in_a_pipe),
        cmocka_unit_test(test_leaks_on_a_narrow_terminal),
        cmocka_unit_test(test_leaks_in_colour),
        cmocka_unit_test(test_leaks_without_utf8),
        cmocka_unit_test(test_no_leaks),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_unknown_schema_is_a_tree),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_texts),
        cmocka_unit_test(test_json_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
