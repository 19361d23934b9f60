# SPDX-License-Identifier: MIT
"""seep frag: each row beside what the program says of itself, and planted fragmentation."""

import json
import os
import shutil
import unittest

import allocators
import support

PROGRAMS = os.path.join(support.ROOT, "tests", "e2e", "programs")


class Frag(support.TestCase):
    def compile(self, name):
        program = self.path(name)
        support.run(["gcc", "-g", "-O1", "-pthread", "-I", os.path.join(support.ROOT, "include"),
                     os.path.join(PROGRAMS, name + ".c"), "-o", program], check=0)
        return program

    def record(self, command, **env):
        """Runs it; what it printed, line by line, and the trace."""
        trace = self.path("made.seep")
        out = support.run([support.SEEP, "run", "-f", "-o", trace, *command], check=0,
                          env=support.environment(**env)).stdout
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")], trace

    def frag(self, trace, *options):
        out = support.run([support.SEEP, "frag", "--format=json", *options, trace], check=0).stdout
        return json.loads(out)["result"]


class Rows(Frag):
    """A program of four threads that churns; at each instant all of them stand."""

    def held(self, name=None):
        env = {"LD_PRELOAD": allocators.allocator(name)} if name else {}
        truth, trace = self.record([self.compile("frag_truth"), "4", "4", "8000"], **env)
        instants = self.frag(trace)["instants"]
        self.assertEqual(len(truth), 4)
        pairs = []
        for told in truth:
            found = min(instants, key=lambda i: abs(i["live_bytes"] - told["requested"]) +
                        abs(i["rss_bytes"] - told["rss"]))
            pairs.append((told, found))
            self.same_rows(told, found)
        return pairs

    def near(self, row, found, told, rss, percent=3):
        self.assertLess(abs(found - told), rss * percent / 100, f"{row}: {found}, not {told}")

    def same_rows(self, told, found):
        rss = told["rss"]
        self.near("rss", found["rss_bytes"], told["rss"], rss)
        self.near("requested", found["requested_bytes"], told["held"], rss)
        self.near("slack", found["slack_bytes"], told["slack"], rss)
        self.near("untouched", found["untouched_bytes"], told["untouched"], rss)
        headers = found["metadata_bytes"] - found["mapped_metadata_bytes"]
        self.near("holes", found["hole_bytes"] + headers, told["holes"], rss)
        self.near("unexplained", found["unexplained_bytes"], 0, rss, 5)
        rows = ("requested", "slack", "hole", "free_resident", "metadata", "non_heap", "recorder",
                "unexplained")
        self.assertEqual(sum(found[row + "_bytes"] for row in rows), found["rss_bytes"])

    def test_glibc(self):
        for told, found in self.held():
            self.near("headers", found["metadata_bytes"], 8 * told["blocks"], told["rss"], 1)
            # what the allocator says it has, less what is not resident of it
            most = told["glibc"]["arena"] + told["glibc"]["mapped"]
            heap = sum(found[row + "_bytes"] for row in ("requested", "slack", "hole",
                                                         "free_resident", "metadata"))
            self.assertLessEqual(heap, most * 1.01)
            self.assertGreater(heap + found["untouched_bytes"], most * 0.6)

    def test_jemalloc(self):
        for told, found in self.held("jemalloc"):
            self.assertGreater(told["jemalloc"]["own"], 0)
            # the data of its library are in the row, not in its own pages
            self.near("metadata", found["metadata_bytes"], told["jemalloc"]["own"], told["rss"], 1)

    def test_tcmalloc(self):
        for told, found in self.held("tcmalloc"):
            self.near("metadata", found["metadata_bytes"], told["tcmalloc"]["metadata"],
                      told["rss"], 6)

    def test_mimalloc(self):
        self.held("mimalloc")


TWINS = r"""
#include "seep/seep.h"
#include <stdlib.h>
#include <string.h>
static void *kept[2][2000];
__attribute__((noinline)) static void *make(void) { return memset(malloc(600), 1, 600); }
int main(void)
{
    for (int i = 0; i < 2000; i++) {
        kept[0][i] = make();
        kept[1][i] = make();
    }
    seep_memory();
    return kept[0][7] == kept[1][7];
}
"""


class Words(Frag):
    def test_tells_sites_apart_that_look_the_same(self):
        source = self.path("twins.c")
        with open(source, "w", encoding="ascii") as out:
            out.write(TWINS)
        program = self.path("twins")
        support.run(["gcc", "-g", "-fno-builtin", "-I", os.path.join(support.ROOT, "include"),
                     source, "-o", program], check=0)
        out = support.run([support.SEEP, "frag", self.record([program])[1]], check=0,
                          env=support.environment(COLUMNS="100")).stdout
        self.assertEqual(out.count("make  twins.c:6  ← main\n"), 2, out)
        for line in (10, 11):
            self.assertIn(f"    … ← main  twins.c:{line}\n", out)


class Pictures(Frag):
    def test_shows_the_most_resident_where_none_wastes(self):
        """The first look sees 48 KiB of free pages, a few percent of RSS; later ones see none."""
        source = self.write("full.c", "#include <seep/seep.h>\n#include <stdlib.h>\n#include <string.h>\n"
                            "static void *kept[4000];\n"
                            "static void *make(size_t size) { return memset(malloc(size), 1, size); }\n"
                            "int main(void) { char *big = make(48 << 10); kept[0] = make(600); free(big);\n"
                            "    seep_memory(); for (int i = 1; i < 4000; i++) kept[i] = make(600);\n"
                            "    seep_memory(); return kept[0] == kept[1]; }\n")
        result = self.frag(self.record([self.build(source)])[1])
        rss = [i["rss_bytes"] for i in result["instants"]]
        self.assertGreater(len(rss), 1)
        self.assertEqual(rss[result["shown"]], max(rss))

    def test_looks_at_two_hundred_of_many(self):
        _, trace = self.record([self.compile("frag_pictures")])
        result = self.frag(trace)
        self.assertGreaterEqual(result["pictures"], 261)
        times = [i["time_ns"] for i in result["instants"]]
        self.assertEqual(len(times), 200)
        self.assertEqual(times, sorted(set(times)))
        few = self.frag(trace, f"--from={times[150] / 1e9:.9f}s")
        self.assertEqual(len(few["instants"]), min(few["pictures"], 200))


CLEANUP = r"""
#include "seep/seep.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *blocks[20000];
int main(int argc, char **argv)
{
    (void)argv;
    for (int i = 0; i < 20000; i++)
        blocks[i] = memset(malloc(1000), 1, 1000);
    void *top = malloc(1000); /* so that nothing is given back */
    seep_memory();
    for (int i = 0; i < 20000; i++) {
        free(blocks[i]);
        if (i % 2500 != 2499)
            continue;
        if (argc == 1)
            usleep(30000); /* as if it had more to do */
        seep_memory();
    }
    if (argc > 1)
        sleep(1); /* it goes on */
    free(top);
    return 0;
}
"""


class Cleanup(Frag):
    """What a program frees before it ends is of no interest; what it frees and goes on is."""

    def shown(self, *arguments):
        program = self.path("cleanup")
        with open(program + ".c", "w", encoding="ascii") as source:
            source.write(CLEANUP)
        support.run(["gcc", "-g", "-fno-builtin", "-I", os.path.join(support.ROOT, "include"),
                     program + ".c", "-o", program], check=0)
        result = self.frag(self.record([program, *arguments])[1])
        live = [i["live_bytes"] for i in result["instants"]]
        return result["verdict"]["kind"], result["shown"] - live.index(max(live))

    def test_up_to_the_end(self):
        kind, behind_peak = self.shown()
        self.assertNotEqual(kind, "retention")
        self.assertLessEqual(behind_peak, 0)

    def test_before_it_goes_on(self):
        kind, behind_peak = self.shown("on")
        self.assertEqual(kind, "retention")
        self.assertGreater(behind_peak, 5)

    def test_blocks_that_stay(self):
        """demo frees the pages of its receipts last, and ends; the receipts stay between them."""
        result = self.frag(self.record([self.build("demo.c")])[1])
        shown = result["instants"][result["shown"]]
        self.assertGreater(shown["hole_bytes"], shown["rss_bytes"] / 2)


class Planted(Frag):
    """The planted site comes first, with its bytes within 5 % of what the program counts."""

    def planted(self, kind, part, function="planted", of="blame", **env):
        (truth,), trace = self.record([self.compile("frag_planted"), kind], **env)
        result = self.frag(trace, "--at=look", "--by=function")
        first = result[of][0]
        self.assertEqual(first["name"], function)
        self.assertAlmostEqual(first[part], truth["bytes"], delta=truth["bytes"] * 0.05)
        return trace, result

    def same_over_time(self, result):
        """What sites waste over time is what the rows say of it, where no site pins anything."""
        rows = [(i["time_ns"], i["slack_bytes"] + i["hole_bytes"]) for i in result["instants"]]
        rows.append((result["end_ns"], rows[-1][1]))
        waste = sum((end - start) * (before + after) / 2
                    for (start, before), (end, after) in zip(rows, rows[1:])) / 1e9
        told = sum(site["byte_seconds"] for site in result["blame"])
        self.assertAlmostEqual(told, waste, delta=0.02 * waste)

    def test_checkerboard(self):
        self.planted("checkerboard", "hole_bytes")

    def test_pins(self):
        trace, result = self.planted("pins", "hole_bytes")
        first = result["blame"][0]
        self.assertAlmostEqual(first["sole_pinner_bytes"], first["hole_bytes"],
                               delta=first["hole_bytes"] * 0.6)
        self.assertEqual(result["verdict"]["kind"], "fragmentation")
        self.same_over_time(self.frag(trace, "--top=all"))
        # 5,000 blocks of 56 bytes fill 69 pages; they lie in nearly 5,000
        pool = self.frag(trace, "--at=look", "--pool=planted", "--no-replay")["what_if"]
        self.assertEqual(pool["blocks"], 5000)
        self.assertEqual(pool["pool_pages"], 69)
        self.assertGreater(pool["alone_pages"], 4000)
        without = self.frag(trace, "--at=look", "--without=planted", "--no-replay")["what_if"]
        self.assertEqual(without["saved_bytes"], pool["alone_pages"] * 4096)
        self.assertIsNone(without["replay"])

    def test_misfit(self):
        self.planted("misfit", "slack_bytes", LD_PRELOAD=allocators.allocator("jemalloc"))

    def test_arena(self):
        self.planted("arena", "pinned_bytes")

    def test_realloc(self):
        self.planted("realloc", "left_bytes", function="planted_again", of="left")

    def test_trough(self):
        _, result = self.planted("trough", "hole_bytes")
        self.assertIsNotNone(result["metrics"]["retention"])

    def test_mappings(self):
        trace, result = self.planted("mappings", "resident_bytes", "planted_mapping", "mappings")
        first, second = result["mappings"][:2]
        self.assertEqual((first["mapped_bytes"], first["mappings"]), (8 << 20, 4))
        self.assertEqual(first["frames"][0]["file"].rpartition("/")[2], "frag_planted.c")
        self.assertEqual((second["name"], second["resident_bytes"]), ("other_mapping", 256 << 10))
        shown = result["instants"][result["shown"]]
        self.assertEqual(sum(m["resident_bytes"] for m in result["mappings"]),
                         shown["own_mapping_bytes"])
        cut = self.frag(trace, "--at=look", "--top=1")
        self.assertEqual(cut["mappings"], [first])
        self.assertEqual(cut["hidden_mappings"]["sites"], len(result["mappings"]) - 1)
        out = support.run([support.SEEP, "frag", "--at=look", trace], check=0,
                          env=support.environment(COLUMNS="100")).stdout
        self.assertRegex(out, r"4 MiB of 8 MiB in 4 mappings: planted_mapping +frag_planted\.c:\d+\n")

    def test_says_it_in_words(self):
        _, trace = self.record([self.compile("frag_planted"), "pins"])
        out = support.run([support.SEEP, "frag", "--at=look", trace], check=0,
                          env=support.environment(COLUMNS="100")).stdout
        words = " ".join(out.split())
        self.assertRegex(words, r"^Fragmentation: of [\d.]+ MiB resident at .* were asked for")
        self.assertRegex(words, r"MiB of slack and holes are the doing of [\d,]+ blocks of 5\d B from planted "
                                r"\(frag_planted\.c:\d+\); their pages are [\d.]+ % full")
        self.assertIn("unexplained", words)

    def test_names_nobody_for_next_to_nothing(self):
        source = self.write("full.c", '#include <seep/seep.h>\n#include <stdlib.h>\n#include <string.h>\n'
                            "int main(void) { char *p = malloc(64 << 20); memset(p, 1, 64 << 20);\n"
                            "    seep_memory(); return p[5] != 1; }\n")
        trace = self.record([self.build(source)])[1]
        out = support.run([support.SEEP, "frag", trace], check=0).stdout
        self.assertNotIn("are the doing of", out)
        self.assertNotIn("are what is left of", out)


class Replayed(Frag):
    """What replays say would be saved, beside what the program itself saves: run without the planted
    blocks, and with a pool of its own for them."""

    def saves(self, kind, allocator=None, function="planted"):
        program = self.compile("frag_planted")
        env = {"LD_PRELOAD": allocators.allocator(allocator)} if allocator else {}
        rss = {}
        for how in ("plain", "without", "pool"):
            out = support.run([program, kind, how], check=0, env=support.environment(**env)).stdout
            rss[how] = json.loads(out)["rss"]
        _, trace = self.record([program, kind], **env)
        for how in ("without", "pool"):
            told = self.frag(trace, "--at=look", f"--{how}=^{function}$")["what_if"]
            self.assertIsNone(told["replay_missing"])
            self.assertEqual(told["replay"]["allocator"], allocator or "glibc")
            truth = rss["plain"] - rss[how]
            self.assertAlmostEqual(told["replay"]["saved_bytes"], truth, msg=(kind, how),
                                   delta=0.03 * rss["plain"] + (64 << 10))
        return told

    def test_pins(self):
        self.saves("pins")

    def test_checkerboard(self):
        self.saves("checkerboard")

    def test_trough(self):
        self.saves("trough")

    def test_arena(self):
        self.saves("arena")

    def test_realloc(self):
        self.saves("realloc", function="planted_again")

    def test_misfit(self):
        self.saves("misfit", "jemalloc")

    def test_without_what_was_gone_by_then(self):
        _, trace = self.record([self.compile("frag_planted"), "pins"])
        result = self.frag(trace, "--at=look", "--without=^other$")
        told = result["what_if"]
        self.assertEqual((told["blocks"], told["saved_bytes"]), (0, 0))
        # the others would lie one behind the other, 64 bytes each
        left = result["instants"][result["shown"]]["hole_bytes"] - 5000 * 64
        self.assertAlmostEqual(told["replay"]["saved_bytes"], left, delta=0.03 * left)

    def test_says_it_in_words(self):
        _, trace = self.record([self.compile("frag_planted"), "pins"])
        out = support.run([support.SEEP, "frag", "--at=look", "--pool=^planted$", trace], check=0,
                          env=support.environment(COLUMNS="100")).stdout
        self.assertRegex(" ".join(out.split()),
                         r"Replayed so with glibc [\d.]+: [\d.]+ MiB less resident then, of [\d.]+ "
                         r"MiB; .* at the peak")

    def test_says_why_there_is_no_replay(self):
        trace = self.record([self.compile("frag_planted"), "pins"])[1]
        alone = self.path("seep")
        shutil.copy(support.SEEP, alone)  # no seep-replay beside it
        out = support.run([alone, "frag", "--pool=^planted$", "--format=json", trace], check=0).stdout
        told = json.loads(out)["result"]["what_if"]
        self.assertIsNone(told["replay"])
        self.assertIn("seep-replay", told["replay_missing"])
        self.assertEqual(told["blocks"], 5000)


if __name__ == "__main__":
    unittest.main()
