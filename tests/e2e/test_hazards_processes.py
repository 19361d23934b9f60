# SPDX-License-Identifier: MIT
"""Hazards of processes that make others: docs/hazards.md."""

import random
import subprocess

from hazards import TestCase
import support


class Processes(TestCase):
    def test_forks_from_threads(self):
        # Fails when a child writes into its parent's tail, or waits for a lock of the parent's.
        done = self.record([self.program("forks")])
        self.assertEqual(done.stdout, "wrong 0\n")
        self.assert_complete(done)
        self.assertEqual(done.blocks()[0][44], 0)
        children = done.children()
        self.assertEqual(len(children), 40)
        for path in random.sample(children, 5):
            child = support.Recording(path, subprocess.CompletedProcess([], 0))
            self.assertEqual(child.info["lost_events"], 0)
            made = child.blocks()[0]
            self.assertEqual((made[44], made[45]), (100, 1))


if __name__ == "__main__":
    support.main()
