# SPDX-License-Identifier: MIT
"""Hazards of a program's surroundings: docs/hazards.md, rows 9, 10, 19, 21 and 27."""

import glob
import os
import re
import shutil
import stat
import subprocess
import unittest

from hazards import Fix, TestCase, hazard
import support

SPOOL = "preload/spool.c"
SANDBOX = "preload/sandbox.c"
# What programs/surroundings.c prints, whatever was done to it.
NATIVE = "0\ndone\n"

# Descriptors are used as they were left.
TRUST_DESCRIPTORS = Fix(SPOOL, "return fd >= 0 && !sys_failed(sys_call(SYS_fstat, fd, &st)) && "
                        "st.st_dev == f->device &&\n           st.st_ino == f->inode;",
                        "(void)st, (void)f;\n    return fd >= 0;")


def as_root(test):
    return unittest.skipUnless(os.getuid() == 0, "needs root")(test)


class Surroundings(TestCase):
    def setUp(self):
        super().setUp()
        self.surroundings = self.program("surroundings")

    def assert_all_recorded(self, done, threads=True):
        self.assertEqual(done.stdout, NATIVE)
        made, ended = done.blocks()
        self.assertEqual((made[88], ended[88]), (200000, 200000))
        if threads:
            self.assertEqual((made[89], ended[89]), (100000, 100000))
        self.assert_complete(done)

    def native(self, *arguments, expect=NATIVE):
        """Runs it without seep: the surroundings may be such that it cannot do the change."""
        said = support.run([self.surroundings, *arguments], check=0).stdout
        if said != expect:
            raise unittest.SkipTest(f"{arguments} does not work here: {said}")

    def names(self):
        return sorted(n for n in os.listdir(self.tmp) if n != "surroundings")


class Descriptors(Surroundings):
    @hazard(9, TRUST_DESCRIPTORS)
    def test_program_closes_and_replaces_every_descriptor(self):
        done = self.record([self.program("descriptors"), self.path("its-file")])
        self.assertEqual(done.stdout, "3 5\n")
        with open(self.path("its-file"), "rb") as written:
            self.assertEqual(written.read(), b"mine\n")
        self.assertEqual(done.blocks()[0][88], 200000)
        self.assert_complete(done)

    @hazard(9, TRUST_DESCRIPTORS)
    def test_program_closes_every_descriptor(self):
        for way in ("close", "close_range"):
            self.assert_all_recorded(self.record([self.surroundings, way]))

    @hazard(9, Fix("preload/log.c", "now.st_dev != error_stat.st_dev || "
                   "now.st_ino != error_stat.st_ino", "0"))
    def test_program_opens_files_in_the_place_of_standard_streams(self):
        # the recorder has something to say once its limit is reached: not into the program's file
        program = self.build(self.write("streams.c", r"""
            #include <fcntl.h>
            #include <stdlib.h>
            #include <unistd.h>
            int main(int argc, char **argv)
            {
                for (int fd = 0; fd < 1024; fd++)
                    close(fd);
                for (int fd = 0; fd < 3; fd++)
                    if (open(argv[1], O_RDWR | O_CREAT | O_APPEND, 0600) != fd)
                        return 1;
                for (int i = 0; i < 100000; i++) {
                    void *volatile p = malloc(88);
                    free(p);
                }
                return write(2, "mine\n", 5) != 5;
            }
            """))
        done = self.record([program, self.path("its-file")], options=("--set", "spool-max=64k"))
        with open(self.path("its-file"), "rb") as written:
            self.assertEqual(written.read(), b"mine\n")
        self.assertGreater(done.info["lost_events"], 100000)

    @hazard(21, Fix(SPOOL, "if (want < DESCRIPTOR_LOW)", "if (0)"))
    def test_few_descriptors(self):
        # all that the limit leaves are the program's
        program = self.build(self.write("few.c", r"""
            #include <fcntl.h>
            #include <stdio.h>
            #include <stdlib.h>
            int main(void)
            {
                int count = 0;
                for (int i = 0; i < 100000; i++) {
                    void *volatile p = malloc(88);
                    free(p);
                }
                while (open("/dev/null", O_RDONLY) >= 0)
                    count++;
                printf("%d\n", count);
            }
            """))
        for limit in (4, 8, 64):
            limited = ["sh", "-c", f"ulimit -n {limit}; exec \"$@\"", "sh", program]
            native = support.run(limited, check=0)
            done = self.record(limited)
            self.assertEqual(done.stdout, native.stdout, limit)
            if limit < 8:
                self.assertIn("not recorded", done.stderr)
            else:
                self.assertEqual(done.blocks()[0][88], 100000, limit)
                self.assert_complete(done)


class Limits(Surroundings):
    @hazard(21)
    def test_limits_set_by_the_program(self):
        for what in ("descriptors-3", "descriptors-8", "data", "memory", "stack", "processes"):
            self.native(what)
            self.assert_all_recorded(self.record([self.surroundings, what]))

    @hazard(19, Fix(SPOOL, "return end <= limit.rlim_cur;", "return end <= RLIM_INFINITY;"))
    def test_file_size_limit(self):
        # SIGXFSZ would kill it
        done = self.record([self.program("limits")])
        self.assertEqual(done.stdout, "done\n")
        self.assertIn("file size limit", done.stderr)
        self.assertGreater(done.info["events"], 1000)
        self.assertGreater(done.info["lost_events"], 500000)
        self.assertAlmostEqual(done.info["events"] + done.info["lost_events"], 600000, delta=2000)

    @hazard(19)
    def test_file_size_limit_from_the_start(self):
        # none of the spool's files fits
        done = support.run(["sh", "-c", "ulimit -f 0; exec \"$@\"", "sh", self.seep_path, "run", "-o",
                            self.path("x.seep"), "--", self.surroundings, "none"])
        self.assertEqual((done.stdout, done.returncode), (NATIVE, 0))
        self.assertIn("file size limit", done.stderr)
        self.assertEqual(self.names(), [])


class Disks(Surroundings):
    """Disks that are full, or not there. 600,000 events are about 3 MB."""

    EVENTS = 600000

    def disk(self, kilobytes):
        """Mounts a small disk; a list of its own, which goes with the test."""
        path = self.path("disk")
        os.mkdir(path)
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", path],
                              stderr=subprocess.DEVNULL, check=False)
        if made.returncode != 0:
            self.skipTest("cannot mount a small disk")
        self.addCleanup(subprocess.run, ["umount", path], check=False)

    def alone(self, expect):
        """Runs it with the recorder and no parent; `expect` is said."""
        done = self.preload([self.surroundings, "none"], stem="disk/x")
        self.assertEqual(done.stdout, NATIVE)
        self.assertEqual(done.stderr.count("seep: "), 1, done.stderr)
        self.assertIn(expect, done.stderr)
        return done

    def accounted(self, trace):
        """What is there and what is missing are all that happened; a few are the program's start."""
        info = support.Recording(trace).info
        self.assertGreater(info["lost_events"], 0)
        self.assertAlmostEqual(info["events"] + info["lost_events"], self.EVENTS, delta=10)
        return info

    @as_root
    @hazard(19, Fix(SPOOL, "bool reserved = !sys_failed(reserve(fd, offset, bytes));",
                    "bool reserved = offset < UINT64_MAX - bytes;"))
    def test_full_disk(self):
        # without a reservation a tail grows into SIGBUS
        self.disk(200)
        self.alone("recording stopped: disk full")
        spool = self.path("disk/x.spool")
        support.run([self.seep_path, "pack", "-o", self.path("x.seep"), spool], check=0)
        self.assertGreater(self.accounted(self.path("x.seep"))["events"], 10000)

    @as_root
    @hazard(19, Fix("preload/recorder.c", "reason == SEEP_LOST_NO_LANE)", "0)"))
    def test_disk_full_from_the_start(self):
        self.disk(8)
        self.alone("a thread is not recorded: ")
        support.run([self.seep_path, "pack", "-o", self.path("x.seep"), self.path("disk/x.spool")],
                    check=0)
        self.assertEqual(self.accounted(self.path("x.seep"))["events"], 0)

    @as_root
    @hazard(19, Fix(SPOOL, "            remove_files((int)place, (int)home);", "            (void)0;"))
    def test_no_room_for_a_spool(self):
        self.disk(4)
        self.alone("not recorded: ")
        self.assertEqual(os.listdir(self.path("disk")), [])

    @as_root
    @hazard(19)
    def test_disk_full_while_packing(self):
        self.disk(200)
        done = self.record([self.surroundings, "none"], trace="disk/x.seep")
        self.assertEqual(done.stdout, NATIVE)
        self.assertIn("No space left on device", done.stderr)
        command = re.search(r"to go on with the trace: (.*)", done.stderr)[1]
        self.assertEqual([n.rsplit(".", 1)[1] for n in os.listdir(self.path("disk"))], ["spool"])
        support.run(["sh", "-c", command.replace(f" {done.trace} ", f" {self.path('x.seep')} ")],
                    check=0)
        self.accounted(self.path("x.seep"))

    @as_root
    @hazard(19)
    def test_read_only_disk(self):
        self.disk(200)
        support.run(["mount", "-o", "remount,ro", self.path("disk")], check=0)
        self.alone("not recorded: ")

    @hazard(19)
    def test_missing_directory(self):
        done = self.alone("not recorded: ")
        self.assertIn("no such directory", done.stderr)
        self.assertEqual(self.names(), [])

    @hazard(19)
    def test_directory_removed_while_running(self):
        program = self.build(self.write("removes.c", r"""
            #include <stdio.h>
            #include <stdlib.h>
            int main(int argc, char **argv)
            {
                if (system(argv[1]) != 0)
                    return 1;
                for (int i = 0; i < 200000; i++) {
                    void *volatile p = malloc(88);
                    free(p);
                }
                puts("done");
            }
            """))
        os.mkdir(self.path("d"))
        done = self.record([program, f"rm -r {self.path('d')}"], trace="d/x.seep")
        self.assertEqual(done.stdout, "done\n")
        self.assertFalse(os.path.exists(self.path("d")))
        self.assertIn("seep: ", done.stderr)


class Sandboxes(TestCase):
    """Programs that restrict their own system calls. Each prints "done" without seep."""

    def setUp(self):
        super().setUp()
        self.sandbox = self.program("sandbox")

    def native(self, *arguments):
        if support.run([self.sandbox, *arguments]).stdout != "done\n":
            raise unittest.SkipTest(f"{arguments} does not work here")

    def stops(self, *arguments):
        self.native(*arguments)
        done = self.record([self.sandbox, *arguments])
        self.assertEqual(done.stdout, "done\n")
        self.assertEqual(done.stderr.count("seccomp"), 1, done.stderr)
        self.assertEqual(done.blocks()[0][66], 1000)
        return done

    def recorded_within(self, *arguments):
        self.native(*arguments)
        done = self.record([self.sandbox, *arguments])
        self.assertEqual(done.stdout, "done\n")
        made = done.blocks()[0]
        self.assertEqual((made[66], made[88]), (1000, 100000))
        self.assert_complete(done)

    @hazard(21, Fix(SANDBOX, "second == SECCOMP_MODE_STRICT", "0"))
    def test_strict_seccomp(self):
        self.stops("strict")

    @hazard(21)
    def test_no_time_stamp_counter(self):
        self.stops("tsc")

    @hazard(21, Fix(SANDBOX, "action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG", "0"),
            Fix("preload/recorder.c", "c == NULL || *rec_alive == 0",
                "c == NULL || recorded_pid != (uint32_t)sys_call(SYS_getpid)"))
    def test_filter_that_kills(self):
        done = self.stops("allow")
        told = support.report("info", done.trace)["completeness"]
        self.assertEqual(told["lost"]["stopped"], 200000)
        self.assertIn("seccomp", told["stop_reason"])

    @hazard(21, Fix(SANDBOX, "cmp $317, %rdi", "cmp $999, %rdi"))
    def test_filter_installed_by_syscall(self):
        self.stops("raw")

    @hazard(21)
    def test_filter_that_fails(self):
        self.stops("errno")

    @hazard(21, Fix(SANDBOX, "if (!lets_us_work(filter->filter, filter->len))", "if (1)"))
    def test_filter_that_lets_the_recorder_work(self):
        self.recorded_within("deny")

    @hazard(21, Fix(SANDBOX, "if (!readable(filter, sizeof *filter) ||", "if ("),
            Fix(SANDBOX, "||\n        !readable(filter->filter, filter->len * "
                "sizeof *filter->filter)", ""))
    def test_filter_that_cannot_be_read(self):
        self.recorded_within("probe")

    @hazard(21, Fix("preload/recorder.c", "before == STATE_RUNNING && *rec_alive == REC_ALIVE",
                    "before == STATE_RUNNING"))
    def test_child_that_has_not_begun(self):
        self.stops("fork")

    @hazard(21, Fix("preload/recorder.c", "(getauxval(AT_SECURE) != 0 || rec_sandbox_inherited())",
                    "getauxval(AT_SECURE) != 0"))
    def test_program_executed_within(self):
        self.native("run", "echo", "done")
        done = self.record([self.sandbox, "run", "echo", "done"])
        self.assertEqual(done.stdout, "done\n")
        self.assertIn("not recorded: a program executed under", done.stderr)

    def test_every_call_is_asked_for(self):
        sources = glob.glob(os.path.join(support.ROOT, "preload", "*.[ch]"))
        made, asked = set(), set()
        for path in sources:
            with open(path, encoding="utf-8") as source:
                text = source.read()
            # the program's own calls, handed on, and what is in a build for measuring only
            if os.path.basename(path) not in ("map_calls.c", "hook_time.c"):
                made.update(re.findall(r"sys_call\(\s*(SYS_\w+)", text))
            if path.endswith("sandbox.c"):
                asked.update(re.findall(r"\{(SYS_\w+),", text))
        self.assertGreater(len(made), 20)
        self.assertEqual(made - asked, set())


class Unsuitable(TestCase):
    """Programs that cannot be recorded: `seep run` refuses them; as children they run natively."""

    SOURCE = r"""
        #include <stdio.h>
        #include <stdlib.h>
        int main(void)
        {
            for (int i = 0; i < 1000; i++) {
                void *volatile p = malloc(77);
                free(p);
            }
            puts("done");
        }
        """

    def compile(self, name, compiler, *flags):
        done = subprocess.run([compiler, "-O1", "-fno-builtin", *flags, self.path("x.c"), "-o",
                               self.path(name)], stderr=subprocess.DEVNULL, check=False)
        # sanitizers want their addresses where they are by default
        native = ["setarch", "-R", self.path(name)]
        if done.returncode != 0 or support.run(native).stdout != "done\n":
            return None
        return native

    def unsuitable(self, word, compiler, *flags, variables=()):
        program = self.compile("prog", compiler, *flags)
        if program is None:
            return 0
        self.write("self", "")
        done = support.run([self.seep_path, "run", "-o", self.path("r.seep"), program[-1]])
        self.assertEqual((done.returncode, done.stdout), (126, ""), (compiler, flags))
        self.assertIn(word, done.stderr)
        child = self.preload(program, env=support.environment(**dict(variables)))
        self.assertEqual(child.stdout, "done\n", (compiler, flags))
        self.assertIn("not recorded: ", child.stderr, (compiler, flags))
        return 1

    @hazard(22, Fix("preload/real.c", "if (sanitized)\n        sanitizers_malloc", "if (0)\n        "
                    "sanitizers_malloc"))
    def test_sanitizers(self):
        self.write("x.c", self.SOURCE)
        # gcc's runtime would end a program in which another library was loaded before it
        behind = {"ASAN_OPTIONS": "verify_asan_link_order=0"}
        tried = self.unsuitable("AddressSanitizer", "gcc", "-fsanitize=address", variables=behind)
        tried += self.unsuitable("ThreadSanitizer", "gcc", "-fsanitize=thread")
        tried += self.unsuitable("LeakSanitizer", "gcc", "-fsanitize=leak")
        tried += self.unsuitable("AddressSanitizer", "clang", "-fsanitize=address")
        tried += self.unsuitable("ThreadSanitizer", "clang", "-fsanitize=thread")
        tried += self.unsuitable("MemorySanitizer", "clang", "-fsanitize=memory")
        tried += self.unsuitable("LeakSanitizer", "clang", "-fsanitize=leak")
        if tried < 3:
            self.skipTest("needs the sanitizers of gcc or clang")

    @hazard(22)
    def test_undefined_behaviour_sanitizer(self):
        self.write("x.c", self.SOURCE)
        for compiler in ("gcc", "clang"):
            program = self.compile("prog", compiler, "-fsanitize=undefined")
            if program:
                self.assertEqual(self.record([program[-1]]).blocks()[0][77], 1000)

    @hazard(22)
    def test_address_sanitizer_linked_in(self):
        self.write("x.c", self.SOURCE)
        program = self.compile("prog", "gcc", "-fsanitize=address", "-static-libasan")
        if program is None:
            self.skipTest("needs gcc's static AddressSanitizer")
        done = self.preload(program)
        self.assertEqual(done.stdout, "done\n")
        self.assertIn("not recorded: ", done.stderr)

    @hazard(12, Fix("analyzer/run/program_file.c",
                    "return loader ? PROGRAM_DYNAMIC : PROGRAM_STATIC;",
                    "return PROGRAM_DYNAMIC;"))
    def test_programs_that_cannot_be_preloaded(self):
        self.write("x.c", self.SOURCE)
        for flags in (["-static"], ["-static-pie"], ["-m32"]):
            if self.compile("prog", "gcc", *flags):
                done = support.run([self.seep_path, "run", "-o", self.path("r.seep"),
                                    self.path("prog")])
                self.assertEqual((done.returncode, done.stdout), (126, ""), flags)
                self.assertEqual(len(done.stderr.splitlines()), 1)
                # as a child
                done = self.record(["sh", "-c", self.path("prog")])
                self.assertEqual(done.stdout, "done\n")

    @hazard(30, Fix("preload/glibc.h", "#pragma weak gnu_get_libc_version", ""))
    def test_musl(self):
        self.write("x.c", self.SOURCE)
        if shutil.which("musl-gcc") is None:
            self.skipTest("needs musl-gcc (Debian package musl-tools)")
        self.assertEqual(self.unsuitable("musl", "musl-gcc"), 1)

    @hazard(30)
    def test_older_glibc(self):
        # as if _dl_find_object and __libc_single_threaded were not there
        old = Fix("preload/clock.h", "&__libc_single_threaded && __libc_single_threaded",
                  "&__absent && __absent", again=(
                      ("preload/clock.h", "extern char __libc_single_threaded __attribute__((weak));",
                       "extern char __absent __attribute__((weak));"),))
        folder = self.path("older")
        os.mkdir(folder)
        old.build(folder)
        self.libseep_path = self.renamed(os.path.join(folder, "libseep.so"))
        program = self.build(os.path.join(support.SAMPLES, "threads.c"))
        native = support.run([program], check=0)
        done = self.preload([program])
        self.assertEqual(done.stdout, native.stdout)
        self.assert_complete(done)
        self.assertGreater(done.info["allocations"], 1000)
        self.assertEqual({s.functions[-1] for s in done.sites()} - {"_start", "clone3", "__clone3",
                                                                    "clone"}, set())

    @staticmethod
    def renamed(library):
        """Gives the weak reference to _dl_find_object a name that no libc has."""
        with open(library, "rb") as file:
            data = file.read()
        if data.count(b"\0_dl_find_object\0") == 0:
            raise AssertionError("not referred to by name")
        with open(library, "wb") as file:
            file.write(data.replace(b"\0_dl_find_object\0", b"\0_dl_find_absent\0"))
        return library


class OwnMalloc(TestCase):
    """Programs that define malloc themselves."""

    SOURCE = r"""
        #include <stddef.h>
        #include <stdio.h>
        #include <string.h>
        static _Alignas(16) char arena[1 << 20];
        static size_t used;
        void *malloc(size_t n)
        {
            size_t at = used;
            used += (n + 31) & ~(size_t)15;
            *(size_t *)(arena + at) = n;
            return used < sizeof arena ? arena + at + 16 : NULL;
        }
        void free(void *p) { (void)p; }
        void *calloc(size_t a, size_t b) { return malloc(a * b); }
        void *realloc(void *p, size_t n)
        {
            void *q = malloc(n);
            return q && p ? memcpy(q, p, n < ((size_t *)p)[-2] ? n : ((size_t *)p)[-2]) : q;
        }
        int main(void)
        {
            for (int i = 0; i < 100; i++)
                if (!malloc(50))
                    return 1;
            puts("done");
        }
        """

    @hazard(24)
    def test_malloc_in_the_program(self):
        source = self.write("own.c", self.SOURCE)
        for flags in ([], ["-rdynamic"], ["-Wl,-Bsymbolic"]):
            program = self.build(source, flags=["-O1", *flags])
            for done in (self.record([program]), self.preload([program])):
                self.assertEqual(done.stdout, "done\n")
                self.assertIn("not recorded: the program has a malloc of its own", done.stderr, flags)


class Namespaces(Surroundings):
    @as_root
    # there is no line to take out: a thread is put in
    @hazard(10, Fix("preload/recorder.c", "    rec_real_constructed();\n",
                    "    rec_real_constructed();\n"
                    "    extern int pthread_create(unsigned long *, void *, void *(*)(void *), void *);\n"
                    "    extern int pause(void);\n"
                    "    static unsigned long thread;\n"
                    "    pthread_create(&thread, 0, (void *(*)(void *))pause, 0);\n"))
    def test_new_namespaces(self):
        for what in ("new-user", "new-mounts", "setns"):
            self.native(what)
            self.assert_all_recorded(self.record([self.surroundings, what]))

    @as_root
    @hazard(10)
    def test_new_pid_namespace(self):
        # after it, the kernel gives a process no more threads
        told = "0\nno thread\ndone\n"
        self.native("new-pids", expect=told)
        done = self.record([self.surroundings, "new-pids"])
        self.assertEqual(done.stdout, told)
        self.assertEqual(done.blocks()[0][88], 200000)

    @hazard(10)
    def test_no_thread_of_ours(self):
        done = self.record(["sh", "-c", "grep Threads: /proc/$$/status"])
        self.assertEqual(done.stdout.split(), ["Threads:", "1"])


class Privileges(Surroundings):
    @as_root
    @hazard(27)
    def test_dropped_privileges(self):
        for what in ("nobody", "undumpable", "chdir"):
            self.native(what)
            done = self.record([self.surroundings, what])
            self.assert_all_recorded(done)
            self.assertEqual(self.names(), ["out.seep"])

    @as_root
    @hazard(27)
    def test_changed_root(self):
        self.native("chroot", self.path("native"))
        done = self.record([self.surroundings, "chroot", self.path("root")])
        self.assert_all_recorded(done)
        self.assertEqual(os.listdir(self.path("root")), [])

    @as_root
    @hazard(27, Fix(SPOOL, "if (!is_ours(f, (int)fd)) {\n        close_descriptor((int)fd);\n"
                    "        return -ESTALE;\n    }", "", again=(
                        (SPOOL, "if (!is_ours(f, (int)fd)) {\n        close_descriptor((int)fd);\n"
                         "        return -1;\n    }", ""),)))
    def test_changed_root_with_another_directory_at_the_path(self):
        # descriptors are closed, and the path of the spool leads to somebody else's files
        root = self.path("root")
        program = self.build(self.write("jail.c", r"""
            #define _GNU_SOURCE
            #include <stdio.h>
            #include <stdlib.h>
            #include <string.h>
            #include <sys/stat.h>
            #include <unistd.h>
            /* Makes within the new root what there is at the spool's path. */
            int main(int argc, char **argv)
            {
                char command[3000];
                sprintf(command, "mkdir -p %s%s && for f in %s/x*.spool; do mkdir %s$f; for n in "
                        "control rows snapshots; do echo precious >%s$f/$n; done; done",
                        argv[1], argv[2], argv[2], argv[1], argv[1]);
                if (system(command) != 0 || chroot(argv[1]) != 0 || chdir("/") != 0)
                    return 1;
                for (int fd = 3; fd < 1024; fd++)
                    close(fd);
                for (int i = 0; i < 100000; i++) {
                    void *volatile p = malloc(88);
                    free(p);
                }
                puts("done");
            }
            """))
        done = self.record([program, root, self.tmp], trace="x.seep")
        self.assertEqual(done.stdout, "done\n")
        self.assertIn("recording stopped", done.stderr)
        files = glob.glob(root + self.tmp + "/x*.spool/*")
        self.assertGreaterEqual(len(files), 4)
        for path in files:
            with open(path, encoding="utf-8") as text:
                self.assertEqual(text.read(), "precious\n")
        self.assertGreater(done.info["lost_events"], 100000)

    FORK_IN_JAIL = r"""
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(int argc, char **argv)
        {
            if (chroot(argv[1]) != 0 || chdir("/") != 0)
                return 1;
            if (argc > 2)
                for (int fd = 3; fd < 1024; fd++)
                    close(fd);
            if (fork() == 0) {
                for (int i = 0; i < 1000; i++) {
                    void *volatile p = malloc(77);
                    free(p);
                }
                _exit(0);
            }
            wait(NULL);
            puts("done");
        }
        """

    @as_root
    @hazard(27, Fix(SPOOL, "if (is_ours(&files[FILE_HOME], files[FILE_HOME].descriptor))\n"
                    "        fd =", "if (0)\n        fd ="))
    def test_child_within_a_changed_root(self):
        # the same path exists in there, but the child's recording goes beside its parent's
        program = self.build(self.write("jail.c", self.FORK_IN_JAIL))
        os.makedirs(self.path("root") + self.tmp)
        done = self.record([program, self.path("root")])
        self.assertEqual(done.stdout, "done\n")
        self.assertEqual(os.listdir(self.path("root") + self.tmp), [])
        self.assertEqual([support.Recording(c).blocks()[0][77] for c in done.children()], [1000])

    @as_root
    @hazard(27, Fix(SPOOL, "(st.st_dev != place_device || st.st_ino != place_inode)", "0"))
    def test_child_that_finds_another_directory(self):
        program = self.build(self.write("jail.c", self.FORK_IN_JAIL))
        os.makedirs(self.path("root") + self.tmp)
        done = self.record([program, self.path("root"), "close"])
        self.assertEqual(done.stdout, "done\n")
        self.assertIn("another directory", done.stderr)
        self.assertEqual(os.listdir(self.path("root") + self.tmp), [])
        self.assertEqual(done.children(), [])

    @as_root
    @hazard(27, Fix(SPOOL, "if ((st.st_mode & 07777) != 0700)", "if (0)"),
            Fix(SPOOL, "if ((st.st_mode & 07777) != 0600)", "if (0)"))
    def test_umask_that_allows_nothing(self):
        # root would get past it
        os.chmod(self.tmp, 0o755)
        os.mkdir(self.path("nobody"))
        os.chown(self.path("nobody"), 65534, 65534)
        for name in ("seep", "libseep.so"):
            support.run(["cp", {"seep": self.seep_path, "libseep.so": self.libseep_path}[name],
                         self.path(name)], check=0)
        trace = self.path("nobody/x.seep")
        done = subprocess.run([self.path("seep"), "run", "-o", trace, "--", self.surroundings,
                               "none"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              user=65534, group=65534, extra_groups=(), umask=0o777, cwd="/",
                              env=support.environment(), timeout=self.timeout, check=False)
        self.assertEqual((done.stdout, done.returncode), (NATIVE, 0), done.stderr)
        self.assertEqual(os.listdir(self.path("nobody")), ["x.seep"], done.stderr)
        self.assertEqual(stat.S_IMODE(os.stat(trace).st_mode) & 0o77, 0)
        os.chmod(trace, 0o600)
        self.assertEqual(support.Recording(trace).blocks()[0][88], 200000)


if __name__ == "__main__":
    support.main()
