/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space: windows in memory (PCI Express base specification, 7.2.2), else ports 0xcf8 and
 * 0xcfc (PCI 3.0, 3.2.2.3).
 */
#include "arch/cpu/io.h"
#include "arch/cpu/paging.h"
#include "arch/platform/memory_map.h"
#include "arch/platform/pci.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "lib/spinlock.h"
#include "lib/units.h"

#define PORT_ADDRESS   0xcf8
#define PORT_DATA      0xcfc
#define PORT_ENABLE    (1u << 31)
#define PORT_SPACE     256u
#define EXTENDED_SPACE 4096u

struct window {
    volatile uint8_t *registers; /* of first_bus, device 0 */
    uint16_t segment;
    uint8_t first_bus;
    uint8_t last_bus;
};

/* Set once at start; configuration space is the machine's, and platform_pci_read32() has no other way to it.
 */
static struct window windows[ACPI_ECAM_MAX];
static unsigned window_count;

/* Address and data port belong together. Taken in interrupt handlers too. */
static struct spinlock port_lock = SPINLOCK_INIT;

static void map_windows(const struct acpi_ecam *ecam, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t hpa = ecam[i].base + ((uint64_t)ecam[i].first_bus << 20);
        uint64_t bytes = (ecam[i].last_bus - ecam[i].first_bus + 1ull) << 20;
        struct window *window = &windows[window_count];

        if (memory_map_is_memory(hpa, bytes)) {
            log_warn("ACPI MCFG: 0x%lx, segment %u: lies over memory; left out", (unsigned long)hpa,
                     ecam[i].segment);
            continue;
        }
        window->registers = paging_map_mmio(hpa, bytes);
        if (!window->registers)
            continue;
        window->segment = ecam[i].segment;
        window->first_bus = ecam[i].first_bus;
        window->last_bus = ecam[i].last_bus;
        window_count++;
        log_info("PCI: segment %u, buses %u to %u at 0x%lx", ecam[i].segment, ecam[i].first_bus,
                 ecam[i].last_bus, (unsigned long)hpa);
    }
    if (!window_count)
        log_warn("PCI: no MCFG: configuration space by ports, its first 256 bytes only");
}

/* NULL: no window has it. */
static volatile uint8_t *window_address(struct pci_address function, unsigned offset)
{
    for (unsigned i = 0; i < window_count; i++) {
        const struct window *window = &windows[i];

        if (window->segment == function.segment && function.bus >= window->first_bus &&
            function.bus <= window->last_bus)
            return window->registers + ((size_t)(function.bus - window->first_bus) << 20) +
                   ((size_t)function.devfn << 12) + offset;
    }
    return NULL;
}

static uint32_t port_address(struct pci_address function, unsigned offset)
{
    return PORT_ENABLE | (uint32_t)function.bus << 16 | (uint32_t)function.devfn << 8 | (offset & 0xfc);
}

static uint32_t port_read32(struct pci_address function, unsigned offset)
{
    uint64_t saved = spin_lock_irq(&port_lock);
    uint32_t value;

    out32(PORT_ADDRESS, port_address(function, offset));
    value = in32(PORT_DATA);
    spin_unlock_irq(&port_lock, saved);
    return value;
}

/* bytes is 2 or 4. */
static void port_write(struct pci_address function, unsigned offset, uint32_t value, unsigned bytes)
{
    uint64_t saved = spin_lock_irq(&port_lock);

    out32(PORT_ADDRESS, port_address(function, offset));
    if (bytes == 4)
        out32(PORT_DATA, value);
    else
        out16((uint16_t)(PORT_DATA + (offset & 2)), (uint16_t)value);
    spin_unlock_irq(&port_lock, saved);
}

static bool ports_have(struct pci_address function, unsigned offset)
{
    return function.segment == 0 && offset < PORT_SPACE;
}

uint32_t platform_pci_read32(struct pci_address function, unsigned offset)
{
    volatile uint8_t *window;

    if (!is_aligned(offset, 4) || offset >= EXTENDED_SPACE)
        return ~0u;
    window = window_address(function, offset);
    if (window)
        return *(volatile uint32_t *)(volatile void *)window;
    return ports_have(function, offset) ? port_read32(function, offset) : ~0u;
}

void platform_pci_write32(struct pci_address function, unsigned offset, uint32_t value)
{
    volatile uint8_t *window;

    if (!is_aligned(offset, 4) || offset >= EXTENDED_SPACE)
        return;
    window = window_address(function, offset);
    if (window)
        *(volatile uint32_t *)(volatile void *)window = value;
    else if (ports_have(function, offset))
        port_write(function, offset, value, 4);
}

void platform_pci_write16(struct pci_address function, unsigned offset, uint16_t value)
{
    volatile uint8_t *window;

    if (!is_aligned(offset, 2) || offset >= EXTENDED_SPACE)
        return;
    window = window_address(function, offset);
    if (window)
        *(volatile uint16_t *)(volatile void *)window = value;
    else if (ports_have(function, offset))
        port_write(function, offset, value, 2);
}

int pci_init(const struct acpi_ecam *ecam, unsigned count)
{
    uint16_t segments[ACPI_ECAM_MAX + 1] = {0};
    unsigned known = 1;

    map_windows(ecam, count);
    for (unsigned i = 0; i < window_count; i++) {
        bool listed = false;

        for (unsigned n = 0; n < known; n++)
            listed = listed || segments[n] == windows[i].segment;
        if (!listed)
            segments[known++] = windows[i].segment;
    }
    return pci_scan(segments, known);
}
