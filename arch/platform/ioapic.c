/* SPDX-License-Identifier: BSD-2-Clause */
/* Masks an I/O APIC (82093AA datasheet, section 3). */
#include "arch/platform/ioapic.h"
#include "lib/log.h"
#include "lib/platform.h"

#define SELECT          0x00
#define WINDOW          0x10
#define REGISTERS_BYTES 0x20

#define VERSION            0x01
#define VERSION_LAST(v)    ((v) >> 16 & 0xff) /* the last input's number */
#define REDIRECTION(n)     (0x10 + 2 * (n))   /* its lower half */
#define REDIRECTION_LAST   119u               /* the last one that an index of 8 bits reaches */
#define REDIRECTION_MASKED (1u << 16)

static uint32_t read_register(volatile char *registers, uint32_t index)
{
    platform_mmio_write32(registers + SELECT, index);
    return platform_mmio_read32(registers + WINDOW);
}

void ioapic_mask(uint64_t hpa)
{
    volatile char *registers = platform_mmio_map(hpa, REGISTERS_BYTES);
    uint32_t last = registers ? VERSION_LAST(read_register(registers, VERSION)) : ~0u;

    if (last > REDIRECTION_LAST) {
        log_warn("ioapic: nothing like one at 0x%lx", (unsigned long)hpa);
        return;
    }
    for (uint32_t n = 0; n <= last; n++) {
        uint32_t entry = read_register(registers, REDIRECTION(n));

        if (!(entry & REDIRECTION_MASKED))
            log_debug("ioapic: 0x%lx: input %u was on, with vector 0x%02x", (unsigned long)hpa, (unsigned)n,
                      (unsigned)(entry & 0xff));
        platform_mmio_write32(registers + WINDOW, entry | REDIRECTION_MASKED);
    }
}
