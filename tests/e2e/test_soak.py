# SPDX-License-Identifier: MIT
"""The short form of `./dev soak`: bounded stress, held event by event against the program's books."""

import os
import sys

from hazards import Fix, TestCase, hazard
import support

sys.path.insert(0, os.path.join(support.ROOT, "tests", "soak"))
import check  # noqa: E402
import soak  # noqa: E402

# The packer would put right what the stamps say wrongly.
UNREPAIRED = ("analyzer/trace/order.c",
              "o->ahead_ns[ring_index(o, i)] > o->beside->time_ns + ORDER_REPAIR_NS", "true")
FREE = "hook_freed(call, p, REC_CONTEXT_HERE);"
FREE_LATE = f"rec_real.free(p); {FREE} break;"


class Short(TestCase):
    def hold(self, way, calls=10000):
        seed = support.SEED
        try:
            passed = soak.Soak(self.tmp, self.seep_path, support.environment()).run(
                seed, calls, way, timeout=support.TIMEOUT)
        except check.Wrong as wrong:
            self.fail(f"seed {seed}: {wrong}")
        self.assertGreater(passed, 2 * calls)

    def test_threads_on_glibc(self):
        self.hold(("glibc", "-", "16k", "256k"))

    @hazard(2, Fix("preload/hook.h", "        .stamp = change.start,", "        .stamp = rec_clock_stamp(),",
                   again=[UNREPAIRED]),
            Fix("preload/hooks.c", FREE, FREE_LATE, again=[UNREPAIRED]))
    def test_blocks_that_another_thread_gets_at_once(self):
        self.hold(("slow", "-", "16k", "1M"))

    @hazard(16, Fix("preload/nested.c", "    else if (inside)\n", "    else if (inside && 0)\n"),
            Fix("preload/thread.c", "t->beside->number = t->number;", ";"))
    def test_threads_and_handlers(self):
        self.hold(("allocator", "s", "16k", "1M"))

    @hazard(11)
    def test_threads_killed(self):
        self.hold(("allocator", "sk", "256k", "256M"))
        self.hold(("glibc", "k", "16k", "256k"))


if __name__ == "__main__":
    support.main()
