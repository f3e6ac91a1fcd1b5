/* SPDX-License-Identifier: BSD-2-Clause */
/* The way into another copy of this very image. */
#pragma once

#include "boot/boot_info.h"
#include "lib/compiler.h"

/* Loads the root (physical) of a second Lull's page tables and begins at lull_entry. What runs this lies in
 * both copies at the same virtual address, with the same bytes, so it goes on in the other one. Interrupts
 * are off. */
NORETURN void jump(uint64_t root, const struct boot_info *info);
