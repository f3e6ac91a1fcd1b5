/* SPDX-License-Identifier: BSD-2-Clause */
/* The modules: files that lay beside lull.cfg and that the loader brought along. */
#pragma once

#include "boot/boot_info.h"
#include <stddef.h>

/* Remembers where they are. Once, before the other function. */
void boot_modules_init(const struct boot_info *info);

/* The contents of the module called name, and its size in *bytes. NULL when there is none. Any CPU. */
const void *boot_module_find(const char *name, size_t *bytes);
