# SPDX-License-Identifier: MIT
"""seep flame: the picture as browsers and XML readers take it, collapsed stacks, what sums up."""

import json
import os
import re
import stat
import xml.etree.ElementTree as xml

import support

SVG = "{http://www.w3.org/2000/svg}"

SCENE = support.scene("<server>")


class Drawing(support.TestCase):
    def make(self):
        return self.make_trace(SCENE)

    def flame(self, *args, check=0):
        return support.run([support.SEEP, "flame", *args], check=check)

    def collapsed(self, trace, *args):
        lines = self.flame(trace, "--format=collapsed", *args).stdout.splitlines()
        stacks = [line.rsplit(" ", 1) for line in lines]
        self.assertEqual(len({s for s, _ in stacks}), len(stacks))
        return {stack: int(value) for stack, value in stacks}


class Costs(Drawing):
    def test_costs(self):
        a, b = ("<server>+0x1000;<server>+0x2000", "<server>+0x1000;<server>+0x3000")
        for cost, wanted in (("peak", {a: 600, b: 300}), ("live", {a: 700}),
                             ("growth", {a: 700}), ("allocated", {a: 700, b: 300}),
                             ("allocations", {a: 2, b: 1}), ("temporary", {b: 1})):
            self.assertEqual(self.collapsed(self.make(), f"--cost={cost}"), wanted, cost)
        self.assertEqual(self.collapsed(self.make(), "--cost=allocated", "--from=3ms"), {a: 100})
        self.assertEqual(self.collapsed(self.make(), "--cost=growth", "--from=3500us"), {a: 100})
        self.assertEqual(self.collapsed(self.make(), "--size=..300"), {b: 300})

    def test_sums_are_those_of_other_commands(self):
        recording = self.record([self.build("demo.c")])
        info = recording.info
        leaks = support.report("leaks", recording.trace, *support.EVERYTHING)["result"]
        for cost, wanted in (("peak", info["peak_live_bytes"]),
                             ("allocations", info["allocations"] + info["reallocations"]),
                             ("allocated", info["allocated_bytes"]),
                             ("temporary", info["temporary"]),
                             ("live", leaks["total"]["bytes"])):
            self.assertEqual(sum(self.collapsed(recording.trace, f"--cost={cost}").values()),
                             wanted, cost)


class Picture(Drawing):
    def draw(self, *args):
        out = self.path("made.svg")
        self.flame(self.make(), "-f", "-o", out, *args)
        return out

    def frames(self, path):
        return {f.get("data-n"): f for f in xml.parse(path).iter(SVG + "svg")
                if (f.get("class") or "").split()[:1] == ["f"]}

    def test_frames(self):
        frames = self.frames(self.draw())
        places = {n: (float(f.get("data-x")), float(f.get("data-w")), int(f.get("data-d")))
                  for n, f in frames.items()}
        self.assertEqual(set(places), {"all", "<server>+0x1000", "<server>+0x2000",
                                       "<server>+0x3000"})
        self.assertEqual(places["all"], (0, 1, 0))
        self.assertEqual(places["<server>+0x1000"], (0, 1, 1))
        x, w, depth = places["<server>+0x2000"]
        self.assertEqual((x, depth), (0, 2))
        self.assertAlmostEqual(w, 2 / 3, places=6)
        x, w, depth = places["<server>+0x3000"]
        self.assertAlmostEqual(x, 2 / 3, places=6)
        self.assertAlmostEqual(w, 1 / 3, places=6)
        title = frames["<server>+0x2000"].find(SVG + "title").text
        self.assertIn("600 B, 67 %", title)

    def test_nothing_from_outside(self):
        with open(self.draw(), encoding="utf-8") as picture:
            text = picture.read().replace("http://www.w3.org/2000/svg", "")
        self.assertNotRegex(text, r"https?:|src=|href=|url\(|@import")

    def test_narrow_frames_are_left_out(self):
        frames = self.frames(self.draw("--min-share=40"))
        self.assertNotIn("<server>+0x3000", frames)
        with open(self.path("made.svg"), encoding="utf-8") as picture:
            self.assertIn("left out, 300 B of it", picture.read())
        self.flame(self.make(), "--min-share=x", check=2)
        self.flame(self.make(), "--min-share=101", check=2)

    def test_files(self):
        done = self.flame(self.make())
        self.assertTrue(os.path.exists(self.path("made.svg")))
        self.assertIn("made.svg", done.stderr + done.stdout)
        self.assertIn("exists", self.flame(self.make(), check=2).stderr)
        self.flame(self.make(), "-f")
        self.assertTrue(self.flame(self.make(), "-o", "-").stdout.startswith("<?xml"))
        # what is no file is written into, never replaced
        self.assertTrue(self.flame(self.make(), "-o", "/dev/stdout").stdout.startswith("<?xml"))
        self.flame(self.make(), "-f", "-o", "/dev/null")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        document = json.loads(self.flame(self.make(), "--format=json").stdout)
        self.assertEqual((document["schema"], document["result"]["total"]), ("seep.flame", 900))

    def test_what_is_missing_is_told(self):
        trace = self.make()
        with open(trace, "r+b") as f:
            f.truncate(os.path.getsize(trace) - 30)
        self.assertIn("incomplete recording: ", self.flame(trace, "--format=collapsed").stderr)
        self.draw()
        with open(self.path("made.svg"), encoding="utf-8") as picture:
            self.assertIn("the recording is incomplete", picture.read())

    def test_in_a_browser(self):
        browser = support.need("chromium", "chromium")

        def after(script):
            """The frames that a browser shows, and the line of the search, after the script."""
            with open(self.draw(), encoding="utf-8") as picture:
                text = picture.read()
            page = self.write("page.svg", text[:text.rindex("</svg>")] +
                              f"<script><![CDATA[{script}]]></script></svg>")
            dom = support.run([browser, "--headless", "--no-sandbox", "--disable-gpu",
                               f"--user-data-dir={self.path('profile')}", "--dump-dom",
                               "file://" + page], check=0).stdout
            shown = {}
            for frame in re.findall(r'<svg class="f\b[^>]*>', dom):
                fields = dict(re.findall(r'([\w-]+)="([^"]*)"', frame))
                if "none" not in fields.get("style", ""):
                    shown[fields["data-n"].replace("&lt;", "<").replace("&gt;", ">")] = fields
            return shown, re.search(r'id="found"[^>]*>([^<]*)<', dom)[1].strip()

        shown, found = after("")
        self.assertEqual((len(shown), found), (4, ""))
        zoom = "seepFlame.zoom(seepFlame.frames.find(f => f.dataset.n.endsWith('0x3000')))"
        shown, found = after(zoom)
        self.assertEqual(set(shown), {"all", "<server>+0x1000", "<server>+0x3000"})
        self.assertEqual({f["width"] for f in shown.values()}, {"100%"})
        self.assertIn("over", shown["all"]["class"])
        shown, found = after("seepFlame.search('0x2000')")
        self.assertEqual(found, "1 frames match, 66.7 %")
        self.assertIn("hit", shown["<server>+0x2000"]["class"])
        self.assertIn("miss", shown["<server>+0x3000"]["class"])


if __name__ == "__main__":
    support.main()
