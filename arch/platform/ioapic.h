/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O APICs (82093AA datasheet, section 3): every input is masked until somebody asks for it, and what it
 * then raises goes through interrupt remapping where that is on. */
#pragma once

#include "arch/platform/acpi.h"
#include "iommu/iommu.h"
#include "lib/compiler.h"
#include <stdint.h>

/* How an input is triggered: ISA's lines, and PCI's. */
enum ioapic_trigger {
    IOAPIC_EDGE_HIGH,
    IOAPIC_LEVEL_LOW,
};

struct ioapic_line {
    uint32_t gsi;
    uint8_t vector;
    struct iommu_interrupt interrupt;
};

/* Masks all inputs of an I/O APIC, and keeps it for the others: firmware may have left some on, and one that
 * is triggered by its level and that nobody serves would interrupt for ever. Before interrupts are enabled.
 */
void ioapic_add(const struct acpi_io_apic *io_apic);

/* Masks all inputs of all of them again, whoever has connected one: at the end of a run, before the units
 * that remap what they raise go off. */
void ioapic_mask_all(void);

/* Makes the input with this number (a global system interrupt of ACPI) call handler(context) on a CPU with
 * interrupts off, until ioapic_disconnect(). The handler makes a level fall, and opens no RCU read section.
 * ERR_NOT_FOUND: no I/O APIC has such an input; ERR_BUSY: it is connected; ERR_NOMEM: no vector is left; and
 * as iommu_interrupt_alloc_ioapic(). */
int ioapic_connect(struct ioapic_line *line, uint32_t gsi, enum ioapic_trigger trigger, unsigned cpu,
                   void (*handler)(void *context), void *context) MUST_CHECK;

/* Masks it again and takes the interrupt back. On the CPU that it goes to, interrupts on, so that none of it
 * is pending there when this has returned. As iommu_interrupt_free(). */
int ioapic_disconnect(struct ioapic_line *line) MUST_CHECK;
