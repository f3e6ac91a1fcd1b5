/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI and MSI-X capabilities, and the entries that remap what they send. */
#include "arch/platform/msi.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/interrupt.h"
#include "arch/platform/pci.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/pci_alias.h"
#include "lib/platform.h"

#define CAPABILITY_MSI   0x05
#define CAPABILITY_MSI_X 0x11

/* Offsets in the capabilities, and bits there. */
enum {
    MSI_CONTROL = 2,
    MSI_CONTROL_ENABLE = 1 << 0,
    MSI_CONTROL_MULTIPLE = 7 << 4, /* 0: one message */
    MSI_CONTROL_64BIT = 1 << 7,
    MSI_ADDRESS = 4,
    MSI_ADDRESS_HIGH = 8,
    MSI_DATA_32BIT = 8,
    MSI_DATA_64BIT = 12,

    MSIX_CONTROL_LAST = 0x7ff,
    MSIX_CONTROL_MASK = 1 << 14,
    MSIX_CONTROL_ENABLE = 1 << 15,
    MSIX_TABLE = 4,
    MSIX_TABLE_BAR = 7,

    /* In an entry of an MSI-X table. */
    ENTRY_ADDRESS = 0,
    ENTRY_ADDRESS_HIGH = 4,
    ENTRY_DATA = 8,
    ENTRY_CONTROL = 12,
    ENTRY_CONTROL_MASKED = 1 << 0,
    ENTRY_BYTES = 16,
};

static uint16_t control(const struct msi *msi)
{
    return pci_read16(msi->function, msi->capability + MSI_CONTROL);
}

static void set_control(const struct msi *msi, unsigned clear, unsigned set)
{
    platform_pci_write16(msi->function, msi->capability + MSI_CONTROL,
                         (uint16_t)((control(msi) & ~clear) | set));
}

static void write_entry(const struct msi *msi, uint64_t address, uint32_t data)
{
    platform_mmio_write32(msi->message + ENTRY_ADDRESS, (uint32_t)address);
    platform_mmio_write32(msi->message + ENTRY_ADDRESS_HIGH, (uint32_t)(address >> 32));
    platform_mmio_write32(msi->message + ENTRY_DATA, data);
}

static void write_registers(const struct msi *msi, uint64_t address, uint32_t data)
{
    bool wide = control(msi) & MSI_CONTROL_64BIT;

    platform_pci_write32(msi->function, msi->capability + MSI_ADDRESS, (uint32_t)address);
    if (wide)
        platform_pci_write32(msi->function, msi->capability + MSI_ADDRESS_HIGH, (uint32_t)(address >> 32));
    platform_pci_write16(msi->function, msi->capability + (wide ? MSI_DATA_64BIT : MSI_DATA_32BIT),
                         (uint16_t)data);
}

/* Masked, so that no half of one message and half of another is sent. */
static void mask(const struct msi *msi)
{
    if (msi->message) {
        platform_mmio_write32(msi->message + ENTRY_CONTROL, ENTRY_CONTROL_MASKED);
        (void)platform_mmio_read32(msi->message + ENTRY_CONTROL); /* it has arrived */
    } else {
        set_control(msi, MSI_CONTROL_ENABLE | MSI_CONTROL_MULTIPLE, 0);
    }
}

static void unmask(const struct msi *msi)
{
    if (msi->message)
        platform_mmio_write32(msi->message + ENTRY_CONTROL, 0);
    else
        set_control(msi, 0, MSI_CONTROL_ENABLE);
}

void msi_write(const struct msi *msi, uint64_t address, uint32_t data)
{
    mask(msi);
    if (msi->message)
        write_entry(msi, address, data);
    else
        write_registers(msi, address, data);
    unmask(msi);
}

/* A table is masked after a reset, and may not be after a firmware's driver. What nobody opens stays masked.
 */
static void mask_table(const struct msi *msi, volatile char *table, unsigned last)
{
    if (control(msi) & MSIX_CONTROL_ENABLE)
        return; /* others are open */
    set_control(msi, 0, MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK);
    for (unsigned i = 0; i <= last; i++)
        platform_mmio_write32(table + (size_t)i * ENTRY_BYTES + ENTRY_CONTROL, ENTRY_CONTROL_MASKED);
    set_control(msi, MSIX_CONTROL_MASK, 0);
}

static int find_entry(struct msi *msi, unsigned entry)
{
    uint32_t place = platform_pci_read32(msi->function, msi->capability + MSIX_TABLE);
    uint64_t offset = place & ~(uint32_t)MSIX_TABLE_BAR;
    unsigned last = control(msi) & MSIX_CONTROL_LAST;
    volatile void *registers;
    volatile char *table;
    uint64_t bytes;
    int error;

    if (entry > last)
        return ERR_RANGE;
    error = pci_bar_map(msi->function, place & MSIX_TABLE_BAR, &registers, &bytes);
    if (error)
        return error;
    if (offset + (last + 1ull) * ENTRY_BYTES > bytes) {
        log_error("PCI " PCI_FORMAT ": the MSI-X table ends beyond its BAR", PCI_ARGS(msi->function));
        return ERR_HARDWARE;
    }
    table = (volatile char *)registers + offset;
    mask_table(msi, table, last);
    msi->message = table + (size_t)entry * ENTRY_BYTES;
    return 0;
}

static int find_message(struct msi *msi, unsigned entry)
{
    msi->capability = pci_capability(msi->function, CAPABILITY_MSI_X);
    if (msi->capability)
        return find_entry(msi, entry);
    msi->capability = pci_capability(msi->function, CAPABILITY_MSI);
    if (!msi->capability)
        return ERR_UNSUPPORTED;
    return entry ? ERR_RANGE : 0;
}

struct iommu_interrupt_source msi_source(struct pci_address function)
{
    static const enum iommu_source_match matches[] = {
        [PCI_REQUESTER_FUNCTION] = IOMMU_SOURCE_FUNCTION,
        [PCI_REQUESTER_DEVICE] = IOMMU_SOURCE_DEVICE,
        [PCI_REQUESTER_BUSES] = IOMMU_SOURCE_BUSES,
    };
    struct pci_requester requester = pci_requester(function);

    return (struct iommu_interrupt_source){requester.address, matches[requester.match], requester.last_bus};
}

int msi_open(struct msi *msi, struct pci_address function, unsigned entry, unsigned cpu,
             void (*handler)(void *context), void *context)
{
    struct iommu_interrupt_source source = msi_source(function);
    struct iommu_interrupt_target target = {.apic_id = cpu_apic_id(cpu)};
    int error;

    *msi = (struct msi){.function = function};
    error = find_message(msi, entry);
    if (!error)
        error = interrupt_alloc(handler, context, &msi->vector);
    if (error)
        return error;
    target.vector = msi->vector;
    error = iommu_interrupt_alloc(&source, &target, &msi->interrupt);
    if (error)
        interrupt_free(msi->vector);
    else
        msi_write(msi, msi->interrupt.address, msi->interrupt.data);
    return error;
}

int msi_move(struct msi *msi, unsigned cpu)
{
    const struct iommu_interrupt_target target = {.apic_id = cpu_apic_id(cpu), .vector = msi->vector};
    int error = iommu_interrupt_change(&msi->interrupt, &target);

    if (!error && !msi->interrupt.remapped)
        msi_write(msi, msi->interrupt.address, msi->interrupt.data);
    return error;
}

int msi_close(struct msi *msi)
{
    int error;

    mask(msi);
    error = iommu_interrupt_free(&msi->interrupt);
    /* A vector that may be raised still is nobody else's. */
    if (!error)
        interrupt_free(msi->vector);
    return error;
}
