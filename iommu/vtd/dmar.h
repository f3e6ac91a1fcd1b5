/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver takes from the DMAR table: units, reserved memory, and which functions of this machine they
 * are for (VT-d specification, chapter 8). */
#pragma once

#include "iommu/vtd/dmar_table.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"

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
    struct dmar_table table; /* all structures, those too that are left out here; owns what scopes point to */
    bool interrupt_remapping; /* the platform supports it */
    bool x2apic_opt_out;
    struct dmar_unit *units;
    unsigned unit_count;
    struct dmar_reserved *reserved;
    unsigned reserved_count;
    unsigned other_count;   /* ATSR, RHSA, ANDD, SATC and SIDP structures that keep their rules */
    unsigned refused_count; /* structures that do not, and are left out; the log has said why */
};

/* Parses a table of at most bytes. A damaged header, length, checksum or unit refuses the table; any other
 * damaged structure is left out. ERR_MALFORMED (the log has table, offset and rule), ERR_NOMEM. After 0
 * dmar_free() gives the memory back. */
int dmar_parse(const void *bytes, size_t count, struct dmar *dmar) MUST_CHECK;
void dmar_free(struct dmar *dmar);

/* The function at the end of a scope's path, as bridges are numbered now. False when the path leads through
 * something that is no bridge, or one without a bus behind it. */
bool dmar_scope_resolve(const struct dmar_scope *scope, uint16_t segment, struct pci_address *function);

/* How closely a list of scopes names a device: 0 not at all; the more, the nearer is what it names: a bridge
 * further up, one right above it, the function itself. */
unsigned dmar_scopes_nearness(const struct dmar_scopes *scopes, uint16_t segment, struct pci_address device);

/* True if a scope of the list names the device or a bridge above it. */
bool dmar_scopes_cover(const struct dmar_scopes *scopes, uint16_t segment, struct pci_address device);

/* The unit that a device is behind: the one that names it most closely, the first of several, or the one that
 * takes all others of its segment, wherever in the table that stands (8.3). Its index; -1: none. */
int dmar_unit_of(const struct dmar *dmar, struct pci_address device);

/* Logs each scope that names nothing on this machine, since its path does not lead through bridges. Once,
 * when PCI can be read; such a scope covers no device. Returns how many there are. */
unsigned dmar_log_unresolved(const struct dmar *dmar);
