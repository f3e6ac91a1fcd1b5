/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI DMAR table: bytes that nobody trusts become structures (VT-d specification, chapter 8). */
#pragma once

#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dmar_scope_type {
    DMAR_SCOPE_ENDPOINT = 1,
    DMAR_SCOPE_BRIDGE = 2,
    DMAR_SCOPE_IOAPIC = 3,
    DMAR_SCOPE_HPET = 4,
    DMAR_SCOPE_NAMESPACE = 5,
};

/* One device, or what is below one bridge (8.3.1). */
struct dmar_scope {
    uint8_t type;        /* enum dmar_scope_type */
    uint8_t enumeration; /* of an I/O APIC: its id, as in the MADT */
    uint8_t start_bus;
    uint8_t hops;        /* pairs in path, at least one */
    const uint8_t *path; /* device, function; each but the last pair is a bridge */
};

struct dmar_scopes {
    struct dmar_scope *scopes;
    unsigned count;
};

/* A remapping unit (DRHD, 8.3). */
struct dmar_unit {
    uint64_t registers; /* HPA, and */
    uint64_t bytes;     /* size of the registers */
    uint16_t segment;
    bool include_all; /* takes each device of the segment that no other unit names */
    struct dmar_scopes devices;
};

/* Memory that firmware's devices go on using (RMRR, 8.4). */
struct dmar_reserved {
    uint64_t hpa;
    uint64_t last;
    uint16_t segment;
    struct dmar_scopes devices;
};

struct dmar {
    char oem_id[7];
    char oem_table_id[9];
    uint8_t host_width_lg2;   /* DMA reaches addresses below 2^this */
    bool interrupt_remapping; /* the platform supports it */
    bool x2apic_opt_out;
    struct dmar_unit *units;
    unsigned unit_count;
    struct dmar_reserved *reserved;
    unsigned reserved_count;
    unsigned other_count;   /* ATSR, RHSA, ANDD, SATC and SIDP structures that passed their checks */
    unsigned refused_count; /* structures that did not, and are left out; the log has said why */
    uint8_t *table;         /* a copy; paths point into it */
};

/* Parses a table of at most bytes. A damaged header, length, checksum or unit refuses the table; any other
 * damaged structure is left out. ERR_MALFORMED (the log has table, offset and reason), ERR_NOMEM. After 0
 * dmar_free() gives the memory back. */
int dmar_parse(const void *table, size_t bytes, struct dmar *dmar) MUST_CHECK;
void dmar_free(struct dmar *dmar);

/* Firmware asks to stay in xAPIC mode (8.1: X2APIC_OPT_OUT, which INTR_REMAP makes valid). Before
 * dmar_parse(), without its checks: a damaged table is refused later. */
bool dmar_opts_out_of_x2apic(const void *table, size_t bytes);

/* The function at the end of a scope's path, as bridges are numbered now. False when the path leads through
 * something that is no bridge. */
bool dmar_scope_resolve(const struct dmar_scope *scope, uint16_t segment, struct pci_address *function);

/* True if a scope of the list names the device or a bridge above it. */
bool dmar_scopes_cover(const struct dmar_scopes *scopes, uint16_t segment, struct pci_address device);
