/* SPDX-License-Identifier: BSD-2-Clause */
/* All units of the machine, and what they have in common. */
#pragma once

#include "iommu/iommu.h"
#include "iommu/vtd/dmar.h"
#include "iommu/vtd/stage.h"
#include "iommu/vtd/unit.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every unit can do: a domain is the same on all of them. */
struct vtd_limits {
    uint32_t domain_ids;
    uint8_t mask_max;
    bool page_selective;
    bool caching_mode; /* what one of them does is done to all */
};

/* What iommu_init() and iommu_shutdown() do to the units. */
int vtd_start(const void *dmar, size_t bytes, const struct iommu_config *config) MUST_CHECK;
void vtd_stop(void);

/* What iommu_hand_over() does to them. */
void vtd_hand_over(void);

/* Reads the fault registers of all units: a storm that was cut short leaves faults there. */
void vtd_drain_faults(void);

/* Set by vtd_start(), and after that for good. */
unsigned vtd_unit_count(void);
struct vtd_unit *vtd_unit(unsigned index);
const struct vtd_limits *vtd_limits(void);
const struct vtd_stage_limits *vtd_stage_limits(enum vtd_stage stage); /* one that has tables */
enum vtd_stage vtd_stage(void); /* that domains are of unless somebody says otherwise */

/* Finds out anew what domains can be, which is less when a unit failed its self-test. Nobody makes one
 * meanwhile. */
void vtd_update_stages(void);

const struct iommu_config *vtd_config(void);
unsigned vtd_errata(void); /* enum vtd_erratum */
const struct dmar *vtd_dmar(void);

/* The unit that a device's requests go through; NULL when no unit covers it. */
struct vtd_unit *vtd_unit_of(struct pci_address device);

/* What all of count units (at least one) can do. */
void vtd_limits_of(const struct vtd_unit *units, unsigned count, struct vtd_limits *limits);
