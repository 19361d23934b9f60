# SPDX-License-Identifier: MIT
"""What an enemy prepares: names in shared directories, environments of privileged programs, files in
the place of recorded modules, crafted traces and spools."""

import os
import random
import resource
import shutil
import stat
import struct
import subprocess
import unittest

from hazards import Fix, TestCase, hazard
import support
from test_bad_input import crc32c

MEMORY_BYTES = 512 << 20  # address space of an analysis of a small trace
SECONDS = 30


def as_root(test):
    return unittest.skipUnless(os.getuid() == 0, "needs root")(test)


class Names(TestCase):
    """Whatever stands at a name that seep is about to use is left alone."""

    def setUp(self):
        super().setUp()
        self.victim = self.write("victim", "precious\n")
        os.mkdir(self.path("victims"))
        self.write("victims/control", "precious\n")

    def obstacles(self, path):
        """Puts one thing after the other at `path`; yields what it is."""
        def hard_link():
            os.link(self.victim, path)

        def to_file():
            os.symlink(self.victim, path)

        def to_directory():
            os.symlink(self.path("victims"), path)

        def dangling():
            os.symlink(self.path("new"), path)

        def directory():
            shutil.copytree(self.path("victims"), path)

        for make in (hard_link, to_file, to_directory, dangling, directory,
                     lambda: os.mkfifo(path)):
            make()
            yield getattr(make, "__name__")
            if os.path.isdir(path) and not os.path.islink(path):
                with open(os.path.join(path, "control"), encoding="utf-8") as kept:
                    self.assertEqual(kept.read(), "precious\n")
                self.assertEqual(os.listdir(path), ["control"])
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
            for name in ("victim", "victims/control"):
                with open(self.path(name), encoding="utf-8") as kept:
                    self.assertEqual(kept.read(), "precious\n", make)
            self.assertEqual(os.listdir(self.path("victims")), ["control"], make)
            self.assertFalse(os.path.exists(self.path("new")), make)

    @hazard(27, Fix("preload/recorder.c", "if (result != -EEXIST)", "if (1)"))
    def test_name_of_a_spool(self):
        for what in self.obstacles(self.path("out.spool")):
            self.preload(["true"])
            spools = [n for n in os.listdir(self.tmp) if n.endswith(".0.true.spool")]
            self.assertEqual(len(spools), 1, what)
            shutil.rmtree(self.path(spools[0]))

    def test_name_of_a_trace(self):
        for what in self.obstacles(self.path("out.seep")):
            done = support.run([self.seep_path, "run", "-o", self.path("out.seep"), "true"])
            self.assertEqual(done.returncode, 125, what)

    def test_name_of_a_trace_replaced_by_force(self):
        # a link is replaced, never what it leads to; what is no file stays
        for what in self.obstacles(self.path("out.seep")):
            status = 0 if what in ("hard_link", "to_file", "to_directory", "dangling") else 125
            done = support.run([self.seep_path, "run", "-f", "-o", self.path("out.seep"), "true"])
            self.assertEqual(done.returncode, status, what)
            if status == 0:
                self.assertTrue(stat.S_ISREG(os.lstat(self.path("out.seep")).st_mode), what)

    def test_name_of_a_trace_in_the_making(self):
        recording = self.preload(["true"])
        control = os.stat(os.path.join(recording.trace, "control"))
        name = self.path(f".seep-packing-{control.st_dev:x}-{control.st_ino:x}")
        for what in self.obstacles(name):
            done = support.run([self.seep_path, "pack", "--keep", "-o", self.path("out.seep"),
                                recording.trace])
            if what == "directory":
                self.assertNotEqual(done.returncode, 0)
            else:
                self.assertEqual(done.returncode, 0, f"{what}: {done.stderr}")
                os.unlink(self.path("out.seep"))

    @hazard(27, Fix("analyzer/trace/spool.c", "name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK",
                    "name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW"))
    def test_members_of_a_spool(self):
        # a spool from elsewhere: a FIFO would hold the reader up, a link lead out of it
        recording = self.preload(["true"])
        for name in ("rows", "snapshots", "control"):
            for make in (os.mkfifo, os.mkdir, lambda p: os.symlink("/etc/passwd", p)):
                copy = shutil.copytree(recording.trace, self.path("copy.spool"))
                os.unlink(os.path.join(copy, name))
                make(os.path.join(copy, name))
                done = support.run([self.seep_path, "info", copy], timeout=SECONDS)
                self.assertIn(done.returncode, (0, 2), done.stderr)
                self.assertNotIn("root:", done.stdout + done.stderr)
                shutil.rmtree(copy, ignore_errors=True)
                if os.path.exists(self.path("copy.seep")):
                    os.unlink(self.path("copy.seep"))

    def test_only_the_owner_may_read_a_spool(self):
        recording = self.preload(["sh", "-c", "umask 0; exec true"], preexec_fn=lambda: os.umask(0))
        for spool in [n for n in os.listdir(self.tmp) if n.endswith(".spool")]:
            self.assertEqual(stat.S_IMODE(os.stat(self.path(spool)).st_mode), 0o700)
            for name in os.listdir(self.path(spool)):
                mode = os.stat(os.path.join(self.path(spool), name)).st_mode
                self.assertEqual(stat.S_IMODE(mode), 0o600, name)
        self.assertTrue(recording)


class Privileged(TestCase):
    """A set-user-ID program into which the system's /etc/ld.so.preload brings the recorder."""

    SCRIPT = ("cp -a /etc \"$1/etc\" && echo \"$2\" >\"$1/etc/ld.so.preload\" && "
              "mount --bind \"$1/etc\" /etc && cd / && shift 2 && "
              "exec setpriv --reuid=65534 --regid=65534 --clear-groups -- \"$@\"")

    def as_nobody(self, program):
        os.chmod(self.tmp, 0o711)
        out = self.path("out")
        os.makedirs(out, exist_ok=True)
        os.chmod(out, 0o777)
        library = self.path("libseep.so")
        shutil.copy(self.libseep_path, library)
        os.chmod(library, 0o755)
        done = support.run(["unshare", "--mount", "sh", "-c", self.SCRIPT, "sh", self.tmp, library,
                            program], env=support.environment(SEEP_OUT=out + "/x.seep"),
                           timeout=self.timeout)
        shutil.rmtree(self.path("etc"), ignore_errors=True)
        if done.returncode != 0:
            raise unittest.SkipTest(f"cannot be tried here: {done.stderr}")
        return done, [n for n in os.listdir(out) if ".prog." in n]

    @as_root
    @hazard(27, Fix("preload/recorder.c", "getauxval(AT_SECURE) != 0 || ", ""))
    def test_environment_of_a_set_user_id_program(self):
        program = self.build(self.write("prog.c", r"""
            #include <stdio.h>
            #include <stdlib.h>
            #include <sys/auxv.h>
            int main(void)
            {
                free(malloc(100));
                printf("%d\n", getauxval(AT_SECURE) != 0);
            }
            """))
        done, made = self.as_nobody(program)
        self.assertEqual((done.stdout, len(made)), ("0\n", 1), "not even without privileges")
        shutil.rmtree(self.path("out"))
        os.chmod(program, 0o4755)
        done, made = self.as_nobody(program)
        if done.stdout != "1\n":
            self.skipTest("set-user-ID has no effect here")
        self.assertEqual(made, [])
        self.assertEqual(done.stderr, "")


class Modules(TestCase):
    """What stands at the path of a recorded module by the time of the analysis."""

    def setUp(self):
        super().setUp()
        self.module = self.build(self.write("module.c", r"""
            #include <stdlib.h>
            void *in_module(void);
            void *in_module(void) { return malloc(1234); }
            """), "module.so", flags=("-O1", "-g", "-shared", "-fPIC"))
        program = self.build(self.write("host.c", r"""
            #include <dlfcn.h>
            int main(int argc, char **argv)
            {
                void *(*f)(void) = (void *(*)(void))dlsym(dlopen(argv[1], RTLD_NOW), "in_module");
                return !f();
            }
            """))
        self.recording = self.record([program, self.module])

    def analyse(self, memory=MEMORY_BYTES):
        for command in ("info", "leaks"):
            done = support.run(
                [self.seep_path, command, "--format=json", self.recording.trace], timeout=SECONDS,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory)))
            self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_module_as_it_was(self):
        self.assertIn("in_module", self.analyse())

    def test_other_things_in_its_place(self):
        def sparse(path):
            with open(path, "wb") as out:
                with open(self.path("kept"), "rb") as whole:
                    out.write(whole.read())
                out.truncate(100 << 30)

        def other_build(path):
            support.run(["gcc", "-O0", "-g", "-shared", "-fPIC", self.path("module.c"), "-o", path],
                        check=0)

        os.rename(self.module, self.path("kept"))
        things = [os.mkfifo, os.mkdir, other_build]
        things += [lambda p, to=to: os.symlink(to, p) for to in
                   ("/etc/shadow", "/proc/self/mem", "/proc/kcore", "/proc/self/fd/0", "/dev/zero",
                    "/dev/tty", self.path("nowhere"), self.module)]
        if os.getuid() == 0:
            things.append(lambda p: os.mknod(p, 0o600 | stat.S_IFCHR, os.makedev(1, 5)))
        for make in things:
            make(self.module)
            self.assertNotIn("in_module", self.analyse(), make)
            os.rmdir(self.module) if os.path.isdir(self.module) else os.unlink(self.module)
        sparse(self.module)  # the same build behind 100 GiB of nothing may be used
        self.analyse()

    def test_large_debug_file(self):
        # Found by .gnu_debuglink, with nothing but its checksum to tell whether it belongs. Fails by
        # taking minutes when files of any size are read for that.
        support.run(["gcc", "-O1", "-g", "-shared", "-fPIC", "-Wl,--build-id=none",
                     self.path("module.c"), "-o", self.module], check=0)
        self.recording = self.record([self.path("host"), self.module])
        debug = self.path("module.debug")
        support.run(["objcopy", "--only-keep-debug", self.module, debug], check=0)
        support.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", self.module], check=0)
        with open(debug, "r+b") as out:
            out.truncate(100 << 30)
        self.analyse(memory=resource.RLIM_INFINITY)


class Crafted(TestCase):
    """Counts and lengths beyond measure, with checksums that hold: bounded memory and time."""

    HUGE = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000000, 0x100000, 0xFFFF)

    def limited(self, path, command="info"):
        done = support.run(
            [self.seep_path, command, path], timeout=SECONDS,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)))
        self.assertIn(done.returncode, (0, 2), f"{command}: {done.stderr[-2000:]}")
        self.assertNotIn("memory", done.stderr)

    def chunks(self, data):
        at = 32
        while at + 32 <= len(data) and data[at:at + 4] == b"SPCK":
            stored, = struct.unpack_from("<Q", data, at + 8)
            yield at, stored
            at += 32 + stored

    @hazard(25)
    def test_traces(self):
        recording = self.record([os.path.join(support.BUILD, "samples", "threads")])
        with open(recording.trace, "rb") as file:
            data = file.read()
        chunks = list(self.chunks(data))
        self.assertGreater(len(chunks), 4)
        random.seed(17)
        for at, stored in chunks:
            for _ in range(6):
                crafted = bytearray(data)
                for _ in range(random.choice((1, 1, 2))):
                    place = at + 32 + random.randrange(min(stored - 4, 160) // 2 + 1) * 2
                    struct.pack_into("<I", crafted, min(place, len(data) - 4),
                                     random.choice(self.HUGE))
                kind, = struct.unpack_from("<H", data, at + 4)
                if kind == 5:  # SEEP_CHUNK_GROUP has a checksum of its own
                    struct.pack_into("<I", crafted, at + 92, crc32c(crafted[at + 32:at + 92]))
                struct.pack_into("<I", crafted, at + 20, crc32c(crafted[at + 32:at + 32 + stored]))
                struct.pack_into("<I", crafted, at + 28, crc32c(crafted[at:at + 28]))
                path = self.path("crafted.seep")
                with open(path, "wb") as out:
                    out.write(crafted)
                self.limited(path, random.choice(("info", "leaks", "dump")))

    @hazard(25)
    def test_spools(self):
        recording = self.preload([os.path.join(support.BUILD, "samples", "threads")],
                                 env=support.environment(SEEP_TAIL_MAX="16k"))
        random.seed(19)
        files = {}
        for name in ("control", "rows", "snapshots"):
            with open(os.path.join(recording.trace, name), "rb") as file:
                files[name] = file.read()
        for _ in range(60):
            name = random.choice(("control", "control", "rows", "snapshots"))
            crafted = bytearray(files[name])
            if len(crafted) < 64:
                continue
            for _ in range(random.choice((1, 2, 4))):
                low = 8 if name == "control" else 0
                place = random.randrange(low, min(len(crafted) - 4, 600))
                if name == "control" and random.random() < 0.3:  # the facts
                    offset, = struct.unpack_from("<Q", files[name], 56)
                    length, = struct.unpack_from("<Q", files[name], 176)
                    place = offset + random.randrange(min(length - 4, 600))
                if name == "rows":  # a chunk's header
                    place = random.randrange(len(crafted) // 4096) * 4096 + random.randrange(4, 28)
                struct.pack_into("<I", crafted, place, random.choice(self.HUGE))
                if name == "rows":
                    at = place // 4096 * 4096
                    struct.pack_into("<I", crafted, at + 28, crc32c(crafted[at:at + 28]))
            copy = shutil.copytree(recording.trace, self.path("copy.spool"))
            with open(os.path.join(copy, name), "wb") as out:
                out.write(crafted)
            self.limited(copy, random.choice(("info", "leaks", "dump")))
            shutil.rmtree(copy, ignore_errors=True)
            if os.path.exists(self.path("copy.seep")):
                os.unlink(self.path("copy.seep"))
        self.assertGreater(recording.info["events"], 0)


if __name__ == "__main__":
    support.main()
