/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine that lib/platform.h describes, as the model has it: CPUs that are agents, units behind
 * registers, interrupts that arrive between two steps of a CPU. */
#pragma once

#include "tests/model/unit.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_CPUS 4

/* Makes count units of these configurations, starts their agents, and a DMAR table that names them all: the
 * last for all devices that no other names, unit n (of several) for devices 00:0n.* otherwise. Also the CPU
 * that calls comes online (RCU). */
void machine_make(const struct unit_config *const *configs, unsigned count);

/* The DMAR table of machine_make(), for iommu_init(). */
const void *machine_dmar(size_t *bytes);

struct unit *machine_unit(unsigned index);
unsigned machine_unit_count(void);

/* The unit that covers a device. */
struct unit *machine_unit_of(uint16_t source_id);

/* Starts CPU cpu (1 to MACHINE_CPUS - 1) in main; it comes online first and goes offline at the end. */
struct agent *machine_cpu(unsigned cpu, const char *name, void (*main)(void *context), void *context);

/* Memory that firmware keeps for itself; up to 8 ranges. */
void machine_reserve(uint64_t hpa, uint64_t last);

/* Adds an RMRR of that memory for one device of bus 0 to the table of machine_make(). */
void machine_add_reserved(uint64_t hpa, uint64_t last, uint16_t source_id);

/* Puts a PCI function of this source-id there, which masters the bus. pci_scan() then finds it. */
void machine_add_function(uint16_t source_id);

/* Whether it masters the bus now: if not, it sends nothing. */
bool machine_masters_bus(uint16_t source_id);

/* Its bus mastering stays as it is, whatever is written. */
void machine_fix_bus_master(uint16_t source_id);

/* An interrupt message: raises the interrupt that platform_msi_alloc() gave this address and data, at some
 * step of its CPU. VIOLATION_INTERRUPT if nobody asked for such a message. */
void machine_interrupt(uint64_t address, uint32_t data);

/* Between two steps of a CPU: it may take an interrupt that is pending for it, if its interrupts are on. */
void machine_deliver_interrupts(void);
