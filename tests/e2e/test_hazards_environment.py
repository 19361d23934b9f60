# SPDX-License-Identifier: MIT
"""Hazards of a program's surroundings: docs/hazards.md."""

from hazards import TestCase
import support


class Environment(TestCase):
    def test_program_closes_and_replaces_every_descriptor(self):
        # Fails when a descriptor is used without checking that it is still ours.
        done = self.record([self.program("descriptors"), self.path("its-file")])
        self.assertEqual(done.stdout, "3 5\n")
        with open(self.path("its-file"), "rb") as written:
            self.assertEqual(written.read(), b"mine\n")
        self.assertEqual(done.blocks()[0][88], 200000)
        self.assert_complete(done)

    def test_file_size_limit(self):
        # Fails when a write beyond RLIMIT_FSIZE is tried: SIGXFSZ kills the program.
        done = self.record([self.program("limits")])
        self.assertEqual(done.stdout, "done\n")
        self.assertIn("file size limit", done.stderr)
        self.assertGreater(done.info["events"], 1000)
        self.assertGreater(done.info["lost_events"], 500000)
        self.assertAlmostEqual(done.info["events"] + done.info["lost_events"], 600000, delta=2000)


if __name__ == "__main__":
    support.main()
