# SPDX-License-Identifier: MIT
"""Pools of the program's own, told of by include/seep/seep.h: docs/hazards.md, row 24."""

import subprocess

from hazards import Fix, TestCase, hazard
import support

HEAP = ("events", "allocations", "frees", "reallocations", "failed", "temporary",
        "mismatched_frees", "allocated_bytes", "peak_live_bytes", "peak_live_blocks", "live_blocks",
        "live_bytes", "live_usable_bytes", "inherited_blocks", "inherited_bytes", "raced",
        "unknown_frees", "lost_events")
POOLS = ("allocations", "frees", "reallocations", "allocated_bytes", "live_blocks", "live_bytes",
         "peak_live_bytes")


class Pools(TestCase):
    def told(self, recording):
        """What the program counted, and its sites: {function: (blocks, bytes)}."""
        counts, *sites = recording.stdout.splitlines()
        return list(map(int, counts.split())), {
            name: (int(blocks), int(size)) for name, blocks, size in map(str.split, sites)}

    def child(self, recording):
        traces = recording.children()
        self.assertEqual(len(traces), 1)
        return support.Recording(traces[0], subprocess.CompletedProcess([], 0))

    def text(self, command, recording, *options):
        return support.run([self.seep_path, command, *options, recording.trace], check=0).stdout

    @hazard(24, Fix("analyzer/trace/place.h", "address | PLACE_POOL", "address"),
            Fix("analyzer/trace/handout.c", "place_key(b->address, b->call)", "b->address"))
    def test_pool_of_the_program(self):
        done = self.record([self.program("pool")])
        plain = self.record([self.program("pool", name="plain", flags=("-O1", "-g", "-DPLAIN"))],
                            "plain.seep")
        self.assertEqual(done.stdout, plain.stdout)
        counts, sites = self.told(done)
        live, live_bytes = counts[4:6]
        self.assertEqual([done.info["pools"][name] for name in POOLS], counts)
        # the heap is that of the program that tells of nothing
        self.assertIsNone(plain.info["pools"])
        child, plain_child = self.child(done), self.child(plain)
        for with_pools, without in ((done, plain), (child, plain_child)):
            self.assertEqual({name: with_pools.info[name] for name in HEAP},
                             {name: without.info[name] for name in HEAP})
            without, with_pools = without.leaks("--top=all"), with_pools.leaks("--top=all")
            self.assertEqual(with_pools["total"]["bytes"], without["total"]["bytes"])
            self.assertEqual(with_pools["matched"], without["matched"])
            self.assertFalse(with_pools["pools"]["shown"])
            self.assertIsNone(without["pools"])
        # its pools have leaks of their own
        leaks = done.leaks("--pool", "--by=function")
        self.assertEqual((leaks["total"]["blocks"], leaks["total"]["bytes"]), (live, live_bytes))
        self.assertEqual({site["name"] for site in leaks["sites"]}, {"make", "arena"})
        found = {}
        for site in done.sites("--pool"):
            self.assertTrue({"order", "arena"} & set(site.functions), str(site))
            found["order" if "order" in site.functions else "arena"] = site.blocks, site.bytes
        self.assertEqual(found, sites)
        self.assertEqual({call for site in leaks["sites"] for call in site["calls"]}, {"pool"})
        # a child has its parent's, ends ten and makes one
        pools = child.info["pools"]
        self.assertEqual([pools[name] for name in ("inherited_blocks", "inherited_bytes",
                                                   "allocations", "frees", "live_blocks")],
                         [live, live_bytes, 1, 10, live + 1 - 10])
        inherited = child.leaks("--pool", "--inherited")
        self.assertEqual(inherited["matched"]["blocks"], live - 10)
        self.assertEqual(inherited["inherited"]["held_blocks"], live - 10)

    def test_pool_in_the_reports(self):
        done = self.record([self.program("pool")])
        (made, _, _, _, live, _, _), _ = self.told(done)
        self.assertRegex(self.text("info", done), rf"(?m)^Pools.*\n +allocations +{made:,}\n")
        self.assertRegex(self.text("leaks", done), rf"(?s)\b{live:,} pool blocks .*--pool")
        self.assertRegex(self.text("leaks", done, "--pool"), rf"^[\d.]+ KiB in {live:,} pool blocks")
        self.assertNotIn("--pool", self.text("leaks", done, "--pool"))
        # the first block of a chunk has its address, and is told apart by its call
        places = {"malloc": set(), "pool": set()}
        for event in done.dump():
            if event["op"] == "alloc" and event["call"] in places:
                places[event["call"]].add(event["address"])
        self.assertGreater(len(places["malloc"] & places["pool"]), 30)
        none = self.record(["true"], "none.seep")
        self.assertNotRegex(self.text("info", none) + self.text("leaks", none), r"(?m)^Pools|pool block")
        self.assertIn("told of no pool block", self.text("leaks", none, "--pool"))

    @hazard(24, Fix("preload/pool.c", "if (!rec_real_ready()) {", "if (0) {"))
    def test_tells_before_anything_is_allocated(self):
        done = self.record([self.build(self.write("first.c", """
            #include <seep/seep.h>
            static void first(void)
            {
                static char block[33];
                seep_pool_allocated(block, 33);
                seep_mark("first");
            }
            __attribute__((section(".preinit_array"), used)) static void (*const at)(void) = first;
            int main(void) { return 0; }
            """))])
        self.assertEqual(done.info["pools"]["live_bytes"], 33)
        self.assertEqual([mark["name"] for mark in done.info["marks"]], ["first"])
        self.assert_complete(done)

    def test_pool_without_the_recorder(self):
        program = self.program("pool")
        alone = support.run([program], check=0)
        self.assertEqual(alone.stdout, self.record([program]).stdout)
        cxx = self.build(self.write("user.cpp", """
            #include <seep/seep.h>
            int main()
            {
                static char block[32];
                seep_pool_allocated(block, 16);
                seep_pool_moved(block, block + 16, 8);
                seep_pool_freed(block + 16);
            }
            """), flags=("-O0", "-std=c++11", "-Wall", "-Wextra", "-Werror"))
        support.run([cxx], check=0)
        pools = self.record([cxx], "cxx.seep").info["pools"]
        self.assertEqual([pools[name] for name in POOLS], [1, 1, 1, 24, 0, 0, 16])


if __name__ == "__main__":
    support.main()
