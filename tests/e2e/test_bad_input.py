# SPDX-License-Identifier: MIT
"""Whatever is handed to seep: one clear line that names the file, the right status, no crash."""

import os
import random
import shutil
import stat
import struct
import unittest

import support

# Exit statuses, see docs/man/seep.1
BAD_INPUT = 2
OWN_FAILURE = 125
REFUSED = 126
NOT_FOUND = 127

COMMANDS = ("info", "leaks", "sites", "growth", "frag", "dump")


class Run(support.TestCase):
    """Programs and outputs that `seep run` cannot use."""

    def refused(self, args, status, *words, options=()):
        trace = self.path("out.seep")
        done = support.run([support.SEEP, "run", "-o", trace, *options, "--", *args])
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        for word in words:
            self.assertIn(word, lines[0])
        self.assertEqual([n for n in os.listdir(self.tmp) if n.startswith("out.")], [])

    def test_missing_program(self):
        self.refused(["/no/such/program"], NOT_FOUND, "/no/such/program")
        self.refused(["no-such-program-anywhere"], NOT_FOUND, "no-such-program-anywhere")

    def test_directory(self):
        self.refused([self.tmp], REFUSED, self.tmp)

    def test_not_executable(self):
        path = self.write("plain.txt", "hello\n")
        self.refused([path], REFUSED, path)

    def test_static_program(self):
        source = self.write("static.c", "int main(void) { return 0; }\n")
        path = self.build(source, flags=("-static",))
        self.refused([path], REFUSED, path, "static")

    def test_set_user_id_program(self):
        source = self.write("setuid.c", "int main(void) { return 0; }\n")
        path = self.build(source)
        os.chmod(path, 0o755 | stat.S_ISUID)
        if os.getuid() == 0:
            os.chown(path, 65534, 65534)
            os.chmod(path, 0o755 | stat.S_ISUID)
        else:
            path = support.need("su", "util-linux")
        self.refused([path], REFUSED, path, "set-user-ID")

    def test_unwritable_output(self):
        for output in ("/no/such/directory/out.seep", "/proc/out.seep"):
            done = support.run([support.SEEP, "run", "-o", output, "--", "/bin/true"])
            self.assertEqual(done.returncode, OWN_FAILURE, done.stderr)
            self.assertIn(os.path.dirname(output), done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_existing_output_needs_force(self):
        path = self.write("keep.seep", "precious\n")
        done = support.run([support.SEEP, "run", "-o", path, "--", "/bin/true"])
        self.assertEqual(done.returncode, OWN_FAILURE, done.stderr)
        self.assertIn(path, done.stderr)
        with open(path, encoding="utf-8") as kept:
            self.assertEqual(kept.read(), "precious\n")
        self.record(["/bin/true"], "keep.seep")

    def test_no_program(self):
        done = support.run([support.SEEP, "run"])
        self.assertEqual(done.returncode, OWN_FAILURE, done.stderr)
        self.assertTrue(done.stderr)

    def test_script_without_interpreter(self):
        path = self.write("script", "#!/no/such/interpreter\n")
        os.chmod(path, 0o755)
        done = support.run([support.SEEP, "run", "-o", self.path("out.seep"), "--", path])
        self.assertIn(done.returncode, (REFUSED, NOT_FOUND), done.stderr)
        self.assertIn(path, done.stderr)

    def test_script_is_recorded(self):
        path = self.write("script", "#!/usr/bin/perl\nprint 6 * 7\n")
        os.chmod(path, 0o755)
        recording = self.record([path])
        self.assertEqual(recording.stdout, "42")
        self.assertGreater(recording.info["allocations"], 0)


class Files(support.TestCase):
    """Files that are no trace, or no longer a whole one."""

    def trace(self):
        """Bytes of a sound trace, large enough for several chunks."""
        recording = self.record([os.path.join(support.BUILD, "samples", "grow")], "sound.seep")
        with open(recording.trace, "rb") as data:
            return data.read()

    def bytes_to(self, name, data):
        path = self.path(name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    def refused(self, path, *words):
        for command in COMMANDS:
            done = support.run([support.SEEP, command, path])
            self.assertEqual(done.returncode, BAD_INPUT, f"{command}: {done.stderr}")
            self.assertEqual(done.stdout, "", command)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            for word in (path, *words):
                self.assertIn(word, done.stderr)

    def survives(self, path, command="info"):
        """A readable part is analysed or one line says no; never a crash. Returns the status."""
        done = support.run([support.SEEP, command, path])
        self.assertIn(done.returncode, (0, BAD_INPUT), f"{command} {path}: {done.stderr}")
        if done.returncode:
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(path, done.stderr)
        return done.returncode

    def test_missing_file(self):
        self.refused(self.path("missing.seep"), "No such file")

    def test_directory(self):
        self.refused(self.tmp)

    def test_other_files(self):
        self.refused(self.bytes_to("empty.seep", b""))
        self.refused(self.bytes_to("text.seep", b"hello, world\n" * 100))
        self.refused(self.bytes_to("zeros.seep", bytes(10000)))
        self.refused("/bin/true")

    def test_future_version(self):
        data = bytearray(self.trace())
        struct.pack_into("<I", data, 8, 1000)
        struct.pack_into("<I", data, 28, crc32c(bytes(data[:28])))
        self.refused(self.bytes_to("future.seep", data), "1000")

    def test_unreadable(self):
        path = self.bytes_to("locked.seep", b"x")
        os.chmod(path, 0)
        os.chmod(self.tmp, 0o755)
        # root reads everything: become somebody else, with a copy that anybody may run
        seep = shutil.copy(support.SEEP, self.path("seep"))
        who = {"user": 65534} if os.getuid() == 0 else {}
        done = support.run([seep, "info", path], **who)
        self.assertEqual(done.returncode, BAD_INPUT, done.stderr)
        self.assertIn(f"{path}: Permission denied", done.stderr)

    def test_cut_anywhere(self):
        data = self.trace()
        random.seed(7)
        offsets = {*range(0, 72, 3), len(data) - 1, len(data) - 23, len(data) - 24, len(data) - 25,
                   *(random.randrange(len(data)) for _ in range(40))}
        readable = 0
        for offset in sorted(offsets):
            path = self.bytes_to("cut.seep", data[:offset])
            if self.survives(path) == 0:
                readable += 1
                told = support.report("info", path)["completeness"]
                self.assertIs(told["complete"], False, f"cut at {offset} of {len(data)}")
            self.survives(path, "leaks")
            self.survives(path, "growth")
        self.assertGreater(readable, 10)

    def test_flipped_bits(self):
        data = self.trace()
        random.seed(11)
        for _ in range(80):
            damaged = bytearray(data)
            for _ in range(random.choice((1, 1, 3, 20))):
                damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
            path = self.bytes_to("flipped.seep", bytes(damaged))
            self.survives(path)
            self.survives(path, random.choice(("leaks", "growth", "frag", "dump")))

    def test_each_part_missing(self):
        """One chunk of the trace after the other does not fit its checksum: its stacks, its modules,
        its events."""
        data = self.trace()
        at, kinds = 32, set()
        while data[at:at + 4] == b"SPCK":
            kind, stored = struct.unpack_from("<H2xQ", data, at + 4)
            kinds.add(kind)
            damaged = bytearray(data)
            damaged[at + 32 + stored // 2] ^= 1
            path = self.bytes_to("part.seep", bytes(damaged))
            for command in COMMANDS:
                self.survives(path, command)
            at += 32 + stored
        self.assertGreater(len(kinds), 4)

    def test_garbage_in_the_middle(self):
        data = self.trace()
        random.seed(13)
        for size in (1, 33, 1000, len(data) // 2):
            at = len(data) // 3
            damaged = data[:at] + random.randbytes(size) + data[at + size:]
            self.survives(self.bytes_to("garbage.seep", damaged))
            self.survives(self.bytes_to("inserted.seep",
                                        data[:at] + random.randbytes(size) + data[at:]))


def crc32c(data):
    """CRC-32C (Castagnoli), bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Commands(support.TestCase):
    """Usage errors."""

    def usage(self, *args):
        done = support.run([support.SEEP, *args])
        self.assertEqual(done.returncode, BAD_INPUT, done.stderr)
        self.assertTrue(done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_unknown_command(self):
        self.assertIn("frobnicate", self.usage("frobnicate"))

    def test_unknown_option(self):
        for command in COMMANDS:
            self.assertIn("--frobnicate", self.usage(command, "--frobnicate", "x.seep"))

    def test_no_trace(self):
        for command in COMMANDS:
            self.usage(command)

    def test_help(self):
        for command in ("run", "pack", *COMMANDS):
            done = support.run([support.SEEP, command, "--help"], check=0)
            self.assertIn(f"seep {command}", done.stdout)


if __name__ == "__main__":
    support.main()
