# SPDX-License-Identifier: MIT
"""Programs that are hard on a recorder: each behaves as without it, and its recording is exact.

The programs in tests/e2e/programs say in their comment what is hard and what they print.
"""

import collections
import mmap
import os
import random
import re
import signal
import struct
import subprocess
import time
import unittest

import support

PROGRAMS = os.path.join(support.ROOT, "tests", "e2e", "programs")


def blocks(recording):
    """Counts of blocks made, and of blocks freed, by requested size."""
    made, ended = collections.Counter(), collections.Counter()
    dump = subprocess.Popen([support.SEEP, "dump", "--format=json", recording.trace], text=True,
                            stdout=subprocess.PIPE, env=support.environment())
    for operation, size in re.findall(r'"op":"(alloc|free)".*?"size":(\d+)', dump.stdout.read()):
        (made if operation == "alloc" else ended)[int(size)] += 1
    dump.stdout.close()
    if dump.wait() != 0:
        raise AssertionError(f"seep dump {recording.trace} failed")
    return made, ended


class Recorder(support.TestCase):
    def program(self, name):
        return self.build(os.path.join(PROGRAMS, name + ".c"))

    def bump(self, *flags):
        """An allocator that may be interrupted and left; to be preloaded behind the recorder."""
        return self.build(os.path.join(PROGRAMS, "bump.c"), "bump.so",
                          flags=("-O1", "-shared", "-fPIC", *flags))

    def complete(self, recording):
        self.assertEqual(recording.info["lost_events"], 0)
        self.assertEqual(recording.info["unknown_frees"], 0)
        self.assertEqual(recording.info["raced"], 0)

    def test_handler_interrupts_the_recorder(self):
        # Fails when rec_nested_keep() does not queue, or when the queue is not drained.
        for argument in ([], ["on-a-stack-of-its-own"]):
            with self.subTest(argument):
                done = self.record([self.program("handlers"), *argument],
                                   env=support.environment(LD_PRELOAD=self.bump()))
                made = dict(map(int, line.split()) for line in done.stdout.splitlines())
                recorded, freed = blocks(done)
                self.assertGreater(made[33], 50, "the timer hardly fired")
                for size, count in made.items():
                    self.assertEqual(recorded[size], count)
                    self.assertEqual(freed[size], count)
                self.complete(done)

    def test_handler_jumps_out_of_the_recorder(self):
        # Fails when a hook that never came back leaves its thread marked busy.
        done = self.record([self.program("longjmp")],
                           env=support.environment(LD_PRELOAD=self.bump()))
        self.assertEqual(done.stdout, "done\n")
        self.assertEqual(blocks(done)[0][99], 1000)
        self.assertEqual(done.info["lost_events"], 0)

    def test_library_of_cxx_in_a_program_of_c(self):
        # Fails when operator new is looked up in the global scope alone, where there is none, or
        # when the recorder's look-ups leave an error behind.
        library = self.build(os.path.join(PROGRAMS, "cxx_library.cpp"), "library.so",
                             flags=("-O1", "-shared", "-fPIC"))
        done = self.record([self.program("cxx_host"), library])
        self.assertEqual(done.stdout, "1 no error\n" * 3)
        made, ended = blocks(done)
        self.assertEqual((made[123], ended[123]), (6000, 6000))
        self.assertEqual(done.info["failed"], 3)
        self.assertEqual(done.info["mismatched_frees"], 0)
        self.complete(done)

    def test_allocator_that_calls_itself_by_public_names(self):
        # Fails when what a calloc or realloc is made of is recorded beside it.
        done = self.record([self.program("resize")],
                           env=support.environment(LD_PRELOAD=self.bump("-DNESTED")))
        self.assertEqual(done.info["allocator"], "bump.so")
        self.assertEqual([done.info[n] for n in ("allocations", "reallocations", "frees")],
                         [100, 100, 100])
        self.complete(done)

    def test_forks_from_threads(self):
        # Fails when a child writes into its parent's tail, or waits for a lock of the parent's.
        done = self.record([self.program("forks")])
        self.assertEqual(done.stdout, "wrong 0\n")
        self.complete(done)
        self.assertEqual(blocks(done)[0][44], 0)
        children = done.children()
        self.assertEqual(len(children), 40)
        for path in random.sample(children, 5):
            child = support.Recording(path, subprocess.CompletedProcess([], 0))
            self.assertEqual(child.info["lost_events"], 0)
            made = blocks(child)[0]
            self.assertEqual((made[44], made[45]), (100, 1))

    def test_threads_come_and_go(self):
        # Fails when an ended thread's lane is not taken over: lanes, and memory, would grow.
        done = self.record([self.program("thread_churn")])
        made = blocks(done)[0]
        self.assertEqual((made[21], made[22]), (3000, 200))
        self.assertEqual(done.info["threads"], 3201)
        self.assertLess(done.info["recorder_bytes"], 16 << 20)
        self.complete(done)

    def test_program_closes_and_replaces_every_descriptor(self):
        # Fails when a descriptor is used without checking that it is still ours.
        done = self.record([self.program("descriptors"), self.path("its-file")])
        self.assertEqual(done.stdout, "3 5\n")
        with open(self.path("its-file"), "rb") as written:
            self.assertEqual(written.read(), b"mine\n")
        self.assertEqual(blocks(done)[0][88], 200000)
        self.complete(done)

    def test_file_size_limit(self):
        # Fails when a write beyond RLIMIT_FSIZE is tried: SIGXFSZ kills the program.
        done = self.record([self.program("limits")])
        self.assertEqual(done.stdout, "done\n")
        self.assertIn("file size limit", done.stderr)
        self.assertGreater(done.info["events"], 1000)
        self.assertGreater(done.info["lost_events"], 500000)
        self.assertAlmostEqual(done.info["events"] + done.info["lost_events"], 600000, delta=2000)

    def test_killed_at_any_moment(self):
        # Fails when a row is published before it is whole, or only when its tail is full.
        program, counts = self.program("counted"), self.path("counts")
        for attempt in range(8):
            env = support.environment(SEEP_TAIL_MAX="16k")
            with open(self.path("log"), "w", encoding="utf-8") as log:
                run = subprocess.Popen([support.SEEP, "run", "-f", "-o", self.path("k.seep"), "--",
                                        program, counts], env=env, stderr=log)
                while not os.path.exists(counts) or os.path.getsize(counts) < 512:
                    time.sleep(0.01)
                time.sleep(random.uniform(0.005, 0.05))
                children = f"/proc/{run.pid}/task/{run.pid}/children"
                with open(children, encoding="ascii") as pids:
                    os.kill(int(pids.read().split()[0]), signal.SIGKILL)
                self.assertEqual(run.wait(support.TIMEOUT), -signal.SIGKILL)
            recording = support.Recording(self.path("k.seep"), subprocess.CompletedProcess([], 0))
            made, ended = blocks(recording)
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
