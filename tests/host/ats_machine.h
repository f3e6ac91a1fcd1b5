/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine for tests of ATS: one unit, and functions on several ways up, trusted with ATS and not. */
#pragma once

#include "iommu/iommu.h"
#include "lib/pci_address.h"
#include "tests/host/fake_pci.h"
#include "tests/host/fake_vtd.h"
#include <stdbool.h>
#include <stdint.h>

#define ATS_IOVA    0x40000000ull
#define ATS_CONTROL 0x126u /* of each function that has ATS */
#define ATS_DEPTH   8u
#define ATS_DEVICES 32
#define ATS_RMRR    0x1000000000ull

enum ats_platform {
    NO_ATSR,
    ALL_PORTS,
    ONE_PORT,
    OTHER_SEGMENT,
    SATC,
    SATC_REQUIRED,
    SIDP_REQUIRED,
    SIDP_NO_SNOOP,
    SIDP_BESIDE_SATC,          /* which says that device 3 needs ATS, and it that it does not */
    SIDP_REQUIRED_BESIDE_SATC, /* the other way round */
    RESERVED,                  /* an RMRR names device 3 */
};

extern struct fake_vtd ats_unit;
extern struct pci_address ats_trusted[ATS_DEVICES];

extern const struct pci_address ats_integrated, ats_port, ats_port_other, ats_switch, ats_bridge;
extern const struct pci_address ats_without, ats_missing;

/* The memory that domains map; once. */
void ats_machine_init(void);

/* Starts the driver on a DMAR table like that, with these bits of ECAP besides. */
int ats_start_with(enum ats_platform platform, uint64_t ecap, const struct iommu_config *config);

/* Trusts every function of the machine, and one that there is not. */
const struct iommu_config *ats_trusting(void);

/* For cmocka: an ATSR for all ports, ECAP.DT, all trusted; and the end of any of these. */
int ats_start(void **state);
int ats_stop(void **state);

void ats_give(struct fake_function *function);

/* A domain with 1 MiB mapped from ATS_IOVA in pages of 4 KiB. */
struct iommu_domain *ats_create(const char *name);
void ats_attach(struct iommu_domain *domain, struct pci_address device);

/* Detaches, and looks that its ATS and its DMA are off. */
void ats_leave(struct iommu_domain *domain, struct pci_address device);

/* Destroys a domain that nothing is left in. */
void ats_end(struct iommu_domain *domain);

int ats_unmap(struct iommu_domain *domain, unsigned first, unsigned pages);
unsigned ats_log_lines(const char *text);
