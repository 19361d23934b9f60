# SPDX-License-Identifier: MIT
"""Hazards of the dynamic loader: docs/hazards.md, rows 13 to 15 and 26."""

import os

from hazards import Fix, TestCase, hazard
import support


class Loader(TestCase):
    def library(self, source, name, *flags):
        return self.program(source, name=name, flags=("-O1", "-g", "-shared", "-fPIC", *flags))

    @hazard(13, Fix("preload/modules.c", "if (is_still_there(&known[i - 1]))", "if (1)",
                    again=[("preload/modules.c", "!k || !is_still_there(k) || "
                            "fingerprint(&k->module) != k->fingerprint", "!k")]))
    def test_library_in_the_place_of_another(self):
        libraries = [  # names of one length, for one layout
            self.library("reload_library", f"{name}.so", f"-DNAME={name}", f"-DBYTES={size}")
            for name, size in (("first_allocates", 1000), ("second_allocate", 2000))]
        done = self.preload([self.program("reload"), *libraries])
        if done.stdout != "same\n":
            self.skipTest("the loader put the libraries elsewhere")
        sites = done.sites()
        rows = support.report("sites", done.trace)["result"]["sites"]
        for name, library, size in (("first_allocates", libraries[0], 1000),
                                    ("second_allocate", libraries[1], 2000)):
            found = [s for s in sites if name in s.functions]
            self.assertEqual(sum(s.blocks for s in found), 7, name)
            # a library that comes back is the same code
            self.assertEqual(len(found), 1)
            self.assertEqual(sum(name in row["name"] for row in rows), 1)
            for site in found:
                self.assertEqual(site.bytes, site.blocks * size)
                self.assertIn("main", site.functions)
                frame = site.frames[site.functions.index(name)]
                self.assertEqual(os.path.basename(frame["module"]), os.path.basename(library))

    def opened(self, how):
        done = self.record([self.program("opener"), how, self.library("opened", "opened.so")])
        self.assertEqual(done.stdout, "100 whole\n")
        return done, done.blocks()[0][777], done.info["completeness"]["unseen"]

    def test_library_that_is_opened(self):
        done, made, unseen = self.opened("plain")
        self.assertEqual((made, unseen), (100, []))
        self.assert_complete(done)

    @hazard(14, Fix("preload/bindings.c", "leads_elsewhere(&t, &b))", "0)"))
    def test_library_bound_to_another_malloc(self):
        done, made, unseen = self.opened("deep")
        self.assertEqual(made, 0)
        self.assertIn("RTLD_DEEPBIND", " ".join(unseen))
        self.assertRegex(done.stderr, r"not recorded: calls of malloc from .*/opened\.so")

    @hazard(14, Fix("preload/bindings.c", "extended->next)", "0)"))
    def test_library_in_a_namespace_of_its_own(self):
        done, made, unseen = self.opened("apart")
        self.assertEqual(made, 0)
        self.assertIn("dlmopen", " ".join(unseen))
        self.assertIn("opened with dlmopen", done.stderr)

    @hazard(15, Fix("preload/real.c", "relocated == rec_early && has_tls", "relocated != NULL"),
            Fix("preload/real.c", "rec_lost(SEEP_LOST_EARLY);", ";"),
            Fix("preload/hooks.c", "hook_allocated(call, p, bytes, 0, at);", "(void)at; (void)call;"))
    def test_before_and_after_the_recorder(self):
        library = self.library("early_library", "libearly.so", "-Wl,-z,lazy")
        program = self.program("early", flags=("-O1", "-g", "-Wl,-z,lazy", "-Wl,--no-as-needed",
                                               library))
        done = self.record([program])
        self.assertEqual(done.stdout, "3\n")
        made, ended = done.blocks()
        for size in (505, 507, 511, 513, 517, 519, 521, 523, 527):
            rounds = 3 if size == 513 else 1
            self.assertEqual((made[size], ended[size]), (10 * rounds, 5 * rounds), size)
        self.assertEqual((made[525], ended[525]), (100, 100))
        self.assertEqual((made[541], ended[541]), (1, 1))
        # the resolvers of ifuncs run before the recorder can
        self.assertEqual(done.info["completeness"]["lost"]["early"], 21)
        self.assertEqual(done.info["lost_events"], 21)
        self.assertEqual(done.info["unknown_frees"], 0)

    @hazard(26, Fix("preload/hooks.c", "void *p = rec_real.malloc(bytes);",
                    "void *p = rec_real.malloc(bytes + 24);"))
    def test_layout_of_the_heap(self):
        program = self.program("layout.cpp", flags=("-O1", "-std=c++17"))
        alone = support.run([program], check=0).stdout
        self.assertEqual(alone.count("\n"), 10000)
        self.assertEqual(self.record([program]).stdout, alone)


if __name__ == "__main__":
    support.main()
