/* SPDX-License-Identifier: MIT
 *
 * Which programs are refused before they are started, and why. Binaries of other kinds are made
 * from this program's own file by changing what tells them apart. */
#include "run/target.h"

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/seep-test-XXXXXX";
static struct target_user user;

static int setup(void **state)
{
    (void)state;
    user = target_user_self();
    user.no_new_privileges = false;
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return chdir("/") == 0 ? system(command) : -1;
}

static void write_file(const char *name, const void *bytes, size_t length, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text), 0755);
}

/* This program's file, in memory. */
static Elf64_Ehdr *copy_self(size_t *length)
{
    int fd = open("/proc/self/exe", O_RDONLY);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    *length = (size_t)st.st_size;
    void *bytes = mmap(NULL, *length, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    assert_true(bytes != MAP_FAILED);
    close(fd);
    return bytes;
}

static Elf64_Phdr *header(Elf64_Ehdr *file, uint32_t type)
{
    Elf64_Phdr *p = (Elf64_Phdr *)((char *)file + file->e_phoff);
    for (unsigned i = 0; i < file->e_phnum; i++)
        if (p[i].p_type == type)
            return &p[i];
    fail_msg("no program header %u", type);
    return NULL;
}

static void assert_verdict_for(struct target_user who, const char *program,
                               enum target_verdict expected, const char *word)
{
    struct target target;
    struct err err = {.message = ""};
    enum target_verdict v = target_resolve(&target, program, directory, who, &err);
    if (v != expected)
        fail_msg("%s: verdict %d, not %d: %s", program, v, expected, err.message);
    if (word && !strstr(err.message, word))
        fail_msg("%s: \"%s\" without \"%s\"", program, err.message, word);
    if (word && !strstr(err.message, program))
        fail_msg("\"%s\" does not name %s", err.message, program);
    assert_null(strchr(err.message, '\n'));
    target_release(&target);
}

static void assert_verdict(const char *program, enum target_verdict expected, const char *word)
{
    assert_verdict_for(user, program, expected, word);
}

static void takes_dynamic_programs(void **state)
{
    (void)state;
    size_t length;
    void *self = copy_self(&length);
    write_file("self", self, length, 0755);
    munmap(self, length);
    assert_verdict("./self", TARGET_OK, NULL);
    assert_verdict("/bin/sh", TARGET_OK, NULL);
    assert_verdict("/lib64/ld-linux-x86-64.so.2", TARGET_OK, NULL); /* given a program, it loads */
}

static void searches_the_path(void **state)
{
    (void)state;
    mkdir("one", 0755);
    mkdir("two", 0755);
    mkdir("one/tool", 0755); /* a directory does not hide the program behind it */
    write_text("two/tool", "#!/bin/sh\n");
    write_file("one/plain", "x", 1, 0644);
    char path[200];
    snprintf(path, sizeof path, "/no/such:%s/one:%s/two", directory, directory);
    struct target target;
    struct err err;
    assert_int_equal(target_resolve(&target, "tool", path, user, &err), TARGET_OK);
    snprintf(path, sizeof path, "%s/two/tool", directory);
    assert_string_equal(target.path, path);
    target_release(&target);

    snprintf(path, sizeof path, "%s/one", directory);
    assert_int_equal(target_resolve(&target, "plain", path, user, &err), TARGET_REFUSED);
    assert_int_equal(target_resolve(&target, "tool", path, user, &err), TARGET_REFUSED);
    assert_int_equal(target_resolve(&target, "none", path, user, &err), TARGET_NOT_FOUND);
    assert_int_equal(target_resolve(&target, "", path, user, &err), TARGET_NOT_FOUND);
    /* an empty entry is the working directory */
    write_text("here", "#!/bin/sh\n");
    assert_int_equal(target_resolve(&target, "here", "/no/such:", user, &err), TARGET_OK);
    target_release(&target);
}

static void refuses_what_is_no_program(void **state)
{
    (void)state;
    assert_verdict("./missing", TARGET_NOT_FOUND, "No such file");
    assert_verdict("/dev/null/x", TARGET_NOT_FOUND, "");
    assert_verdict("/tmp", TARGET_REFUSED, "directory");
    assert_verdict("/dev/null", TARGET_REFUSED, "not a file");
    assert_int_equal(mkfifo("fifo", 0755), 0);
    assert_verdict("./fifo", TARGET_REFUSED, "not a file");
    write_file("plain", "hello\n", 6, 0644);
    assert_verdict("./plain", TARGET_REFUSED, "Permission denied");
    write_file("binary", "\1\2\0\3\n", 5, 0755);
    assert_verdict("./binary", TARGET_REFUSED, "format");
    write_file("short", ELFMAG "\2\1\1", 7, 0755);
    assert_verdict("./short", TARGET_REFUSED, "format");
}

static void follows_scripts_to_their_interpreter(void **state)
{
    (void)state;
    struct target target;
    struct err err;
    write_text("script", "#! /bin/sh -e\nexit 0\n");
    assert_int_equal(target_resolve(&target, "./script", NULL, user, &err), TARGET_OK);
    assert_false(target.by_shell);
    target_release(&target);
    write_text("no-line", "exit 0\n");
    assert_int_equal(target_resolve(&target, "./no-line", NULL, user, &err), TARGET_OK);
    assert_true(target.by_shell);
    target_release(&target);
    write_text("orphan", "#!/no/such/interpreter\n");
    assert_verdict("./orphan", TARGET_NOT_FOUND, "/no/such/interpreter");
    write_text("into-directory", "#!/tmp\n");
    assert_verdict("./into-directory", TARGET_REFUSED, "/tmp");
    write_text("empty-line", "#!\n");
    assert_verdict("./empty-line", TARGET_REFUSED, "format");
    write_text("loop", "#!./loop\n");
    assert_verdict("./loop", TARGET_REFUSED, "scripts");
}

/* Writes this program's file changed by `change`, and checks the verdict on it, and on a script
 * that it would interpret. */
static void assert_changed(const char *name, void (*change)(Elf64_Ehdr *file),
                           enum target_verdict expected, const char *word)
{
    size_t length;
    Elf64_Ehdr *file = copy_self(&length);
    change(file);
    write_file(name, file, length, 0755);
    munmap(file, length);
    char path[64], script[64], text[80];
    snprintf(path, sizeof path, "./%s", name);
    assert_verdict(path, expected, word);
    snprintf(script, sizeof script, "./%s-script", name);
    snprintf(text, sizeof text, "#!./%s\n", name);
    write_text(script, text);
    assert_verdict(script, expected, word);
}

static void make_static(Elf64_Ehdr *file)
{
    header(file, PT_INTERP)->p_type = PT_NULL;
}

static void make_32bit(Elf64_Ehdr *file)
{
    file->e_ident[EI_CLASS] = ELFCLASS32;
}

static void make_foreign(Elf64_Ehdr *file)
{
    file->e_machine = EM_RISCV;
}

static void make_object(Elf64_Ehdr *file)
{
    file->e_type = ET_REL;
}

static void set_loader(Elf64_Ehdr *file, const char *loader)
{
    Elf64_Phdr *interp = header(file, PT_INTERP);
    assert_true(strlen(loader) < interp->p_filesz);
    memset((char *)file + interp->p_offset, 0, interp->p_filesz);
    memcpy((char *)file + interp->p_offset, loader, strlen(loader));
}

static void make_musl(Elf64_Ehdr *file)
{
    set_loader(file, "/lib/ld-musl-x86_64.so.1");
}

static void take_loader_away(Elf64_Ehdr *file)
{
    set_loader(file, "/no/such/loader.so");
}

static void point_headers_outside(Elf64_Ehdr *file)
{
    file->e_phoff = UINT64_MAX - 8;
}

static void point_loader_outside(Elf64_Ehdr *file)
{
    header(file, PT_INTERP)->p_offset = UINT64_MAX - 4;
}

static void refuses_binaries_that_cannot_be_preloaded_into(void **state)
{
    (void)state;
    assert_changed("static", make_static, TARGET_REFUSED, "statically linked");
    assert_changed("32bit", make_32bit, TARGET_REFUSED, "32-bit");
    assert_changed("foreign", make_foreign, TARGET_REFUSED, "another processor");
    assert_changed("object", make_object, TARGET_REFUSED, "format");
    assert_changed("musl", make_musl, TARGET_REFUSED, "musl");
    assert_changed("loaderless", take_loader_away, TARGET_NOT_FOUND, "/no/such/loader.so");
    assert_changed("damaged", point_headers_outside, TARGET_REFUSED, "");
    assert_changed("damaged2", point_loader_outside, TARGET_REFUSED, "format");
}

/* A program that calls the runtime of a sanitizer, as one built with -fsanitize=address does. */
static void refuses_sanitized_programs(void **state)
{
    (void)state;
    write_text("s.c", "int main(void) { return 0; }\n");
    if (system("gcc -fsanitize=address s.c -o asan 2>/dev/null") != 0)
        skip();
    assert_verdict("./asan", TARGET_REFUSED, "AddressSanitizer");
}

static void refuses_programs_that_gain_privileges(void **state)
{
    (void)state;
    if (getuid() != 0)
        skip(); /* only root may give files away */
    size_t length;
    void *self = copy_self(&length);
    write_file("suid", self, length, 0755);
    write_file("sgid", self, length, 0755);
    munmap(self, length);
    assert_int_equal(chown("suid", 1234, 0), 0);
    assert_int_equal(chown("sgid", 0, 1234), 0);
    assert_int_equal(chmod("suid", 04755), 0);
    assert_int_equal(chmod("sgid", 02755), 0);
    assert_verdict("./suid", TARGET_REFUSED, "set-user-ID");
    assert_verdict("./sgid", TARGET_REFUSED, "set-group-ID");
    struct target_user owner = {.uid = 1234, .gid = 1234};
    assert_verdict_for(owner, "./suid", TARGET_OK, NULL); /* nothing changes for its owner */
    assert_verdict_for(owner, "./sgid", TARGET_OK, NULL);
    struct target_user bound = {.uid = 1, .gid = 1, .no_new_privileges = true};
    assert_verdict_for(bound, "./suid", TARGET_OK, NULL);
    write_text("suid-script", "#!./suid\n");
    assert_verdict("./suid-script", TARGET_REFUSED, "set-user-ID");
    /* set-user-ID bits of the script itself mean nothing to the kernel */
    write_text("script", "#!/bin/sh\n");
    assert_int_equal(chown("script", 1234, 0), 0);
    assert_int_equal(chmod("script", 04755), 0);
    assert_verdict("./script", TARGET_OK, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_dynamic_programs),
        cmocka_unit_test(searches_the_path),
        cmocka_unit_test(refuses_what_is_no_program),
        cmocka_unit_test(follows_scripts_to_their_interpreter),
        cmocka_unit_test(refuses_binaries_that_cannot_be_preloaded_into),
        cmocka_unit_test(refuses_sanitized_programs),
        cmocka_unit_test(refuses_programs_that_gain_privileges),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
