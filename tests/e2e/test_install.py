# SPDX-License-Identifier: MIT
"""What `meson install` puts into place works from there."""

import os
import shutil
import unittest

import support


class Install(support.TestCase):
    def test_installed_program_records(self):
        stage = self.path("stage")
        support.run(["meson", "install", "-C", support.BUILD, "--no-rebuild", "--quiet",
                     "--destdir", stage], check=0)
        files = {os.path.relpath(os.path.join(folder, name), stage): os.path.join(folder, name)
                 for folder, _, names in os.walk(stage) for name in names}
        by_name = {os.path.basename(path): path for path in files.values()}
        for name in ("seep", "libseep.so", "seep-replay", "seep.h", "seep.1", "seep-run.1"):
            self.assertIn(name, by_name)
        self.assertTrue(by_name["seep.h"].endswith("/include/seep/seep.h"), by_name["seep.h"])

        # moved to where the build directory plays no part
        prefix = by_name["seep"][:-len("/bin/seep")]
        moved = self.path("moved")
        shutil.move(prefix, moved)
        seep = os.path.join(moved, "bin", "seep")
        trace = self.path("out.seep")
        sample = os.path.join(support.BUILD, "samples", "leak")
        support.run([seep, "run", "-o", trace, "--", sample], check=0)
        info = support.run([seep, "info", trace], check=0)
        self.assertIn("340", info.stdout)

    def test_header_compiles_against_the_installed_tree(self):
        stage = self.path("stage")
        support.run(["meson", "install", "-C", support.BUILD, "--no-rebuild", "--quiet",
                     "--destdir", stage], check=0)
        header = [os.path.join(folder, name) for folder, _, names in os.walk(stage)
                  for name in names if name == "seep.h"]
        self.assertEqual(len(header), 1)
        include = os.path.dirname(os.path.dirname(header[0]))
        source = self.write("user.c", '#include <seep/seep.h>\n'
                                      'int main(void) { seep_mark("x"); return 0; }\n')
        support.run(["gcc", "-Wall", "-Werror", "-I", include, source, "-o", self.path("user")],
                    check=0)
        support.run([self.path("user")], check=0)


if __name__ == "__main__":
    support.main()
