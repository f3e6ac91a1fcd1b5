/* SPDX-License-Identifier: BSD-2-Clause */
/* Where C begins. */
#pragma once

#include "boot/boot_info.h"
#include "lib/compiler.h"

/* Called by entry.S, once, on CPU 0, interrupts off; info is in the direct map and stays. */
NORETURN void lull_main(const struct boot_info *info);
