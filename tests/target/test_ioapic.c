/* SPDX-License-Identifier: BSD-2-Clause */
/* The start has masked all inputs of I/O APICs, and one that is on, as firmware may leave one, is off again.
 */
#include "arch/platform/ioapic.h"
#include "lib/platform.h"
#include "lib/tap.h"

#define IOAPIC      0xfec00000u /* where the first one is on every PC */
#define BYTES       0x20
#define WINDOW      0x10
#define INPUT_23    (0x10 + 2 * 23) /* of 24 */
#define MASKED      (1u << 16)
#define EDGE_VECTOR 0x2f

static void set(volatile char *registers, uint32_t index, uint32_t value)
{
    platform_mmio_write32(registers, index);
    platform_mmio_write32(registers + WINDOW, value);
}

static bool is_masked(volatile char *registers)
{
    platform_mmio_write32(registers, INPUT_23);
    return platform_mmio_read32(registers + WINDOW) & MASKED;
}

TEST(ioapic_masked)
{
    volatile char *registers = platform_mmio_map(IOAPIC, BYTES);
    bool before, between;

    if (!tap_ok(registers != NULL, "the I/O APIC's registers can be mapped"))
        return;
    before = is_masked(registers);
    set(registers, INPUT_23, EDGE_VECTOR);
    between = is_masked(registers);
    ioapic_mask_all();
    tap_ok(before && !between && is_masked(registers), "its last input is off, and again after it was on");
}
