# SPDX-License-Identifier: MIT
"""seep sites: the table at several widths, columns and orders, details, trees of callers."""

import re

import support

SCENE = support.scene("server")
A, B = "server+0x2000", "server+0x3000"


class Sites(support.TestCase):
    def make(self):
        return self.make_trace(SCENE)

    def text(self, *options, width=100, check=0):
        env = support.environment(COLUMNS=str(width))
        return support.run([support.SEEP, "sites", *options, self.make()], check=check, env=env).stdout

    def sites(self, *options):
        return {s["name"]: s for s in support.report("sites", self.make(), *options)["result"]["sites"]}


class Table(Sites):
    def test_figures(self):
        sites = self.sites()
        a, b = sites[A], sites[B]
        self.assertEqual([a[k] for k in ("peak_bytes", "peak_blocks", "live_bytes", "allocations",
                                         "own_peak_bytes", "size_median_bytes", "temporary")],
                         [600, 1, 700, 2, 700, 100, 0])
        self.assertEqual((b["temporary"], b["recycling"], b["threads"]), (1, 1.0, 1))
        self.assertAlmostEqual(a["peak_percent"], 100 * 600 / 900)
        self.assertAlmostEqual(b["lifetime_p50_ns"] / 1e6, 1, delta=1 / 16)
        self.assertIsNone(a["lifetime_p50_ns"])
        self.assertEqual(self.sites("--from=3500us")[A]["allocations"], 1)

    def test_words_come_first(self):
        out = re.sub(r"\s+", " ", self.text())
        self.assertTrue(out.startswith(
            "2 call sites made 3 allocations of 1000 B in all; 33 % of them were temporary, and 700 B "
            f"in 2 blocks are live at exit. The heaviest at the peak was {A}, with 67 % of 900 B. Most "
            f"allocations came from {A}, 67 %; most temporary ones from {B}, 100 %."), out)

    def test_columns_and_order(self):
        rows = self.text("--columns=temporary,allocations", "--sort=temporary").splitlines()[-3:]
        self.assertEqual([row.split()[:3] for row in rows],
                         [["temporary", "allocations", "call"], ["1", "1", B], ["0", "2", A]])
        self.text("--columns=nonsense", check=2)
        self.text("--sort=nonsense", check=2)

    def test_width_decides_on_columns(self):
        shown = [len(self.text(width=width).splitlines()[-3].split()) for width in (60, 100, 140, 200)]
        self.assertEqual(shown, sorted(shown))
        self.assertLess(shown[0], shown[-1])
        # what is sorted by is always there
        self.assertIn("copied", self.text("--sort=copied", width=60))

    def test_details(self):
        out = self.text("--details", "-n", "1")
        for wanted in ("512 B – 1023 B", "616 B", "none has ended", "2 of 700 B by malloc"):
            self.assertIn(wanted, out)
        self.assertIn("1 call site more: 1 allocation, 300 B at the peak, 0 B live", out)

    def test_sums_are_those_of_other_commands(self):
        recording = self.record([self.build("demo.c")])
        info = recording.info
        for by in "stack", "function", "module", "source":
            result = support.report("sites", recording.trace, f"--by={by}", "--top=all")["result"]
            for field, wanted in (("peak_bytes", info["peak_live_bytes"]),
                                  ("allocations", info["allocations"] + info["reallocations"]),
                                  ("allocated_bytes", info["allocated_bytes"]),
                                  ("temporary", info["temporary"])):
                self.assertEqual(result["total"][field], wanted, (by, field))
                self.assertEqual(sum(s[field] for s in result["sites"]), wanted, (by, field))

    def test_nothing(self):
        self.assertIn("Nothing was allocated", self.text("--size=5000.."))


# Two containers that grow in one line.
CONTAINERS = """#include <map>
#include <vector>
std::vector<long> *v = new std::vector<long>;
std::map<int, long> *m = new std::map<int, long>;
void keep(int i) { v->push_back(i), (*m)[i] = i; }
int main() { for (int i = 0; i < 100; i++) keep(i); }
"""


class Alike(support.TestCase):
    def test_tells_lines_apart_by_what_the_function_called(self):
        source = self.path("containers.cpp")
        with open(source, "w", encoding="ascii") as out:
            out.write(CONTAINERS)
        trace = self.record([self.build(source, flags=("-O0", "-g"))]).trace
        for command in "sites", "growth", "diff":
            traces = [self.make_trace(SCENE), trace] if command == "diff" else [trace]
            out = support.run([support.SEEP, command, *traces], check=0,
                              env=support.environment(COLUMNS="120")).stdout
            for name in r"std::vector<\S+::push_back", r"std::map<\S+::operator\[\]":
                self.assertRegex(out, r"keep\(int\)  containers\.cpp:5.*\n *… → " + name, command)


class Trees(Sites):
    def rows(self, *options):
        """(total, function) of each line of the tree."""
        lines = self.text(*options).splitlines()
        start = next(i for i, line in enumerate(lines) if line.split()[:2] == ["share", "total"])
        return [re.match(r" *\S+ % +(\d+)(?: B)?.*?(server\S+)", line).groups()
                for line in lines[start + 1:]]

    def test_trees(self):
        main = "server+0x1000"
        self.assertEqual(self.rows("--top-down"), [("900", main), ("600", A), ("300", B)])
        self.assertEqual(self.rows("--bottom-up", "--sort=allocations"),
                         [("2", A), ("2", main), ("1", B), ("1", main)])
        self.assertEqual(self.rows("--callers=0x2000", "--sort=live"), [("700", A), ("700", main)])
        self.assertEqual(self.rows("--callees=0x1000", "--min-share=50"), [("900", main), ("600", A)])
        self.assertIn("300 B in all", self.text("--callees=0x1000", "--min-share=50"))
        self.assertIn("There are no live bytes at the peak through a function that matches none",
                      re.sub(r"\s+", " ", self.text("--callers=none")))

    def test_usage(self):
        self.text("--top-down", "--bottom-up", check=2)
        self.text("--top-down", "--sort=p50", check=2)


if __name__ == "__main__":
    support.main()
