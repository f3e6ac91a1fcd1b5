/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bits of the two kinds of guest tables mean to a CPU: EPT (Intel SDM volume 3, chapter "VMX Support
 * for Address Translation", there section 3) and nested paging (AMD64 manual volume 2, 5.3 and 15.25). */
#pragma once

#include <stdint.h>

/* A CPU with 46 bits of physical address, as the units have them: what lies above in an entry is reserved. */
#define GUEST_ADDRESS       0x00003ffffffff000ull
#define GUEST_ADDRESS_ABOVE 0x000fc00000000000ull

/* Reserved address bits of a large leaf. Bit 12 is one of EPT's, and PAT in nested paging. */
#define GUEST_LARGE_2M 0x00000000001ff000ull
#define GUEST_LARGE_1G 0x000000003ffff000ull

#define GUEST_LARGE (1ull << 7) /* both formats: a leaf at level 1 or 2 */

/* EPT: tables "Format of an EPT ... Entry". Present is whoever has one of R, W, X. */
#define EPT_READ       (1ull << 0)
#define EPT_WRITE      (1ull << 1)
#define EPT_EXECUTE    (1ull << 2)
#define EPT_PRESENT    0x7ull
#define EPT_TYPE_SHIFT 3 /* memory type of a leaf: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB */
#define EPT_TYPE_MASK  7u
#define EPT_TYPE_WB    (6ull << EPT_TYPE_SHIFT)
#define EPT_ACCESSED   (1ull << 8) /* by EPTP bit 6, else ignored, as the next one */
#define EPT_DIRTY      (1ull << 9)
#define EPT_TABLE_3_6  0x78ull /* reserved where an entry points to a table */

/* Nested paging: long-mode entries; every nested access is a user access (15.25.5). */
#define NESTED_PRESENT   (1ull << 0)
#define NESTED_WRITE     (1ull << 1)
#define NESTED_USER      (1ull << 2)
#define NESTED_ACCESSED  (1ull << 5)
#define NESTED_DIRTY     (1ull << 6)
#define NESTED_TABLE_8   (1ull << 8) /* must be 0 where an entry of level 2 or more points to a table */
#define NESTED_LARGE_PAT (1ull << 12)
