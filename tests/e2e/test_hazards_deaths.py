# SPDX-License-Identifier: MIT
"""Hazards of a program's end: docs/hazards.md, row 11. Truth is what the program itself has counted,
in shared memory, before and after each call.

SEEP_TEST_KILLS: how often each mode is killed; the default is for every day."""

import glob
import os
import random
import shutil
import signal
import struct
import subprocess
import time

from hazards import Fix, TestCase, hazard
import support

KILLS = int(os.environ.get("SEEP_TEST_KILLS", "8"))
THREADS, MAIN = 8, 8
COUNTS_BYTES = 64 * (THREADS + 1)

# How counted.c ends, and the exit status.
ENDS = {
    "return": 4, "_exit": 4, "exit": 4, "quick_exit": 4, "term-handled": 4, "segv-handled": 4,
    "exit-in-thread": 5, "pthread_exit": 0, "cancel": 0,
    "abort": -signal.SIGABRT, "term": -signal.SIGTERM, "segv": -signal.SIGSEGV,
    "out-of-memory": -signal.SIGKILL,
}


class Deaths(TestCase):
    def setUp(self):
        super().setUp()
        self.counted = self.program("counted", flags=("-O1", "-Wno-unused-result"))
        self.counts = self.path("counts")

    def assert_counts(self, recording, what):
        """What is recorded of each thread lies between the calls returned and those begun; returns
        (calls recorded, returned) of the main one."""
        made, ended = recording.blocks()
        with open(self.counts, "rb") as file:
            counts = file.read()
        os.unlink(self.counts)
        for i in range(THREADS + 1):
            begun, returned = struct.unpack_from("qq", counts, 64 * i)
            recorded = made[1000 + i] + ended[1000 + i]
            self.assertLessEqual(returned, recorded, f"{what}, thread {i}")
            self.assertLessEqual(recorded, begun, f"{what}, thread {i}")
        self.assertEqual(recording.info["unknown_frees"], 0, what)
        self.assertEqual(recording.info["lost_events"], 0, what)
        return recorded, returned

    @hazard(11)
    def test_every_end_of_a_busy_program(self):
        for how, status in ENDS.items():
            for name, record in (("trace", self.record), ("stem", self.preload)):
                what = f"{how}-{name}"
                done = record([self.counted, self.counts, how], check=status,
                              **{name: what + (".seep" if name == "trace" else "")})
                recorded, returned = self.assert_counts(done, what)
                self.assertEqual(recorded, returned, what)  # in no call when it ended
                self.assertGreaterEqual(recorded, 2000, what)

    def start(self, stem, bare, tail_max):
        env = support.environment(SEEP_TAIL_MAX=tail_max)
        command = [self.counted, self.counts, "killed"]
        if bare:
            env.update(SEEP_OUT=self.path(stem + ".seep"), LD_PRELOAD=self.libseep_path)
        else:
            command = [self.seep_path, "run", "-f", "-o", self.path(stem + ".seep"), "--", *command]
        return subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)

    def at_work(self):
        """Whether each thread has returned from a call."""
        if not os.path.exists(self.counts) or os.path.getsize(self.counts) < COUNTS_BYTES:
            return False
        with open(self.counts, "rb") as file:
            counts = file.read()
        return all(struct.unpack_from("q", counts, 64 * i + 8)[0] for i in range(THREADS))

    def kill(self, attempt, bare, tail_max):
        """Kills the program at some moment of its work; returns the Recording."""
        stem = f"killed-{attempt}"
        run = self.start(stem, bare, tail_max)
        deadline = time.monotonic() + support.TIMEOUT
        while not self.at_work():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.01))
        pid = run.pid
        if not bare:
            with open(f"/proc/{run.pid}/task/{run.pid}/children", encoding="ascii") as children:
                pid = int(children.read().split()[0])
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(run.wait(support.TIMEOUT), -signal.SIGKILL)
        return support.Recording(self.path(stem + (".spool" if bare else ".seep")))

    def assert_survives_kills(self, bare, tail_max):
        for attempt in range(KILLS):
            self.assert_counts(self.kill(attempt, bare, tail_max), f"attempt {attempt}")
            for path in glob.glob(self.path("killed-*")):  # of hundreds none need stay
                (shutil.rmtree if os.path.isdir(path) else os.unlink)(path)

    @hazard(11, Fix("preload/rows_put.h", "row_publish(t, (t->word", "t->word = ((t->word"))
    def test_killed_at_any_moment_with_small_tails(self):
        self.assert_survives_kills(bare=False, tail_max="16k")

    @hazard(11)
    def test_killed_at_any_moment(self):
        self.assert_survives_kills(bare=False, tail_max="256k")

    @hazard(11)
    def test_killed_at_any_moment_without_a_parent(self):
        self.assert_survives_kills(bare=True, tail_max="256k")

    @hazard(11)
    def test_killed_at_any_moment_without_a_parent_with_small_tails(self):
        self.assert_survives_kills(bare=True, tail_max="16k")


if __name__ == "__main__":
    support.main()
