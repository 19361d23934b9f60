# SPDX-License-Identifier: MIT
"""Hazards in the allocation calls themselves: docs/hazards.md, rows 1 to 5."""

from hazards import Fix, TestCase, hazard
import support


class Calls(TestCase):
    @hazard(1, Fix("preload/hook.h", "e.row = bytes == 0 ? SEEP_ROW_FREE : SEEP_ROW_FAILED;",
                   "e.row = SEEP_ROW_FAILED;"))
    def test_realloc_to_nothing_frees(self):
        program = self.build(self.write("nothing.c", """
            #include <stdlib.h>
            int main(void)
            {
                for (int i = 0; i < 1000; i++)
                    if (realloc(malloc(33), 0))
                        return 1;
            }
            """))
        done = self.record([program])
        self.assertEqual([s for s in done.sites() if s.bytes % 33 == 0 and s.blocks > 9], [])
        self.assertEqual(done.info["failed"], 0)


if __name__ == "__main__":
    support.main()
