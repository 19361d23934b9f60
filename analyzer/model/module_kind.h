/* SPDX-License-Identifier: MIT
 *
 * Which of the libraries that are known by name a module is. */
#ifndef MODEL_MODULE_KIND_H
#define MODEL_MODULE_KIND_H

enum module_kind { MODULE_OTHER, MODULE_LIBC, MODULE_LOADER, MODULE_LIBSTDCXX };

/* By the base name of `path`, which may be NULL. */
enum module_kind module_kind(const char *path);

#endif
