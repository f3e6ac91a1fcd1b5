/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of a DMAR table as a list of structures (VT-d specification, chapter 8). Pure: no log, no
 * machine; the driver (dmar.h) and tools/lull-dmar.c are built on it. */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 8.2 */
enum dmar_type {
    DMAR_DRHD,
    DMAR_RMRR,
    DMAR_ATSR,
    DMAR_RHSA,
    DMAR_ANDD,
    DMAR_SATC,
    DMAR_SIDP,
    DMAR_TYPES, /* what follows is for the future, and skipped by its length */
};

/* Of the table (8.1), of a DRHD (8.3), of an ATSR (8.5), of a SATC (8.8). */
enum dmar_flag {
    DMAR_INTR_REMAP = 1,
    DMAR_X2APIC_OPT_OUT = 2,
    DMAR_DMA_CTRL_PLATFORM_OPT_IN = 4,
    DMAR_DRHD_INCLUDE_PCI_ALL = 1,
    DMAR_ATSR_ALL_PORTS = 1,
    DMAR_SATC_ATC_REQUIRED = 1,
};

/* 8.3.1; other values are for the future. */
enum dmar_scope_type {
    DMAR_SCOPE_ENDPOINT = 1,
    DMAR_SCOPE_BRIDGE = 2,
    DMAR_SCOPE_IOAPIC = 3,
    DMAR_SCOPE_HPET = 4,
    DMAR_SCOPE_NAMESPACE = 5,
};

/* One device, or what is below one bridge (8.3.1). */
struct dmar_scope {
    uint32_t offset;     /* in the table, for messages */
    uint8_t type;        /* enum dmar_scope_type */
    uint8_t flags;       /* of a device in a SIDP (8.9) */
    uint8_t enumeration; /* the id of an I/O APIC, as in the MADT; of an HPET; of an ANDD */
    uint8_t start_bus;
    uint8_t hops;        /* pairs in path, at least one */
    const uint8_t *path; /* device, function; each but the last pair is a bridge */
};

struct dmar_scopes {
    struct dmar_scope *scopes;
    unsigned count;
};

/* Which rule is broken, and where. */
struct dmar_fault {
    size_t offset;
    const char *rule; /* with its section; NULL: none */
};

/* A structure; what its type does not have is 0. */
struct dmar_structure {
    struct dmar_fault fault; /* with a rule: it cannot be used, and only offset, type and length are right */
    size_t offset;
    uint16_t type; /* enum dmar_type, or one for the future */
    uint16_t length;
    uint16_t segment;          /* DRHD, RMRR, ATSR, SATC, SIDP */
    uint8_t flags;             /* DRHD, ATSR, SATC */
    uint8_t size_lg2;          /* DRHD: this many pages of registers; 0 before revision 4.0 */
    uint8_t device_number;     /* ANDD */
    uint32_t proximity_domain; /* RHSA */
    uint64_t base;             /* DRHD, RHSA: HPA of the registers; RMRR: of the memory */
    uint64_t last;             /* DRHD, RMRR: HPA of the last byte */
    const char *object_name;   /* ANDD: ends inside the structure */
    struct dmar_scopes scopes;
};

struct dmar_table {
    char oem_id[7];
    char oem_table_id[9];
    uint8_t revision;
    uint8_t flags;          /* enum dmar_flag */
    uint8_t host_width_lg2; /* DMA reaches addresses below 2^this */
    struct dmar_structure *structures;
    unsigned count;
    size_t length;
    uint8_t *bytes;            /* a copy; paths and names point into it */
    struct dmar_scope *scopes; /* all of them */
};

/* Reads a table of at most count bytes; none beyond its own length, nor beyond count, is looked at. 0 if each
 * structure lies within the table; those that break a rule of their own have it in fault. Else nothing is to
 * be freed: ERR_MALFORMED, and *fault says why; ERR_NOMEM. Any CPU, any context that may allocate. */
int dmar_table_read(const void *bytes, size_t count, struct dmar_table *table, struct dmar_fault *fault)
    MUST_CHECK;
void dmar_table_free(struct dmar_table *table);

/* Why Lull does not drive a unit, or use an RMRR, of which chapter 8 has nothing to say; NULL if it does. */
const char *dmar_refusal(const struct dmar_table *table, const struct dmar_structure *structure);

/* "DRHD"; NULL for the types of the future. */
const char *dmar_type_name(uint16_t type);

/* What a structure of the type has: a list of device scopes, and a segment to them. */
bool dmar_type_has_scopes(uint16_t type);

/* Firmware asks to stay in xAPIC mode (8.1: X2APIC_OPT_OUT, which INTR_REMAP makes valid). Before
 * dmar_table_read(), without its checks: a damaged table is refused later. */
bool dmar_opts_out_of_x2apic(const void *table, size_t bytes);
