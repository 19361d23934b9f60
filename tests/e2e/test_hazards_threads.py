# SPDX-License-Identifier: MIT
"""Hazards of threads, signal handlers and stacks: docs/hazards.md."""

from hazards import TestCase
import support


class Threads(TestCase):
    def test_handler_interrupts_the_recorder(self):
        # Fails when rec_nested_keep() does not queue, or when the queue is not drained.
        for argument in ([], ["on-a-stack-of-its-own"]):
            with self.subTest(argument):
                done = self.record([self.program("handlers"), *argument],
                                   env=support.environment(LD_PRELOAD=self.bump()))
                made = dict(map(int, line.split()) for line in done.stdout.splitlines())
                recorded, freed = done.blocks()
                self.assertGreater(made[33], 50, "the timer hardly fired")
                for size, count in made.items():
                    self.assertEqual(recorded[size], count)
                    self.assertEqual(freed[size], count)
                self.assert_complete(done)

    def test_handler_jumps_out_of_the_recorder(self):
        # Fails when a hook that never came back leaves its thread marked busy.
        done = self.record([self.program("longjmp")],
                           env=support.environment(LD_PRELOAD=self.bump()))
        self.assertEqual(done.stdout, "done\n")
        self.assertEqual(done.blocks()[0][99], 1000)
        self.assertEqual(done.info["lost_events"], 0)

    def test_threads_come_and_go(self):
        # Fails when an ended thread's lane is not taken over: lanes, and memory, would grow.
        done = self.record([self.program("thread_churn")])
        made = done.blocks()[0]
        self.assertEqual((made[21], made[22]), (3000, 200))
        self.assertEqual(done.info["threads"], 3201)
        self.assertLess(done.info["recorder_bytes"], 16 << 20)
        self.assert_complete(done)


if __name__ == "__main__":
    support.main()
