/* SPDX-License-Identifier: MIT
 *
 * The list of sections. How to add one: section.h. */
#include "page/section.h"

extern const struct page_section section_info, section_lives, section_growth, section_frag,
    section_compare, section_leaks, section_sources;

/* One a line. */
/* clang-format off */
const struct page_section *const page_sections[] = {
    &section_info,
    &section_lives,
    &section_growth,
    &section_frag,
    &section_compare,
    &section_leaks,
    &section_sources,
    NULL,
};
/* clang-format on */
