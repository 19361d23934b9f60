# SPDX-License-Identifier: MIT
"""Packing while the program runs: the spool stays small, the program waits or loses what is counted,
and whatever is killed, the trace becomes whole."""

import contextlib
import glob
import os
import signal
import struct
import subprocess
import sys
import time

from hazards import Fix, TestCase, hazard
import support

sys.path.insert(0, os.path.join(support.ROOT, "tests", "soak"))
import check  # noqa: E402
import litmus  # noqa: E402
import soak  # noqa: E402

MIB = 1 << 20
LIMIT = MIB
THREADS = 4
CALLS = 150000
REST_MS = 100  # so that the program is at work for long after the moment at which a test steps in
# Above the limit stands what each thread writes out before it waits, and what is being given back.
SLACK = MIB // 2
KEPT = 100  # blocks that each thread of churn.c leaves
BLOCK = 10007


class Churn(TestCase):
    """churn.c under `seep run`, looked at from outside."""

    def setUp(self):
        super().setUp()
        self.book = self.path("book")

    @contextlib.contextmanager
    def running(self, calls, *options, rest_ms=0):
        """The Popen of a `seep run`; the program has made its first blocks."""
        command = [self.seep_path, "run", "-o", self.path("out.seep"), f"--spool-size={LIMIT}",
                   "--set=TAIL_MAX=16k", *options, "--", self.program("churn"), str(THREADS),
                   str(calls), self.book, str(rest_ms)]
        with subprocess.Popen(command, env=support.environment(), stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as process:
            try:
                self.wait_until(lambda: self.made() > 0 and self.spool())
                self.addCleanup(self.end, self.pid())
                yield process
            finally:
                process.send_signal(signal.SIGCONT)
                process.terminate()

    def end(self, program):
        """A program that waits for ever is what some of these tests are to find."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{program}/cmdline", "rb") as command:
                if self.tmp.encode() in command.read():
                    os.kill(program, signal.SIGKILL)

    def wait_until(self, true):
        deadline = time.monotonic() + self.timeout
        while not true():
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            time.sleep(0.005)

    def made(self):
        """Blocks that the program has made so far."""
        if not os.path.exists(self.book):
            return 0
        with open(self.book, "rb") as book:
            return sum(number for number, in struct.iter_unpack("Q", book.read()))

    def spool(self):
        """The spool's directory, "" where there is none."""
        return next(iter(glob.glob(self.path("*.spool"))), "")

    def rows(self):
        """Bytes of rows on the disk."""
        with contextlib.suppress(FileNotFoundError):
            return os.stat(os.path.join(self.spool(), "rows")).st_blocks * 512
        return 0

    def finish(self, process):
        """Waits for the end; returns the recording."""
        _, said = process.communicate(timeout=self.timeout)
        self.assertEqual(process.returncode, 0, said)
        return support.Recording(self.path("out.seep"))

    def assert_whole(self, recording):
        self.assert_complete(recording)
        made, ended = recording.blocks()
        count = sum(n for size, n in made.items() if BLOCK <= size < BLOCK + 50)
        self.assertEqual(count, THREADS * CALLS)
        left = count - sum(n for size, n in ended.items() if BLOCK <= size < BLOCK + 50)
        self.assertEqual(left, THREADS * KEPT)

    @hazard(19, Fix("preload/event.c", "    rec_space_wait();\n", "    ;\n"),
            Fix("analyzer/trace/pack_follow.c", "FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE",
                "FALLOC_FL_KEEP_SIZE"))
    def test_spool_is_bounded(self):
        most = 0
        with self.running(CALLS) as process:
            while process.poll() is None:
                most = max(most, self.rows())
                time.sleep(0.002)
            recording = self.finish(process)
        self.assertLess(most, LIMIT + SLACK)
        self.assert_whole(recording)

    def test_without_a_limit_it_grows(self):
        # else the test above could not fail
        most = 0
        with self.running(CALLS, "--spool-size=0") as process:
            while process.poll() is None:
                most = max(most, self.rows())
                time.sleep(0.002)
            recording = self.finish(process)
        self.assertGreater(most, 2 * (LIMIT + SLACK))
        self.assert_whole(recording)

    def test_waits_for_a_packer_that_stands_still(self):
        with self.running(CALLS, rest_ms=REST_MS) as process:
            self.wait_until(lambda: os.path.exists(os.path.join(self.spool(), "packed")))
            process.send_signal(signal.SIGSTOP)
            before = -1
            while before != self.made():
                before = self.made()
                time.sleep(1)
            self.assertLess(before, THREADS * CALLS)
            self.assertLess(self.rows(), LIMIT + SLACK)
            process.send_signal(signal.SIGCONT)
            recording = self.finish(process)
        self.assert_whole(recording)

    @hazard(11, Fix("preload/space.c", "if (step % STEPS_A_LOOK == 0 && !is_followed())", "if (0)"))
    def test_goes_on_when_the_packer_is_killed(self):
        with self.running(CALLS, rest_ms=REST_MS) as process:
            self.wait_until(lambda: os.path.exists(os.path.join(self.spool(), "packed")))
            process.send_signal(signal.SIGSTOP)
            time.sleep(1)
            process.kill()
        self.wait_until(lambda: self.made() == THREADS * CALLS)
        self.assertGreater(self.rows(), LIMIT)
        trace = self.path("out.seep")
        self.wait_until(lambda: support.run([self.seep_path, "pack", "-o", trace,
                                             self.spool()]).returncode == 0)
        self.assert_whole(support.Recording(trace))

    @hazard(19, Fix("preload/rows.c", "t->dropped++;", "", fails="lost"),
            Fix("preload/event.c", "tell_dropped(t, e->stamp);", ";", fails="gap"))
    def test_drops_and_counts(self):
        calls = 2 * CALLS
        with self.running(calls, "--when-full=drop", rest_ms=REST_MS) as process:
            self.wait_until(lambda: os.path.exists(os.path.join(self.spool(), "packed")))
            process.send_signal(signal.SIGSTOP)
            # no wait: half of it while nothing is packed, the rest while there is space now and then
            self.wait_until(lambda: self.made() > THREADS * calls // 2)
            process.send_signal(signal.SIGCONT)
            recording = self.finish(process)
        lost = support.report("info", recording.trace)["completeness"]["lost"]["full"]
        events = recording.info["allocations"] + recording.info["frees"]
        truth = THREADS * (2 * calls - KEPT)
        self.assertGreater(lost, 0, "lost")
        dump = support.run([support.SEEP, "dump", "--format=json", recording.trace], check=0).stdout
        # the loader's and libc's own are some dozens; a free put in for a lost one is an event
        implied = dump.count('"implied":true')
        self.assertLess(abs(events - implied + lost - truth), 200, "lost")
        self.assertTrue('"op":"lost"' in dump, "gap")

    def test_reads_what_is_packed_so_far(self):
        with self.running(100 * CALLS) as process:
            self.wait_until(lambda: os.path.exists(os.path.join(self.spool(), "packed")))
            done = support.run([self.seep_path, "leaks", self.spool()])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("still runs", done.stderr)
            self.assertIn("churn", done.stdout)
            done = support.run([self.seep_path, "pack", "--running", "-o", self.path("now.seep"),
                                self.spool()])
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("another process packs it", done.stderr)
            process.kill()
            os.kill(self.pid(), signal.SIGKILL)

    def pid(self):
        """The program's, from its spool's name."""
        return int(os.path.basename(self.spool()).split(".")[1])


class Litmus(TestCase):
    """The short form of tests/soak/litmus.py."""

    @hazard(2, Fix("analyzer/trace/spool_index.c", "if (l->mark == 0 ||", "if (true ||", tries=25),
            Fix("preload/thread.h", "__atomic_store_n(&t->lane->mark, t->last_stamp, __ATOMIC_RELAXED);",
                ";", tries=4))
    def test_no_row_is_passed(self):
        events, wrong = litmus.Litmus(self.tmp, self.seep_path, support.environment()).run(3)
        self.assertGreater(events, 100000)
        self.assertEqual(wrong, 0)


class Orphans(TestCase):
    """`seep run` is killed while it packs; the stress program's own log tells what is to be there."""

    def hold(self, way, calls=30000):
        seed = support.SEED
        stress = soak.Soak(self.tmp, self.seep_path, support.environment())
        try:
            passed = stress.run(seed, calls, way, timeout=support.TIMEOUT, orphan=True)
        except check.Wrong as wrong:
            self.fail(f"seed {seed}: {wrong}")
        self.assertGreater(passed, 2 * calls)

    @hazard(11, Fix("analyzer/trace/pack_state.c", "    put_order(b, &p->order);\n", "    bytes_varint(b, 0);\n" * 9))
    def test_threads(self):
        self.hold(("glibc", "-", "16k", "64k"))

    @hazard(11, Fix("analyzer/trace/pack_state.c", "bytes_add(b, &r->state, sizeof r->state);",
                    "struct row_state none = {0}; bytes_add(b, &none, sizeof none);", tries=4))
    def test_handlers(self):
        self.hold(("allocator", "s", "256k", "64k"))


if __name__ == "__main__":
    support.main()
