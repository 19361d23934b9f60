/* SPDX-License-Identifier: MIT
 *
 * Names of traces, and the environment a program is started with. */
#include "run/output_name.h"
#include "run/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct output_name_values values = {
    .pid = 4711, .exe = "prog", .host = "box", .realtime_s = 1700000000};

static void assert_expands(const char *pattern, const char *expected)
{
    char *name = output_name_expand(pattern, &values);
    assert_string_equal(name, expected);
    free(name);
}

static void expands_every_pattern(void **state)
{
    (void)state;
    assert_expands("x.seep", "x.seep");
    assert_expands("%e.%p.seep", "prog.4711.seep");
    assert_expands("%h/%t", "box/1700000000");
    assert_expands("100%%%p%%p", "100%4711%p");
}

static void a_name_with_slashes_makes_no_directories(void **state)
{
    (void)state;
    struct output_name_values odd = {.pid = 1, .exe = "a/b", .host = "../h", .realtime_s = 0};
    char *name = output_name_expand("%e-%h", &odd);
    assert_string_equal(name, "a_b-.._h");
    free(name);
    name = output_name_default(&odd, 1);
    assert_string_equal(name, "seep.a_b.1.seep");
    free(name);
}

static void default_names_are_numbered(void **state)
{
    (void)state;
    char *first = output_name_default(&values, 1), *second = output_name_default(&values, 2);
    assert_string_equal(first, "seep.prog.4711.seep");
    assert_string_equal(second, "seep.prog.4711-2.seep");
    free(first);
    free(second);
}

static void refuses_patterns_without_a_meaning(void **state)
{
    (void)state;
    struct err err;
    static const char *const bad[] = {"", "dir/", "%", "x%", "%x.seep", "%%%"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(output_name_check(bad[i], &err), SEEP_ERR_USAGE);
    output_name_check("a%qb", &err);
    assert_non_null(strstr(err.message, "'%q'"));
    static const char *const good[] = {"x", "%p", "%%", "a/%e.%h.%t.seep", "%%p"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(output_name_check(good[i], &err), SEEP_OK);
}

static void absolute_names_have_no_links_in_their_directory(void **state)
{
    (void)state;
    char directory[] = "/tmp/seep-test-XXXXXX", link[64], path[96], expected[96];
    assert_non_null(mkdtemp(directory));
    snprintf(link, sizeof link, "%s-link", directory);
    assert_int_equal(symlink(directory, link), 0);
    snprintf(path, sizeof path, "%s/./x.seep", link);
    snprintf(expected, sizeof expected, "%s/x.seep", directory);
    struct err err;
    char *absolute = output_name_absolute(path, &err);
    assert_string_equal(absolute, expected);
    free(absolute);
    assert_int_equal(chdir(directory), 0);
    absolute = output_name_absolute("y", &err);
    snprintf(expected, sizeof expected, "%s/y", directory);
    assert_string_equal(absolute, expected);
    free(absolute);
    absolute = output_name_absolute("/z", &err);
    assert_string_equal(absolute, "/z");
    free(absolute);
    assert_null(output_name_absolute("/no/such/z", &err));
    assert_non_null(strstr(err.message, "/no/such"));
    unlink(link);
    rmdir(directory);
}

static void the_stem_is_what_stands_before_the_suffix(void **state)
{
    (void)state;
    assert_int_equal(output_name_stem("/a/x.seep"), 4);
    assert_int_equal(output_name_stem("/a/x"), 4);
    assert_int_equal(output_name_stem("x.seep.seep"), 6);
    assert_int_equal(output_name_stem(".seep"), 5);
}

/* ------------------------------------------------------------------ options, environment */

static void assert_option(const char *setting, const char *expected)
{
    struct strbuf b = {0};
    struct err err;
    enum seep_err e = recorder_option(&b, setting, &err);
    assert_int_equal(e, expected ? SEEP_OK : SEEP_ERR_USAGE);
    if (expected)
        assert_string_equal(b.text, expected);
    strbuf_release(&b);
}

static void options_are_those_of_the_recorder(void **state)
{
    (void)state;
    assert_option("SPOOL_MAX=4096", "SEEP_SPOOL_MAX=4096");
    assert_option("spool-max=16g", "SEEP_SPOOL_MAX=17179869184");
    assert_option("SEEP_TAIL_MAX=64KiB", "SEEP_TAIL_MAX=65536");
    assert_option("spool_max=many", NULL);
    assert_option("spool_max", NULL);
    assert_option("nothing=1", NULL);
    assert_option("=1", NULL);
    assert_option("run_id=mine", NULL); /* these are set by seep run */
    assert_option("out=x", NULL);
}

static const char *get(char **environment, const char *name)
{
    const char *found = NULL;
    size_t length = strlen(name);
    for (char **p = environment; *p; p++) {
        if (strncmp(*p, name, length) == 0 && (*p)[length] == '=') {
            assert_null(found); /* once only */
            found = *p + length + 1;
        }
    }
    return found;
}

static void environment_preloads_the_library_first(void **state)
{
    (void)state;
    char home[] = "HOME=/root", out[] = "SEEP_OUT=old", id[] = "SEEP_RUN_ID=old",
         preload[] = "LD_PRELOAD=/a.so /l/libseep.so:/b.so", new_id[] = "SEEP_RUN_ID=new";
    char *base[] = {home, out, preload, id, NULL};
    char *settings[] = {new_id, NULL};
    char **environment = recorder_environment(base, "/l/libseep.so", settings);
    assert_string_equal(get(environment, "LD_PRELOAD"), "/l/libseep.so:/a.so:/b.so");
    assert_string_equal(get(environment, "HOME"), "/root");
    assert_string_equal(get(environment, "SEEP_RUN_ID"), "new");
    assert_null(get(environment, "SEEP_OUT"));
    recorder_environment_free(environment);

    char *empty[] = {NULL};
    environment = recorder_environment(empty, "/l/libseep.so", empty);
    assert_string_equal(get(environment, "LD_PRELOAD"), "/l/libseep.so");
    assert_null(environment[1]);
    recorder_environment_free(environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expands_every_pattern),
        cmocka_unit_test(a_name_with_slashes_makes_no_directories),
        cmocka_unit_test(default_names_are_numbered),
        cmocka_unit_test(refuses_patterns_without_a_meaning),
        cmocka_unit_test(absolute_names_have_no_links_in_their_directory),
        cmocka_unit_test(the_stem_is_what_stands_before_the_suffix),
        cmocka_unit_test(options_are_those_of_the_recorder),
        cmocka_unit_test(environment_preloads_the_library_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
