/* SPDX-License-Identifier: MIT
 *
 * Ways to come to a point in a program, each with another shape of frames on the stack. The file
 * that holds them is compiled several times, with other compilers and flags. */
#ifndef TEST_UNWIND_SCENES_H
#define TEST_UNWIND_SCENES_H

struct unwind_scene {
    const char *name;
    void (*run)(void (*leaf)(void)); /* calls `leaf` at least once */
};

struct unwind_scenes {
    const char *build; /* the flags it was compiled with */
    unsigned count;
    const struct unwind_scene *list;
};

#endif
