# SPDX-License-Identifier: MIT
"""The built-in suppressions against the libc, loader and C++ library of this machine, with and
without debug information: what they keep is hidden, what the program keeps never is."""

import os

import support

PROGRAMS = os.path.join(support.ROOT, "tests", "e2e", "programs")


class Builtin(support.TestCase):
    def sites(self, program, *options):
        """The result of `seep leaks` on a run of `program` that ends without cleaning up."""
        trace = self.path("out.spool")
        if not os.path.exists(trace) and not os.path.exists(self.path("out.seep")):
            support.run([program], check=0,
                        env=support.environment(LD_PRELOAD=support.LIBSEEP,
                                                SEEP_OUT=self.path("out.seep")))
        if not os.path.exists(trace):
            trace = self.path("out.seep")
        return support.report("leaks", trace, "--top=0", *options)["result"]

    def test_what_libc_keeps(self):
        program = self.build(os.path.join(PROGRAMS, "libc_keeps.c"))
        result = self.sites(program)
        told = [(site["name"], site["blocks"], site["bytes"]) for site in result["sites"]]
        # malloc(1234), and the FILE that fopen made
        self.assertEqual(len(told), 2, told)
        self.assertIn(("main", 1, 1234), told)
        self.assertTrue(any("fopen" in name for name, _, _ in told), told)
        self.assertEqual(result["matched"]["blocks"], 2)
        # and the rest is there, told by rule, with a reason
        self.assertEqual(result["builtin"]["blocks"] + 2, result["total"]["blocks"])
        rules = {rule["pattern"] for rule in result["builtin"]["rules"]}
        for expected in ("_IO_file_doallocate in libc", "setlocale in libc", "gettext in libc",
                         "time zones in libc", "name services in libc", "atexit in libc",
                         "setenv in libc", "pthread_setspecific in libc",
                         "allocations of the dynamic loader", "static texts in libc"):
            self.assertIn(expected, rules)
        self.assertTrue(all(rule["reason"] for rule in result["builtin"]["rules"]))
        # shown on demand, marked
        shown = self.sites(program, "--show-builtin")
        self.assertEqual(sum(site["blocks"] for site in shown["sites"]), result["total"]["blocks"])
        marked = [site for site in shown["sites"] if site["builtin"]]
        self.assertEqual(len(marked), len(shown["sites"]) - 2)

    def test_pool_of_libstdcxx(self):
        source = self.write("pool.cpp", "#include <string>\n"
                                        "char *kept;\n"
                                        "struct early { early() { kept = new char[77]; } } e;\n"
                                        "int main() { return std::string(kept ? 99 : 1, 'x')"
                                        ".size() != 99; }\n")
        program = self.build(source)
        result = self.sites(program)
        # a constructor of the program's own runs below the same loader
        self.assertEqual([(s["blocks"], s["bytes"]) for s in result["sites"]], [(1, 77)])
        rules = {rule["pattern"]: rule["bytes"] for rule in result["builtin"]["rules"]}
        self.assertGreater(rules.get("libstdc++ initialised by the loader", 0), 70000)


if __name__ == "__main__":
    support.main()
