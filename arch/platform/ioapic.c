/* SPDX-License-Identifier: BSD-2-Clause */
/* Masks I/O APICs (82093AA datasheet, section 3), and connects their inputs one by one. */
#include "arch/platform/ioapic.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/interrupt.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/platform.h"
#include "lib/spinlock.h"

#define SELECT          0x00
#define WINDOW          0x10
#define REGISTERS_BYTES 0x20

#define VERSION          0x01
#define VERSION_LAST(v)  ((v) >> 16 & 0xff) /* the last input's number */
#define REDIRECTION(n)   (0x10 + 2 * (n))   /* its lower half; the upper one follows */
#define REDIRECTION_LAST 119u               /* the last one that an index of 8 bits reaches */

/* Bits of the lower half. With interrupt remapping bit 11 and the upper half have the index (VT-d, section
 * 5.1.5.1), without it the upper half has the APIC id. */
#define ENTRY_INDEX_15(index) ((uint32_t)(index) >> 15 << 11)
#define ENTRY_LOW             (1u << 13)
#define ENTRY_LEVEL           (1u << 15)
#define ENTRY_MASKED          (1u << 16)
#define HIGH_INDEX(index)     ((uint32_t)((index)&0x7fff) << 17 | 1u << 16)
#define HIGH_APIC_ID(id)      ((id) << 24)

struct io_apic {
    volatile char *registers;
    uint64_t hpa;
    uint32_t first_gsi;
    uint32_t last_gsi;
    uint8_t id;
};

static struct io_apic io_apics[ACPI_IO_APICS_MAX];
static unsigned io_apic_count;
static struct spinlock lock; /* SELECT and WINDOW belong together */

static uint32_t read_register(const struct io_apic *io_apic, uint32_t index)
{
    platform_mmio_write32(io_apic->registers + SELECT, index);
    return platform_mmio_read32(io_apic->registers + WINDOW);
}

static void write_register(const struct io_apic *io_apic, uint32_t index, uint32_t value)
{
    platform_mmio_write32(io_apic->registers + SELECT, index);
    platform_mmio_write32(io_apic->registers + WINDOW, value);
}

static void mask_all(const struct io_apic *io_apic)
{
    for (uint32_t n = 0; n <= io_apic->last_gsi - io_apic->first_gsi; n++) {
        uint64_t saved = spin_lock_irq(&lock);
        uint32_t entry = read_register(io_apic, REDIRECTION(n));

        write_register(io_apic, REDIRECTION(n), entry | ENTRY_MASKED);
        spin_unlock_irq(&lock, saved);
        if (!(entry & ENTRY_MASKED))
            log_debug("ioapic: 0x%lx: input %u was on, with vector 0x%02x", (unsigned long)io_apic->hpa,
                      (unsigned)n, (unsigned)(entry & 0xff));
    }
}

void ioapic_add(const struct acpi_io_apic *found)
{
    struct io_apic io_apic = {.registers = platform_mmio_map(found->address, REGISTERS_BYTES),
                              .hpa = found->address,
                              .first_gsi = found->first_gsi,
                              .id = found->id};
    uint32_t last = io_apic.registers ? VERSION_LAST(read_register(&io_apic, VERSION)) : ~0u;

    if (last > REDIRECTION_LAST || last > UINT32_MAX - found->first_gsi) {
        log_warn("ioapic: nothing like one at 0x%lx", (unsigned long)found->address);
        return;
    }
    io_apic.last_gsi = found->first_gsi + last;
    mask_all(&io_apic);
    if (io_apic_count < ACPI_IO_APICS_MAX)
        io_apics[io_apic_count++] = io_apic;
}

void ioapic_mask_all(void)
{
    for (unsigned i = 0; i < io_apic_count; i++)
        mask_all(&io_apics[i]);
}

static const struct io_apic *find(uint32_t gsi)
{
    for (unsigned i = 0; i < io_apic_count; i++)
        if (gsi >= io_apics[i].first_gsi && gsi <= io_apics[i].last_gsi)
            return &io_apics[i];
    return NULL;
}

/* Masked, the upper half, the lower one. */
static void write_entry(const struct io_apic *io_apic, const struct ioapic_line *line, uint32_t low,
                        uint32_t high)
{
    uint32_t index = REDIRECTION(line->gsi - io_apic->first_gsi);
    uint64_t saved = spin_lock_irq(&lock);

    write_register(io_apic, index, ENTRY_MASKED);
    write_register(io_apic, index + 1, high);
    write_register(io_apic, index, low);
    spin_unlock_irq(&lock, saved);
}

static bool is_connected(const struct io_apic *io_apic, uint32_t gsi)
{
    uint64_t saved = spin_lock_irq(&lock);
    uint32_t entry = read_register(io_apic, REDIRECTION(gsi - io_apic->first_gsi));

    spin_unlock_irq(&lock, saved);
    return !(entry & ENTRY_MASKED);
}

int ioapic_connect(struct ioapic_line *line, uint32_t gsi, enum ioapic_trigger trigger, unsigned cpu,
                   void (*handler)(void *context), void *context)
{
    const struct io_apic *io_apic = find(gsi);
    struct iommu_interrupt_target target = {.apic_id = cpu_apic_id(cpu),
                                            .level = trigger == IOAPIC_LEVEL_LOW};
    uint32_t low = trigger == IOAPIC_LEVEL_LOW ? ENTRY_LEVEL | ENTRY_LOW : 0;
    int error;

    if (!io_apic)
        return ERR_NOT_FOUND;
    if (is_connected(io_apic, gsi))
        return ERR_BUSY;
    *line = (struct ioapic_line){.gsi = gsi};
    error = interrupt_alloc(handler, context, &line->vector);
    if (error)
        return error;
    target.vector = line->vector;
    error = iommu_interrupt_alloc_ioapic(io_apic->id, &target, &line->interrupt);
    if (error) {
        interrupt_free(line->vector);
        return error;
    }
    /* The vector is there with remapping too: an end of interrupt that is broadcast is recognised by it. */
    if (line->interrupt.remapped)
        write_entry(io_apic, line, low | ENTRY_INDEX_15(line->interrupt.index) | line->vector,
                    HIGH_INDEX(line->interrupt.index));
    else
        write_entry(io_apic, line, low | line->vector, HIGH_APIC_ID(target.apic_id));
    return 0;
}

int ioapic_disconnect(struct ioapic_line *line)
{
    const struct io_apic *io_apic = find(line->gsi);
    int error;

    write_entry(io_apic, line, ENTRY_MASKED, 0);
    error = iommu_interrupt_free(&line->interrupt);
    /* A vector that may be raised still is nobody else's. */
    if (!error)
        interrupt_free(line->vector);
    return error;
}
