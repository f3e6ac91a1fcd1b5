/* SPDX-License-Identifier: BSD-2-Clause */
/* The modules: files that lay beside lull.cfg and that the loader brought along. */
#pragma once

#include "boot/boot_info.h"

/* Logs each, with its size. */
void boot_modules_log(const struct boot_info *info);
