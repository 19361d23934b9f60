# SPDX-License-Identifier: MIT
"""Hazards of a program's end: docs/hazards.md."""

import mmap
import os
import random
import signal
import struct
import subprocess
import time

from hazards import TestCase
import support


class Deaths(TestCase):
    def test_killed_at_any_moment(self):
        # Fails when a row is published before it is whole, or only when its tail is full.
        program, counts = self.program("counted"), self.path("counts")
        for attempt in range(8):
            env = support.environment(SEEP_TAIL_MAX="16k")
            with open(self.path("log"), "w", encoding="utf-8") as log:
                run = subprocess.Popen([self.seep_path, "run", "-f", "-o", self.path("k.seep"), "--",
                                        program, counts], env=env, stderr=log)
                while not os.path.exists(counts) or os.path.getsize(counts) < 512:
                    time.sleep(0.01)
                time.sleep(random.uniform(0.005, 0.05))
                children = f"/proc/{run.pid}/task/{run.pid}/children"
                with open(children, encoding="ascii") as pids:
                    os.kill(int(pids.read().split()[0]), signal.SIGKILL)
                self.assertEqual(run.wait(support.TIMEOUT), -signal.SIGKILL)
            recording = support.Recording(self.path("k.seep"), subprocess.CompletedProcess([], 0))
            made, ended = recording.blocks()
            recorded = made + ended
            with open(counts, "rb") as file, mmap.mmap(file.fileno(), 512,
                                                       prot=mmap.PROT_READ) as memory:
                for i in range(8):
                    begun, returned = struct.unpack_from("qq", memory, 64 * i)
                    with self.subTest(attempt=attempt, thread=i):
                        self.assertLessEqual(returned, recorded[1000 + i])
                        self.assertLessEqual(recorded[1000 + i], begun)
            self.assertEqual(recording.info["unknown_frees"], 0)
            os.unlink(counts)


if __name__ == "__main__":
    support.main()
