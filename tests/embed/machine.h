/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine for the example, in a process: memory, one device on PCI, and one VT-d unit (scalable mode,
 * second stage of 4 levels, dirty bits, interrupt remapping) that goes by the tables in that memory and
 * caches nothing. A hypervisor has a real one instead. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Physical addresses. */
#define MACHINE_MEMORY_END 0x4000000ull
#define MACHINE_REGISTERS  0xfed90000ull

/* 0000:00:03.0 */
#define MACHINE_DEVFN 0x18

/* Makes the memory and the unit, off; interrupt(address, data) is called for each message that reaches a CPU,
 * on the thread that caused it. */
void machine_make(void (*interrupt)(uint64_t address, uint32_t data));

/* Where physical address 0 is. */
uint8_t *machine_memory(void);

/* Firmware's DMAR table; returns its bytes. */
size_t machine_dmar(const uint8_t **table);

/* Registers of the unit, by their offset. */
uint64_t machine_read(unsigned offset, unsigned bytes);
void machine_write(unsigned offset, unsigned bytes, uint64_t value);

/* Configuration space. */
uint32_t machine_pci_read(unsigned segment, unsigned bus, unsigned devfn, unsigned offset);
void machine_pci_write(unsigned segment, unsigned bus, unsigned devfn, unsigned offset, unsigned bytes,
                       uint32_t value);

/* What the device does: writes bytes to an IOVA, within a page, or reads them; and raises an interrupt. False
 * if its bus mastering is off, or the unit refused the request and recorded a fault. */
bool machine_device_write(uint64_t iova, const void *from, size_t bytes);
bool machine_device_read(uint64_t iova, void *to, size_t bytes);
bool machine_device_interrupt(uint64_t address, uint32_t data);
