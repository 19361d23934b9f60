/* SPDX-License-Identifier: MIT
 *
 * Functions, inlined calls and lines of every instruction of the fixtures, against addr2line
 * (binutils) and llvm-symbolizer. Where those two differ either will do. */
#include "model/symbols.h"

#include "symbols/probe.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "function@file:line < function@file:line ..." of one address. Files go by their last part: tools
 * write "./x", "a/../x" and absolute paths as they please. Without a line they are a guess of the
 * tools, made from the symbol table. */
static void add_frame(struct strbuf *out, const char *function, const char *file,
                      unsigned long line)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    const char *clone = strstr(function, " [clone ."); /* symbols name copies and parts of a */
    if (clone == NULL)                                 /* function, debug information does not */
        clone = strstr(function, ".cold");
    strbuf_addf(out, "%s%.*s@", out->length ? " < " : "",
                clone ? (int)(clone - function) : (int)strlen(function), function);
    if (line)
        strbuf_addf(out, "%s:%lu", slash ? slash + 1 : file, line);
    else
        strbuf_adds(out, "??");
}

static char *ours(const struct symbol_address *a)
{
    struct strbuf out = {0};
    for (uint32_t i = 0; i < a->count; i++) {
        assert_int_equal(a->frames[i].inlined, i + 1 < a->count);
        add_frame(&out, a->frames[i].named ? a->frames[i].function : "??", a->frames[i].file,
                  a->frames[i].line);
    }
    return strbuf_detach(&out);
}

/* One text per address, from a tool that prints each address and then pairs of lines. */
static char **theirs(const char *tool, const char *path, const uint64_t *addresses, size_t count)
{
    char list[] = "/tmp/seep-test-XXXXXX";
    int fd = mkstemp(list);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    if (file == NULL)
        abort();
    for (size_t i = 0; i < count; i++)
        fprintf(file, "0x%llx\n", (unsigned long long)addresses[i]);
    fclose(file);
    /* each demangles in its own way: one filter for both */
    char **lines = run_lines("%s '%s' < %s | c++filt -i", tool, path, list);
    assert_non_null(lines);
    unlink(list);

    char **out = mem_zalloc(count, sizeof *out);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        struct strbuf text = {0};
        const char *head = lines[at] ? lines[at] : "";
        assert_true(strncmp(head, "0x", 2) == 0);
        assert_int_equal(strtoull(head, NULL, 16), addresses[i]);
        for (at++; lines[at] && lines[at + 1] && strncmp(lines[at], "0x", 2) != 0; at += 2) {
            char *place = lines[at + 1];
            char *mark = strstr(place, " (discriminator");
            if (mark)
                *mark = '\0';
            char *colon = strrchr(place, ':');
            assert_non_null(colon);
            *colon = '\0';
            add_frame(&text, lines[at], place, strtoul(colon + 1, NULL, 10));
        }
        out[i] = strbuf_detach(&text);
    }
    free_lines(lines);
    return out;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void compare_with_tools(const char *path, size_t least_inlined)
{
    size_t count, inlined = 0, other = 0;
    struct instruction *all = list_instructions(path, ".text", &count);
    uint64_t *addresses = mem_zalloc(count, sizeof *addresses);
    for (size_t i = 0; i < count; i++)
        addresses[i] = all[i].address;
    free(all);
    char **gnu = theirs("addr2line -a -f -i -e", path, addresses, count);
    char **llvm = theirs("llvm-symbolizer --output-style=GNU --no-demangle -a -f -i -e", path,
                         addresses, count);
    struct probe p;
    probe_open(&p, path, addresses, count, true, NULL);
    for (size_t i = 0; i < count; i++) {
        const struct symbol_address *a = probe_at(&p, i);
        char *text = ours(a);
        inlined += a->count > 1;
        if (strcmp(text, gnu[i]) != 0 && strcmp(text, llvm[i]) != 0 && other++ < 8)
            print_error("%s %#lx\n  %s\n  addr2line %s\n  llvm %s\n", path, addresses[i], text,
                        gnu[i], llvm[i]);
        free(text);
    }
    print_message("%s: %zu instructions, %zu inlined, %zu differ from both\n", path, count, inlined,
                  other);
    assert_null(symbols_problem(p.symbols, 0));
    probe_close(&p);
    free_texts(gnu, count);
    free_texts(llvm, count);
    free(addresses);
    assert_true(inlined >= least_inlined);
    assert_int_equal(other, 0);
}

#define COMPARE(test, fixture, least_inlined)                                                      \
    static void test(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        if (access(FIXTURES "/" fixture, R_OK) != 0)                                               \
            skip();                                                                                \
        compare_with_tools(FIXTURES "/" fixture, least_inlined);                                   \
    }

COMPARE(gcc_dwarf5, "shapes-gcc", 500)
COMPARE(gcc_dwarf4, "shapes-gcc-dwarf4-nopie", 500)
COMPARE(gcc_unoptimised, "shapes-gcc-o0", 0)
COMPARE(gcc_compressed, "shapes-gcc-gz", 500)
COMPARE(gcc_c, "plain-gcc", 20)
COMPARE(gcc_c_sections, "plain-gcc-split", 20)
COMPARE(clang_dwarf5, "shapes-clang-dwarf5", 500)
COMPARE(clang_dwarf4, "shapes-clang-dwarf4", 500)
COMPARE(clang_lines_only, "shapes-clang-lines", 500)
COMPARE(gcc_split, "shapes-split", 500)
COMPARE(library_without_build_id, "libplain-no-build-id.so", 20)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcc_dwarf5),
        cmocka_unit_test(gcc_dwarf4),
        cmocka_unit_test(gcc_unoptimised),
        cmocka_unit_test(gcc_compressed),
        cmocka_unit_test(gcc_c),
        cmocka_unit_test(gcc_c_sections),
        cmocka_unit_test(clang_dwarf5),
        cmocka_unit_test(clang_dwarf4),
        cmocka_unit_test(clang_lines_only),
        cmocka_unit_test(library_without_build_id),
        cmocka_unit_test(gcc_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
