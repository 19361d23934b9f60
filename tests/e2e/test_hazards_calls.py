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

    def test_library_of_cxx_in_a_program_of_c(self):
        # Fails when operator new is looked up in the global scope alone, where there is none, or
        # when the recorder's look-ups leave an error behind.
        library = self.program("cxx_library.cpp", name="library.so",
                               flags=("-O1", "-shared", "-fPIC"))
        done = self.record([self.program("cxx_host"), library])
        self.assertEqual(done.stdout, "1 no error\n" * 3)
        made, ended = done.blocks()
        self.assertEqual((made[123], ended[123]), (6000, 6000))
        self.assertEqual(done.info["failed"], 3)
        self.assertEqual(done.info["mismatched_frees"], 0)
        self.assert_complete(done)

    def test_allocator_that_calls_itself_by_public_names(self):
        # Fails when what a calloc or realloc is made of is recorded beside it.
        done = self.record([self.program("resize")],
                           env=support.environment(LD_PRELOAD=self.bump("-DNESTED")))
        self.assertEqual(done.info["allocator"], "bump.so")
        self.assertEqual([done.info[n] for n in ("allocations", "reallocations", "frees")],
                         [100, 100, 100])
        self.assert_complete(done)


if __name__ == "__main__":
    support.main()
