/* SPDX-License-Identifier: MIT
 *
 * MEMORY and MAPPINGS records: against texts written by hand, and against the kernel. The truth
 * about real pages comes from smaps and mincore, which count in their own ways. */
#include "run/process_memory.h"
#include "seep/memory_snapshot.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE 4096u

/* ------------------------------------------------------------------ decoding, for the tests */

struct decoded_mapping {
    uint64_t start, end, protection;
    char name[256];
    uint64_t pages[4]; /* by residency, of the runs; absent pages behind the last run too */
    char picture[65];  /* the first 64 pages, a letter each: .RSF */
};

struct decoded {
    uint64_t page_bytes, count;
    struct decoded_mapping *mappings;
};

static uint64_t varint(const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    assert_true(seep_get_varint(p, end, &v));
    return v;
}

static struct decoded decode(const uint8_t *bytes, size_t length)
{
    const uint8_t *p = bytes, *end = bytes + length;
    struct decoded d;
    d.page_bytes = varint(&p, end);
    d.count = varint(&p, end);
    assert_true(d.count < 100000);
    d.mappings = calloc(d.count + 1, sizeof *d.mappings);
    uint64_t at = 0;
    for (uint64_t i = 0; i < d.count; i++) {
        struct decoded_mapping *m = &d.mappings[i];
        m->start = at + varint(&p, end) * d.page_bytes;
        uint64_t pages = varint(&p, end), covered = 0;
        at = m->end = m->start + pages * d.page_bytes;
        m->protection = varint(&p, end);
        uint64_t name_length = varint(&p, end);
        assert_true(name_length <= (uint64_t)(end - p));
        memcpy(m->name, p, name_length < 255 ? name_length : 255);
        p += name_length;
        memset(m->picture, '.', 64);
        uint64_t previous_kind = 4;
        for (uint64_t runs = varint(&p, end); runs > 0; runs--) {
            uint64_t run = varint(&p, end), kind = run & 3;
            assert_true(run >> 2 > 0);
            assert_true(kind != previous_kind); /* runs are as long as can be */
            previous_kind = kind;
            for (uint64_t k = covered; k < covered + (run >> 2) && k < 64; k++)
                m->picture[k] = ".RSF"[kind];
            covered += run >> 2;
            m->pages[kind] += run >> 2;
        }
        assert_true(covered <= pages);
        m->pages[SEEP_PAGE_ABSENT] += pages - covered;
        if (pages < 64)
            m->picture[pages] = '\0';
    }
    assert_ptr_equal(p, end);
    return d;
}

static const struct decoded_mapping *mapping_at(const struct decoded *d, const void *address)
{
    for (uint64_t i = 0; i < d->count; i++)
        if (d->mappings[i].start <= (uintptr_t)address && (uintptr_t)address < d->mappings[i].end)
            return &d->mappings[i];
    fail_msg("no mapping at %p", address);
    return NULL;
}

/* ------------------------------------------------------------------ texts */

static void reads_status(void **state)
{
    (void)state;
    static const char text[] =
        "Name:\tVmRSS: 1 kB\nUmask:\t0022\nState:\tR (running)\n"
        "VmPeak:\t    9000 kB\nVmSize:\t    8192 kB\nVmHWM:\t    3000 kB\n"
        "VmRSS:\t    2048 kB\nRssAnon:\t    1000 kB\nRssFile:\t     900 kB\n"
        "RssShmem:\t     148 kB\nVmPTE:\t      64 kB\nVmSwap:\t      12 kB\n";
    uint64_t m[SEEP_MEMORY_COUNT];
    assert_true(seep_memory_parse(text, strlen(text), m));
    static const uint64_t expected[SEEP_MEMORY_COUNT] = {2048, 3000, 1000, 900, 148, 12, 64, 8192};
    for (int i = 0; i < SEEP_MEMORY_COUNT; i++)
        assert_int_equal(m[i], expected[i] * 1024);
    static const char zombie[] = "Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n";
    assert_false(seep_memory_parse(zombie, strlen(zombie), m));
    assert_false(seep_memory_parse("", 0, m));
    /* cut anywhere: no reading past the end (the sanitizers watch), and no wrong field */
    for (size_t n = 0; n < strlen(text); n++) {
        char *cut = malloc(n + 1);
        memcpy(cut, text, n);
        seep_memory_parse(cut, n, m);
        assert_true(m[SEEP_MEMORY_RSS] <= 2048 * 1024);
        free(cut);
    }
    uint8_t bytes[SEEP_MEMORY_BYTES_MAX];
    const uint64_t large[SEEP_MEMORY_COUNT] = {UINT64_MAX, 0,          1,       127,
                                               128,        UINT64_MAX, 1 << 20, UINT64_MAX};
    const uint8_t *p = bytes, *end = seep_put_memory(bytes, large);
    assert_int_equal(varint(&p, end), SEEP_MEMORY_COUNT);
    for (int i = 0; i < SEEP_MEMORY_COUNT; i++)
        assert_true(varint(&p, end) == large[i]);
    assert_ptr_equal(p, end);
}

static void reads_maps(void **state)
{
    (void)state;
    static const char text[] =
        "55d0c0a00000-55d0c0a02000 r--p 00000000 fe:00 1234                       /usr/bin/my "
        "prog\n"
        "55d0c0a02000-55d0c0a05000 rw-p 00000000 00:00 0 \n"
        "what is this\n"
        "7f0000000000-7f0000001000 rwxs 00001000 00:05 77                         /dev/zero "
        "(deleted)\n"
        "7f0000002000-7f0000003000 rw-s 00000000 00:05 78                         /a "
        "b.spool/tails\n"
        "7f0000003000-7f0000004000 rw-s 00000000 00:05 79                         /b.spoolx/tails\n"
        "7f0000004000-7f0000005000 ---p 00000000 00:00 0 \n"
        "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
        "7f1000000000-7f10000";
    const char *p = text, *end = text + strlen(text);
    static const struct {
        uint64_t start, end;
        const char *name;
        unsigned protection;
        bool runs;
    } expected[] = {
        {0x55d0c0a00000, 0x55d0c0a02000, "/usr/bin/my prog", 1, true},
        {0x55d0c0a02000, 0x55d0c0a05000, "", 3, true},
        {0x7f0000000000, 0x7f0000001000, "/dev/zero (deleted)", 15, false},
        {0x7f0000002000, 0x7f0000003000, "/a b.spool/tails", 11, true},
        {0x7f0000003000, 0x7f0000004000, "/b.spoolx/tails", 11, false},
        {0x7f0000004000, 0x7f0000005000, "", 0, false},
        {0x7ffd00000000, 0x7ffd00021000, "[stack]", 3, true},
        {0xffffffffff600000, 0xffffffffff601000, "[vsyscall]", 4, false},
    };
    struct seep_mapping m;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true(seep_mapping_parse(&p, end, &m));
        assert_true(m.start == expected[i].start && m.end == expected[i].end);
        assert_int_equal(m.protection, expected[i].protection);
        assert_int_equal(m.name_length, strlen(expected[i].name));
        assert_memory_equal(m.name, expected[i].name, m.name_length);
        assert_int_equal(seep_mapping_has_runs(&m), expected[i].runs);
    }
    assert_false(seep_mapping_parse(&p, end, &m)); /* the last line is cut */
    assert_string_equal(p, "7f1000000000-7f10000");
}

static const uint64_t present = SEEP_PAGEMAP_PRESENT, swapped = SEEP_PAGEMAP_SWAPPED,
                      shared = SEEP_PAGEMAP_PRESENT | SEEP_PAGEMAP_FILE;

static size_t encode_sample(uint8_t *buffer, size_t room)
{
    const uint64_t words[] = {
        0, 0, present, present | 5, swapped, shared, present, swapped | SEEP_PAGEMAP_GUARD, 0};
    struct seep_mappings m;
    struct seep_mapping first = {0x10000, 0x10000 + 9 * PAGE, 3, "[heap]", 6};
    struct seep_mapping bare = {0x10000 + 9 * PAGE, 0x10000 + 12 * PAGE, 1, "/lib/x.so", 9};
    struct seep_mapping early = {0x10000, 0x10000 + 2 * PAGE, 3, "", 0};
    struct seep_mapping far = {0x7f0000000000, 0x7f0000000000 + 1000 * PAGE, 3, "", 0};
    seep_mappings_begin(&m, buffer, room, PAGE);
    seep_mappings_add(&m, &first);
    /* in pieces that cut runs apart */
    seep_mappings_pagemap(&m, words, 3);
    seep_mappings_pagemap(&m, words + 3, 6);
    seep_mappings_add(&m, &bare);
    if (!m.full)
        assert_false(seep_mappings_add(&m, &early)); /* not by rising address */
    seep_mappings_add(&m, &far);
    seep_mappings_run(&m, 3, SEEP_PAGE_RESIDENT);
    seep_mappings_run(&m, 2, SEEP_PAGE_RESIDENT);
    seep_mappings_run(&m, 5000, SEEP_PAGE_SWAPPED); /* past its end */
    return seep_mappings_end(&m);
}

static void encodes_runs(void **state)
{
    (void)state;
    uint8_t buffer[1024];
    size_t length = encode_sample(buffer, sizeof buffer);
    assert_true(length > 0);
    struct decoded d = decode(buffer, length);
    assert_int_equal(d.page_bytes, PAGE);
    assert_int_equal(d.count, 3);
    assert_true(d.mappings[0].start == 0x10000 && d.mappings[0].end == 0x10000 + 9 * PAGE);
    assert_string_equal(d.mappings[0].name, "[heap]");
    assert_string_equal(d.mappings[0].picture, "..RRSFR..");
    assert_string_equal(d.mappings[1].name, "/lib/x.so");
    assert_int_equal(d.mappings[1].protection, 1);
    assert_string_equal(d.mappings[1].picture, "...");
    assert_true(d.mappings[2].start == 0x7f0000000000);
    assert_int_equal(d.mappings[2].pages[SEEP_PAGE_RESIDENT], 5);
    assert_int_equal(d.mappings[2].pages[SEEP_PAGE_SWAPPED], 995);
    free(d.mappings);
}

/* In every smaller buffer it fails, writes nothing beyond the end, and says so. */
static void says_when_the_buffer_is_too_small(void **state)
{
    (void)state;
    uint8_t whole[1024];
    size_t length = encode_sample(whole, sizeof whole), fitted = 0;
    for (size_t room = 0; room < 512; room++) {
        uint8_t *buffer = malloc(room + 16);
        memset(buffer + room, 0xa5, 16);
        size_t n = encode_sample(buffer, room);
        for (int i = 0; i < 16; i++)
            assert_int_equal(buffer[room + (size_t)i], 0xa5);
        if (n > 0) {
            assert_int_equal(n, length);
            assert_memory_equal(buffer, whole, length);
            fitted++;
        } else {
            assert_int_equal(fitted, 0);
        }
        free(buffer);
    }
    assert_true(fitted > 0);
}

/* ------------------------------------------------------------------ against the kernel */

static struct decoded snapshot(pid_t pid, enum process_residency way)
{
    struct process_buffer maps = {0}, record = {0};
    enum process_residency used = way;
    assert_true(process_mappings(pid, &used, &maps, &record));
    struct decoded d = decode(record.bytes, record.length);
    process_buffer_release(&maps);
    process_buffer_release(&record);
    return d;
}

static const enum process_residency ways[] = {PROCESS_SCAN_GUARDS, PROCESS_PAGEMAP};

static uint8_t *map_pages(size_t pages, int protection)
{
    void *p = mmap(NULL, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
    return p;
}

static void sees_each_page(void **state)
{
    (void)state;
    uint8_t *p = map_pages(64, PROT_READ | PROT_WRITE);
    for (int i = 0; i < 64; i += 3)
        p[i * PAGE] = 1;
    p[10 * PAGE] = p[11 * PAGE] = 1;
    madvise(p + 30 * PAGE, 2 * PAGE, MADV_DONTNEED); /* page 30 goes again */
    unsigned char in_core[64];
    assert_int_equal(mincore(p, 64 * PAGE, in_core), 0);
    for (size_t w = 0; w < 2; w++) {
        struct decoded d = snapshot(getpid(), ways[w]);
        const struct decoded_mapping *m = mapping_at(&d, p);
        size_t offset = ((uintptr_t)p - m->start) / PAGE; /* neighbours may be one mapping */
        if (offset == 0)
            for (int i = 0; i < 64; i++)
                assert_int_equal(m->picture[i], in_core[i] & 1 ? 'R' : '.');
        free(d.mappings);
    }
    munmap(p, 64 * PAGE);
}

/* Compares private writable mappings (or `only` one of them) with what smaps says of `pid`. Returns
 * the sum of their Rss. */
static uint64_t assert_as_smaps(pid_t pid, const struct decoded *d,
                                const struct decoded_mapping *only)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/smaps", (long)pid);
    FILE *smaps = fopen(path, "r");
    assert_non_null(smaps);
    const struct decoded_mapping *m = NULL;
    uint64_t total = 0, compared = 0;
    while (fgets(line, sizeof line, smaps)) {
        unsigned long start, end, kb;
        char protection[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, protection) == 3) {
            bool wanted =
                only ? only->start == start : protection[1] == 'w' && protection[3] == 'p';
            m = wanted ? mapping_at(d, (void *)start) : NULL;
            if (m)
                assert_true(m->start == start && m->end == end);
        } else if (m && sscanf(line, "Rss: %lu kB", &kb) == 1) {
            uint64_t resident = m->pages[SEEP_PAGE_RESIDENT] + m->pages[SEEP_PAGE_FILE];
            assert_int_equal(resident * d->page_bytes, kb * 1024);
            total += kb * 1024;
            compared++;
        } else if (m && sscanf(line, "Swap: %lu kB", &kb) == 1) {
            assert_int_equal(m->pages[SEEP_PAGE_SWAPPED] * d->page_bytes, kb * 1024);
        }
    }
    fclose(smaps);
    assert_true(only ? compared == 1 : compared > 3);
    return total;
}

/* The page of zeros, which reading untouched memory maps, costs nothing and does not count in Rss,
 * although mincore sees it. Some kernels give pages of one's own instead: smaps decides. */
static void takes_the_zero_page_for_absent(void **state)
{
    (void)state;
    uint8_t *p = map_pages(8, PROT_READ | PROT_WRITE);
    volatile uint8_t sum = 0;
    for (int i = 0; i < 8; i++)
        sum = (uint8_t)(sum + p[i * PAGE]);
    p[3 * PAGE] = 1;
    struct process_buffer maps = {0}, record = {0};
    enum process_residency way = PROCESS_SCAN_GUARDS;
    assert_true(process_mappings(getpid(), &way, &maps, &record));
    struct decoded d = decode(record.bytes, record.length);
    const struct decoded_mapping *m = mapping_at(&d, p);
    assert_int_equal(m->picture[((uintptr_t)p - m->start) / PAGE + 3], 'R');
    if (way != PROCESS_PAGEMAP)
        assert_as_smaps(getpid(), &d, m);
    free(d.mappings);
    process_buffer_release(&maps);
    process_buffer_release(&record);
    munmap(p, 8 * PAGE);
}

static void tells_file_pages_from_copies(void **state)
{
    (void)state;
    char path[] = "/tmp/seep-test-XXXXXX", zeros[8 * PAGE] = {1};
    int fd = mkstemp(path);
    assert_int_equal(write(fd, zeros, sizeof zeros), (ssize_t)sizeof zeros);
    volatile uint8_t *p =
        mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(madvise((void *)p, 8 * PAGE, MADV_DONTNEED), 0);
    madvise((void *)p, 8 * PAGE, MADV_RANDOM); /* no neighbours mapped along */
    p[2 * PAGE] = 7;
    volatile uint8_t read = p[5 * PAGE];
    (void)read;
    for (size_t w = 0; w < 2; w++) {
        struct decoded d = snapshot(getpid(), ways[w]);
        const struct decoded_mapping *m = mapping_at(&d, (void *)p);
        assert_string_equal(m->name, path);
        assert_int_equal(m->picture[2], 'R');
        assert_int_equal(m->picture[5], 'F');
        free(d.mappings);
    }
    munmap((void *)p, 8 * PAGE);
    close(fd);
    unlink(path);
}

/* A child that stands still, with 40 MiB mapped, of which every page of a third was written, of
 * another third read, and holes punched. */
static pid_t start_child(void)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
        size_t pages = 10240;
        uint8_t *p =
            mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        volatile uint8_t sum = 0;
        for (size_t i = 0; i < pages / 3; i++)
            p[i * PAGE] = 1;
        for (size_t i = pages / 3; i < pages / 3 * 2; i++)
            sum = (uint8_t)(sum + p[i * PAGE]);
        for (size_t i = 0; i < pages / 3; i += 7)
            madvise(p + i * PAGE, PAGE, MADV_DONTNEED);
        free(malloc(300000));
        if (write(ready[1], "x", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void agrees_with_smaps(void **state)
{
    (void)state;
    pid_t pid = start_child();
    struct process_buffer maps = {0}, record = {0};
    enum process_residency way = PROCESS_SCAN_GUARDS;
    assert_true(process_mappings(pid, &way, &maps, &record));
    uint64_t memory[SEEP_MEMORY_COUNT];
    assert_true(process_memory(pid, memory));
    if (way != PROCESS_PAGEMAP) { /* else pages of zeros count as resident */
        struct decoded d = decode(record.bytes, record.length);
        uint64_t private_bytes = assert_as_smaps(pid, &d, NULL);
        assert_true(private_bytes > 10 << 20 && private_bytes < 41 << 20);
        free(d.mappings);
    }
    assert_true(memory[SEEP_MEMORY_RSS] > 10 << 20 && memory[SEEP_MEMORY_VIRTUAL] > 40 << 20);
    assert_true(memory[SEEP_MEMORY_PEAK_RSS] >= memory[SEEP_MEMORY_RSS]);
    assert_int_equal(memory[SEEP_MEMORY_RSS_ANON] + memory[SEEP_MEMORY_RSS_FILE] +
                         memory[SEEP_MEMORY_RSS_SHMEM],
                     memory[SEEP_MEMORY_RSS]);
    assert_true(process_rss_bytes(pid) > 10 << 20);

    kill(pid, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT); /* a zombie now */
    assert_false(process_memory(pid, memory));
    assert_int_equal(process_rss_bytes(pid), 0);
    waitpid(pid, NULL, 0);
    assert_false(process_memory(pid, memory));
    assert_false(process_mappings(pid, &way, &maps, &record));
    process_buffer_release(&maps);
    process_buffer_release(&record);
}

/* More runs than a first buffer holds: a byte each, 40,000 in each of two mappings. */
static void grows_its_buffer(void **state)
{
    (void)state;
    size_t pages = 40000;
    uint8_t *p = map_pages(pages, PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < pages; i += 2)
        p[i * PAGE] = 1;
    for (size_t w = 0; w < 2; w++) {
        struct process_buffer maps = {0}, record = {0};
        enum process_residency way = ways[w];
        uint8_t *q = map_pages(pages, PROT_READ | PROT_WRITE);
        for (size_t i = 1; i < pages; i += 2)
            q[i * PAGE] = 1;
        assert_true(process_mappings(getpid(), &way, &maps, &record));
        assert_true(record.length > 80000);
        struct decoded d = decode(record.bytes, record.length);
        const struct decoded_mapping *m = mapping_at(&d, p), *n = mapping_at(&d, q);
        uint64_t resident = m->pages[SEEP_PAGE_RESIDENT];
        if (n != m)
            resident += n->pages[SEEP_PAGE_RESIDENT];
        assert_true(resident >= pages);
        free(d.mappings);
        munmap(q, pages * PAGE);
        process_buffer_release(&maps);
        process_buffer_release(&record);
    }
    munmap(p, pages * PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_status),
        cmocka_unit_test(reads_maps),
        cmocka_unit_test(encodes_runs),
        cmocka_unit_test(says_when_the_buffer_is_too_small),
        cmocka_unit_test(sees_each_page),
        cmocka_unit_test(takes_the_zero_page_for_absent),
        cmocka_unit_test(tells_file_pages_from_copies),
        cmocka_unit_test(agrees_with_smaps),
        cmocka_unit_test(grows_its_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
