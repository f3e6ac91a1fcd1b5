/* SPDX-License-Identifier: BSD-2-Clause */
/* What the hypervisor takes from ACPI's tables: its CPUs, the PCI configuration space, timers, the console,
 * reset and sleep. References are to ACPI 6.5. */
#pragma once

#include "boot/boot_info.h"
#include "lib/compiler.h"
#include "lib/platform.h"
#include <stdbool.h>
#include <stdint.h>

/* A register as ACPI names one (section 5.2.3.2, generic address structure). */
enum acpi_space {
    ACPI_SPACE_MEMORY = 0,
    ACPI_SPACE_IO = 1,
    ACPI_SPACE_PCI = 2,
};

struct acpi_register {
    uint64_t address; /* 0: there is none */
    uint8_t space;    /* enum acpi_space; other values exist */
    uint8_t width;    /* bits */
};

#define ACPI_IO_APICS_MAX 64

struct acpi_io_apic {
    uint32_t address;   /* of its registers, physical */
    uint32_t first_gsi; /* the global system interrupt that its input 0 is */
    uint8_t id;
};

/* MADT. */
struct acpi_madt {
    uint32_t
        apic_ids[PLATFORM_CPUS_MAX]; /* of the CPUs that can be started, in the table's order, each once */
    unsigned count;
    unsigned pluggable; /* CPUs that are not there, and may come */
    struct acpi_io_apic io_apics[ACPI_IO_APICS_MAX];
    unsigned io_apic_count;
};

/* FADT, and from the DSDT the sleep types of S5. */
struct acpi_power {
    struct acpi_register reset;
    uint8_t reset_value;
    bool hardware_reduced; /* there are no PM1 registers; sleep_control in their place */
    bool has_s5;
    uint8_t s5_type_a;
    uint8_t s5_type_b;
    struct acpi_register pm1a_control;
    struct acpi_register pm1b_control;
    struct acpi_register sleep_control;
    uint16_t pm_timer_port; /* 0: there is none, or not on a port */
};

/* MCFG: configuration space in memory, 1 MiB a bus. base is where bus 0 is, or would be. */
#define ACPI_ECAM_MAX 16

struct acpi_ecam {
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus;
    uint8_t last_bus;
};

/* SPCR: the firmware's serial console, where it is like a 16550. */
struct acpi_console {
    struct acpi_register registers; /* address 0: there is none */
    uint8_t stride;                 /* bytes from one register to the next */
};

struct acpi_info {
    struct acpi_madt madt;
    struct acpi_power power;
    struct acpi_ecam ecam[ACPI_ECAM_MAX];
    unsigned ecam_count;
    struct acpi_console console;
};

/* Reads the tables that the firmware left. What is missing or malformed is logged with its offset and left
 * out of *info. After the page allocator has its memory, once. ERR_NOT_FOUND: no ACPI at all; ERR_MALFORMED:
 * nothing behind the RSDP can be used. */
int acpi_init(const struct boot_info *boot, struct acpi_info *info) MUST_CHECK;
