# SPDX-License-Identifier: MIT
"""--alloc-fn: a program's own allocation functions in every command, and against a naive oracle."""

import base64
import json
import os
import random
import re
import zlib

import support
from test_report import need_page

PROGRAMS = os.path.join(support.ROOT, "tests", "e2e", "programs")
LAYERS = os.path.join(PROGRAMS, "layers.c")
HELPERS = os.path.join(PROGRAMS, "helpers.c")
HANDING_ON = os.path.join(PROGRAMS, "handing_on.c")
WEB = os.path.join(support.ROOT, "analyzer", "web", "data")

# What tests/e2e/programs/layers.c says of itself: made and lost bytes of each function that asks.
MADE = {"names": 3000, "values": 20000, "lines": 5000, "table": 4096}
LOST = {"names": 1000, "values": 5000, "lines": 5000}
# Without the option all but the table is the innermost layer's.
INNERMOST = {"memory_get": 28000, "table": 4096}
LAYER_FUNCTIONS = ("--alloc-fn=^pool_take$", "--alloc-fn=^memory_get$")

# Sums by function that the page makes of its section "lives", a file given with it.
PAGE_SITES = """
import { readFileSync } from "node:fs";
const [dir, file] = process.argv.slice(1);
const { readLives } = await import(`${dir}/lives.js`);
const { makeTree } = await import(`${dir}/tree.js`);
const { Selection } = await import(`${dir}/selection.js`);
const lives = readLives(new Uint8Array(readFileSync(file)));
const tree = makeTree(lives);
const sums = new Selection(lives, tree, 0, lives.intervals).sites("allocated");
const out = {};
tree.functions.forEach((f, i) => { if (sums[i]) out[f.name] = sums[i]; });
console.log(JSON.stringify(out));
"""


def sites_of_page(case, trace, *options):
    """Bytes allocated by function that asked, as the page works them out."""
    need_page()
    node = support.need("node", "nodejs")
    page = support.run([support.SEEP, "report", "-o", "-", *options, trace], check=0).stdout
    packed = re.search(r'data-section="lives"[^>]*>([^<]*)<', page)[1]
    data = case.path("lives")
    with open(data, "wb") as out:
        out.write(zlib.decompress(base64.b64decode(packed)))
    done = support.run([node, "--input-type=module", "-e", PAGE_SITES, WEB, data], check=0)
    return json.loads(done.stdout)


class Commands(support.TestCase):
    """Every command over one recording; the truth is in the program's header."""

    recording = None

    def trace(self):
        """Recorded once, by the test that comes first, and kept for all."""
        kind = type(self)
        if not kind.recording:
            case = support.TestCase()
            case.setUp()
            self.addClassCleanup(case.doCleanups)
            kind.recording = case.record([case.build(LAYERS)], options=["--snapshot=exit"])
        return kind.recording.trace

    def result(self, command, *options):
        return support.report(command, self.trace(), *options)["result"]

    def text(self, command, *options, check=0):
        done = support.run([support.SEEP, command, *options, self.trace()], check=check,
                           env=support.environment(COLUMNS="100"))
        return done.stdout

    def test_depth_leads_to_who_asked(self):
        def outermost(*options):
            sites = self.result("sites", "--depth=1", *options)["sites"]
            return {(s["name"], s["frames"][-1]["function"]) for s in sites}
        self.assertEqual(outermost(), {(name, name) for name in INNERMOST})
        self.assertEqual(outermost(*LAYER_FUNCTIONS), {(name, name) for name in MADE})

    def test_sites(self):
        def made(*options):
            sites = self.result("sites", "--by=function", *options)["sites"]
            return {s["name"]: s["allocated_bytes"] for s in sites}
        self.assertEqual(made(), INNERMOST)
        self.assertEqual(made(*LAYER_FUNCTIONS), MADE)
        # what a function calls is a part of the allocator, too, named or not; lines() goes by no pool
        self.assertEqual(made("--alloc-fn=pool_take"),
                         {"names": 3000, "values": 20000, "memory_get": 5000, "table": 4096})
        self.assertEqual(made("--alloc-fn=pool_*e"), made("--alloc-fn=pool_take"))
        self.assertEqual(made("--alloc-fn=pool_take$", "--alloc-fn=^main$", "--alloc-fn=libc_start"),
                         {"_start": sum(MADE.values())})

    def test_stacks_stay_whole(self):
        for by in "stack", "function":
            site = self.result("sites", f"--by={by}", *LAYER_FUNCTIONS)["sites"][0]
            self.assertEqual(site["name"], "values")
            self.assertEqual([f["function"] for f in site["frames"]][:5],
                             ["memory_get", "pool_refill", "pool_take", "values", "main"])

    def test_leaks(self):
        for by in "stack", "function":
            sites = self.result("leaks", f"--by={by}", *LAYER_FUNCTIONS)["sites"]
            self.assertEqual({s["name"]: s["bytes"] for s in sites}, LOST)
        self.assertIn("the heaviest, lines (layers.c:", re.sub(r"\s+", " ", self.text("leaks", *LAYER_FUNCTIONS)))

    def test_growth(self):
        result = self.result("growth", "--by=function", "--min-bytes=0", *LAYER_FUNCTIONS)
        self.assertEqual({s["name"]: s["bytes"] for s in result["peaks"][0]["sites"]}, MADE)

    def test_heap_and_frag(self):
        sites = self.result("heap", "--by=function", *LAYER_FUNCTIONS)["sites"]
        self.assertEqual({s["name"]: s["bytes"] for s in sites}, LOST)
        frag = self.text("frag", "--by=function", "--top=all", *LAYER_FUNCTIONS)
        self.assertRegex(frag, r"\n +values  layers.c:")
        self.assertNotIn("memory_get", frag)

    def test_check_and_its_suppressions(self):
        out = self.text("check", *LAYER_FUNCTIONS, check=23)
        for name in LOST:
            self.assertRegex(out, rf"blocks  {name} \(layers.c:\d+\) ← main")
        # rules look at whole stacks
        rules = self.write("rules", "leak:pool_refill\n")
        out = self.text("check", "-s", rules, *LAYER_FUNCTIONS, check=23)
        self.assertIn("lines", out)
        self.assertNotIn("values", out)

    def test_gate_while_recording(self):
        program = self.build(LAYERS)
        done = support.run([support.SEEP, "run", "-o", self.path("gate.seep"), "--check", *LAYER_FUNCTIONS,
                            "--", program], check=23)
        self.assertRegex(done.stderr, r"blocks  lines \(layers.c:\d+\) ← main")

    def test_diff(self):
        old = self.record([self.build("demo.c")]).trace
        done = support.run([support.SEEP, "diff", "--format=json", "--by=function", "--top=all",
                            *LAYER_FUNCTIONS, old, self.trace()], check=0)
        changed = {s["name"] for s in json.loads(done.stdout)["result"]["sites"]}
        self.assertLessEqual(set(LOST), changed)
        self.assertNotIn("memory_get", changed)

    def test_trees(self):
        out = self.text("flame", "--format=collapsed", "--cost=allocated", *LAYER_FUNCTIONS)
        self.assertEqual({line.split(";")[-1] for line in out.splitlines()},
                         {f"{name} {made}" for name, made in MADE.items()})
        self.assertEqual(self.text("export", "--format=collapsed", "--cost=allocated", *LAYER_FUNCTIONS), out)
        whole = self.text("flame", "--format=collapsed", "--cost=allocated")
        self.assertIn("values;pool_take;pool_refill;memory_get 20000\n", whole)
        massif = self.text("export", "--format=massif", *LAYER_FUNCTIONS)
        self.assertRegex(massif, r"(?m)^ n1: 20000 values \(layers\.c:\d+\)$")
        self.assertNotIn("memory_get", massif)
        up = self.text("sites", "--bottom-up", *LAYER_FUNCTIONS)
        self.assertIn("├ values", up)
        self.assertNotIn("memory_get", up)
        # who asks for a way into the allocator is shown it
        self.assertIn("memory_get", self.text("sites", "--callees=^pool_take$", *LAYER_FUNCTIONS))

    def test_csv(self):
        rows = self.text("export", "--format=csv", "--by=function", *LAYER_FUNCTIONS).splitlines()
        self.assertEqual({row.split(",")[0] for row in rows[1:]}, {f'"{name}"' for name in MADE})

    def test_pprof(self):
        go = support.need("go", "golang-go")

        def flat(*options):
            self.text("export", "--format=pprof", "-f", "-o", self.path("out.pprof"), *options)
            done = support.run([go, "tool", "pprof", "-top", "-unit=B", "-nodefraction=0",
                                "-sample_index=alloc_space", self.path("out.pprof")], check=0,
                               env=support.environment(HOME=self.path("")))
            found = re.findall(r"(?m)^ *(\d+)B .*% +(\w+)$", done.stdout)
            return {name: int(made) for made, name in found if made != "0"}
        self.assertEqual(flat(), INNERMOST)
        self.assertEqual(flat(*LAYER_FUNCTIONS), MADE)

    def test_page(self):
        self.assertEqual(sites_of_page(self, self.trace()), INNERMOST)
        self.assertEqual(sites_of_page(self, self.trace(), *LAYER_FUNCTIONS), MADE)
        # pool_refill() is nobody's site, though not named: memory_get() is, where lines() calls it
        self.assertEqual(sites_of_page(self, self.trace(), "--alloc-fn=pool_take"),
                         {"names": 3000, "values": 20000, "memory_get": 5000, "table": 4096})

    def test_what_names_nothing_is_told(self):
        done = support.run([support.SEEP, "sites", "--alloc-fn=pool_take", "--alloc-fn=pool_tkae", self.trace()],
                           check=0)
        self.assertEqual(done.stderr,
                         "seep sites: --alloc-fn=pool_tkae: no function in these stacks matches\n")


class Helpers(support.TestCase):
    """What a known allocator calls that has no name is a part of it."""

    def sites(self, trace):
        sites = support.report("sites", trace, "--by=function")["result"]["sites"]
        return {re.sub(r"0x\w+", "ADDRESS", s["name"]): s["allocated_bytes"] for s in sites}

    def test_without_names(self):
        program = self.build(HELPERS, "helpers", flags=["-O1", "-rdynamic"])
        self.assertEqual(self.sites(self.record([program]).trace), {"get_memory": 700})
        support.run(["strip", program], check=0)
        trace = self.record([program]).trace
        # two of them at most, and where lists() calls one, nothing tells that it is a helper
        wanted = {"numbers": 100, "strings": 200, "helpers+ADDRESS": 400}
        self.assertEqual(self.sites(trace), wanted)
        page = sites_of_page(self, trace)
        self.assertEqual({re.sub(r"0x\w+", "ADDRESS", name): made for name, made in page.items()}, wanted)


class Hint(support.TestCase):
    """Whether a program has allocation functions of its own, told unasked."""

    def found(self, variant, *options):
        """What `seep sites` and `seep leaks` say, which is the same."""
        trace = self.record([self.build(HANDING_ON, variant, flags=["-O1", "-g", f"-D{variant}"])],
                            f"{variant}.seep").trace
        sites, leaks = (support.report(command, trace, *options)["result"]["by_way_of"]
                        for command in ("sites", "leaks"))
        self.assertEqual(sites, leaks)
        return trace, sites

    def test_one_that_hands_on_is_named(self):
        # by its outermost layer, in both ways to group
        for by in "stack", "function":
            trace, found = self.found("HANDED_ON", f"--by={by}")
            self.assertEqual((found["function"], found["callers"], found["share_percent"]), ("node_new", 6, 100))
        for command in "sites", "leaks":
            out = support.run([support.SEEP, command, trace], check=0).stdout
            self.assertRegex(re.sub(r"\s+", " ", out),
                             r"\. Almost all of it, 100 %, comes by way of node_new \(handing_on\.c:\d+\), which "
                             r"6 functions call; --alloc-fn='\^node_new\$' looks behind it\.")
        # and then nothing more
        _, found = self.found("HANDED_ON", "--alloc-fn=^node_new$")
        self.assertIsNone(found)

    def test_others_are_not(self):
        for variant in "ONE_CALLER", "RECURSIVE", "OWN":
            self.assertIsNone(self.found(variant)[1], variant)


class Oracle(support.TestCase):
    """Made traces: random stacks of functions server+0x1000 .., some of which are named."""

    def check(self, lot):
        script = ["fact 4 /srv/bin/server", "module 0x400000 0x4ff000 /srv/bin/server", "root 1"]
        stacks = {1: []}  # by node: functions, the outermost first
        for node in range(2, 2 + lot.randint(5, 40)):
            parent = lot.choice(list(stacks))
            function = lot.randint(1, 9)
            script.append(f"node {node} {parent} {0x400000 + 0x1000 * function:#x}")
            stacks[node] = stacks[parent] + [f"server+{0x1000 * function:#x}"]
        named = {f"server+{0x1000 * f:#x}" for f in lot.sample(range(1, 10), lot.randint(0, 4))}
        wanted = {}
        for i, node in enumerate(lot.choices([n for n in stacks if n > 1], k=30)):
            size = lot.randint(1, 999)
            script.append(f"alloc b{i} {1000 * (i + 1)} 1 {node} {0x10000 + 0x1000 * i:#x} {size} {size} malloc")
            frames = stacks[node]
            outermost = next((k for k, f in enumerate(frames) if f in named), len(frames))
            name = frames[outermost - 1] if outermost else frames[-1]
            wanted[name] = wanted.get(name, 0) + size
        trace = self.make_trace("\n".join(script) + "\n")
        options = [f"--alloc-fn=^{name}$" for name in sorted(named)]
        sites = support.report("sites", trace, "--by=function", "--top=all", *options)["result"]["sites"]
        self.assertEqual({s["name"]: s["live_bytes"] for s in sites}, wanted, (script, named))
        leaks = support.report("leaks", trace, "--by=function", "--top=all", *options)["result"]["sites"]
        self.assertEqual({s["name"]: s["bytes"] for s in leaks}, wanted, (script, named))
        out = support.run([support.SEEP, "flame", "--format=collapsed", "--cost=live", *options, trace],
                          check=0).stdout
        ends = {}
        for line in out.splitlines():
            name, size = line.rsplit(";", 1)[-1].rsplit(" ", 1)
            ends[name] = ends.get(name, 0) + int(size)
        self.assertEqual(ends, wanted, (script, named))

    def test_random_stacks(self):
        for seed in range(12):
            self.check(random.Random(support.SEED * 1000 + seed))


if __name__ == "__main__":
    support.main()
