/* SPDX-License-Identifier: MIT
 *
 * The decoder against readelf, which prints what every row of every entry of a library's .eh_frame
 * amounts to; and against damaged tables, which it must survive. */
#include "eh_frame.h"
#include "elf_image.h"
#include "fake_rows.h"
#include "modules.h"

#include <dlfcn.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define COLUMNS_MAX 24

static bool segment_of(const void *image, uintptr_t address, struct eh_range *out)
{
    uintptr_t low, high;
    if (!elf_image_segment(image, address, &low, &high))
        return false;
    *out = (struct eh_range){(const uint8_t *)low, (const uint8_t *)high};
    return true;
}

/* Opens the library that serves `symbol`. */
static void open_library(const char *name, const char *symbol, struct rec_module *module,
                         struct elf_image *image, struct eh_range *range)
{
    void *handle = dlopen(name, RTLD_NOW);
    assert_non_null(handle);
    assert_true(rec_modules_find((uintptr_t)dlsym(handle, symbol), module));
    assert_true(elf_image_open(module->start, module->end, image));
    assert_int_equal(image->base, module->base);
    assert_non_null(module->eh_frame_hdr);
    *range = (struct eh_range){0};
    if (!segment_of(image, (uintptr_t)module->eh_frame_hdr, range) || range->high <= range->low) {
        fail();
        abort(); /* which the analyser knows not to return */
    }
}

/* One row of readelf's: the texts of the columns that matter. */
struct expected {
    uintptr_t pc;
    char cfa[32], fp[32], pc_rule[32];
};

/* Whether the rule says what readelf says. `exp` is an expression that readelf does not spell out
 * here: then any rule will do, or a refusal for its reason. */
static bool agrees(enum eh_result result, const struct eh_rule *rule, const struct expected *e)
{
    if (strcmp(e->pc_rule, "u") == 0)
        return result == EH_OK && rule->kind == EH_OUTERMOST;
    if (strcmp(e->cfa, "exp") == 0)
        return result == EH_OK || result == EH_CFA_EXPRESSION || result == EH_FP_RULE ||
               result == EH_PC_RULE;
    char base[8];
    long offset;
    if (sscanf(e->cfa, "%7[a-z0-9]%ld", base, &offset) != 2)
        return false;
    bool is_sp = strcmp(base, "rsp") == 0, is_fp = strcmp(base, "rbp") == 0;
    if (!is_sp && !is_fp)
        return result == EH_CFA_REGISTER;
    long fp_offset, pc_offset;
    bool fp_saved = sscanf(e->fp, "c%ld", &fp_offset) == 1;
    if (sscanf(e->pc_rule, "c%ld", &pc_offset) != 1)
        return result == EH_PC_RULE || (result == EH_OK && strcmp(e->pc_rule, "exp") == 0);
    if (!fp_saved && e->fp[0] && strcmp(e->fp, "u") != 0 && strcmp(e->fp, "s") != 0)
        return result == EH_FP_RULE || (result == EH_OK && strcmp(e->fp, "exp") == 0);
    return result == EH_OK && rule->kind == EH_FRAME && !rule->cfa_deref &&
           rule->cfa_base == (is_sp ? EH_SP : EH_FP) && rule->cfa_offset == offset &&
           rule->pc_from == EH_CFA && rule->pc_offset == pc_offset &&
           (fp_saved ? rule->fp_from == EH_CFA && rule->fp_offset == fp_offset
                     : rule->fp_from == EH_SAME || rule->fp_from == EH_LOST);
}

static const char *const result_names[EH_RESULT_COUNT] = {
    [EH_OK] = "decoded",
    [EH_NO_ENTRY] = "no entry",
    [EH_BAD_HEADER] = "bad header",
    [EH_BAD_ENTRY] = "bad entry",
    [EH_BAD_INSTRUCTION] = "bad instruction",
    [EH_CFA_REGISTER] = "CFA from another register",
    [EH_CFA_EXPRESSION] = "CFA expression",
    [EH_FP_RULE] = "rbp's rule",
    [EH_PC_RULE] = "return address's rule",
};

struct comparison {
    struct rec_module module;
    struct elf_image image;
    struct eh_range range;
    unsigned rows, results[EH_RESULT_COUNT];
    uintptr_t low, high; /* of the present entry's code */
};

static void compare_row(struct comparison *c, const struct expected *e)
{
    if (e->pc < c->low || e->pc >= c->high)
        return;
    struct eh_rule rule;
    enum eh_result result = eh_frame_rule(c->module.eh_frame_hdr, c->range, segment_of, &c->image,
                                          c->module.base + e->pc, &rule);
    c->rows++;
    c->results[result]++;
    if (!agrees(result, &rule, e))
        fail_msg("at %lx readelf says CFA %s, rbp %s, return address %s; we: %s, kind %d base %d"
                 " %+d, rbp from %d %+d, return address from %d %+d",
                 e->pc, e->cfa, e->fp, e->pc_rule, result_names[result], rule.kind, rule.cfa_base,
                 rule.cfa_offset, rule.fp_from, rule.fp_offset, rule.pc_from, rule.pc_offset);
}

/* Entries follow one another like this:
 *   00000018 0000000000000024 0000001c FDE cie=00000000 pc=0000000000026000..0000000000026360
 *      LOC           CFA      rbp   ra
 *   0000000000026000 rsp+16   u     c-8                                                        */
static void compare_all(const char *path, struct comparison *c)
{
    char command[512], line[1024];
    snprintf(command, sizeof command, "LC_ALL=C readelf --debug-dump=frames-interp '%s' 2>&1",
             path);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    int fp_column = -1, pc_column = -1;
    while (fgets(line, sizeof line, f)) {
        char *words[COLUMNS_MAX];
        int count = 0;
        const char *range = strstr(line, "pc=");
        if (strstr(line, " FDE ") && range) {
            assert_int_equal(sscanf(range, "pc=%lx..%lx", &c->low, &c->high), 2);
            fp_column = pc_column = -1;
            continue;
        }
        if (strstr(line, " CIE ")) {
            c->low = c->high = 0;
            continue;
        }
        for (char *w = strtok(line, " \n"); w && count < COLUMNS_MAX; w = strtok(NULL, " \n"))
            if (*w != '(') /* "r10 (r10)" is one column */
                words[count++] = w;
        if (count < 3)
            continue;
        if (strcmp(words[0], "LOC") == 0) {
            for (int i = 0; i < count; i++) {
                if (strcmp(words[i], "rbp") == 0)
                    fp_column = i;
                if (strcmp(words[i], "ra") == 0)
                    pc_column = i;
            }
            continue;
        }
        struct expected e = {0};
        char *end;
        e.pc = strtoul(words[0], &end, 16);
        if (*end || end - words[0] != 16 || pc_column < 0 || pc_column >= count)
            continue;
        snprintf(e.cfa, sizeof e.cfa, "%s", words[1]);
        snprintf(e.pc_rule, sizeof e.pc_rule, "%s", words[pc_column]);
        if (fp_column >= 0 && fp_column < count)
            snprintf(e.fp, sizeof e.fp, "%s", words[fp_column]);
        compare_row(c, &e);
    }
    pclose(f); /* its status says only that separate debug files are missing */
}

static void compare_library(const char *name, const char *symbol, unsigned rows_min)
{
    struct comparison c = {0};
    open_library(name, symbol, &c.module, &c.image, &c.range);
    void *handle = dlopen(name, RTLD_NOW);
    struct link_map *map;
    assert_int_equal(dlinfo(handle, RTLD_DI_LINKMAP, &map), 0);
    compare_all(map->l_name, &c);
    print_message("%s: %u rows\n", map->l_name, c.rows);
    for (unsigned i = 0; i < EH_RESULT_COUNT; i++)
        if (c.results[i])
            print_message("  %s: %u\n", result_names[i], c.results[i]);
    assert_true(c.rows > rows_min);
    /* What is left to guessing is one row in a thousand. */
    assert_true((c.rows - c.results[EH_OK]) * 1000 <= c.rows);
}

static void test_libc(void **state)
{
    (void)state;
    compare_library("libc.so.6", "malloc", 20000);
}

static void test_libstdcxx(void **state)
{
    (void)state;
    compare_library("libstdc++.so.6", "_Znwm", 20000);
}

/* ------------------------------------------------------------------ damage */

/* A copy of libc's tables at the same distances, ending at a page that cannot be read. */
struct copy {
    struct eh_range range;
    const uint8_t *hdr;
    uintptr_t code; /* where its code would be, for those distances */
    size_t code_size;
};

static bool segment_of_copy(const void *copy, uintptr_t address, struct eh_range *out)
{
    const struct copy *c = copy;
    *out = c->range;
    return address - (uintptr_t)c->range.low < (size_t)(c->range.high - c->range.low);
}

/* A copy of libc's segment with the tables, made at `low`. */
static struct copy copy_tables(uint8_t *low, const struct rec_module *module,
                               const struct elf_image *image, struct eh_range range)
{
    struct eh_range code = {0};
    assert_true(segment_of(image, (uintptr_t)dlsym(RTLD_DEFAULT, "qsort"), &code));
    size_t size = (size_t)(range.high - range.low);
    memcpy(low, range.low, size);
    const uint8_t *hdr = low + (module->eh_frame_hdr - range.low);
    return (struct copy){{low, low + size},
                         hdr,
                         (uintptr_t)(hdr - (module->eh_frame_hdr - code.low)),
                         (size_t)(code.high - code.low)};
}

static uint32_t random_state = 12345;

static uint32_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    return random_state ^= random_state << 5;
}

static uintptr_t random_pc(const struct copy *copy)
{
    return copy->code + (copy->code_size ? random_number() % copy->code_size : 0);
}

static void test_damage(void **state)
{
    (void)state;
    struct rec_module module;
    struct elf_image image;
    struct eh_range range;
    open_library("libc.so.6", "malloc", &module, &image, &range);
    size_t size = (size_t)(range.high - range.low), pages = (size + 4095) & ~(size_t)4095;
    uint8_t *memory =
        mmap(NULL, pages + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    mprotect(memory + pages, 4096, PROT_NONE);
    uint8_t *low = memory + pages - size;
    size_t hdr = (size_t)(module.eh_frame_hdr - range.low);
    unsigned decoded = 0, refused = 0;
    for (int round = 0; round < 40; round++) {
        struct copy copy = copy_tables(low, &module, &image, range);
        copy.range.high -= (round % 5) * 1000;
        for (int i = 0; i < (round ? 20000 : 0); i++)
            low[hdr + random_number() % (size - hdr)] ^= (uint8_t)(1u << random_number() % 8);
        if (round % 4 == 3) /* no table: a search through all entries */
            low[hdr + 3] = 0xff;
        for (int i = 0; i < (round % 4 == 3 ? 20 : 5000); i++) {
            uintptr_t pc = random_pc(&copy);
            struct eh_rule rule;
            enum eh_result result =
                eh_frame_rule(copy.hdr, copy.range, segment_of_copy, &copy, pc, &rule);
            assert_true(result < EH_RESULT_COUNT);
            assert_true((result == EH_OK) == (rule.kind != EH_NONE));
            *(result == EH_OK ? &decoded : &refused) += 1;
        }
        if (round == 0)
            assert_true(decoded > 4000);
    }
    assert_true(refused > 1000);
    munmap(memory, pages + 4096);
}

/* Without the header's table the entries are searched one by one, with the same outcome. */
static void test_without_table(void **state)
{
    (void)state;
    struct rec_module module;
    struct elf_image image;
    struct eh_range range;
    open_library("libc.so.6", "malloc", &module, &image, &range);
    size_t size = (size_t)(range.high - range.low);
    uint8_t *low = malloc(size);
    size_t hdr = (size_t)(module.eh_frame_hdr - range.low);
    struct copy copy = copy_tables(low, &module, &image, range);
    unsigned decoded = 0;
    for (int i = 0; i < 300; i++) {
        uintptr_t pc = random_pc(&copy);
        struct eh_rule with, without;
        low[hdr + 3] = 0x3b;
        enum eh_result expected =
            eh_frame_rule(copy.hdr, copy.range, segment_of_copy, &copy, pc, &with);
        low[hdr + 3] = 0xff;
        enum eh_result result =
            eh_frame_rule(copy.hdr, copy.range, segment_of_copy, &copy, pc, &without);
        assert_int_equal(result, expected);
        assert_memory_equal(&with, &without, sizeof with);
        decoded += result == EH_OK;
    }
    assert_true(decoded > 200);
    free(low);
}

int main(void)
{
    rec_modules_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_libc),
        cmocka_unit_test(test_libstdcxx),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_without_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
