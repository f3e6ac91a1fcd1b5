/* SPDX-License-Identifier: BSD-2-Clause */
/* Where things are in the hypervisor's address space. The same with four and with five levels of tables: all
 * of it lies in the topmost 128 TiB. The link script has IMAGE_BASE too. */
#pragma once

#define DIRECT_MAP_BASE                                                                                      \
    0xffff800000000000ull /* memory, never executable, firmware's read-only; without Lull's image */
#define MMIO_BASE   0xffffc00000000000ull /* device registers, uncached */
#define STACKS_BASE 0xffffe00000000000ull /* stacks, guard pages between */
#define IMAGE_BASE  0xffffffff80000000ull /* Lull itself, each section with its own rights */
